// Signing in by a passkey on the way to a consent. Where no script runs, or none can be used, the page is as it was.
(() => {
  "use strict";
  const form = document.getElementById("page");
  const button = document.getElementById("passkey");
  const told = document.getElementById("passkey-told");
  if (!form || !button || !window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) return;
  let waiting = new AbortController();

  const begin = async () => {
    const answer = await fetch("/api/v1/passkeys/sign-in/start", { method: "POST" });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    return answer.json();
  };

  const prove = async (begun, mediation) => {
    waiting = new AbortController();
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(begun.public_key);
    const credential = await navigator.credentials.get({ publicKey, signal: waiting.signal, ...(mediation && { mediation }) });
    const send = (name, value) => {
      const field = form.elements.namedItem(name) ?? form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name }));
      field.value = value;
    };
    // What was typed is not sent.
    for (const name of ["user", "password", "code"]) {
      const typed = form.elements.namedItem(name);
      if (typed) typed.disabled = true;
    }
    send("step", "passkey");
    send("ceremony", begun.ceremony);
    send("credential", JSON.stringify(credential.toJSON()));
    form.submit();
  };

  button.addEventListener("click", async () => {
    waiting.abort();
    told.hidden = true;
    try {
      await prove(await begin());
    } catch (error) {
      told.textContent = error.name === "NotAllowedError" ? told.dataset.unused : told.dataset.failed;
      told.hidden = false;
    }
  });

  (async () => {
    const begun = await begin();
    button.hidden = false;
    if (await PublicKeyCredential.isConditionalMediationAvailable?.()) await prove(begun, "conditional");
  })().catch(() => {});
})();
