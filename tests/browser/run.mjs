// The node's pages in a real browser, beside an app that listens on another port of the same machine.
// usage: ALLOD_BIN=… node run.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fits, launch } from "./browser.mjs";
import { attack, startNeighbour } from "./neighbour.mjs";
import { OWNER, raw, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const VERIFIER = "a-verifier-that-is-long-enough-to-be-taken-0123";
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");
const ACCESS = {
  type: "allod_doc",
  datatypes: ["Contact"],
  actions: ["read", "search"],
  fields: { allow: ["name", "phone", "met"], required: ["name"] },
  purpose: "Shows whom you know",
  duration: "P30D",
};

const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();
// The neighbour's cookies have the names of the node's, at other paths too.
let names = [];
let targets = [];
const neighbour = await startNeighbour((asked, headers) => {
  const toss = names.flatMap((name) => ["/", "/api", "/api/v1/spaces"].map((path) => `${name}=${"A".repeat(43)}; Path=${path}`));
  headers["set-cookie"] = toss;
  return attack(targets);
});
const back = `http://127.0.0.1:${neighbour.port}/cb`;

async function operatorSetUp() {
  const sdl = "type Author { name: String books: [Contact] } type Contact { name: String phone: String site: String met: DateTime author: Author }";
  await node.operator("POST", "/api/v1/collections", { sdl });
  const query = `mutation { add_Contact(input: {name: "Ann with a rather long name", phone: "1", site: "https://example.org/a/page", met: "2026-11-28T14:35:00Z"}) { _docID } }`;
  await node.operator("POST", "/api/v1/graphql", { query });
  await node.operator("POST", "/api/v1/users", { name: "mallory", password: "the long password of mallory" });
  const manifest = { name: "Neighbour", redirect_uris: ["http://127.0.0.1/cb"], access: [ACCESS] };
  return (await node.operator("POST", "/api/v1/apps", manifest)).client_id;
}

const client = await operatorSetUp();

function consentAddress(redirect = back) {
  const asked = { response_type: "code", client_id: client, redirect_uri: redirect, state: "s", code_challenge: CHALLENGE, code_challenge_method: "S256" };
  return `${node.url}/oauth/authorize?${new URLSearchParams(asked)}`;
}

/** Signs in at the console, as a person does. */
async function signIn(page) {
  await page.goto(`${node.url}/admin/`);
  assert.equal(new URL(page.url()).host, `allod.localhost:${node.port}`, "opened by number, the console is at its name");
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.click("form button[type=submit]");
  await page.waitForSelector("text=Your spaces");
}

async function consentPage(page) {
  await page.goto(consentAddress());
  assert.equal(new URL(page.url()).host, `allod.localhost:${node.port}`);
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.click("button");
  await page.waitForSelector("text=asks for access");
}

async function state() {
  const [grants, devices, audit] = await Promise.all(
    ["/api/v1/grants", "/api/v1/devices", "/api/v1/audit"].map((path) => node.operator("GET", path)),
  );
  return { grants: grants.length, devices: devices.length, acts: audit.map((row) => row.action) };
}

/** What the neighbour got, tried on the node by a program of its own. */
async function tryCookies() {
  const values = new Set(neighbour.received.cookies.flatMap((line) => line.split("; ")));
  for (const pair of values) {
    const value = pair.slice(pair.indexOf("=") + 1);
    for (const headers of [
      { authorization: `Bearer ${value}` },
      { cookie: pair, "sec-fetch-site": "same-origin" },
      { cookie: pair, "sec-fetch-site": "same-origin", "allod-csrf": "1" },
      { cookie: pair, "sec-fetch-site": "same-origin", "allod-page-key": value },
      { cookie: pair, origin: node.pages, host: `allod.localhost:${node.port}`, "sec-fetch-site": "same-origin" },
    ]) {
      for (const [method, path] of [["GET", "/api/v1/spaces"], ["POST", "/api/v1/devices/invite"]]) {
        const answer = await raw(node.url + path, { method, headers });
        assert.equal(answer.status, 401, `${method} ${path} by ${JSON.stringify(headers)}`);
      }
      const page = await raw(consentAddress(), { headers });
      assert.ok(!page.text.includes("personal space") && !page.text.includes("decision"), "a page tells a cookie nothing");
    }
  }
  return values.size;
}

/** Lets the neighbour's page do its worst at an address of its own. */
async function visit(context, address) {
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForFunction(() => document.title === "done", null, { timeout: 60_000 });
  const report = neighbour.received.reports.at(-1);
  assert.equal(report.at, new URL(address).origin);
  assert.ok(report.tried > 10);
  assert.deepEqual(report.readable, [], "what the neighbour could read");
  await page.close();
}

/** Whether a cookie is half of a page's session, and not what a known browser shows. */
function isSession(cookie) {
  return !cookie.name.includes("-known-");
}

const scenarios = {
  async "an app beside the node gets no session by Allow or Deny and changes nothing"() {
    for (const decision of ["deny", "allow"]) {
      const context = await browser.newContext();
      const page = await context.newPage();
      await signIn(page);
      const before = await state();
      const cookies = await context.cookies();
      names = cookies.map((cookie) => cookie.name);
      assert.equal(cookies.filter(isSession).length, 1, "the node has one cookie for a session");
      // By the others a browser is known where passwords are given, and nowhere else.
      for (const known of cookies.filter((cookie) => !isSession(cookie))) {
        assert.ok(known.httpOnly && ["/api/v1/session", "/api/v1/passkeys/sign-in", "/oauth/authorize"].includes(known.path), known.path);
      }
      targets = [node.url, node.pages, `http://localhost:${node.port}`];
      await consentPage(page);
      await Promise.all([page.waitForURL(/\/cb\?/), page.click(`button[value=${decision}]`)]);
      await page.waitForFunction(() => document.title === "done", null, { timeout: 60_000 });
      assert.deepEqual(neighbour.received.reports.at(-1).readable, []);
      const answer = neighbour.received.queries.at(-1);
      assert.equal(answer.has("code"), decision === "allow", "control: the app is answered");
      // The same server under every name that leads to it, the node's own among them: there it gets the cookie.
      for (const host of ["127.0.0.1", "localhost", "allod.localhost"]) {
        await visit(context, `http://${host}:${neighbour.port}/`);
      }
      assert.ok((await tryCookies()) > 0, "control: cookies know no ports, so the neighbour did get one");
      const after = await state();
      assert.equal(after.devices, before.devices);
      assert.equal(after.grants, before.grants + (decision === "allow" ? 1 : 0), "only what was allowed was given");
      assert.ok(!after.acts.slice(0, after.acts.length - before.acts.length).includes("session.ended_everywhere"));
      // The neighbour replaced the node's cookie by its own, and left others that come first: the page is nobody's, and
      // whoever signs in again is in.
      await page.goto(`${node.pages}/admin/`);
      await page.waitForSelector("#password");
      await signIn(page);
      await context.close();
    }
  },

  async "a cookie of another session does not turn the node's page into another person's"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await signIn(page);
    const own = (await context.cookies()).find(isSession);
    const body = JSON.stringify({ user: "mallory", password: "the long password of mallory" });
    const headers = { "content-type": "application/json", "sec-fetch-site": "same-origin" };
    const theirs = await raw(`${node.url}/api/v1/session`, { method: "POST", headers, body });
    const pairs = theirs.headers["set-cookie"].map((line) => line.split(";")[0].split("="));
    const value = pairs.find(([name]) => isSession({ name }))[1];
    await context.addCookies([{ ...own, value }]);
    const answer = await page.evaluate(async () => {
      const key = localStorage.getItem("allod-page-key");
      return (await fetch("/api/v1/spaces", { headers: { "allod-page-key": key } })).status;
    });
    assert.equal(answer, 401);
    await page.reload();
    await page.waitForSelector("#password");
    await context.close();
  },

  async "an app cannot be answered at the name of the pages"() {
    const page = await (await browser.newContext()).newPage();
    await page.goto(consentAddress(`http://allod.localhost:${neighbour.port}/cb`));
    assert.match(await page.textContent("main"), /has not registered|own pages/);
    await page.context().close();
  },

  async "sign-in and consent keep what was typed, and nothing is cut at 360 pixels"() {
    for (const width of [360, 1280]) {
      const context = await browser.newContext({ viewport: { width, height: 900 } });
      const page = await context.newPage();
      await page.goto(consentAddress());
      await page.fill("#user", OWNER.user);
      await page.fill("#password", "not her password");
      await page.click("button");
      await page.waitForSelector("[role=alert]");
      assert.equal(await page.inputValue("#user"), OWNER.user);
      assert.equal(await page.evaluate(() => document.activeElement.id), "password", "one goes on where the mistake is");
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/sign-in-${width}.png`, fullPage: true });
      await page.fill("#password", OWNER.password);
      await page.click("button");
      await page.waitForSelector("text=asks for access");
      const [text, room] = await page.evaluate(() => {
        const select = document.querySelector("#end-0");
        const style = getComputedStyle(select);
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.font = `${style.fontSize} ${style.fontFamily}`;
        // The arrow takes some of the room.
        const inner = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 20;
        return [Math.max(...[...select.options].map((option) => canvas.measureText(option.text).width)), inner];
      });
      assert.ok(text <= room, `“How long?” needs ${text} pixels and has ${room}`);
      assert.equal(await page.isChecked("input[value=phone]"), false, "what the app can do without is not ticked");
      await page.check("input[value=met]");
      await page.click("summary");
      await page.selectOption("[name=test-0-phone]", "_eq");
      await page.fill("[name=value-0-name]", "family");
      await page.selectOption("#end-0", "P1D");
      await page.click("button[value=allow]");
      await page.waitForSelector("[role=alert]");
      assert.equal(await page.isChecked("input[value=phone]"), false);
      assert.equal(await page.isChecked("input[value=met]"), true, "control");
      assert.equal(await page.inputValue("[name=value-0-name]"), "family");
      assert.equal(await page.inputValue("[name=test-0-phone]"), "_eq");
      assert.equal(await page.inputValue("#end-0"), "P1D");
      await fits(page, width);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/consent-${width}.png`, fullPage: true });
      await context.close();
    }
  },

  async "the page of a link breaks no short word and every column can be reached"() {
    const fields = ["name", "phone", "site", "met", "author"];
    const link = await node.operator("POST", "/api/v1/links", { collection: "Contact", fields });
    for (const width of [360, 1280]) {
      const context = await browser.newContext({ viewport: { width, height: 900 } });
      const page = await context.newPage();
      await page.goto(link.url);
      assert.equal(await page.textContent("time"), "28 Nov 2026, 14:35 UTC");
      assert.deepEqual(await page.locator("th").allInnerTexts(), ["name", "phone", "site", "met"]);
      assert.match(await page.textContent("main"), /author leads to other documents/, "a relation is not dropped in silence");
      const broken = await page.evaluate(() => {
        const short = [...document.querySelectorAll("td")].filter((cell) => /^\S{1,26}$/.test(cell.innerText.trim()));
        const line = parseFloat(getComputedStyle(document.querySelector("td")).lineHeight);
        return short.filter((cell) => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return range.getBoundingClientRect().height > line * 1.5;
        }).map((cell) => cell.innerText);
      });
      assert.deepEqual(broken, [], "a word is broken over two lines");
      await page.focus(".scroll");
      const reached = await page.evaluate(() => {
        const box = document.querySelector(".scroll");
        box.scrollLeft = box.scrollWidth;
        return document.querySelector("th:last-child").getBoundingClientRect().right <= innerWidth + 1;
      });
      assert.ok(reached, "the last column");
      await fits(page, width);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/link-${width}.png`, fullPage: true });
      await context.close();
    }
  },
};

await play("browser", scenarios, {
  browser,
  shots: SHOTS,
  end: async () => {
    await neighbour.stop();
    await node.stop();
  },
});
