// The browser of the tests: Debian's Chromium, or what CHROMIUM names.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Nothing but what scrolls by itself is broader than the window. */
export async function fits(page, width) {
  const wide = await page.evaluate((width) => {
    const scrolls = (one) => one.closest(".scroll table, .grid-box table, .graphiql-box");
    const all = [...document.querySelectorAll("main, main *")].filter((one) => !scrolls(one));
    return all.filter((one) => one.getBoundingClientRect().right > width + 1).map((one) => one.outerHTML.slice(0, 120));
  }, width);
  assert.deepEqual(wide, [], `broader than ${width} pixels: ${page.url()}`);
}

/** What axe finds that keeps somebody from using the page. */
export async function accessible(page, what) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter((one) => one.impact === "serious" || one.impact === "critical")
      .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 200)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
  });
  assert.deepEqual(found, [], `axe on ${what}`);
}

/** Keeps what a context asks for and what its policy forbids. */
export async function watch(context) {
  const seen = { urls: [], violations: [], errors: [] };
  context.on("request", (request) => seen.urls.push(request.url()));
  context.on("page", (page) => page.on("pageerror", (error) => seen.errors.push(error.stack)));
  await context.exposeFunction("violated", (text) => seen.violations.push(text));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}`));
  });
  return seen;
}
