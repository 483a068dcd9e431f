// An app is held to less on the console's page of apps, and its grant ends at another time.
// usage: ALLOD_BIN=… node less.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { accessible, launch, watch } from "./browser.mjs";
import { OWNER, raw, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const APP = "Little Address Book";
const ACCESS = [
  { type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search", "update"], fields: { allow: ["name", "phone", "tag"] }, where: { age: { _lt: 90 } }, purpose: "Letters", duration: "P30D" },
  { type: "allod_doc", datatypes: ["Film"], actions: ["read", "search"], fields: { allow: ["title"] }, duration: "P30D" },
];

const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();
const token = await setUp();

async function setUp() {
  await node.operator("POST", "/api/v1/collections", { sdl: "type Contact { name: String phone: String tag: String age: Int } type Film { title: String }" });
  const people = [{ name: "Ann", phone: "1", tag: "family", age: 40 }, { name: "Ben", phone: "2", tag: "work", age: 50 }];
  const query = "mutation Add($input: [ContactMutationInputArg!]!) { add_Contact(input: $input) { _docID } }";
  await node.operator("POST", "/api/v1/graphql", { query, variables: { input: people } });
  const { client_id } = await node.operator("POST", "/api/v1/apps", { name: APP, redirect_uris: ["http://127.0.0.1/cb"], access: ACCESS });
  return (await node.operator("POST", "/api/v1/grants", { user: OWNER.user, client_id, access: ACCESS })).access_token;
}

/** What the app is answered, by the token that it has from the beginning. */
async function asApp(query) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return JSON.parse((await raw(`${node.url}/api/v1/graphql`, { method: "POST", headers, body: JSON.stringify({ query }) })).text);
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
  await page.getByRole("region", { name: APP, exact: true }).waitFor();
  return { context, page, seen, dialog: page.getByRole("dialog") };
}

async function pick(page, list, option) {
  await page.getByRole("dialog").getByRole("combobox", { name: list, exact: true }).click();
  await page.getByRole("option", { name: option, exact: true }).click();
}

/** Nothing of the dialog is cut: not at the window, and not in itself. */
async function whole(dialog) {
  const cut = await dialog.evaluate((box) => {
    const all = [...box.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().width > 1);
    return all.filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 120));
  });
  assert.deepEqual(cut, []);
}

