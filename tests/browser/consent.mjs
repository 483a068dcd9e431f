// The consent page: what the app would see, and all that a person may take away from it. With script and without, by
// keyboard, small, dark, and in each language.
// usage: ALLOD_BIN=… node consent.mjs [SCREENSHOTS]

import assert from "node:assert/strict";
import { accessible, fits, launch, watch } from "./browser.mjs";
import { OWNER, startNode } from "./node.mjs";
import { play } from "./play.mjs";

const SHOTS = process.argv[2];
const BACK = "http://127.0.0.1:9/cb";
/** Of the challenge below (RFC 7636, appendix B). */
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CONTACTS = {
  type: "allod_doc",
  datatypes: ["Contact"],
  actions: ["create", "read", "update", "delete", "search", "history"],
  fields: { allow: ["name", "phone", "age", "met"], required: ["name"] },
  where: { tag: { _neq: "secret" } },
  purpose: "Shows whom you know",
  duration: "P180D",
};
const FILMS = { type: "allod_doc", datatypes: ["Film"], actions: ["read", "search"], fields: { allow: ["title"] } };

const node = await startNode(process.env.ALLOD_BIN ?? "target/debug/allod");
const browser = await launch();

async function operatorSetUp() {
  const sdl = "type Contact { name: String phone: String tag: String age: Int close: Boolean met: DateTime diary: String } type Film { title: String }";
  await node.operator("POST", "/api/v1/collections", { sdl });
  const people = [
    { name: "Ann", phone: "0151", tag: "family", age: 41, close: true, met: "2026-11-28T14:35:00Z", diary: "of nobody's business" },
    { name: "Ben <b>", phone: "0152", tag: "work", age: 17, close: false, met: "2026-10-01T08:00:00Z" },
    { name: "Cleo", phone: "0153", tag: "secret", age: 99, close: true, met: "2026-09-01T08:00:00Z" },
    { name: "Dora", phone: "0154", tag: "family", age: 35, close: true, met: "2026-08-01T08:00:00Z" },
    { name: "Emil", phone: "0155", tag: "work", age: 60, close: false, met: "2026-07-01T08:00:00Z" },
  ];
  for (const one of people) {
    const query = "mutation($input: [Contact_MutationInputArg!]) { add_Contact(input: $input) { _docID } }";
    const input = Object.entries(one).map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ");
    const answer = await node.operator("POST", "/api/v1/graphql", { query: `mutation { add_Contact(input: {${input}}) { _docID } }` });
    assert.ok(answer.data, `${query} ${JSON.stringify(answer)}`);
  }
  const manifest = { name: "Address Book of the Whole Neighbourhood", client_uri: "https://book.example", redirect_uris: ["http://127.0.0.1/cb"], access: [CONTACTS, FILMS] };
  return (await node.operator("POST", "/api/v1/apps", manifest)).client_id;
}

