// What people are told: a bell with how much is unread, a page that leads to each, and kinds that are turned off.
// usage: ALLOD_BIN=… node notices.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { OWNER, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const EVIL = "<img src=x onerror=alert(1)> \u202egnp.exe";

/** A server of e-mail that keeps what it is handed. */
const letters = [];
const sink = createServer((socket) => {
  let [text, letter] = ["", null];
  socket.write("220 sink\r\n");
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    text += chunk;
    for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (letter !== null && line !== ".") letter.push(line);
      else if (letter !== null) {
        letters.push(letter.join("\n"));
        letter = null;
        socket.write("250 taken\r\n");
      } else if (line === "DATA") {
        letter = [];
        socket.write("354 go on\r\n");
      } else socket.write(line === "QUIT" ? "221 bye\r\n" : "250 ok\r\n");
    }
  });
});
await new Promise((listens) => sink.listen(0, "127.0.0.1", listens));
const settings = `[mail]\nhost = "127.0.0.1"\nport = ${sink.address().port}\ntls = "off"\nfrom = "Allod <allod@home.example>"\n`;
const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod", { settings });
const browser = await launch();
await setUp();

/** Somebody who shares with the owner, an app whose time is nearly over, and ways to sign in that came and went. */
async function setUp() {
  await node.operator("POST", "/api/v1/collections", { sdl: "type Contact { name: String phone: String }" });
  await node.operator("POST", "/api/v1/users", { name: "bob", password: "the long password of bob" });
  const bob = await signedIn("bob", "the long password of bob");
  await bob("POST", "/api/v1/collections", { sdl: "type Note { text: String }" });
  await bob("POST", "/api/v1/shares", { with: { user: OWNER.user }, collection: "Note", role: "viewer" });
  // Somebody in her account from another place, by a program that calls itself something.
  await signedIn(OWNER.user, OWNER.password, EVIL);
  await signedIn(OWNER.user, OWNER.password, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
}

async function signedIn(user, password, agent = "tests") {
  const send = async (method, path, body, token) => {
    const headers = { "content-type": "application/json", "user-agent": agent.replaceAll(/[^\x20-\x7e]/g, ""), ...(token && { authorization: `Bearer ${token}` }) };
    const answer = await fetch(node.url + path, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const { access_token } = await send("POST", "/api/v1/session", { user, password });
  return (method, path, body) => send(method, path, body, access_token);
}

async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  const seen = await watch(context);
  const page = await context.newPage();
  await page.goto(`${node.pages}/admin/`);
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.click("form button[type=submit]");
  await page.getByRole("link", { name: /^Notices: \d+ unread$/ }).waitFor();
  return { context, page, seen };
}

const scenarios = {
  async "the bell counts what is unread, and the page says what it is and leads there"() {
    const { context, page, seen } = await opened();
    const bell = page.getByRole("banner").getByRole("link", { name: /^Notices/ });
    const before = Number(/\d+/.exec(await bell.getAttribute("aria-label"))[0]);
    assert.ok(before >= 3, `${before} unread`);
    await bell.click();
    await page.waitForSelector("h1 >> text=Notices");
    await page.getByText("bob shared something with you.").waitFor();
    await page.getByText("Firefox on Linux").first().waitFor();
    assert.equal(await page.locator("main img").count(), 0, "what a program calls itself is no markup");
    await accessible(page, "notices");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/notices-1280.png`, fullPage: true });
    const row = page.getByRole("row", { name: /bob shared/ });
    await row.getByRole("button", { name: "Mark as read" }).click();
    await page.getByRole("banner").getByRole("link", { name: `Notices: ${before - 1} unread` }).waitFor();
    await row.getByRole("link", { name: "Look at it" }).click();
    await page.waitForSelector("h1 >> text=Shares and links");
    await page.goBack();
    await page.getByRole("button", { name: "Mark all as read" }).click();
    await page.getByRole("banner").getByRole("link", { name: "Notices", exact: true }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Mark all as read" }).count(), 0);
    assert.deepEqual(seen.violations, []);
    assert.deepEqual(seen.errors, []);
    assert.ok(seen.urls.every((url) => new URL(url).origin === new URL(node.pages).origin));
    await context.close();
  },

  async "a kind is turned off, and what says how the account is entered stays on"() {
    await signedIn(OWNER.user, OWNER.password, "Something/1 again");
    const { context, page } = await opened();
    await page.goto(`${node.pages}/admin/notices`);
    const share = page.getByRole("switch", { name: "Something is shared with me: in this list" });
    await share.focus();
    await page.keyboard.press("Space");
    await page.waitForSelector("[role=status] >> text=Off: Something is shared with me.");
    assert.equal(await share.isChecked(), false);
    await page.reload();
    assert.equal(await share.isChecked(), false, "it is kept");
    await share.press("Space");
    await page.waitForSelector("[role=status] >> text=On again: Something is shared with me.");
    assert.equal(await page.getByRole("switch", { name: /My password is changed/ }).count(), 0);
    await page.getByRole("row", { name: "My password is changed always" }).waitFor();
    // What warns of others is turned off by who gives the password once more.
    const old = { status: 401, json: { code: "insufficient_user_authentication", detail: "This needs your password again." } };
    await page.route("**/api/v1/notices/kinds/sign_in_new", (route) => route.fulfill(old), { times: 1 });
    await page.getByRole("switch", { name: "A sign-in from a new place: in this list" }).press("Space");
    await page.fill("[name=password]", OWNER.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=status] >> text=Off: A sign-in from a new place.");
    await context.close();
  },

  async "an address counts once its code came back, by keyboard, and errors keep what was typed"() {
    const { context, page, seen } = await opened();
    await page.goto(`${node.pages}/admin/notices`);
    const card = page.getByRole("region", { name: "By e-mail" });
    await card.getByText("You are not written to.").waitFor();
    assert.equal(await page.getByRole("switch", { name: /by e-mail/ }).count(), 0, "without an address there is nothing to choose");
    const old = { status: 401, json: { code: "insufficient_user_authentication", detail: "This needs your password again." } };
    await page.route("**/api/v1/notices/address", (route) => (route.request().method() === "PUT" ? route.fulfill(old) : route.continue()), { times: 1 });
    await card.getByLabel("Your address").fill("alice@127.0.0.1");
    await page.keyboard.press("Enter");
    await page.fill("[name=password]", OWNER.password);
    await page.keyboard.press("Enter");
    await card.getByRole("alert").getByText("That is no address of e-mail").waitFor();
    assert.equal(await card.getByLabel("Your address").inputValue(), "alice@127.0.0.1");
    await card.getByLabel("Your address").fill("alice@example.org");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=status] >> text=A code is on its way to alice@example.org.");
    const code = card.getByLabel("The code that alice@example.org was sent");
    await code.fill("0000 0000");
    await page.keyboard.press("Enter");
    await card.getByRole("alert").getByText("That is another code.").waitFor();
    await accessible(page, "a code");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/notices-code-1280.png`, fullPage: true });
    while (letters.length === 0) await page.waitForTimeout(100);
    await code.fill(/^ {4}(\d{4} \d{4})$/m.exec(letters[0])[1]);
    await page.keyboard.press("Enter");
    await card.getByText("You are written to at alice@example.org.").waitFor();
    await page.getByRole("switch", { name: "Something is shared with me: by e-mail" }).press("Space");
    await page.waitForSelector("[role=status] >> text=Off: Something is shared with me.");
    assert.equal(await page.getByRole("switch", { name: "Something is shared with me: in this list" }).isChecked(), true);
    await card.getByRole("button", { name: "Write to me no more" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Write to me no more" }).click();
    await card.getByText("You are not written to.").waitFor();
    while (letters.length < 2) await page.waitForTimeout(100);
    assert.match(letters[1], /nothing more is sent to this address/);
    assert.deepEqual(seen.violations, []);
    assert.deepEqual(seen.errors, []);
    await context.close();
  },

  async "an app asks for more: what it gets is chosen, and one that is declined gets nothing"() {
    const element = (allow, actions) => ({ type: "allod_doc", datatypes: ["Contact"], actions, fields: { allow } });
    const name = "Labels \u202e<b>gnp</b>";
    const manifest = { name, redirect_uris: ["http://127.0.0.1/cb"], access: [element(["name", "phone"], ["read", "search", "update"])] };
    const { client_id } = await node.operator("POST", "/api/v1/apps", manifest);
    const { access_token: token } = await node.operator("POST", "/api/v1/grants", { user: OWNER.user, client_id, access: [element(["name"], ["read"])] });
    const asApp = async (method, path, body) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      const answer = await fetch(node.url + path, { method, headers, body: body && JSON.stringify(body) });
      return answer.json();
    };
    const ask = (purpose) => asApp("POST", "/api/v1/requests", { access: [element(["name", "phone"], ["read", "search"])], purpose });
    await ask("<img src=x onerror=alert(1)> To print labels");
    const { context, page, seen } = await opened();
    await page.goto(`${node.pages}/admin/notices`);
    await page.getByRole("row", { name: /asks for more than you let it do/ }).getByRole("link", { name: "Look at it" }).click();
    const card = page.getByRole("article", { name: /^Request of Labels/ });
    await card.getByText("<img src=x onerror=alert(1)> To print labels").waitFor();
    await card.getByText(/Read and search by name and phone in every Contact/).waitFor();
    assert.equal(await page.locator("main img, main b").count(), 0, "what an app calls itself is no markup");
    await accessible(page, "a request");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/request-1280.png` });
    await card.getByRole("button", { name: "Decline" }).click();
    await card.waitFor({ state: "detached" });
    const asked = await ask("please");
    await page.reload();
    await card.getByRole("button", { name: "Choose what it gets…" }).click();
    const dialog = page.getByRole("dialog");
    const allow = dialog.getByRole("button", { name: "Allow this" });
    await dialog.getByRole("checkbox", { name: "name", exact: true }).uncheck();
    await dialog.getByText("May read and search phone of Contact.").waitFor();
    await accessible(page, "choosing what an app gets");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/request-choice-1280.png` });
    // What is refused keeps what was chosen.
    const refused = { status: 409, json: { code: "grant_schema_mismatch", detail: "There is no type of that name." } };
    await page.route("**/api/v1/requests/*/approve", (route) => route.fulfill(refused), { times: 1 });
    await allow.click();
    await dialog.getByRole("alert").getByText("There is no type of that name.").waitFor();
    assert.equal(await dialog.getByRole("checkbox", { name: "name", exact: true }).isChecked(), false);
    const old = { status: 401, json: { code: "insufficient_user_authentication", detail: "This needs your password again." } };
    await page.route("**/api/v1/requests/*/approve", (route) => route.fulfill(old), { times: 1 });
    await allow.click();
    await page.fill("[name=password]", OWNER.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=status] >> text=has it from its next request on");
    await dialog.waitFor({ state: "detached" });
    assert.equal((await asApp("GET", `/api/v1/requests/${asked.request}`)).state, "approved");
    assert.deepEqual((await asApp("POST", "/api/v1/graphql", { query: "{ Contact { phone } }" })).data, { Contact: [] });
    assert.deepEqual(seen.violations, []);
    assert.deepEqual(seen.errors, []);
    await ask("again");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 360, height: 760 });
      await page.goto(`${node.pages}/admin/apps`);
      await card.getByRole("button", { name: "Choose what it gets…" }).waitFor();
      await fits(page, 360);
      await accessible(page, `a request, ${colorScheme}`);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/request-360-${colorScheme}.png`, fullPage: true });
    }
    await context.close();
  },

  async "the page fits into 360 pixels, and is accessible in the dark"() {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width: 360, height: 760 }, colorScheme });
      context.setDefaultTimeout(15_000);
      const page = await context.newPage();
      await page.goto(`${node.pages}/admin/notices`);
      await page.fill("#user", OWNER.user);
      await page.fill("#password", OWNER.password);
      await page.click("form button[type=submit]");
      await page.getByText("bob shared something with you.").waitFor();
      await page.getByRole("switch").first().waitFor();
      await fits(page, 360);
      await accessible(page, `notices, ${colorScheme}`);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/notices-360-${colorScheme}.png`, fullPage: true });
      await page.setViewportSize({ width: 1280, height: 900 });
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/notices-1280-${colorScheme}.png`, fullPage: true });
      await context.close();
    }
  },
};

await play("notices", scenarios, {
  browser,
  shots: SHOTS,
  end: async () => {
    await node.stop();
    sink.close();
  },
});
