// The console in a real browser: each page and its main act, by keyboard, at 360 pixels, in light and dark.
// usage: ALLOD_BIN=… node console.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { GRANTED, enter, fill, go, pagesOf, settled } from "./filled.mjs";
import { OWNER, codeOf, raw, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
/** What the first page may weigh, compressed, in bytes. */
const FIRST_LOAD = 300_000;
const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();
const filled = await fill(node);
const { contact } = filled;
const PAGES = pagesOf(filled);
const signIn = (page, who) => enter(node, page, who);
const visit = (page, path) => go(node, page, path);

/** Chooses of a list that opens. */
async function pick(page, list, option) {
  await page.getByRole("combobox", { name: list, exact: true }).click();
  await page.getByRole("option", { name: option, exact: true }).click();
}

async function contextOf(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
  return context;
}

async function opened(options = {}) {
  const context = await contextOf(options);
  const seen = await watch(context);
  const page = await context.newPage();
  await signIn(page);
  return { context, page, seen };
}

const scenarios = {
  async "the generated client is what this node says of itself"() {
    const script = fileURLToPath(new URL("../../admin-ui/scripts/api.mjs", import.meta.url));
    execFileSync("node", [script, node.url, "--check"], { stdio: "pipe" });
  },

  async "the first page weighs less than 300 kB, and comes from this node alone"() {
    const context = await contextOf();
    const seen = await watch(context);
    const page = await context.newPage();
    const bodies = [];
    page.on("response", (answer) => {
      if (new URL(answer.url()).pathname.startsWith("/admin/")) bodies.push(answer.body().catch(() => Buffer.alloc(0)));
    });
    await signIn(page);
    await settled(page);
    const weight = (await Promise.all(bodies)).reduce((sum, body) => sum + gzipSync(body).length, 0);
    console.log(`        sign-in and home: ${Math.round(weight / 1_000)} kB compressed`);
    assert.ok(weight > 50_000, "control: there is a console");
    assert.ok(weight < FIRST_LOAD, `${weight} bytes`);
    assert.deepEqual(seen.urls.filter((url) => !url.startsWith(`${node.pages}/`)), []);
    await context.close();
  },

  async "files that are named by their content are packed and kept; the page itself is asked for anew"() {
    const ask = (path, headers) => raw(`${node.url}/admin/${path}`, { headers });
    const page = await ask("", {});
    assert.equal(page.headers["cache-control"], "no-store");
    const script = /assets\/[^"]+\.js/.exec(page.text)[0];
    const packed = await ask(script, { "accept-encoding": "gzip, deflate" });
    assert.equal(packed.headers["content-encoding"], "gzip");
    assert.match(packed.headers["cache-control"], /immutable/);
    const plain = await ask(script, {});
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.ok(plain.text.length > 3 * Number(packed.headers["content-length"]));
    const gone = await ask("assets/of-another-version.js", {});
    assert.deepEqual([gone.status, gone.headers["cache-control"]], [404, "no-store"]);
  },

  async "every page in light and dark: accessible, within the policy, without an error"() {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page, seen } = await opened({ colorScheme });
      for (const [name, path] of Object.entries(PAGES)) {
        await visit(page, path);
        assert.equal(await page.locator("main [role=alert]").count(), 0, `${name} complains`);
        await accessible(page, `${name}, ${colorScheme}`);
        if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}-1280-${colorScheme}.png` });
      }
      await visit(page, "/graphql");
      await page.waitForSelector(".graphiql-container");
      await page.click(".graphiql-execute-button");
      await page.waitForSelector(".result-window >> text=queryType");
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/graphql-1280-${colorScheme}.png` });
      assert.deepEqual(seen.violations, []);
      assert.deepEqual(seen.errors, []);
      assert.deepEqual(seen.urls.filter((url) => !url.startsWith(`${node.pages}/`)), [], "no other host");
      await context.close();
    }
  },

  async "nothing is cut at 360 pixels, and the navigation is there"() {
    const { context, page } = await opened({ viewport: { width: 360, height: 760 } });
    for (const [name, path] of Object.entries(PAGES)) {
      await visit(page, path);
      await fits(page, 360);
      if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}-360.png` });
    }
    await visit(page, "/");
    await page.click("[aria-label=Pages]");
    await page.click("[role=dialog] >> text=Shares and links");
    await page.waitForSelector("h1 >> text=Shares and links");
    await context.close();
  },

  async "sign-in keeps the name, says what is wrong, and leads to where one wanted to go"() {
    const page = await (await contextOf()).newPage();
    await page.goto(`${node.pages}/admin/audit?what=session.created`);
    await page.fill("#user", OWNER.user);
    await page.fill("#password", "not her password");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=alert] >> text=The name or the password is wrong");
    assert.equal(await page.inputValue("#user"), OWNER.user);
    assert.equal(await page.evaluate(() => document.activeElement.id), "password");
    await accessible(page, "sign-in");
    await page.fill("#password", OWNER.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("h1 >> text=My audit");
    assert.match(page.url(), /what=session\.created/);
    await page.click("header >> text=alice");
    await page.click("text=Sign out");
    await page.waitForSelector("#password");
    await page.goto(`${node.pages}/admin/audit`);
    await page.waitForSelector("#password");
    await page.context().close();
  },

  async "an address that leads elsewhere after sign-in leads home"() {
    for (const to of ["https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"]) {
      const page = await (await contextOf()).newPage();
      await page.goto(`${node.pages}/admin/sign-in?${new URLSearchParams({ to })}`);
      await page.fill("#user", OWNER.user);
      await page.fill("#password", OWNER.password);
      await page.keyboard.press("Enter");
      await page.waitForSelector("text=Your spaces");
      assert.equal(page.url(), `${node.pages}/admin/`, to);
      await page.context().close();
    }
  },

  async "by keyboard alone: sign in, go to a collection, change a cell"() {
    const page = await (await contextOf()).newPage();
    const keys = async (...all) => {
      for (const key of all) await page.keyboard.press(key);
    };
    await page.goto(`${node.pages}/admin/`);
    await page.waitForSelector("#user:focus");
    await page.keyboard.type(OWNER.user);
    await keys("Tab");
    await page.keyboard.type(OWNER.password);
    await keys("Enter");
    await page.waitForSelector("text=Your spaces");
    await keys("Control+k");
    await page.waitForSelector("[role=combobox]:focus");
    await page.keyboard.type("contact");
    await page.waitForSelector("[role=option] >> text=Contact");
    await keys("Enter");
    await page.waitForSelector("[role=gridcell] >> text=Ben");
    for (let n = 0; n < 40 && !(await page.evaluate(() => document.activeElement.closest("[role=grid] tbody"))); n += 1) await keys("Tab");
    await keys("ArrowRight", "ArrowRight", "ArrowDown");
    await page.waitForFunction(() => document.activeElement.textContent === "2");
    await keys("Enter", "Control+a");
    await page.keyboard.type("+41 22");
    await keys("Enter");
    await page.waitForSelector("[role=status] >> text=phone is saved");
    const told = await node.operator("POST", "/api/v1/graphql", { query: '{ Contact(filter: {name: {_eq: "Ben"}}) { phone } }' });
    assert.equal(told.data.Contact[0].phone, "+41 22");
    await page.context().close();
  },

  async "a collection: filtered, ordered, scrolled to its end; a document deleted and brought back"() {
    const { context, page } = await opened();
    await visit(page, "/data?collection=Book");
    await page.waitForSelector("text=1,000 documents");
    await page.click("text=Add a condition");
    await page.fill("[aria-label='Value of condition 1']", "Solaris");
    await page.click("text=Apply");
    await page.waitForSelector("text=167 documents");
    assert.match(page.url(), /filter=/, "the address keeps it");
    await page.reload();
    await page.waitForSelector("text=167 documents");
    await page.click("[aria-label='Remove condition 1']");
    await page.waitForSelector("text=1,000 documents");
    await page.click("[role=columnheader] >> text=title");
    await page.waitForSelector("[role=gridcell] >> text=Emma 0");
    await page.evaluate(() => document.querySelector(".grid-box").scrollTo(0, 1e9));
    await page.waitForSelector("[role=row][aria-rowindex='1001'] >> text=Solaris 998");
    assert.ok((await page.locator("tbody [role=row]").count()) < 100, "what is not in view is not drawn");
    await visit(page, `/data?collection=Contact&doc=${contact}`);
    await page.click("[role=dialog] >> text=Delete");
    await page.waitForSelector("[role=dialog] >> text=Bring back");
    await page.waitForSelector("text=1 document");
    await page.click("[role=dialog] >> text=Bring back");
    await page.waitForSelector("[role=dialog] >> text=Delete");
    await page.waitForSelector("text=2 documents");
    await page.click("[role=dialog] >> text=Delete");
    await page.waitForSelector("text=1 document");
    await page.click("[role=status] >> text=Undo");
    await page.waitForSelector("text=2 documents");
    await context.close();
  },

  async "an old version is compared and comes back"() {
    const { context, page } = await opened();
    await visit(page, PAGES.history);
    await page.waitForSelector("#commits + .scroll tbody tr");
    const steps = await page.locator("#commits + .scroll tbody tr").count();
    await page.click("[aria-label='Step 1 on the left']");
    await page.waitForSelector("ins >> text='+41 99'");
    await page.click("text=Back to this");
    await page.click("text=Write it anew");
    await page.waitForSelector("text=The document is as it was then");
    await page.waitForFunction((steps) => document.querySelectorAll("#commits + .scroll tbody tr").length === steps + 1, steps);
    const told = await node.operator("POST", "/api/v1/graphql", { query: `{ Contact(docID: "${contact}") { phone } }` });
    assert.equal(told.data.Contact[0].phone, "1");
    await context.close();
  },

  async "a share is given and ended; a link is made, opened and removed"() {
    const { context, page } = await opened();
    await visit(page, "/shares");
    await page.click("text=Share something");
    await page.getByLabel("Their name").fill("nobody");
    await page.click("[role=dialog] >> button:has-text('Share')");
    await page.waitForSelector("[role=status] >> text=Nobody of this name");
    await page.click("text=Share something");
    await page.getByLabel("Their name").fill("bob");
    await page.click("[role=dialog] >> button:has-text('Share')");
    await page.waitForSelector("text=It is shared");
    await page.waitForSelector("td >> text=bob");
    await page.locator("tr", { hasText: /bob/ }).getByText("End", { exact: true }).click();
    await page.click("[role=dialog] >> text=End it");
    await page.waitForSelector("td >> text=bob", { state: "detached" });
    await page.click("[role=tab] >> text=Links");
    await page.click("text=Make a link");
    await page.getByRole("combobox", { name: "Collection" }).click();
    await page.click("[role=option] >> text=Book");
    await page.getByRole("checkbox", { name: "title" }).check();
    await page.click("[role=dialog] >> button:has-text('Make the link')");
    const address = await page.getByRole("textbox", { name: "Address" }).inputValue();
    assert.equal((await fetch(address.replace(node.pages, node.url))).status, 200);
    await page.keyboard.press("Escape");
    await page.click("text=Remove");
    await page.click("[role=dialog] >> text=Remove it");
    await page.waitForSelector("text=No link leads here");
    assert.equal((await fetch(address.replace(node.pages, node.url))).status, 404);
    await context.close();
  },

  async "a document is put into a folder, and taken out"() {
    const { context, page } = await opened();
    await visit(page, "/folders");
    await page.click("text=New folder");
    await page.fill("[role=dialog] [name=name]", "Loans");
    await page.getByRole("combobox", { name: "Of the documents of" }).click();
    await page.click("[role=option] >> text=Contact");
    await page.click("text=Make the folder");
    await page.waitForSelector("h2 >> text=Loans");
    await page.fill("[name=document]", contact);
    await page.click("text=Put it in");
    await page.click(`li:has-text("${contact}") >> text=Take out`);
    await page.waitForSelector("text=Nothing lies in it");
    await context.close();
  },

  async "an app's access is read as a sentence, and taken back"() {
    const { context, page } = await opened();
    await visit(page, "/apps");
    await page.waitForSelector("text=May read and search name and phone of Contact, where tag is family.");
    await page.waitForSelector("text=1 answer, 1 document in them");
    await page.waitForSelector("dt:has-text('Fields it looked at') + dd:has-text('Contact.name')");
    await page.waitForSelector("dt:has-text('Never looked at') + dd:has-text('Contact.phone')");
    await page.click("text=What it sees");
    await page.waitForSelector("[role=dialog] >> text=name, phone");
    await page.keyboard.press("Escape");
    await page.click("text=Take it back");
    await page.click("[role=dialog] >> button:has-text('Take it back')");
    await page.waitForSelector("text=No app may use your data");
    assert.deepEqual(await node.operator("GET", "/api/v1/grants"), []);
    await context.close();
  },

  async "an app that wants to know who one is says so, is listed, and is told no more"() {
    const { context, page } = await opened();
    const { client_id } = await node.operator("POST", "/api/v1/apps", { name: "Photos of the Family", redirect_uris: ["http://127.0.0.1/photos"] });
    const asked = { response_type: "code", client_id, redirect_uri: "http://127.0.0.1/photos", scope: "openid profile", nonce: "n", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" };
    const small = await context.newPage();
    await small.setViewportSize({ width: 360, height: 800 });
    await small.goto(`${node.pages}/oauth/authorize?${new URLSearchParams(asked)}`);
    await small.fill("#user", OWNER.user);
    await small.fill("#password", OWNER.password);
    await small.click("button");
    await small.waitForSelector("h1 >> text=Photos of the Family wants to know who you are");
    await fits(small, 360);
    await accessible(small, "the consent to a sign-in");
    if (SHOTS) await small.screenshot({ path: `${SHOTS}/sign-in-to-app.png`, fullPage: true });
    // Nobody listens there: that the browser is sent is enough.
    await Promise.all([small.waitForRequest(/photos\?code=/), small.click("button[value=allow]")]);
    await small.close();
    // A page of its own: the one before is still on its way to where nobody listens.
    const device = await context.newPage();
    await device.setViewportSize({ width: 360, height: 800 });
    await device.goto(`${node.pages}/oauth/device?user_code=BCDF-GHJK`);
    await fits(device, 360);
    await accessible(device, "the code of a device");
    if (SHOTS) await device.screenshot({ path: `${SHOTS}/device.png`, fullPage: true });
    await device.close();
    await visit(page, "/apps");
    const card = page.getByRole("region", { name: "Signing in to Photos of the Family" });
    await card.getByText("a number that stands for you, and your name").waitFor();
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/apps-signed-in.png`, fullPage: true });
    await card.getByText("End it").click();
    await page.click("[role=dialog] >> button:has-text('End it')");
    await card.waitFor({ state: "detached" });
    assert.deepEqual(await node.operator("GET", "/api/v1/sign-ins"), []);
    await context.close();
  },

  async "an act that needs the password again asks for it, says a wrong one, and goes on"() {
    const { context, page } = await opened();
    // A session that is five minutes old is answered so; this one is younger.
    const old = { status: 401, json: { code: "insufficient_user_authentication", detail: "This needs your password again." } };
    await page.route("**/api/v1/devices/invite", (route) => route.fulfill(old), { times: 1 });
    await visit(page, "/devices");
    await page.click("text=Add a device");
    await page.waitForSelector("text=Your password, once more");
    await page.fill("[role=dialog] [name=password]", "not her password");
    await page.click("text=Go on");
    await page.waitForSelector("[role=dialog] >> text=The password is wrong");
    await page.fill("[role=dialog] [name=password]", OWNER.password);
    await page.click("text=Go on");
    await page.waitForSelector("text=A code for one device");
    assert.match(await page.getByRole("textbox", { name: "Code" }).inputValue(), /^[A-Z2-7]{40,}$/i);
    await context.close();
  },

  async "a space, a collection and a group are made; a field is hidden, and the answer says why"() {
    const { context, page } = await opened();
    await visit(page, "/spaces");
    await page.click("text=New space");
    await page.fill("[role=dialog] [name=name]", "Household");
    await page.click("text=Make the space");
    await page.waitForSelector("h2 >> text=Household");
    await visit(page, "/schema");
    await page.getByRole("textbox", { name: "Definitions" }).fill("type Note { text: String");
    await page.click("button:has-text('Define')");
    await page.waitForSelector("main [role=alert]");
    await page.getByRole("textbox", { name: "Definitions" }).fill("type Note { text: String }");
    await page.click("button:has-text('Define')");
    await page.waitForSelector("h2 >> text=Note");
    await visit(page, "/groups");
    await page.click("text=New group");
    await page.fill("[role=dialog] [name=name]", "Choir");
    await page.click("text=Make the group");
    await page.waitForSelector("h2 >> text=Choir");
    await visit(page, "/visibility?collection=Contact&field=phone");
    await page.waitForSelector("strong >> text=Family");
    await page.click("text=Hide or seal phone");
    await page.getByLabel("Their name").fill("bob");
    await page.click("text=Put it into force");
    await page.waitForSelector("text=is hidden from bob");
    const mine = page.locator("li", { hasText: "alice (you)" }).first();
    await mine.getByText("You have the space.").waitFor();
    await mine.getByText("By which relationships").click();
    await mine.getByText(/space:.*owner/).waitFor();
    await context.close();
  },

  async "who is no operator has no page of operators, and the node refuses them the same"() {
    const context = await contextOf();
    const page = await context.newPage();
    await signIn(page, { user: "bob", password: "the long password of bob" });
    assert.equal(await page.locator("nav >> text=Operator").count(), 0);
    await page.keyboard.press("Control+k");
    await page.fill("[role=combobox]", "registered");
    await page.waitForSelector("text=Nothing is called so");
    await page.keyboard.press("Escape");
    for (const path of ["people", "apps", "node", "audit", "policy"]) {
      await visit(page, `/operator/${path}`);
      await page.waitForSelector("text=You are no operator of this node");
    }
    await accessible(page, "a page of operators");
    const status = await page.evaluate(async () => {
      const headers = { "allod-page-key": localStorage.getItem("allod-page-key") };
      return (await fetch("/api/v1/users", { headers })).status;
    });
    assert.equal(status, 403);
    await context.close();
  },

  async "an operator invites somebody, who sets a password, and is suspended and let back in"() {
    const { context, page } = await opened();
    await page.click("nav >> text=Operator");
    await page.click("nav >> text=People");
    await page.click("text=Invite somebody");
    await page.getByLabel("Their name").fill("bob");
    await page.click("[role=dialog] >> text=Make the link");
    await page.waitForSelector("[role=dialog] [role=alert] >> text=taken");
    await page.getByLabel("Their name").fill("dora");
    await page.click("[role=dialog] >> text=Make the link");
    const link = await page.getByRole("textbox", { name: "Address" }).inputValue();
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/invited.png` });
    await page.keyboard.press("Escape");
    await page.waitForSelector("tr:has-text('dora') >> text=has no password yet");

    const other = await contextOf();
    const theirs = await other.newPage();
    await theirs.goto(link.replace(node.url, node.pages));
    await theirs.fill("[name=password]", "the long password of dora");
    await theirs.fill("[name=password-again]", "the long password of dora");
    await theirs.click("button[type=submit]");
    await theirs.waitForSelector("text=Your password is set");
    await signIn(theirs, { user: "dora", password: "the long password of dora" });

    await visit(page, "/operator/people");
    await page.waitForSelector("tr:has-text('dora') >> text=can sign in");
    await page.locator("tr", { hasText: "dora" }).getByText("Suspend", { exact: true }).click();
    await page.click("[role=dialog] >> text=Suspend them");
    await page.waitForSelector("[role=status] >> text=dora is out");
    await page.waitForSelector("tr:has-text('dora') >> text=suspended");
    await theirs.goto(`${node.pages}/admin/spaces`);
    await theirs.waitForSelector("#password");
    await theirs.fill("#user", "dora");
    await theirs.fill("#password", "the long password of dora");
    await theirs.keyboard.press("Enter");
    await theirs.waitForSelector("[role=alert] >> text=Your account is suspended");
    await page.click("tr:has-text('dora') >> text=Let back in");
    await page.waitForSelector("tr:has-text('dora') >> text=can sign in");
    await signIn(theirs, { user: "dora", password: "the long password of dora" });
    await other.close();
    await context.close();
  },

  async "an operator sets a quota, names another operator, and takes it back"() {
    const { context, page } = await opened();
    await visit(page, "/operator/people?person=bob");
    const own = page.getByRole("dialog");
    await own.getByLabel("Groups", { exact: true }).fill("3");
    await own.getByLabel("Set: Groups").click();
    await page.waitForSelector("[role=status] >> text=Groups: 3 at most, for bob");
    const set = await node.operator("GET", "/api/v1/quotas?user=bob");
    assert.equal(set.find((one) => one.quota === "groups").most, 3);
    await own.getByText("Make them an operator").click();
    await page.click("[role=dialog] >> text=Make them one");
    await page.waitForSelector("[role=status] >> text=bob is an operator");
    const { context: theirs, page: his } = await (async () => {
      const context = await contextOf();
      const page = await context.newPage();
      await signIn(page, { user: "bob", password: "the long password of bob" });
      return { context, page };
    })();
    await his.click("nav >> text=Operator");
    await his.click("nav >> text=Registered apps");
    await his.reload();
    await his.waitForSelector("nav [aria-current=page] >> text=Registered apps");
    await his.click("nav >> text=Operator");
    assert.equal(await his.locator("nav >> text=Audit of all").count(), 0, "folded away");
    await his.waitForSelector("nav [aria-current=page] >> text=Registered apps");
    await his.reload();
    await his.waitForSelector("nav [aria-current=page] >> text=Registered apps");
    assert.equal(await his.locator("nav >> text=Audit of all").count(), 0, "and stays so");
    await his.waitForSelector("td >> text=Little Address Book");
    await own.getByText("Take it away").click();
    await page.locator("[role=dialog]", { hasText: "operator no more" }).locator("button", { hasText: "Take it away" }).last().click();
    await page.waitForSelector("[role=status] >> text=bob is an operator no more");
    await his.reload();
    await his.waitForSelector("text=You are no operator of this node");
    await theirs.close();
    await context.close();
  },

  async "a change of an operator asks for the password once it is old, and then is done"() {
    const { context, page } = await opened();
    await visit(page, "/operator/people?person=bob");
    // As the node answers once five minutes are over.
    let asked = 0;
    await page.route("**/api/v1/users/bob/invite", async (route) => {
      asked += 1;
      if (asked > 1) return route.continue();
      const problem = { status: 401, code: "insufficient_user_authentication", detail: "This needs your password again." };
      return route.fulfill({ status: 401, contentType: "application/problem+json", body: JSON.stringify(problem) });
    });
    await page.getByText("Make a link").click();
    await page.waitForSelector("text=Your password, once more");
    await page.locator("[role=dialog] [name=password]").fill(OWNER.password);
    await page.keyboard.press("Enter");
    const link = await page.getByRole("textbox", { name: "Address" }).inputValue();
    assert.match(link, /\/invite\?token=/);
    assert.equal(asked, 2);
    await context.close();
  },

  async "an operator registers an app and removes it, with what it was granted"() {
    const { context, page } = await opened();
    await visit(page, "/operator/apps");
    await page.click("text=Register an app");
    const manifest = page.getByLabel("Its manifest");
    await manifest.fill("{");
    await page.click("[role=dialog] >> text=Register it");
    await page.waitForSelector("text=It is no JSON");
    await manifest.fill(JSON.stringify({ name: "Gone Tomorrow", redirect_uris: ["http://127.0.0.1/cb"], access: [GRANTED], egress: [] }));
    await page.click("[role=dialog] >> text=Register it");
    await page.waitForSelector("[role=dialog] [role=alert]");
    await manifest.fill(JSON.stringify({ name: "Gone Tomorrow", redirect_uris: ["http://127.0.0.1/cb"], access: [GRANTED] }));
    await page.click("[role=dialog] >> text=Register it");
    const client_id = await page.getByRole("textbox", { name: "Client id" }).inputValue();
    await page.keyboard.press("Escape");
    await node.operator("POST", "/api/v1/grants", { user: OWNER.user, client_id, access: [GRANTED] });
    await page.reload();
    await page.waitForSelector("tr:has-text('Gone Tomorrow') >> text=once");
    await page.locator("tr", { hasText: "Gone Tomorrow" }).getByText("Remove", { exact: true }).click();
    await page.click("[role=dialog] >> text=Remove it");
    await page.waitForSelector("[role=status] >> text=Gone Tomorrow is removed");
    const left = [...(await node.operator("GET", "/api/v1/grants")), ...(await node.operator("GET", "/api/v1/apps"))];
    assert.ok(!left.some((one) => one.client_id === client_id) && left.length > 0);
    await context.close();
  },

  async "the audit of all is filtered in the address, and goes on to its end"() {
    const { context, page } = await opened();
    for (let n = 1; n <= 60; n += 1) await node.operator("PUT", "/api/v1/quotas/links", { most: n, user: "bob" });
    await visit(page, "/operator/audit?user=bob&what=quota.set");
    await page.waitForSelector("td >> text=A quota was set");
    assert.equal(await page.locator("tbody tr").count(), 50);
    await page.click("main button:has-text('Older')");
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length < 50);
    assert.match(page.url(), /before=/);
    await page.reload();
    await page.waitForSelector("td >> text=A quota was set");
    assert.ok((await page.locator("tbody tr").count()) >= 10);
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 50);
    await pick(page, "By whom", "An app");
    await page.waitForSelector("text=Nothing of the kind");
    assert.match(page.url(), /actor=app/);
    await node.operator("PUT", "/api/v1/quotas/links", { most: null, user: "bob" });
    await context.close();
  },

  async "May they: yes with the relationships, no with what refuses it, and who else"() {
    const { client_id } = (await node.operator("GET", "/api/v1/apps")).find((app) => app.name === "Little Address Book");
    await node.operator("POST", "/api/v1/grants", { user: OWNER.user, client_id, access: [GRANTED] });
    const { context, page } = await opened();
    await visit(page, "/operator/policy");
    await pick(page, "May", "alice");
    await page.getByLabel("In the collection").fill("Contact");
    await page.getByLabel("This field").fill("phone");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#verdict >> text=yes");
    await page.waitForSelector("[aria-labelledby=verdict] ol >> text=/space:.*owner/");
    await page.reload();
    await page.waitForSelector("#verdict >> text=yes");
    await pick(page, "By", "Little Address Book");
    await page.waitForSelector("text=They granted it to the app");
    await pick(page, "Do", "delete");
    await page.waitForSelector("#verdict >> text=no");
    await page.waitForSelector("text=Refused by");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/may-they-no.png` });
    await page.click("text=Ask it of everybody");
    await page.waitForSelector("[aria-labelledby=everybody] li:has-text('alice') >> text=yes");
    await page.getByLabel("In the collection").fill("Nothing");
    await page.getByLabel("In the collection").press("Enter");
    await page.waitForSelector("[role=alert] >> text=There is no collection");
    await context.close();
  },

  async "the node's page shows its checks, and its figures move"() {
    const { context, page } = await opened();
    await visit(page, "/operator/node");
    await page.waitForSelector("#summary >> text=This node is well");
    await page.waitForSelector("tr:has-text('clock') >> text=ok");
    await page.waitForFunction(() => (document.querySelector(".spark polyline")?.getAttribute("points") ?? "").split(" ").length > 2);
    await page.waitForSelector("[aria-label=Memory] >> text=/MB/");
    await context.close();
  },

  async "whoever got a share sees it, and less where it is hidden"() {
    const rule = { collection: "Contact", field: "phone", rule: "hidden", who: { user: "bob" } };
    await node.operator("POST", "/api/v1/field-rules", rule);
    const other = await contextOf();
    const theirs = await other.newPage();
    await signIn(theirs, { user: "bob", password: "the long password of bob" });
    await visit(theirs, "/shares?tab=got");
    await theirs.click("td >> text=Contact");
    await theirs.waitForSelector("[role=gridcell] >> text=Ann");
    const heads = await theirs.locator("[role=columnheader]").allInnerTexts();
    assert.ok(heads.includes("name") && !heads.includes("phone"), heads.join());
    assert.equal(await theirs.locator("text=New document").count(), 0, "a viewer adds nothing");
    await other.close();
  },

  async "a node that is away is said to be, and what was typed stays"() {
    const { context, page } = await opened();
    await visit(page, "/groups");
    await context.setOffline(true);
    await page.click("text=New group");
    await page.fill("[role=dialog] [name=name]", "Nobody");
    await page.click("text=Make the group");
    await page.waitForSelector("[role=dialog] >> text=The node cannot be reached");
    assert.equal(await page.inputValue("[role=dialog] [name=name]"), "Nobody", "what was typed stays");
    await context.setOffline(false);
    await page.click("text=Make the group");
    await page.waitForSelector("h2 >> text=Nobody");
    await context.close();
  },

  async "sessions are listed, and one of them is ended"() {
    const { context: other } = await opened();
    const { context, page } = await opened();
    await visit(page, "/security");
    await page.waitForSelector("#sessions >> text=Where you are signed in");
    const ends = page.locator("[aria-labelledby=sessions] button:has-text('End')");
    const before = await ends.count();
    assert.ok(before > 0, "control: there is another");
    await ends.first().click();
    await page.waitForSelector("[role=status] >> text=That session has ended");
    await page.waitForFunction((left) => document.querySelectorAll("[aria-labelledby=sessions] tbody button").length === left, before - 1);
    await other.close();
    await context.close();
  },

  async "a second factor is set up, asked for at the next sign-in, and turned off"() {
    const carol = { user: "carol", password: "the long password of carol" };
    await node.operator("POST", "/api/v1/users", { name: carol.user, password: carol.password });
    const other = await contextOf();
    const page = await other.newPage();
    await signIn(page, carol);
    await visit(page, "/security");
    await page.click("text=Set one up");
    await page.fill("[name=code]", "000000");
    const secret = await page.inputValue("[aria-labelledby=second-factor] input[readonly]");
    await page.click("text=Use it from now on");
    await page.waitForSelector("[role=alert] >> text=The code is wrong");
    await page.fill("[name=code]", codeOf(secret));
    await page.click("text=Use it from now on");
    const recovery = await page.locator("[aria-labelledby=second-factor] li").first().innerText();
    await page.click("text=I have them");
    await page.waitForSelector("text=recovery codes are left");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/second-factor.png` });
    await page.click("button:has-text('Sign out everywhere')");
    await page.click("[role=dialog] >> button:has-text('Sign out everywhere')");
    await page.fill("#user", carol.user);
    await page.fill("#password", carol.password);
    await page.keyboard.press("Enter");
    await page.fill("#totp", "000000");
    if (SHOTS) await page.screenshot({ path: `${SHOTS}/sign-in-code.png` });
    await page.keyboard.press("Enter");
    await page.waitForSelector("[role=alert] >> text=The code is wrong");
    assert.equal(await page.inputValue("#password"), carol.password, "the password was right, and stays");
    await page.fill("#totp", recovery);
    await page.keyboard.press("Enter");
    await page.waitForSelector("nav >> text=My audit");
    await visit(page, "/security");
    await page.click("text=Turn it off");
    await page.click("[role=dialog] >> button:has-text('Turn it off')");
    await page.waitForSelector("[role=status] >> text=The password is enough again");
    await other.close();
  },

  async "the password is changed, and every session ends at once"() {
    const { context, page } = await opened();
    const next = "another horse, another battery";
    await visit(page, "/security");
    await page.locator("[name=current]").fill(OWNER.password);
    await page.locator("[name=new]").fill(next);
    await page.locator("[name=again]").fill(next);
    await page.click("button:has-text('Change the password')");
    await page.waitForSelector("text=Your password is changed");
    await page.click("button:has-text('Sign out everywhere')");
    await page.click("[role=dialog] >> button:has-text('Sign out everywhere')");
    await page.waitForSelector("#password");
    await signIn(page, { ...OWNER, password: next });
    await context.close();
  },

};

await play("console", scenarios, { browser, shots: SHOTS, end: () => node.stop() });