const client = await operatorSetUp();
const asked = { response_type: "code", client_id: client, redirect_uri: BACK, state: "s", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256" };
const address = `${node.pages}/oauth/authorize?${new URLSearchParams(asked)}`;

async function consent(page) {
  await page.goto(address);
  await page.fill("#user", OWNER.user);
  await page.fill("#password", OWNER.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("button[value=allow]");
}

async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
}

const seen = (page) => page.locator("#seen").innerText();
const grants = async () => (await node.operator("GET", "/api/v1/grants")).length;

/** The answer that the app gets. */
async function answered(page, act) {
  let back;
  await page.route("http://127.0.0.1:9/**", (route) => {
    back = new URL(route.request().url());
    return route.fulfill({ status: 200, contentType: "text/html", body: "the app" });
  });
  await act();
  await page.waitForSelector("text=the app");
  return back.searchParams;
}

const scenarios = {
  async "what the app would see follows every choice, and is what it then gets"() {
    const context = await browser.newContext();
    const watched = await watch(context);
    const page = await context.newPage();
    await consent(page);
    await page.waitForSelector("#look", { state: "hidden" });
    assert.match(await seen(page), /Ann[\s\S]*Ben <b>[\s\S]*Dora/);
    assert.doesNotMatch(await page.locator("main").innerText(), /Cleo|0151|nobody's business/, "what it would not get is not there");
    await page.check("input[name=field-0][value=phone]");
    await page.waitForSelector("#seen >> text=0151");
    assert.match(await page.locator("#says-0").innerText(), /name and phone in each Contact where tag is not “secret”/);
    await page.click("summary");
    await page.selectOption("[name=test-0-age]", "_geq");
    await page.waitForSelector("#seen >> text=as soon as what stands above is right");
    await page.fill("[name=value-0-age]", "40");
    await page.waitForSelector("#seen:not(:has-text('Ben')) >> text=Emil");
    assert.match(await seen(page), /Ann[\s\S]*Emil/);
    await page.uncheck("input[name=verb-0][value=search]");
    // Every version is listed without it: the past shows today's values too.
    await page.waitForSelector("#seen >> text=every version of all of them, also today's");
    await page.uncheck("input[name=verb-0][value=read]");
    await page.waitForSelector("#says-0 >> text=Tick reading too");
    await page.check("input[name=verb-0][value=read]");
    await page.uncheck("input[name=verb-0][value=history]");
    await page.waitForSelector("#seen >> text=list none by itself");
    await page.check("input[name=verb-0][value=search]");
    for (const verb of ["create", "update", "delete", "history"]) await page.uncheck(`input[name=verb-0][value=${verb}]`);
    await page.fill("#day-0", new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10));
    await page.waitForSelector("#says-0 >> text=/Read and search by name and phone in each Contact where .*, 23:59 UTC/");
    const sentence = await page.locator("#says-0").innerText();
    await accessible(page, "the consent page");
    await shot(page, "consent-chosen");
    const before = await grants();
    const answer = await answered(page, () => page.click("button[value=allow]"));
    assert.ok(answer.get("code"));
    assert.equal(await grants(), before + 1);
    const exchange = { grant_type: "authorization_code", client_id: client, redirect_uri: BACK, code: answer.get("code"), code_verifier: VERIFIER };
    const tokens = await (await fetch(`${node.url}/oauth/token`, { method: "POST", body: new URLSearchParams(exchange) })).json();
    const headers = { authorization: `Bearer ${tokens.access_token}`, "content-type": "application/json" };
    const read = { method: "POST", headers, body: JSON.stringify({ query: "{ Contact { name phone } }" }) };
    const rows = (await (await fetch(`${node.url}/api/v1/graphql`, read)).json()).data.Contact;
    assert.deepEqual(rows.map((row) => `${row.name} ${row.phone}`).sort(), ["Ann 0151", "Emil 0155"]);
    const given = (await node.operator("GET", "/api/v1/grants")).at(0).access ?? (await node.operator("GET", "/api/v1/grants")).at(0);
    assert.match(JSON.stringify(given), /"_geq":40/);
    assert.match(sentence, /age is at least 40/);
    assert.deepEqual(watched.violations, []);
    assert.deepEqual(watched.errors, []);
    assert.deepEqual(watched.urls.filter((url) => !url.startsWith(node.pages) && !url.startsWith(BACK)), []);
    await context.close();
  },

  async "without script a button shows it, and every choice stays"() {
    const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 360, height: 800 } });
    const page = await context.newPage();
    await consent(page);
    await fits(page, 360);
    await shot(page, "consent-no-script-360");
    await page.click("button[name=all][value='0']");
    await page.waitForSelector("#seen >> text=0151");
    assert.ok(await page.isChecked("input[name=field-0][value=met]"));
    await page.uncheck("input[name=field-0][value=phone]");
    await page.uncheck("input[name=verb-0][value=delete]");
    await page.click("summary");
    await page.selectOption("[name=value-0-close]", "yes");
    await page.fill("[name=value-0-age]", "many");
    await page.selectOption("[name=test-0-age]", "_lt");
    await page.selectOption("#end-1", "P1D");
    await page.click("#look");
    assert.match(await seen(page), /as soon as what stands above is right/);
    await page.click("button[value=allow]");
    assert.match(await page.locator("[role=alert]").innerText(), /age is compared with a whole number/);
    const kept = async () => {
      assert.equal(await page.isChecked("input[name=field-0][value=phone]"), false);
      assert.equal(await page.isChecked("input[name=verb-0][value=delete]"), false);
      assert.equal(await page.isChecked("input[name=verb-0][value=read]"), true);
      assert.equal(await page.inputValue("[name=value-0-close]"), "yes");
      assert.equal(await page.inputValue("[name=test-0-age]"), "_lt");
      assert.equal(await page.inputValue("#end-1"), "P1D");
    };
    await kept();
    assert.equal(await page.inputValue("[name=value-0-age]"), "many");
    await fits(page, 360);
    await shot(page, "consent-wrong-360");
    await page.fill("[name=value-0-age]", "40");
    // What Enter does in a field: it looks, and decides nothing.
    const before = await grants();
    await page.press("[name=value-0-age]", "Enter");
    await page.waitForSelector("#seen >> text=Dora");
    await kept();
    assert.equal(await grants(), before);
    assert.match(await seen(page), /Dora/);
    assert.doesNotMatch(await seen(page), /Ann|Ben|0154/);
    await context.close();
  },

  async "no more is allowed than the page said when it was pressed"() {
    for (const javaScriptEnabled of [true, false]) {
      const context = await browser.newContext({ javaScriptEnabled });
      const page = await context.newPage();
      await consent(page);
      // What would show it anew does not come.
      await page.route("**/oauth/authorize", (route) => (/decision=look/.test(route.request().postData() ?? "") ? route.abort() : route.continue()));
      const before = await grants();
      await page.check("input[name=field-0][value=phone]");
      if (javaScriptEnabled) {
        await page.waitForSelector("#late", { state: "visible" });
        await page.waitForSelector("#look", { state: "visible" });
        assert.notEqual(await page.getAttribute("#says-0", "data-old"), null, "what stands there is marked as old");
        await shot(page, "consent-late");
      }
      assert.doesNotMatch(await page.locator("#says-0").innerText(), /phone/);
      await page.click("button[value=allow]");
      await page.waitForSelector("text=Look at it once more");
      assert.match(await page.locator("#says-0").innerText(), /name and phone/);
      assert.match(await seen(page), /0151/);
      assert.ok(await page.isChecked("input[name=field-0][value=phone]"));
      assert.equal(await grants(), before);
      await shot(page, `consent-once-more-${javaScriptEnabled}`);
      if (javaScriptEnabled) await accessible(page, "the consent page, once more");
      assert.ok((await answered(page, () => page.click("button[value=allow]"))).get("code"));
      assert.equal(await grants(), before + 1);
      await context.close();
    }
  },

  async "what a browser filled in by itself is shown, and nothing keeps anybody from denying"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    await consent(page);
    await page.evaluate(() => {
      document.querySelector("input[name=field-0][value=phone]").checked = true;
      window.dispatchEvent(new PageTransitionEvent("pageshow"));
    });
    await page.waitForSelector("#seen >> text=0151");
    // A day that is over, and one that is half typed where nobody sees it.
    await page.fill("#day-0", "1999-01-01");
    await page.click("summary");
    await page.focus("[name=value-0-met]");
    await page.keyboard.type("1");
    await page.click("summary");
    assert.ok(await page.evaluate(() => document.querySelector("[name=value-0-met]").validity.badInput), "control");
    await page.click("button[value=allow]");
    assert.equal(await page.evaluate(() => document.activeElement.name), "value-0-met", "it is shown, and not sent as none");
    const answer = await answered(page, () => page.click("button[value=deny]"));
    assert.equal(answer.get("error"), "access_denied");
    await context.close();
  },

  async "it is done by keyboard alone, small and dark"() {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ colorScheme, viewport: { width: 360, height: 800 } });
      const page = await context.newPage();
      await consent(page);
      await accessible(page, `the consent page, ${colorScheme}`);
      await fits(page, 360);
      await shot(page, `consent-${colorScheme}-360`);
      const reach = async (selector) => {
        for (let step = 0; step < 80; step++) {
          await page.keyboard.press("Tab");
          if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return;
        }
        assert.fail(`${selector} is not reached by Tab`);
      };
      await reach("input[name=verb-0][value=delete]");
      await page.keyboard.press("Space");
      await reach("input[name=field-0][value=phone]");
      await page.keyboard.press("Space");
      await page.waitForSelector("#seen >> text=0151");
      await reach("summary");
      await page.keyboard.press("Enter");
      await reach("[name=test-0-name]");
      await reach("#end-0");
      await reach(colorScheme === "dark" ? "button[value=deny]" : "button[value=allow]");
      const answer = await answered(page, () => page.keyboard.press("Enter"));
      assert.equal(answer.get("error") ?? "code", colorScheme === "dark" ? "access_denied" : "code");
      await context.close();
    }
  },

  async "in German it says the same"() {
    const context = await browser.newContext({ locale: "de-DE", viewport: { width: 360, height: 800 } });
    const page = await context.newPage();
    await consent(page);
    assert.equal(await page.getAttribute("html", "lang"), "de");
    assert.match(await page.locator("h1").innerText(), /bittet um Zugriff/);
    assert.match(await page.locator("#says-0").innerText(), /^Darf in jedem Eintrag der Art Contact, bei dem tag nicht gleich „secret“ ist, name anlegen, lesen, ändern, durchsuchen und in früheren und heutigen Fassungen sehen und jeden solchen Eintrag löschen, bis zum \d+\. \p{L}+ \d{4}, \d\d:\d\d UTC\.$/u);
    await page.check("input[name=field-0][value=phone]");
    await page.waitForSelector("#seen >> text=0151");
    await page.click("summary");
    await fits(page, 360);
    await accessible(page, "the consent page in German");
    await shot(page, "consent-german-360");
    // The choice of a language keeps what was chosen, is remembered, and opens nothing.
    await page.click("button[name=lang][value=en]");
    await page.waitForSelector("h1 >> text=asks for access");
    assert.equal(await page.getAttribute("html", "lang"), "en");
    assert.ok(await page.isChecked("input[name=field-0][value=phone]"));
    await page.goto(address);
    await page.waitForSelector("h1 >> text=Sign in");
    assert.deepEqual((await context.cookies()).filter((one) => one.name === "allod-language").map((one) => [one.value, one.httpOnly]), [["en", true]]);
    await page.click("a[hreflang=de]");
    await page.waitForSelector("html[lang=de]");
    await context.close();
  },

  async "single documents and rows of a day are said, and may be fewer"() {
    const added = await node.operator("POST", "/api/v1/graphql", { query: 'mutation { add_Film(input: [{title: "Solaris"}, {title: "Stalker"}, {title: "Mirror"}]) { _docID } }' });
    const [solaris, stalker] = added.data.add_Film.map((one) => one._docID);
    const limited = { ...FILMS, limits: { rows_per_day: 100 } };
    const manifest = { name: "Two Films", redirect_uris: ["http://127.0.0.1/cb"], access: [limited] };
    const { client_id } = await node.operator("POST", "/api/v1/apps", manifest);
    const details = JSON.stringify([{ ...limited, documents: [solaris, stalker] }]);
    const context = await browser.newContext({ viewport: { width: 360, height: 800 } });
    const page = await context.newPage();
    await page.goto(`${node.pages}/oauth/authorize?${new URLSearchParams({ ...asked, client_id, authorization_details: details })}`);
    await page.fill("#user", OWNER.user);
    await page.fill("#password", OWNER.password);
    await page.keyboard.press("Enter");
    await page.waitForSelector("button[value=allow]");
    await page.check("input[name=field-0][value=title]");
    await page.waitForSelector("#seen >> text=Stalker");
    assert.doesNotMatch(await seen(page), /Mirror/);
    await page.uncheck(`input[value="${stalker}"]`);
    await page.fill("#rows-0", "2");
    await page.waitForSelector("#seen >> text=Stalker", { state: "detached" });
    await fits(page, 360);
    await accessible(page, "the consent page with documents and rows");
    await shot(page, "consent-documents-360");
    const before = await grants();
    await answered(page, () => page.click("button[value=allow]"));
    const all = await node.operator("GET", "/api/v1/grants");
    assert.equal(all.length, before + 1);
    const [given] = all.flatMap((one) => one.access).filter((one) => one.documents);
    assert.deepEqual([given.documents, given.limits], [[solaris], { rows_per_day: 2 }]);
    await context.close();
  },
};

await play("consent", scenarios, { browser, shots: SHOTS, end: () => node.stop() });
