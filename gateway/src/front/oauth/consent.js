// Shows again what the app would see whenever something on the consent page is chosen otherwise. Where no script runs, a
// button does the same.
(() => {
  "use strict";
  const form = document.getElementById("page");
  const button = document.getElementById("look");
  const late = document.getElementById("late");
  if (!form || !button || !late) return;
  let waiting = 0;
  let asked = new AbortController();
  // The choices that the page shows in words.
  let shown = null;

  const parts = () => document.querySelectorAll("[data-live]");
  const choices = () => {
    const all = new URLSearchParams(new FormData(form));
    all.delete("shown");
    return all;
  };

  const look = async (signal) => {
    const body = choices();
    const looked = String(body);
    body.set("decision", "look");
    const answer = await fetch(form.action, { method: "POST", body, signal });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // What is no consent page shows nothing of what was chosen.
    if (!page.getElementById("chosen")) throw new Error("another page");
    for (const part of parts()) {
      const fresh = page.getElementById(part.id);
      if (!fresh) continue;
      // What says the same is not read out again.
      if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
      delete part.dataset.old;
    }
    shown = looked;
    button.hidden = !document.querySelector("[data-untold]");
  };

  const failed = (error) => {
    if (error.name === "AbortError") return;
    late.hidden = false;
    button.hidden = false;
  };

  // What stands on the page is not what is chosen any more, until it is shown anew.
  const changed = () => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    late.hidden = true;
    clearTimeout(waiting);
    const isShown = String(choices()) === shown;
    for (const part of parts()) part.toggleAttribute("data-old", !isShown);
    if (isShown) return;
    waiting = setTimeout(() => look(signal).catch(failed), 300);
  };

  // A browser that keeps what was filled in says nothing of it.
  const isAsSent = (control) => {
    if (control.type === "checkbox") return control.checked === control.defaultChecked;
    if (control.options) return [...control.options].every((option) => option.selected === option.defaultSelected);
    return control.defaultValue === undefined || control.value === control.defaultValue;
  };

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => {
    // A date that is half typed would be sent as none.
    const half = event.submitter?.value === "allow" && [...form.elements].find((control) => control.validity?.badInput);
    if (half) {
      event.preventDefault();
      half.closest("details")?.setAttribute("open", "");
      half.reportValidity();
      return;
    }
    clearTimeout(waiting);
    asked.abort();
  });
  window.addEventListener("pageshow", (event) => {
    if (shown === null && [...form.elements].every(isAsSent)) shown = String(choices());
    else changed();
  });
  button.hidden = !document.querySelector("[data-untold]");
})();
