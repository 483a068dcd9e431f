// App passwords in the console: one is made for what is chosen, told once, used by a tool, given less and removed.
// usage: ALLOD_BIN=… node app-passwords.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { OWNER, raw, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const NAME = "curl on my laptop";

const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();
await node.operator("POST", "/api/v1/collections", { sdl: "type Contact { name: String phone: String tag: String }" });
await node.operator("POST", "/api/v1/graphql", { query: 'mutation { add_Contact(input: [{name: "Ann", phone: "1"}]) { _docID } }' });

/** What a tool is answered that sends this password. */
async function asTool(password, query) {
  const authorization = `Basic ${Buffer.from(`${OWNER.user}:${password}`).toString("base64")}`;
  const headers = { authorization, "content-type": "application/json" };
  const answer = await raw(`${node.url}/api/v1/graphql`, { method: "POST", headers, body: JSON.stringify({ query }) });
  return { status: answer.status, json: JSON.parse(answer.text) };
}

async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  const seen = await watch(context);
  const page = await context.newPage();
  await page.goto(`${node.pages}/admin/apps`);
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.click("form button[type=submit]");
  await page.getByRole("button", { name: "Make an app password" }).waitFor();
  return { context, page, seen, dialog: page.getByRole("dialog") };
}

/** Looks once nothing moves any more: half shown, colours are others. */
async function looked(page, what) {
  await page.waitForFunction(() => document.getAnimations().every((one) => one.playState !== "running"));
  await accessible(page, what);
}

const scenarios = {
  async "one is made for what is chosen, told once, used, and removed"() {
    const { context, page, seen, dialog } = await opened();
    const old = { status: 401, json: { code: "insufficient_user_authentication", detail: "This needs your password again." } };
    await page.route("**/api/v1/app-passwords", (route) => (route.request().method() === "POST" ? route.fulfill(old) : route.fallback()), { times: 1 });
    await page.getByRole("button", { name: "Make an app password" }).click();
    const make = dialog.getByRole("button", { name: "Make it" });
    await dialog.getByLabel("What is it for?").fill(NAME);
    await dialog.getByRole("checkbox", { name: "name", exact: true }).waitFor();
    assert.ok(await make.isDisabled(), "nothing is chosen yet");
    await dialog.getByRole("checkbox", { name: "name", exact: true }).check();
    await dialog.getByText("May read and search name of Contact.").waitFor();
    await dialog.getByRole("checkbox", { name: "read", exact: true }).uncheck();
    assert.ok(await make.isDisabled(), "who may not read may not search");
    await dialog.getByRole("checkbox", { name: "read", exact: true }).check();
    await dialog.getByRole("checkbox", { name: "search", exact: true }).check();
    await looked(page, "making one");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/app-password-make.png` });
    await make.click();
    await page.fill("[name=password]", OWNER.password);
    await page.keyboard.press("Enter");
    const shown = dialog.getByLabel("Password", { exact: true });
    await shown.waitFor();
    const password = await shown.inputValue();
    assert.match(password, /^allod-app-[a-z2-7]{32}$/);
    assert.equal(await dialog.getByLabel("User name").inputValue(), OWNER.user);
    await looked(page, "the password");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/app-password-told.png` });
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.ok(!(await page.content()).includes(password), "it is nowhere any more");
    const read = await asTool(password, "{ Contact { name } }");
    assert.deepEqual([read.status, read.json.data], [200, { Contact: [{ name: "Ann" }] }]);
    assert.ok((await asTool(password, "{ Contact { phone } }")).json.errors);

    await page.reload();
    const card = page.getByRole("region", { name: NAME, exact: true });
    await card.getByText("May read and search name of Contact.").waitFor();
    await card.getByText("127.0.0.1").waitFor();
    await page.getByText("No app may use your data").waitFor();
    await looked(page, "the list");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/app-passwords.png`, fullPage: true });
    await card.getByRole("button", { name: "Take it back" }).click();
    await dialog.getByText("The password is good for nothing any more.").waitFor();
    await dialog.getByRole("button", { name: "Take it back" }).click();
    await card.waitFor({ state: "detached" });
    assert.equal((await asTool(password, "{ Contact { name } }")).status, 401);
    assert.deepEqual(seen.violations, []);
    assert.deepEqual(seen.errors, []);
    await context.close();
  },

  async "both dialogs fit into 360 pixels, and are accessible in the dark"() {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page, dialog } = await opened({ viewport: { width: 360, height: 760 }, colorScheme });
      await fits(page, 360);
      await page.getByRole("button", { name: "Make an app password" }).click();
      await dialog.getByRole("checkbox", { name: "name", exact: true }).check();
      await dialog.getByLabel("What is it for?").fill(`phone, ${colorScheme}`);
      await looked(page, `making one, ${colorScheme}`);
      await fits(page, 360);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/app-password-make-360-${colorScheme}.png` });
      await dialog.getByRole("button", { name: "Make it" }).click();
      await dialog.getByLabel("Password", { exact: true }).waitFor();
      await looked(page, `told, ${colorScheme}`);
      await fits(page, 360);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/app-password-told-360-${colorScheme}.png` });
      await context.close();
    }
  },
};

await play("app passwords", scenarios, { browser, shots: SHOTS, end: () => node.stop() });
