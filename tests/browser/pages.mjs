// Pages of the console in a real browser: from right to left, who sees a cell, what is taken back, backups, policy.
// usage: ALLOD_BIN=… node pages.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { accessible, fits, laidOut, launch, watch } from "./browser.mjs";
import { enter, fill, go, pagesOf, settled } from "./filled.mjs";
import { OWNER, raw, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();
const filled = await fill(node);
const { contact, space, user } = filled;

async function contextOf(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
  return context;
}

async function opened(options = {}, who = OWNER) {
  const context = await contextOf(options);
  const seen = await watch(context);
  const page = await context.newPage();
  await enter(node, page, who);
  return { context, page, seen };
}

const visit = (page, path) => go(node, page, path);
const shot = async (page, name) => {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png` });
};
/** A page as it is in light, in dark and where there is little room. */
async function everyLook(page, name) {
  for (const [look, width, colorScheme] of [["1280-light", 1280, "light"], ["1280-dark", 1280, "dark"], ["360-light", 360, "light"]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: width === 360 ? 760 : 800 });
    await accessible(page, `${name}, ${look}`);
    await fits(page, width);
    await shot(page, `${name}-${look}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
}
/** Lets a request through, and the page see another answer to it. */
async function bent(route, change) {
  const asked = route.request();
  const { host, pathname, search } = new URL(asked.url());
  const headers = { ...(await asked.allHeaders()), host, "accept-encoding": "identity" };
  const { status, text } = await raw(node.url + pathname + search, { method: asked.method(), headers, body: asked.postData() ?? undefined });
  return route.fulfill({ status, json: change(JSON.parse(text)) });
}
const contacts = async () => (await node.operator("POST", "/api/v1/graphql", { query: "{ Contact(order: {name: ASC}) { name phone } }" })).data.Contact;
/** Goes to a cell by the keyboard alone. */
async function toCell(page, row, column) {
  await page.locator("[role=grid] tbody [data-at=true]").first().focus();
  for (let n = 0; n < column; n += 1) await page.keyboard.press("ArrowRight");
  for (let n = 0; n < row; n += 1) await page.keyboard.press("ArrowDown");
}

const scenarios = {
  async "from right to left every page is whole: nothing outside, nothing cut, nothing upon something else"() {
    for (const width of [1280, 360]) {
      const context = await contextOf({ viewport: { width, height: 760 }, reducedMotion: "reduce" });
      await context.addInitScript(() => {
        const turn = () => document.documentElement?.setAttribute("dir", "rtl");
        turn();
        new MutationObserver(turn).observe(document, { childList: true });
      });
      const page = await context.newPage();
      await enter(node, page);
      for (const [name, path] of Object.entries(pagesOf(filled))) {
        await visit(page, path);
        assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("main")).direction), "rtl");
        await laidOut(page, width);
        await accessible(page, `${name}, from right to left`);
        await shot(page, `rtl-${name}-${width}`);
      }
      if (width > 360) {
        await visit(page, "/data?collection=Contact");
        const [nav, main] = await Promise.all(["aside", "main"].map((part) => page.locator(part).boundingBox()));
        assert.ok(nav.x > main.x, "control: the navigation is on the right");
        await toCell(page, 0, 0);
        await page.keyboard.press("ArrowLeft");
        await page.waitForFunction(() => document.activeElement.textContent === "Ann", undefined, { timeout: 3_000 });
      } else {
        await page.click("[aria-label=Pages]");
        await page.waitForSelector("[role=dialog] >> text=Shares and links");
        await laidOut(page, width);
        await shot(page, "rtl-menu-360");
        await page.keyboard.press("Escape");
        await visit(page, "/spaces");
        for (const wrong of ["position: relative; inset-inline-start: 100vw", "width: 3rem; overflow: hidden; white-space: nowrap", "margin-block-end: -3rem"]) {
          await page.evaluate((wrong) => {
            document.querySelector("h1").style.cssText = wrong;
            return new Promise((drawn) => setTimeout(drawn, 50));
          }, wrong);
          await assert.rejects(laidOut(page, width), `control: ${wrong}`);
        }
      }
      await context.close();
    }
  },

  async "a cell says who sees it and why, in words; a rule is in the answer at once"() {
    const { context, page, seen } = await opened();
    await visit(page, "/data?collection=Contact");
    await page.waitForSelector("[role=gridcell] >> text=Ann");
    await toCell(page, 0, 2);
    await page.keyboard.press("?");
    const dialog = page.getByRole("dialog");
    const told = dialog.locator(".told:not([hidden])");
    await told.locator("li", { hasText: "alice (you)" }).getByText("You have the space.").waitFor();
    await told.locator("li", { hasText: "bob" }).getByText("bob is in the group “Family”.").waitFor();
    await told.locator("li", { hasText: "group" }).first().getByText("The collection was shared with the group “Family”, to read, until").waitFor();
    await told.locator("li", { hasText: "Little Address Book" }).getByText("A grant lets the app read it").waitFor();
    await told.locator("li", { hasText: "Little Address Book" }).getByText("You have the space.").waitFor();
    assert.match(page.url(), /why=phone/, "the address keeps it");
    await everyLook(page, "who-sees");
    assert.equal(await dialog.getByRole("button", { name: "Who sees phone" }).getAttribute("aria-expanded"), "true");
    await dialog.getByRole("button", { name: "Who sees tag" }).click();
    await dialog.locator(".told:not([hidden]) >> text=You have the space.").first().waitFor();
    assert.equal(await dialog.locator(".told:not([hidden]) li", { hasText: "Little Address Book" }).count(), 0, "the app has no tag");
    const { group } = (await node.operator("GET", "/api/v1/groups")).find((one) => one.name === "Family");
    const rule = await node.operator("POST", "/api/v1/field-rules", { collection: "Contact", field: "phone", rule: "hidden", who: { group } });
    await page.reload();
    await dialog.getByRole("button", { name: "Who sees phone" }).click();
    await dialog.locator(".told:not([hidden]) >> text=You have the space.").first().waitFor();
    assert.equal(await dialog.locator(".told:not([hidden]) >> text=Family").count(), 0, "it is hidden from the group");
    await node.operator("DELETE", `/api/v1/field-rules/${rule.field_rule}`);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.doesNotMatch(page.url(), /why=|doc=/);
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  },

  async "who got something by a share is told that, and not who else"() {
    const { context, page } = await opened({}, { user: "bob", password: "the long password of bob" });
    await visit(page, `/data?${new URLSearchParams({ space, collection: "Contact", doc: contact, why: "name" })}`);
    await page.waitForSelector("[role=dialog] >> text=You see it because it was shared with you");
    await shot(page, "who-sees-bob");
    await page.click("[role=dialog] >> text=what you got");
    await page.waitForSelector("h1 >> text=Shares and links");
    await context.close();
  },

  async "what is changed or deleted in the table is taken back by a click"() {
    const { context, page } = await opened();
    await visit(page, "/data?collection=Contact&order=name");
    await page.waitForSelector("[role=gridcell] >> text=Ben");
    const before = await contacts();
    await toCell(page, 1, 2);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("+41 77");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=status] >> text=phone is saved");
    assert.equal((await contacts())[1].phone, "+41 77", "control");
    await shot(page, "undo");
    await page.click("[role=status] >> text=Undo");
    await page.waitForSelector("[role=status] >> text=phone is as it was");
    assert.deepEqual(await contacts(), before);
    await page.waitForSelector("text=2 documents");
    await toCell(page, 0, 0);
    await page.keyboard.press("Delete");
    await page.waitForSelector("[role=status] >> text=The document is deleted");
    await page.waitForSelector("text=1 document");
    await page.click("[role=status] >> text=Undo");
    await page.waitForSelector("text=2 documents");
    assert.deepEqual(await contacts(), before);
    await context.close();
    const { context: theirs, page: his } = await opened({}, { user: "bob", password: "the long password of bob" });
    await visit(his, `/data?${new URLSearchParams({ space, collection: "Contact" })}`);
    await his.waitForSelector("[role=gridcell] >> text=Ann");
    await toCell(his, 0, 0);
    await his.keyboard.press("Delete");
    await his.waitForTimeout(300);
    assert.deepEqual(await contacts(), before, "who may only read deletes nothing");
    await theirs.close();
  },

  async "a history that went two ways and met again is drawn so"() {
    const { context, page } = await opened();
    const path = `/history?${new URLSearchParams({ space, collection: "Contact", doc: contact })}`;
    await visit(page, path);
    await page.waitForSelector("#commits + .scroll tbody tr");
    const dots = page.locator(".graph i");
    assert.equal(await dots.count(), await page.locator("#commits + .scroll tbody tr").count());
    const lanes = async () => new Set(await dots.evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().left)))).size;
    assert.equal(await lanes(), 1, "control: one device wrote");
    // As two devices write that were apart: the second row rests on the first, and so does the third.
    await page.route("**/api/v1/graphql", async (route) => {
      if (!route.request().postData().includes("_commits")) return route.continue();
      return bent(route, ({ data }) => {
        const [newest, ...older] = data.commits;
        const first = older.at(-1);
        const between = ["a", "b"].map((letter) => ({ ...newest, cid: newest.cid.replace(/.{6}$/, letter.repeat(6)), height: 2, heads: [{ cid: first.cid }] }));
        return { data: { commits: [{ ...newest, height: 3, heads: between.map(({ cid }) => ({ cid })) }, ...between, first] } };
      });
    });
    await page.reload();
    await page.waitForSelector("text=joins 2");
    assert.equal(await lanes(), 2);
    await page.locator("#commits").scrollIntoViewIfNeeded();
    await everyLook(page, "history-fork");
    await context.close();
  },

  async "a place for another node is made, told once, and removed by its name"() {
    const { context, page, seen } = await opened();
    await visit(page, "/operator/backups");
    await page.waitForSelector("#own >> text=Backups of this node");
    await everyLook(page, "backups");
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Make a place" }).click();
    await dialog.getByLabel("Its name").fill("Not A Name!");
    await page.keyboard.press("Enter");
    await dialog.getByRole("alert").waitFor();
    assert.equal(await dialog.getByLabel("Its name").inputValue(), "Not A Name!", "what was typed stays");
    await accessible(page, "making a place");
    await dialog.getByLabel("Its name").fill("ben");
    await dialog.getByLabel("Room, in GB").fill("2.5");
    await page.keyboard.press("Enter");
    const secret = await dialog.getByRole("textbox", { name: "Secret" }).inputValue();
    const address = await dialog.getByRole("textbox", { name: "Address" }).inputValue();
    assert.match(secret, /^allod_place_/);
    assert.match(address, /\/places\/ben$/);
    await everyLook(page, "place-made");
    await page.keyboard.press("Escape");
    const row = page.locator("tr", { hasText: "/places/ben" });
    await row.getByText("0 B of 2.5 GB").waitFor();
    assert.ok(!(await page.content()).includes(secret), "the secret is told once");
    const found = (await node.operator("GET", "/api/v1/places")).find((one) => one.place === "ben");
    assert.equal(found.quota, 2_500_000_000);
    await row.getByRole("button", { name: "Remove" }).click();
    const remove = dialog.getByRole("button", { name: "Remove it with its backups" });
    assert.ok(await remove.isDisabled(), "its name is typed first");
    await dialog.getByLabel("Type “ben” to go on").fill("ben");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=status] >> text=The place ben is gone");
    const left = (await node.operator("GET", "/api/v1/places")).map((one) => one.place);
    assert.deepEqual(left, ["anna"], "and the other stays");
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  },

  async "the model is read, and a draft says what it would change"() {
    const { context, page, seen } = await opened();
    await visit(page, "/operator/model");
    await page.getByRole("link", { name: "document", exact: true }).click();
    await page.waitForFunction(() => document.activeElement.id === "definition-document");
    assert.ok((await page.locator("#definition-document .tok-name").allInnerTexts()).includes("blocked"));
    await everyLook(page, "policy-model");
    await page.getByRole("button", { name: "Try a change" }).click();
    const field = page.getByRole("textbox", { name: "The schema" });
    const before = await field.inputValue();
    const look = page.getByRole("button", { name: "What would it change?" });
    await field.fill(`${before}\ndefinition shop {\n  relation keeper user\n}\n`);
    await look.click();
    await page.waitForSelector("#told >> text=It does not fit");
    await page.getByRole("button", { name: /^Line \d+, column \d+$/ }).click();
    const [line, at] = await field.evaluate((area) => [area.value.slice(0, area.selectionStart).split("\n").length, document.activeElement === area]);
    assert.ok(at);
    assert.equal(line, before.split("\n").length + 2, "the cursor is in the line that is wrong");
    await shot(page, "policy-wrong-1280-light");
    await field.fill(`${before}\ndefinition shop {\n  relation shop: user\n  permission keep = shop\n}\n`);
    await page.waitForSelector("text=the draft was changed since");
    await look.click();
    await page.waitForSelector("#told >> text=It fits");
    await page.waitForSelector("li >> text=definition “shop” was added");
    await page.waitForSelector("text=relation-name-references-parent");
    await page.locator("#told").scrollIntoViewIfNeeded();
    await everyLook(page, "policy-draft");
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Keep it as schema.zed" }).click()]);
    assert.match(readFileSync(await file.path(), "utf8"), /definition shop \{/);
    await field.fill(before.replace("permission view = edit + viewer\n", "permission view = edit + viewer + tenant->manage\n"));
    await look.click();
    await page.waitForSelector("text=It changes what the node itself rests on");
    const { schema } = await node.operator("GET", "/api/v1/policy/schema");
    assert.equal(schema, before, "nothing came of it");
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  },

  async "a question to the model is answered step by step, and the address keeps it"() {
    const { context, page } = await opened();
    await visit(page, "/operator/model?tab=why");
    await page.waitForSelector("text=Nothing is asked yet");
    await page.getByLabel("With the id").fill(space);
    await page.getByLabel("Of the name or id").fill("alice");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#answer >> text=yes");
    await page.waitForSelector("[aria-labelledby=answer] ol >> text=/#owner@user:alice/");
    await page.reload();
    await page.waitForSelector("#answer >> text=yes");
    assert.equal(await page.getByLabel("Of the name or id").inputValue(), "alice");
    await everyLook(page, "policy-why");
    await page.getByLabel("Of the name or id").fill("bob");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#answer >> text=no");
    await visit(page, `/operator/model?${new URLSearchParams({ tab: "why", check: `space:${space}#fly@user:${user}` })}`);
    await page.waitForSelector("[aria-labelledby=answer] [role=alert]");
    await context.close();
  },

  async "the browser follows every change of policy, and says where the past is another"() {
    const { context, page } = await opened();
    const path = "/operator/model?tab=changes";
    await visit(page, path);
    await page.waitForSelector("#whole >> text=whole");
    await page.waitForSelector("text=It remembers how far it came");
    const rows = await node.operator("GET", "/api/v1/policy/audit");
    await page.waitForSelector(`text=${rows.at(-1).hash}`);
    await everyLook(page, "policy-changes");
    await node.operator("POST", "/api/v1/groups", { name: "One more" });
    await page.reload();
    await page.waitForSelector("text=They go on from what it saw");
    // One letter of one row; and then a history that is whole in itself, and another than before.
    let bend = (all) => all.map((row, n) => (n === 2 ? { ...row, sealed: `${row.sealed} ` } : row));
    await page.route("**/api/v1/policy/audit?*", (route) => bent(route, bend));
    await page.reload();
    await page.waitForSelector("[role=alert] >> text=Change 3 is not what was sealed");
    await everyLook(page, "policy-changes-broken");
    bend = (all) => all.filter((_, n) => n !== 1);
    await page.reload();
    await page.waitForSelector("[role=alert] >> text=Change 2 is missing");
    bend = (all) => all.slice(0, -1);
    await page.reload();
    await page.waitForSelector("[role=alert] >> text=What this browser saw before went further");
    bend = (all) => all;
    await page.evaluate(() => {
      const kept = JSON.parse(localStorage.getItem("allod-policy-seen"));
      localStorage.setItem("allod-policy-seen", JSON.stringify({ ...kept, hash: "0".repeat(64) }));
    });
    await page.reload();
    await page.waitForSelector("[role=alert] >> text=is another than this browser saw before");
    await page.getByRole("button", { name: "It was restored: begin anew from here" }).click();
    await page.waitForSelector("#whole >> text=whole");
    await page.reload();
    await page.waitForSelector("text=They go on from what it saw");
    await context.close();
  },

  async "the page of apps shows a person their own first rows as the app sees them"() {
    const { client_id } = (await node.operator("GET", "/api/v1/apps")).find((app) => app.name === "Little Address Book");
    const { context, page, seen } = await opened();
    await visit(page, "/apps");
    await page.getByRole("region", { name: "Little Address Book" }).getByRole("button", { name: "What it sees" }).click();
    const rows = page.getByRole("region", { name: "What it sees of Contact" });
    await rows.getByText("Ann").waitFor();
    assert.deepEqual(await rows.locator("th").allInnerTexts(), ["name", "phone"]);
    assert.equal(await rows.getByText("Ben").count(), 0, "whom the grant leaves out");
    assert.match(page.url(), new RegExp(client_id));
    await everyLook(page, "app-sees-rows");
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  },

  async "a tenant is added, and somebody is invited into it"() {
    const { context, page } = await opened();
    await visit(page, "/operator/people");
    const part = page.getByRole("region", { name: "Tenants" });
    const taken = (await node.operator("GET", "/api/v1/tenants"))[0].name;
    await part.getByLabel("Another tenant").fill(taken);
    await page.keyboard.press("Enter");
    await part.getByRole("alert").waitFor();
    assert.equal(await part.getByLabel("Another tenant").inputValue(), taken, "what was typed stays");
    await part.getByLabel("Another tenant").fill("acme");
    await page.keyboard.press("Enter");
    const row = part.locator("tr", { hasText: "acme" });
    await row.getByText("0", { exact: true }).waitFor();
    assert.equal(await part.locator("tr", { hasText: taken }).getByRole("button").count(), 0, "one's own stays");
    await part.scrollIntoViewIfNeeded();
    await everyLook(page, "tenants");
    await page.getByRole("button", { name: "Invite somebody" }).click();
    await page.getByRole("dialog").getByLabel("Their name").fill("erin");
    await page.getByRole("dialog").getByLabel("Tenant").fill("acme");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByRole("textbox", { name: "Address" }).waitFor();
    await page.keyboard.press("Escape");
    await row.getByText("1", { exact: true }).waitFor();
    await row.getByRole("button", { name: "Suspend" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Suspend them all" }).click();
    await row.getByText("suspended").waitFor();
    await row.getByRole("button", { name: "Remove" }).click();
    const certain = page.getByRole("dialog").getByRole("button", { name: "Remove them all for good" });
    assert.equal(await certain.isDisabled(), true, "its name is typed first");
    await page.getByRole("dialog").getByRole("textbox").fill("acme");
    await everyLook(page, "tenant-removal");
    await certain.click();
    await row.waitFor({ state: "detached" });
    const people = (await node.operator("GET", "/api/v1/users")).map((one) => one.name);
    assert.equal(people.includes("erin"), false, "nor are its people there");
    await context.close();
  },

  async "a person deletes their own account, and an operator removes another"() {
    for (const name of ["leaving", "left"]) await node.operator("POST", "/api/v1/users", { name, password: `the long password of ${name}` });
    const theirs = await opened({}, { user: "leaving", password: "the long password of leaving" });
    await visit(theirs.page, "/security");
    const part = theirs.page.getByRole("region", { name: "Delete my account" });
    await part.getByRole("button", { name: "Delete my account" }).click();
    const certain = theirs.page.getByRole("dialog").getByRole("button", { name: "Delete it for good" });
    assert.equal(await certain.isDisabled(), true, "the name is typed first");
    await theirs.page.getByRole("dialog").getByRole("textbox").fill("leaving");
    await everyLook(theirs.page, "delete-my-account");
    await certain.click();
    await theirs.page.waitForSelector("#password");
    assert.deepEqual([theirs.seen.violations, theirs.seen.errors], [[], []]);
    await theirs.context.close();

    const { context, page } = await opened();
    await visit(page, "/security");
    await page.getByRole("region", { name: "Delete my account" }).getByText("The node is yours").waitFor();
    await visit(page, "/operator/people?person=left");
    const person = page.getByRole("region", { name: "Remove for good" });
    await person.getByRole("button", { name: "Remove left" }).click();
    await page.getByRole("dialog", { name: "Remove left for good?" }).getByRole("textbox").fill("left");
    await everyLook(page, "person-removal");
    await page.getByRole("button", { name: "Remove them for good" }).click();
    await page.getByText("left is gone.").waitFor();
    const people = (await node.operator("GET", "/api/v1/users")).map((one) => one.name);
    assert.deepEqual(people.filter((name) => ["leaving", "left"].includes(name)), []);
    await context.close();
  },

  async "an operator sees what an app sees, of everybody"() {
    const { context, page } = await opened();
    await visit(page, "/operator/apps");
    await page.locator("tr", { hasText: "Little Address Book" }).getByRole("button", { name: "What it sees" }).click();
    await page.waitForSelector("[role=dialog] >> text=tag is family");
    assert.match(page.url(), /app=/);
    await everyLook(page, "registered-sees");
    await settled(page);
    await context.close();
  },
};

await play("pages", scenarios, { browser, shots: SHOTS, end: () => node.stop() });
