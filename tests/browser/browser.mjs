// The browser of the tests: Debian's Chromium, or what CHROMIUM names.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch() {
  const browser = await chromium.launch({
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
  // Nothing fades in unless a test asks for it: half faded in, words have less contrast than they will have.
  const newContext = browser.newContext.bind(browser);
  browser.newContext = (options) => newContext({ reducedMotion: "reduce", ...options });
  return browser;
}

/** Behind this nothing of the page moves or fades in: three frames have passed without it. */
async function settled(page) {
  await page.evaluate(async () => {
    const moves = () => document.getAnimations().some(({ playState, effect }) => playState === "running" && effect.getComputedTiming().endTime !== Infinity);
    for (let still = 0; still < 3; still = moves() ? 0 : still + 1) await new Promise(requestAnimationFrame);
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

/** What runs from right to left: nothing beyond either side of the window, no words cut off, and nothing upon something else. */
export async function laidOut(page, width) {
  const found = await page.evaluate((width) => {
    const scrolls = (one) => one.closest(".scroll, .grid-box, .graphiql-box, .code, .editor");
    const seen = (one) => {
      const { width, height } = one.getBoundingClientRect();
      return width > 1 && height > 1 && one.checkVisibility({ visibilityProperty: true }) && !one.closest("[aria-hidden=true], .skip, .name, svg");
    };
    // What stays where it is while the rest is scrolled lies upon it, and is meant to.
    const stays = (one) => (one === null || ["sticky", "fixed"].includes(getComputedStyle(one).position) ? one : stays(one.parentElement));
    const said = (one) => one.outerHTML.slice(0, 140);
    const wrong = [];
    for (const part of document.querySelectorAll("header.bar, aside, main, [role=dialog]")) {
      const all = [...part.querySelectorAll("*")].filter(seen).filter((one) => !scrolls(one));
      for (const one of all) {
        const { left, right } = one.getBoundingClientRect();
        if (right > width + 1 || left < -1) wrong.push(`outside: ${said(one)}`);
        const words = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
        if (words && getComputedStyle(one).overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1) wrong.push(`cut: ${said(one)}`);
      }
      const alone = all.filter((one) => one.matches("button, a, h1, h2, h3, p, dt, dd, summary, li, time, input:not([type=checkbox], [type=radio], [type=hidden])"));
      alone.forEach((one, n) => {
        const a = one.getBoundingClientRect();
        for (const other of alone.slice(n + 1)) {
          if (one.contains(other) || other.contains(one) || stays(one) !== stays(other)) continue;
          // The sign within a field that opens its list, or shows its password.
          const field = one.closest(".mantine-Input-wrapper");
          if (field !== null && field === other.closest(".mantine-Input-wrapper")) continue;
          const b = other.getBoundingClientRect();
          const over = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
          if (over[0] > 2 && over[1] > 2) wrong.push(`upon each other: ${said(one)} and ${said(other)}`);
        }
      });
    }
    return wrong.slice(0, 8);
  }, width);
  assert.deepEqual(found, [], `at ${width} pixels: ${page.url()}`);
}

/** What axe finds that keeps somebody from using the page. */
export async function accessible(page, what) {
  await settled(page);
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
