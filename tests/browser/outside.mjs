// Sign-in by an account at a provider that somebody else wrote, in a real browser.
// usage: ALLOD_BIN=… node outside.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { OWNER, codeOf, raw, startNode } from "./node.mjs";
import { play } from "./play.mjs";
import { startProvider } from "./provider.mjs";

const SHOTS = process.argv[2];

const port = await new Promise((found) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => found(port));
  });
});
const url = `http://127.0.0.1:${port}`;
const of = (what) => ["firm", "staff"].map((name) => `${url}/auth/oidc/${name}/${what}`);
const provider = await startProvider(of("callback"), of("logout"));
const section = (name, client, more) => `[oidc.${name}]
issuer = "${provider.issuer}"
client_id = "${client}"
client_secret = "a secret of the node and the provider"
${more}
`;
const settings = `[http]
outbound_allow = ["127.0.0.0/8"]
${section("firm", "allod", 'label = "The firm"')}
${section("staff", "allod-staff", 'label = "Staff"\ncreate_accounts = true\nallowed_groups = ["staff"]\nallowed_domains = ["firm.example"]')}`;
const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod", { settings, port });
const browser = await launch();
await node.operator("POST", "/api/v1/collections", { sdl: "type Contact { name: String phone: String }" });
await node.operator("POST", "/api/v1/users", { name: "bob", password: "the long password of bob" });

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/outside-${name}.png`, fullPage: true });
}

async function withPassword(page) {
  await page.goto(`${node.pages}/admin/sign-in`);
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.click("form button[type=submit]");
  await page.waitForSelector("text=Your spaces");
}

/** The provider's own pages: who one is there, and that the node may know. */
async function atProvider(page, login) {
  await page.waitForURL(`${provider.issuer}/**`);
  if (await page.locator("input[name=login]").count()) {
    await page.fill("input[name=login]", login);
    await page.fill("input[name=password]", "whatever");
    await page.click("button[type=submit]");
  }
  // It asks once whether the node may know.
  const asks = page.locator("button[type=submit]:has-text('Continue')");
  await Promise.race([asks.waitFor(), page.waitForURL((at) => !at.href.startsWith(provider.issuer))]);
  if (await asks.count()) await asks.click();
}

async function givePassword(page) {
  await page.fill("[role=dialog] input[name=password]", OWNER.password);
  await page.click("[role=dialog] button[type=submit]");
}

async function who(page) {
  return page.evaluate(async () => {
    const answer = await fetch("/api/v1/me", { headers: { "allod-page-key": localStorage.getItem("allod-page-key") ?? "" } });
    return answer.ok ? (await answer.json()).name : answer.status;
  });
}

const scenarios = {
  async "nobody comes in by an account that nobody here added, whatever its name"() {
    const context = await browser.newContext();
    const seen = await watch(context);
    const page = await context.newPage();
    await page.goto(`${node.pages}/admin/sign-in`);
    await page.waitForSelector("text=Sign in with The firm");
    await shot(page, "sign-in");
    await accessible(page, "the sign-in with providers");
    await page.click("text=Sign in with The firm");
    // There is an alice here: the one there is another.
    await atProvider(page, OWNER.user);
    await page.waitForSelector("text=Nobody here signs in by this account");
    await shot(page, "no-account");
    await accessible(page, "the end of a sign-in that failed");
    assert.equal(await who(page), 401);
    assert.equal(new URL(page.url()).hash, "", "what came back is gone from the address");
    assert.deepEqual(seen.violations.filter((one) => one.includes(`:${port}`)), []);
    await context.close();
  },

  async "an account is added with the password, signs in from then on, and ends where it is signed out"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await withPassword(page);
    await page.goto(`${node.pages}/admin/security`);
    await page.click("text=Add The firm");
    await atProvider(page, "alice-at-firm");
    await page.waitForSelector("text=The firm: alice-at-firm");
    await page.setViewportSize({ width: 360, height: 800 });
    await fits(page, 360);
    await page.setViewportSize({ width: 1280, height: 900 });
    await shot(page, "added");
    await accessible(page, "the ways in");
    await context.close();

    const other = await browser.newContext();
    const again = await other.newPage();
    await again.goto(`${node.pages}/admin/spaces`);
    await again.click("text=Sign in with The firm");
    await atProvider(again, "alice-at-firm");
    await again.waitForURL("**/admin/spaces");
    assert.equal(await who(again), OWNER.user);
    // Signed out there, signed out here.
    const out = await other.newPage();
    await out.goto(`${provider.issuer}/session/end`);
    await out.click("button[name=logout]");
    await out.waitForSelector("text=Sign-out Success");
    let now = OWNER.user;
    for (let n = 0; n < 50 && now !== 401; n++) {
      await new Promise((later) => setTimeout(later, 100));
      now = await who(again);
    }
    assert.equal(now, 401, "the session ended with the one there");
    await other.close();
  },

  async "what another browser began signs nobody in"() {
    // Without script the console does not end what comes back: it stands in the address.
    const theirs = await browser.newContext({ javaScriptEnabled: false });
    const page = await theirs.newPage();
    const json = { "content-type": "application/json" };
    const key = "a key that the attacker drew, long enough";
    const begin = JSON.stringify({ purpose: "sign_in", key });
    const begun = await raw(`${url}/api/v1/oidc/firm/start`, { method: "POST", headers: json, body: begin });
    await page.goto(JSON.parse(begun.text).url);
    await atProvider(page, "alice-at-firm");
    await page.waitForURL("**/admin/outside**");
    const sent = new URLSearchParams(new URL(page.url()).hash.slice(1));
    assert.ok(sent.get("state") && sent.get("code"));
    const callback = `${node.pages}/auth/oidc/firm/callback?${new URLSearchParams({ state: sent.get("state"), code: sent.get("code"), iss: sent.get("iss") })}`;

    const context = await browser.newContext();
    const victim = await context.newPage();
    await victim.goto(callback);
    await victim.waitForSelector("[role=alert]");
    assert.equal(await who(victim), 401);
    // Nor a program that has the whole address, without what the page keeps.
    const finish = async (more) => {
      const body = JSON.stringify({ state: sent.get("state"), code: sent.get("code"), iss: sent.get("iss"), ...more });
      return raw(`${url}/api/v1/oidc/firm/finish`, { method: "POST", headers: json, body });
    };
    assert.equal((await finish({})).status, 400);
    assert.equal((await finish({ key })).status, 400, "tried wrongly it is used up");
    await theirs.close();
    await context.close();
  },

  async "a code that comes with another provider's state is given to nobody"() {
    const body = JSON.stringify({ purpose: "sign_in", key: "k".repeat(40) });
    const begun = await raw(`${url}/api/v1/oidc/firm/start`, { method: "POST", headers: { "content-type": "application/json" }, body });
    const state = new URL(JSON.parse(begun.text).url).searchParams.get("state");
    for (const [name, given] of [["staff", false], ["firm", true]]) {
      const answer = await raw(`${url}/auth/oidc/${name}/callback?${new URLSearchParams({ state, code: "a-code" })}`);
      assert.equal(answer.status, 303);
      assert.equal(answer.headers.location.includes("a-code"), given, `${name}: ${answer.headers.location}`);
    }
  },

  async "the operator lets in whom they wish, and who is new takes nobody's place"() {
    const arrive = async (login) => {
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`${node.pages}/admin/sign-in`);
      await page.click("text=Sign in with Staff");
      await atProvider(page, login);
      await page.waitForSelector("text=Your spaces, [role=alert]").catch(() => null);
      await page.waitForFunction(() => document.querySelector("[role=alert]") !== null || localStorage.getItem("allod-page-key") !== null);
      return { context, page };
    };
    for (const login of ["guest", "unverified"]) {
      const { context, page } = await arrive(login);
      assert.match(await page.textContent("[role=alert]"), /does not let you in/);
      await context.close();
    }
    for (const n of [1, 2]) {
      const { context, page } = await arrive("bob");
      assert.equal(await who(page), "bob-2", `the bob of before keeps his name and his data, time ${n}`);
      await context.close();
    }
    const names = (await node.operator("GET", "/api/v1/users")).map((user) => user.name).sort();
    assert.deepEqual(names, ["alice", "bob", "bob-2"]);
  },

  async "an app is consented to by whoever the provider signs in"() {
    const verifier = "a-verifier-that-is-long-enough-to-be-taken-0123";
    const access = { type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search"], fields: { allow: ["name"] }, purpose: "x", duration: "P1D" };
    const manifest = { name: "Neighbour", redirect_uris: ["http://127.0.0.1/cb"], access: [access] };
    const { client_id } = await node.operator("POST", "/api/v1/apps", manifest);
    const asked = {
      response_type: "code",
      client_id,
      redirect_uri: "http://127.0.0.1:9/cb",
      state: "s",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    };
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${node.pages}/oauth/authorize?${new URLSearchParams(asked)}`);
    await shot(page, "consent-sign-in");
    // Whoever mistypes finds their name, and the other ways, where they were; on a phone too.
    await page.setViewportSize({ width: 360, height: 760 });
    await page.fill("#user", OWNER.user);
    await page.fill("#password", "not her password");
    await page.click("button");
    await page.waitForSelector("[role=alert]");
    assert.equal(await page.inputValue("#user"), OWNER.user);
    assert.equal(await page.locator("text=/^Sign in with/ >> visible=true").count(), 2, "a passkey needs script, and is not offered without");
    await fits(page, 360);
    await shot(page, "consent-sign-in-360");
    await page.click("text=Sign in with The firm");
    await atProvider(page, "alice-at-firm");
    await page.waitForSelector("text=asks for access");
    assert.match(await page.textContent("main"), /signed in as alice/);
    await fits(page, 360);
    await shot(page, "consent-360");
    await page.setViewportSize({ width: 1280, height: 720 });
    await shot(page, "consent");
    let back = "";
    await page.route("http://127.0.0.1:9/**", (route) => {
      back = route.request().url();
      return route.fulfill({ status: 200, contentType: "text/html", body: "the app" });
    });
    await page.check("input[name=field-0]");
    await page.click("button[value=allow]");
    // Without script the page said less when it was pressed: it is allowed as it is shown then.
    await page.waitForSelector("text=Look at it once more");
    await page.click("button[value=allow]");
    await page.waitForSelector("text=the app");
    assert.ok(new URL(back).searchParams.has("code"));
    await context.close();
  },

  async "who has no password proves it where they sign in"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${node.pages}/admin/sign-in`);
    await page.click("text=Sign in with Staff");
    await atProvider(page, "carol");
    await page.waitForSelector("text=Your spaces");
    const confirm = () =>
      page.evaluate(async () => {
        const headers = { "allod-page-key": localStorage.getItem("allod-page-key"), "content-type": "application/json" };
        return (await fetch("/api/v1/devices/invite", { method: "POST", headers, body: "{}" })).status;
      });
    assert.equal(await confirm(), 401, "who may have been signed in there for long has proved nothing now");
    const body = { purpose: "confirm", key: "k".repeat(40) };
    const begun = await page.evaluate(async (body) => {
      const headers = { "allod-page-key": localStorage.getItem("allod-page-key"), "content-type": "application/json" };
      return (await fetch("/api/v1/oidc/staff/start", { method: "POST", headers, body: JSON.stringify(body) })).json();
    }, body);
    const to = new URL(begun.url).searchParams;
    assert.equal(to.get("prompt"), "login");
    assert.equal(to.get("max_age"), "0");
    await page.evaluate((key) => sessionStorage.setItem("allod-outside", JSON.stringify({ provider: "staff", purpose: "confirm", key, to: "/security" })), body.key);
    await page.goto(begun.url);
    await atProvider(page, "carol");
    await page.waitForURL("**/admin/security");
    const acts = await page.evaluate(async () => {
      const headers = { "allod-page-key": localStorage.getItem("allod-page-key") };
      return (await (await fetch("/api/v1/audit", { headers })).json()).map((act) => act.action);
    });
    assert.equal(acts.filter((act) => act === "session.confirmed").length, 1);
    assert.notEqual(await confirm(), 401);
    // With a second factor the provider alone is not enough.
    const codes = await page.evaluate(async () => {
      const headers = { "allod-page-key": localStorage.getItem("allod-page-key"), "content-type": "application/json" };
      return (await (await fetch("/api/v1/me/totp", { method: "POST", headers })).json()).secret;
    });
    const recovery = await page.evaluate(async (code) => {
      const headers = { "allod-page-key": localStorage.getItem("allod-page-key"), "content-type": "application/json" };
      const answer = await fetch("/api/v1/me/totp/confirm", { method: "POST", headers, body: JSON.stringify({ code }) });
      return (await answer.json()).recovery_codes;
    }, codeOf(codes));
    assert.equal(recovery.length, 8);
    const entered = await browser.newContext();
    const other = await entered.newPage();
    await other.goto(`${node.pages}/admin/sign-in`);
    await other.click("text=Sign in with Staff");
    await atProvider(other, "carol");
    await other.waitForSelector("text=Code of your second factor");
    assert.equal(await who(other), 401);
    await other.fill("#totp", "000000");
    await other.click("button[type=submit]");
    await other.waitForSelector("text=The code is wrong");
    await other.fill("#totp", recovery[0]);
    await other.click("button[type=submit]");
    await other.waitForSelector("text=Your spaces");
    await entered.close();
    await context.close();
  },
};

await play("sign-in by a provider", scenarios, {
  browser,
  shots: SHOTS,
  end: async () => {
    await node.stop();
    await provider.stop();
  },
});
