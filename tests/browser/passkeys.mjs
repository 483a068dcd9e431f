// Passkeys in a real browser, with the device that Chromium plays for tests.
// usage: ALLOD_BIN=… node passkeys.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { OWNER, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];

const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();
await node.operator("POST", "/api/v1/collections", { sdl: "type Contact { name: String phone: String }" });

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/passkeys-${name}.png`, fullPage: true });
}

/** A device beside a page; `now`: the person answers at once whatever is asked. */
async function device(page, { checks = true, now = true } = {}) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable", { enableUI: false });
  const options = { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...options, isUserVerified: checks, automaticPresenceSimulation: now },
  });
  return {
    credentials: async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
    put: (credential) => cdp.send("WebAuthn.addCredential", { authenticatorId, credential }),
    answers: (enabled) => cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled }),
    checks: (isUserVerified) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
  };
}

async function withPassword(page, { user, password } = OWNER) {
  await page.goto(`${node.pages}/admin/sign-in`);
  await page.fill("#user", user);
  await page.fill("#password", password);
  await page.click("form button[type=submit]");
  await page.waitForSelector("text=Your spaces");
}

async function signOut(page) {
  await page.evaluate(async () => {
    await fetch("/api/v1/session", { method: "DELETE", headers: { "allod-page-key": localStorage.getItem("allod-page-key") ?? "" } });
    localStorage.removeItem("allod-page-key");
  });
}

async function who(page) {
  return page.evaluate(async () => {
    const answer = await fetch("/api/v1/me", { headers: { "allod-page-key": localStorage.getItem("allod-page-key") ?? "" } });
    return answer.ok ? (await answer.json()).name : answer.status;
  });
}

async function added(page, name) {
  await page.goto(`${node.pages}/admin/security`);
  await page.click("text=Add a passkey");
  await page.waitForSelector("[aria-labelledby=passkeys] tbody tr");
  if (name === undefined) return;
  await page.click("[aria-labelledby=passkeys] >> text=Rename");
  await page.fill("[role=dialog] input[name=name]", name);
  await page.click("[role=dialog] button[type=submit]");
  await page.waitForSelector(`[aria-labelledby=passkeys] >> text=${name}`);
}

const scenarios = {
  async "a passkey is added, signs in by the button, and is removed"() {
    const context = await browser.newContext();
    const seen = await watch(context);
    const page = await context.newPage();
    const phone = await device(page);
    await page.goto(`${node.pages}/admin/sign-in`);
    await page.waitForSelector("text=Sign in with a passkey");
    assert.equal(await page.locator("[role=alert]").count(), 0, "nobody has asked for anything yet");
    await shot(page, "sign-in");
    await accessible(page, "the sign-in with passkeys");
    await withPassword(page);
    await page.goto(`${node.pages}/admin/security`);
    await page.waitForSelector("text=Add a passkey");
    await shot(page, "none");
    await added(page, "My phone");
    const [kept] = await phone.credentials();
    assert.equal(kept.rpId, "allod.localhost");
    assert.equal(kept.isResidentCredential, true);
    await page.reload();
    await page.waitForSelector("[aria-labelledby=passkeys] >> text=My phone");
    await page.setViewportSize({ width: 360, height: 800 });
    await fits(page, 360);
    await shot(page, "added-narrow");
    await page.setViewportSize({ width: 1280, height: 900 });
    await shot(page, "added");
    await accessible(page, "the passkeys");
    // The same device keeps one.
    await page.click("text=Add a passkey");
    await page.waitForSelector("text=This device has a passkey for this node already.");

    await signOut(page);
    // Nobody answers where the name is typed; the button asks.
    await phone.answers(false);
    await page.goto(`${node.pages}/admin/sign-in?to=%2Fspaces`);
    await page.waitForSelector("text=Sign in with a passkey");
    assert.equal(await who(page), 401, "control");
    await phone.answers(true);
    await page.click("text=Sign in with a passkey");
    await page.waitForURL("**/admin/spaces");
    assert.equal(await who(page), OWNER.user);

    await page.goto(`${node.pages}/admin/security`);
    await page.click("[aria-labelledby=passkeys] >> text=Remove");
    await page.waitForSelector("[role=dialog] button[type=submit]");
    await shot(page, "remove");
    await page.click("[role=dialog] button[type=submit]");
    // The session was opened by it, and has ended.
    await page.waitForURL("**/admin/sign-in**");
    await page.waitForSelector("text=Sign in with a passkey");
    await page.click("text=Sign in with a passkey");
    await page.waitForSelector("text=This passkey is none by which somebody signs in here.");
    await shot(page, "refused");
    await accessible(page, "a passkey that is refused");
    assert.deepEqual(seen.violations, []);
    assert.deepEqual(seen.errors, []);
    await context.close();
  },

  async "where the name is typed the browser offers it, and nothing is pressed"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await device(page);
    await withPassword(page);
    await added(page);
    await signOut(page);
    await page.goto(`${node.pages}/admin/sign-in`);
    await page.waitForSelector("text=Your spaces");
    assert.equal(await who(page), OWNER.user);
    await context.close();
  },

  async "a device that does not check the person brings nobody in"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    const phone = await device(page);
    await withPassword(page);
    await added(page);
    await signOut(page);
    await phone.checks(false);
    await phone.answers(false);
    await page.goto(`${node.pages}/admin/sign-in`);
    await page.waitForSelector("text=Sign in with a passkey");
    await phone.answers(true);
    await page.click("text=Sign in with a passkey");
    await page.waitForSelector("text=No passkey was used");
    await shot(page, "unchecked");
    assert.equal(await who(page), 401);
    await phone.checks(true);
    await page.click("text=Sign in with a passkey");
    await page.waitForSelector("text=Your spaces");
    await context.close();
  },

  async "a dangerous act asks for the password or a passkey, and goes on"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await device(page);
    await withPassword(page);
    await added(page);
    // As if the password had been given long ago: the first answer says so.
    let once = true;
    await page.route("**/api/v1/me/totp", (route) => {
      if (!once) return route.continue();
      once = false;
      const body = { code: "insufficient_user_authentication", detail: "…", hint: "" };
      return route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify(body) });
    });
    await page.goto(`${node.pages}/admin/security`);
    await page.click("text=Set one up");
    await page.waitForSelector("[role=dialog] >> text=Use a passkey");
    await shot(page, "confirm");
    await accessible(page, "the question for a password or a passkey");
    const [confirmed] = await Promise.all([page.waitForResponse("**/api/v1/passkeys/confirm/finish"), page.click("[role=dialog] >> text=Use a passkey")]);
    assert.equal(confirmed.status(), 200);
    await page.waitForSelector("text=The first code");
    await context.close();
  },

  async "whose only way in is one passkey is told so, and sets a password"() {
    const name = "bob";
    const password = "the long password of bob";
    await node.operator("POST", "/api/v1/users", { name, password });
    const context = await browser.newContext();
    const page = await context.newPage();
    await device(page);
    await withPassword(page, { user: name, password });
    await added(page);
    const removed = await page.evaluate(async () => {
      const headers = { "allod-page-key": localStorage.getItem("allod-page-key") };
      const ways = await (await fetch("/api/v1/me/credentials", { headers })).json();
      const { credential } = ways.find(({ kind }) => kind === "password");
      return (await fetch(`/api/v1/me/credentials/${credential}`, { method: "DELETE", headers })).status;
    });
    assert.equal(removed, 204);
    await page.goto(`${node.pages}/admin/`);
    await page.click("li:has-text('Have a second way to prove who you are') >> text=Set one up");
    await page.waitForSelector("text=One passkey is your only way in.");
    await shot(page, "alone");
    await accessible(page, "the only way in");
    await page.fill("input[name=new]", "another password of bob");
    await page.fill("input[name=again]", "another password of bob");
    await page.click("text=Set the password");
    await page.waitForSelector("text=One passkey is your only way in.", { state: "detached" });
    await page.waitForSelector("text=Change the password");
    await context.close();
  },

  async "an app's request is consented to by a passkey"() {
    const context = await browser.newContext();
    const seen = await watch(context);
    const page = await context.newPage();
    const phone = await device(page);
    await withPassword(page);
    await added(page);
    const back = "http://127.0.0.1:9/cb";
    const access = [{ type: "allod_doc", datatypes: ["Contact"], actions: ["read"], fields: { allow: ["name"] } }];
    const { client_id: client } = await node.operator("POST", "/api/v1/apps", { name: "An App", redirect_uris: [back], access });
    const challenge = createHash("sha256").update(randomBytes(32).toString("base64url")).digest("base64url");
    const asked = { response_type: "code", client_id: client, redirect_uri: back, code_challenge: challenge, code_challenge_method: "S256" };
    const request = `${node.pages}/oauth/authorize?${new URLSearchParams(asked)}`;
    await phone.answers(false);
    await page.goto(request);
    await page.waitForSelector("#passkey:visible");
    await shot(page, "consent-sign-in");
    await accessible(page, "the sign-in before a consent");
    await phone.answers(true);
    await page.click("#passkey");
    await page.waitForSelector("text=You are signed in as");
    await shot(page, "consent");
    assert.deepEqual(seen.violations, []);
    await context.close();

    // Where no script runs the page is as it was.
    const plain = await browser.newContext({ javaScriptEnabled: false });
    const without = await plain.newPage();
    await without.goto(request);
    assert.equal(await without.locator("#passkey").isVisible(), false);
    await without.fill("#user", OWNER.user);
    await without.fill("#password", OWNER.password);
    await without.click("button[type=submit]");
    await without.waitForSelector("text=You are signed in as");
    await plain.close();
  },
};

await play("passkeys", scenarios, { browser, shots: SHOTS, end: () => node.stop() });
