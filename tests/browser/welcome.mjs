// The welcome page of a fresh node: from a backup, or as a device of an account, without script too, and in each language.
// usage: ALLOD_BIN=… node welcome.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { accessible, fits, launch } from "./browser.mjs";
import { OWNER, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
// The nodes of this test lie on one machine, where a set-up link has nothing dialled.
process.env.ALLOD_P2P_DIAL_ALLOW = "127.0.0.0/8";
const BINARY = process.env.ALLOD_BIN ?? "target/debug/allod";
const home = await startNode(BINARY);
const place = mkdtempSync(join(tmpdir(), "allod-place-"));
const browser = await launch();

await home.operator("POST", "/api/v1/collections", { sdl: "type Note { text: String }" });
await home.operator("POST", "/api/v1/graphql", { query: 'mutation { add_Note(input: {text: "from home"}) { _docID } }' });
const { words } = await home.operator("POST", "/api/v1/recovery", {});
await home.operator("POST", "/api/v1/backups", { to: place });

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
}

/** What is ended behind each scenario. */
const ends = [];

/** A fresh node, and its welcome page at 360 pixels. */
async function welcome(options) {
  const node = await startNode(BINARY, { fresh: true });
  const context = await browser.newContext({ viewport: { width: 360, height: 800 }, ...options });
  const page = await context.newPage();
  await page.goto(node.setupLink);
  await page.waitForSelector("#tenant");
  ends.push(async () => {
    await context.close();
    await node.stop();
  });
  return { node, page };
}

/** Waits for a page that asks again by itself; while nothing answers, for whoever asks. */
async function comes(page, selector) {
  for (let tries = 0; tries < 15; tries++) {
    try {
      await page.waitForSelector(selector, { timeout: 2_000 });
      return;
    } catch {
      if (page.url().startsWith("chrome-error")) await page.goBack().catch(() => {});
      await page.reload().catch(() => {});
    }
  }
  assert.fail(`${selector} does not come: ${await page.textContent("body")}`);
}

const scenarios = {
  async "a backup is restored on the welcome page, without script, and people sign in as ever"() {
    const { node, page } = await welcome({ javaScriptEnabled: false });
    await shot(page, "welcome-360");
    await page.click("text=Restore from a backup");
    await fits(page, 360);
    await page.fill("#from", place);
    await page.fill("#words", words.replace(/^\S+/, "nonsense"));
    await page.click("button[type=submit]");
    assert.match(await page.locator("[role=alert]").innerText(), /not the 24 words/);
    assert.equal(await page.inputValue("#from"), place);
    await page.fill("#words", `${"abandon ".repeat(23)}art`);
    await page.click("button[type=submit]");
    await comes(page, "[role=alert] >> text=do not open the backups");
    await fits(page, 360);
    await shot(page, "restore-wrong-360");
    await page.fill("#from", "/nowhere/at/all");
    await page.fill("#words", words);
    await page.click("button[type=submit]");
    await comes(page, "[role=alert] >> text=There are no backups in this place");
    await page.fill("#from", place);
    await page.fill("#words", words);
    await page.click("details summary");
    await fits(page, 360);
    await page.click("button[type=submit]");
    await comes(page, "h1 >> text=Welcome back");
    await shot(page, "restore-done-360");
    const told = await fetch(`${node.url}/api/v1/session`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(OWNER),
    });
    assert.ok(told.ok, "the people of the backup sign in");
  },

  async "a node joins as a device on the welcome page, in German, and what is wrong is said"() {
    const { page } = await welcome({ locale: "de-DE" });
    await accessible(page, "the welcome page");
    await fits(page, 360);
    await page.click("text=Einem Server als Gerät beitreten");
    await accessible(page, "the page of joining");
    await fits(page, 360);
    await shot(page, "join-german-360");
    await page.fill("#code", "kein Code");
    await page.click("button[type=submit]");
    assert.match(await page.locator("[role=alert]").innerText(), /kein Code eines Geräts/);
    const { code } = await home.operator("POST", "/api/v1/devices/invite", {});
    await page.fill("#code", code.toLowerCase());
    await page.click("button[type=submit]");
    await comes(page, "h1 >> text=Es ist ein Gerät von dir");
    await accessible(page, "the page of who has joined");
    await shot(page, "join-done-german-360");
    assert.equal((await home.operator("GET", "/api/v1/devices")).length, 2);
  },
};

await play("welcome", scenarios, {
  browser,
  shots: SHOTS,
  behind: async () => {
    for (const end of ends.splice(0)) await end();
  },
  end: async () => {
    await home.stop();
    rmSync(place, { recursive: true, force: true });
  },
});