const scenarios = {
  async "an app is given less: it is listed, and its token reads less at once"() {
    const before = await asApp("{ Contact { name phone } Film { title } }");
    assert.deepEqual(before.data, { Contact: [{ name: "Ann", phone: "1" }, { name: "Ben", phone: "2" }], Film: [] }, "control");
    const { context, page, seen, dialog } = await opened();
    const card = page.getByRole("region", { name: APP, exact: true });
    await card.getByRole("button", { name: "Give less" }).click();
    const give = dialog.getByRole("button", { name: "Give less" });
    const read = dialog.getByRole("checkbox", { name: "read", exact: true }).first();
    assert.ok(await give.isDisabled(), "nothing is taken away yet");
    await read.uncheck();
    assert.ok(await dialog.getByRole("checkbox", { name: "search", exact: true }).first().isDisabled(), "who may not read may not search");
    await read.check();
    await dialog.getByRole("checkbox", { name: "change", exact: true }).uncheck();
    await dialog.getByText("Untick what it never looked at").click();
    assert.equal(await dialog.getByRole("checkbox", { name: "phone", exact: true }).isChecked(), true, "it was told phone");
    assert.equal(await dialog.getByRole("checkbox", { name: "tag (never looked at)" }).isChecked(), false);
    await dialog.getByRole("checkbox", { name: "phone", exact: true }).uncheck();
    await dialog.getByRole("checkbox", { name: "May read and search title of Film." }).uncheck();
    await pick(page, "Only documents where", "tag");
    assert.ok(await give.isDisabled(), "a condition without a value is none");
    await pick(page, "Value", "family");
    await pick(page, "Ends", "On a day…");
    await dialog.getByLabel("At the end of").fill("2001-01-01");
    assert.ok(await give.isDisabled(), "a day that is over");
    await pick(page, "Ends", "One week from now");
    assert.ok(await give.isEnabled(), "control");
    await dialog.getByText("May read and search name of Contact, where age is less than 90 and tag is family.").waitFor();
    await accessible(page, "giving less");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/less-1280.png` });
    // What is refused keeps what was chosen.
    const refused = { status: 403, json: { code: "grant_wider", detail: "The access names a field that was not granted." } };
    await page.route("**/api/v1/grants/*", (route) => route.fulfill(refused), { times: 1 });
    await give.click();
    await dialog.getByRole("alert").getByText("names a field that was not granted").waitFor();
    assert.equal(await dialog.getByRole("checkbox", { name: "phone", exact: true }).isChecked(), false);
    await give.click();
    await page.waitForSelector(`[role=status] >> text=${APP} is held to that`);
    await card.getByText("May read and search name of Contact, where age is less than 90 and tag is family.").waitFor();
    assert.equal(await card.getByText("of Film").count(), 0);
    const [held] = await node.operator("GET", "/api/v1/grants");
    assert.ok(Math.abs(new Date(held.expires) - Date.now() - 7 * 86_400_000) < 600_000, held.expires);
    await dialog.waitFor({ state: "detached" });
    await page.waitForFunction(() => document.activeElement.textContent === "Give less");

    assert.deepEqual((await asApp("{ Contact { name } }")).data, { Contact: [{ name: "Ann" }] });
    for (const query of ["{ Contact { phone } }", "{ Film { title } }"]) assert.ok((await asApp(query)).errors, query);
    assert.deepEqual(seen.violations, []);
    assert.deepEqual(seen.errors, []);
    await context.close();
  },

  async "a grant ends at another time, for who gives the password once more"() {
    const { context, page, seen, dialog } = await opened();
    const old = { status: 401, json: { code: "insufficient_user_authentication", detail: "This needs your password again." } };
    await page.route("**/api/v1/grants/*/end", (route) => route.fulfill(old), { times: 2 });
    await page.getByRole("button", { name: "Ends at another time…" }).click();
    await pick(page, "Ends", "On a day…");
    assert.ok(await dialog.getByRole("button", { name: "Let it end then" }).isDisabled(), "no day yet");
    await dialog.getByLabel("At the end of").fill("2001-01-01");
    assert.ok(await dialog.getByRole("button", { name: "Let it end then" }).isDisabled(), "a day that is over");
    await pick(page, "Ends", "When I take it back");
    await dialog.getByText("until you take it back, however long that is").waitFor();
    await accessible(page, "another end");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/end-1280.png` });
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[name=password]");
    // Who gives it not is where they were.
    await page.keyboard.press("Escape");
    await dialog.getByRole("alert").getByText("This needs your password again").waitFor();
    await dialog.getByRole("button", { name: "Let it end then" }).click();
    await page.fill("[name=password]", OWNER.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector(`[role=status] >> text=${APP} keeps it until you take it back`);
    await page.waitForSelector("dt:has-text('Ends') + dd:has-text('no end')");
    const [grant] = await node.operator("GET", "/api/v1/grants");
    assert.equal(grant.expires ?? null, null);
    assert.deepEqual((await asApp("{ Contact { name } }")).data, { Contact: [{ name: "Ann" }] }, "no more than it was held to");
    assert.deepEqual(seen.violations, []);
    await context.close();
  },

  async "what is left of an element keeps its own conditions, whatever another one covers"() {
    const one = (allow, where) => ({ type: "allod_doc", datatypes: ["Contact"], actions: ["read", "search"], fields: { allow }, where });
    const access = [one(["name"], { age: { _gt: 1 } }), one(["name", "phone"], { tag: { _eq: "work" } })];
    const { client_id } = await node.operator("POST", "/api/v1/apps", { name: "Overlap", redirect_uris: ["http://127.0.0.1/cb"], access });
    await node.operator("POST", "/api/v1/grants", { user: OWNER.user, client_id, access });
    const { context, page, dialog } = await opened();
    await page.getByRole("region", { name: "Overlap", exact: true }).getByRole("button", { name: "Give less" }).click();
    await dialog.getByRole("checkbox", { name: /age is more than 1/ }).uncheck();
    await dialog.getByRole("checkbox", { name: "phone", exact: true }).uncheck();
    await pick(page, "Only documents where", "tag");
    await pick(page, "Value", "family");
    await dialog.getByText("No document can meet these conditions together").waitFor();
    await dialog.getByText("Without this condition").click();
    await pick(page, "Only documents where", "age");
    await pick(page, "Only documents where age", "is at most");
    await dialog.getByLabel("Value").fill("60");
    await dialog.getByRole("button", { name: "Give less" }).click();
    await dialog.waitFor({ state: "detached" });
    const grants = await node.operator("GET", "/api/v1/grants");
    const { where } = grants.find((grant) => grant.app === "Overlap").access[0];
    assert.deepEqual([where.tag, where.age._leq], [{ _eq: "work" }, 60]);
    const { grant } = grants.find((grant) => grant.app === "Overlap");
    await node.operator("DELETE", `/api/v1/grants/${grant}`);
    await context.close();
  },

  async "both dialogs fit into 360 pixels, and are accessible in the dark"() {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page, dialog } = await opened({ viewport: { width: 360, height: 760 }, colorScheme });
      for (const [name, button] of [["less", "Give less"], ["end", "Ends at another time…"]]) {
        await page.getByRole("button", { name: button }).click();
        await pick(page, "Ends", "On a day…");
        if (name === "less") await pick(page, "Only documents where", "age");
        await whole(dialog);
        await accessible(page, `${name}, ${colorScheme}`);
        if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}-360-${colorScheme}.png` });
        await page.setViewportSize({ width: 1280, height: 900 });
        if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}-1280-${colorScheme}.png` });
        await page.setViewportSize({ width: 360, height: 760 });
        await page.keyboard.press("Escape");
        await dialog.waitFor({ state: "detached" });
      }
      await context.close();
    }
  },
};

await play("less", scenarios, { browser, shots: SHOTS, end: () => node.stop() });
