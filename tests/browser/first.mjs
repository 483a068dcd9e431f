// The first run in a real browser: from the one link to a home page that says what to do next.
// usage: ALLOD_BIN=… node first.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { OWNER, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const browser = await launch();
/** Nodes of a scenario that failed are stopped behind it. */
const running = new Set();

async function contextOf(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(15_000);
  return context;
}

/** The page as it is, looked at and kept. */
async function look(page, name) {
  const { width } = page.viewportSize();
  if (width < 500) await fits(page, width);
  await accessible(page, `${name} at ${width}`);
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
}

async function settled(page) {
  await page.waitForFunction(() => document.querySelector('[aria-label="Loading"]') === null);
}

/** Sets a node up and goes on to the steps in the console. */
async function welcomed(node, page, shot = "") {
  await page.goto(node.setupLink);
  if (shot) await look(page, `first-setup-${shot}`);
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.fill("#password-again", OWNER.password);
  await page.click("button[type=submit]");
  await page.waitForSelector("h1 >> text=Welcome home");
  if (shot) await look(page, `first-ready-${shot}`);
  await page.click("text=Sign in and go on");
  await page.waitForSelector("#password:focus");
  assert.equal(await page.inputValue("#user"), OWNER.user, "the name is there already");
  await page.keyboard.type(OWNER.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h2 >> text=Your recovery kit");
}

const scenarios = {
  async "the set-up page works without script, keeps what was typed, and goes on where the mistake is"() {
    const node = await fresh();
    const context = await contextOf({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(node.setupLink);
    await page.waitForSelector("text=You have a backup");
    await page.waitForSelector("a >> text=Restore from a backup");
    await page.waitForSelector("a >> text=Join a node as a device");
    await page.fill("#user", OWNER.user);
    await page.fill("#tenant", "Our house");
    await page.fill("#password", OWNER.password);
    await page.fill("#password-again", "another one altogether");
    await page.click("button[type=submit]");
    await page.waitForSelector("[role=alert] >> text=The two passwords differ");
    assert.equal(await page.inputValue("#user"), OWNER.user);
    assert.equal(await page.inputValue("#tenant"), "Our house");
    assert.equal(await page.getAttribute("#password", "autofocus"), "");
    assert.equal(await page.getAttribute("#password", "aria-invalid"), "true");
    assert.equal(await page.getAttribute("#user", "autofocus"), null);
    await page.fill("#user", "no name at all!");
    await page.fill("#password", OWNER.password);
    await page.fill("#password-again", OWNER.password);
    await page.click("button[type=submit]");
    await page.waitForSelector("#user[aria-invalid=true]");
    await page.fill("#user", OWNER.user);
    await page.fill("#password", OWNER.password);
    await page.fill("#password-again", OWNER.password);
    await page.click("button[type=submit]");
    await page.waitForSelector("#tenant[aria-invalid=true]");
    await page.fill("#tenant", "our-house");
    await page.fill("#password", OWNER.password);
    await page.fill("#password-again", OWNER.password);
    await page.click("button[type=submit]");
    await page.waitForSelector("h1 >> text=Welcome home");
    await page.goto(node.setupLink);
    await page.waitForSelector("h1 >> text=No such link");
    await context.close();
    await node.stop();
  },

  async "from the link to home: the kit shown, typed back, and sample data; clicks are counted"() {
    for (const [shot, options] of [
      ["1280-light", {}],
      ["360-dark", { viewport: { width: 360, height: 760 }, colorScheme: "dark" }],
    ]) {
      const node = await fresh();
      const context = await contextOf(options);
      const seen = await watch(context);
      const page = await context.newPage();
      await welcomed(node, page, shot);
      await settled(page);
      await look(page, `first-kit-${shot}`);
      await page.click("text=Show my words");
      await page.waitForSelector("ol.kit li");
      const words = await page.locator("ol.kit li").allInnerTexts();
      assert.equal(words.length, 24);
      await look(page, `first-words-${shot}`);
      if (SHOTS && shot === "1280-light") {
        await page.emulateMedia({ media: "print" });
        await page.screenshot({ path: `${SHOTS}/first-printed.png`, fullPage: true });
        await page.emulateMedia({ media: null });
      }
      await page.click("text=I have written them down");
      assert.equal(await page.locator("ol.kit").count(), 0, "they are typed from paper");
      // Two of them in the wrong order, then a word that is none.
      const swapped = [words[1], words[0], ...words.slice(2)].join(" ");
      for (const wrong of [swapped, ["xyzzy", ...words.slice(1)].join(" ")]) {
        await page.getByLabel("Your words").fill(wrong);
        await page.click("text=Compare them");
        await page.waitForSelector("main [role=alert]");
        assert.equal(await page.getByLabel("Your words").inputValue(), wrong, "what was typed stays");
        assert.equal(await page.evaluate(() => document.activeElement.tagName), "TEXTAREA");
      }
      await look(page, `first-typed-wrong-${shot}`);
      await page.getByLabel("Your words").fill(` ${words.join("\n").toUpperCase()} `);
      await page.click("text=Compare them");
      await page.waitForSelector("h2 >> text=Passkeys");
      await page.waitForSelector("h2 >> text=A second factor");
      const told = await node.operator("GET", "/api/v1/recovery");
      assert.ok(told.ways[0].made && told.ways[0].tested);
      await settled(page);
      await look(page, `first-second-way-${shot}`);
      await page.click("main >> text=Later");
      await page.waitForSelector("text=Add sample data");
      await look(page, `first-samples-${shot}`);
      await page.click("text=Add sample data");
      await page.waitForSelector("h2 >> text=What to do next");
      await page.waitForSelector("[role=status] >> text=13 sample documents are in your space");
      await settled(page);
      await page.waitForSelector("text=2 of 7 done");
      await look(page, `first-home-${shot}`);
      const list = await node.operator("POST", "/api/v1/graphql", { query: "{ Contact { name } Book { title } Note { title } }" });
      assert.deepEqual(Object.values(list.data).map((rows) => rows.length), [5, 5, 3]);
      assert.deepEqual(seen.violations, []);
      assert.deepEqual(seen.errors, []);
      assert.deepEqual(seen.urls.filter((url) => !new URL(url).hostname.match(/^(127\.0\.0\.1|allod\.localhost)$/)), [], "no other host");
      await context.close();
      await node.stop();
    }
  },

  async "a kit that was shown and not typed back is asked for, shown once more by the password, and tried"() {
    const node = await fresh();
    const context = await contextOf();
    const page = await context.newPage();
    await welcomed(node, page);
    await page.click("text=Show my words");
    await page.waitForSelector("ol.kit li");
    const words = (await page.locator("ol.kit li").allInnerTexts()).join(" ");
    await page.goto(`${node.pages}/admin/`);
    await page.click("main >> text=Do it now");
    await page.waitForSelector("text=not typed back yet");
    await page.waitForSelector("#kit >> text=never tried");
    await page.click("text=Show them once more");
    await page.waitForSelector("[name=password]:focus");
    await page.keyboard.type("not her password");
    await page.keyboard.press("Enter");
    await page.waitForSelector("main [role=alert] >> text=another");
    await page.fill("main [name=password]", OWNER.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("ol.kit li");
    assert.equal((await page.locator("ol.kit li").allInnerTexts()).join(" "), words);
    await page.click("text=I have written them down");
    await page.getByLabel("Your words").fill(words);
    await page.click("text=Compare them");
    await page.waitForSelector("#kit >> text=tried");
    await page.reload();
    await page.waitForSelector("text=/typed back/");
    const acts = (await node.operator("GET", "/api/v1/audit")).map((row) => row.action);
    for (const act of ["recovery.made", "recovery.shown", "recovery.tested"]) assert.ok(acts.includes(act), act);
    await context.close();
    await node.stop();
  },

  async "by keyboard alone: from the link to the home page"() {
    const node = await fresh();
    const context = await contextOf();
    const page = await context.newPage();
    const keys = async (...all) => {
      for (const key of all) await page.keyboard.press(key);
    };
    /** Goes on until what has the focus says so. */
    const to = async (text) => {
      for (let n = 0; n < 60; n += 1) {
        if (await page.evaluate((text) => document.activeElement?.textContent === text, text)) return;
        await keys("Tab");
      }
      throw new Error(`“${text}” is not reached by Tab`);
    };
    await page.goto(node.setupLink);
    await page.waitForSelector("#user:focus");
    await page.keyboard.type(OWNER.user);
    await keys("Tab", "Tab");
    await page.keyboard.type(OWNER.password);
    await keys("Tab");
    await page.keyboard.type(OWNER.password);
    await keys("Enter");
    await page.waitForSelector("h1 >> text=Welcome home");
    await to("Sign in and go on");
    await keys("Enter");
    await page.waitForSelector("#password:focus");
    await page.keyboard.type(OWNER.password);
    await keys("Enter");
    await page.waitForSelector("text=Show my words");
    await to("Show my words");
    await keys("Enter");
    await page.waitForSelector("ol.kit li");
    const words = (await page.locator("ol.kit li").allInnerTexts()).join(" ");
    await to("I have written them down");
    await keys("Enter");
    await page.waitForSelector("textarea:focus");
    await page.keyboard.type(words);
    await to("Compare them");
    await keys("Enter");
    await page.waitForSelector("h2 >> text=A second factor");
    await to("Later");
    await keys("Enter");
    await page.waitForSelector("text=Add sample data");
    await to("Go home");
    await keys("Enter");
    await page.waitForSelector("h2 >> text=What to do next");
    await context.close();
    await node.stop();
  },

  async "sample data goes again by a click, and everything of one's own is taken along in a file"() {
    const node = await fresh();
    const context = await contextOf();
    const page = await context.newPage();
    await welcomed(node, page);
    await page.click("main >> text=Later");
    await page.click("main >> text=Later");
    await page.click("text=Go home");
    await page.click("text=Add sample data");
    await page.waitForSelector("[role=status] >> text=13 sample documents");
    await page.goto(`${node.pages}/admin/where`);
    await settled(page);
    await page.waitForSelector("text=There is one copy");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=Export everything of mine")]);
    const lines = readFileSync(await download.path(), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    assert.match(download.suggestedFilename(), /^allod-alice-\d{4}-\d\d-\d\d\.jsonl$/);
    assert.ok(lines.at(-1).end !== undefined, "it is whole");
    assert.ok(JSON.stringify(lines).includes("Grandmother"));
    // One that ends too early is not kept.
    await page.route("**/api/v1/me/export", (route) => route.fulfill({ status: 200, body: '{"allod":1}\n{"half' }));
    await page.click("text=Export everything of mine");
    await page.waitForSelector("main [role=alert] >> text=broken off");
    await page.click("text=Remove the sample data");
    await page.click("[role=dialog] >> button:has-text('Remove it')");
    await page.waitForSelector("[role=status] >> text=13 sample documents are deleted");
    await page.waitForSelector("text=Add sample data");
    const list = await node.operator("POST", "/api/v1/graphql", { query: "{ Contact { name } Book { title } Note { title } }" });
    assert.deepEqual(Object.values(list.data), [[], [], []]);
    assert.deepEqual(await node.operator("GET", "/api/v1/folders"), []);
    await page.click("text=Add sample data");
    await page.waitForSelector("[role=status] >> text=13 sample documents are in your space");
    await context.close();
    await node.stop();
  },
};

async function fresh() {
  const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod", { fresh: true });
  running.add(node);
  return { ...node, stop: () => (running.delete(node), node.stop()) };
}

await play("first run", scenarios, {
  browser,
  shots: SHOTS,
  behind: async () => {
    for (const context of browser.contexts()) await context.close();
    for (const node of running) await node.stop();
    running.clear();
  },
  end: async () => {},
});
