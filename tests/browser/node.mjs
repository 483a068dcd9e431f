// A node for one run: a fresh directory, an owner, a collection with one document, and who speaks to it.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const OWNER = { user: "alice", password: "correct horse battery staple" };

/** Starts a node. `binary` is `allod`. */
export async function startNode(binary) {
  const root = mkdtempSync(join(tmpdir(), "allod-browser-"));
  const dir = join(root, "home");
  const file = (name, text) => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const run = (...args) => JSON.parse(execFileSync(binary, [...args, "--data", dir, "--json"], { encoding: "utf8" }) || "null");
  run("init", "--owner", OWNER.user, "--password-file", file("alice.password", OWNER.password));
  const process = spawn(binary, ["serve", "--data", dir, "--listen", "127.0.0.1:0", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ready = await new Promise((found, failed) => {
    let text = "";
    process.stdout.on("data", (chunk) => {
      text += chunk;
      const line = text.split("\n").find((line) => line.includes('"ready"'));
      if (line) found(JSON.parse(line));
    });
    process.on("exit", () => failed(new Error(`the node ended: ${text}`)));
  });
  const token = readFileSync(join(dir, "local.token"), "utf8").trim();
  const operator = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(ready.url + path, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const port = new URL(ready.url).port;
  return {
    url: ready.url,
    port,
    pages: `http://allod.localhost:${port}`,
    operator,
    stop: async () => {
      process.removeAllListeners("exit");
      const gone = new Promise((done) => process.once("exit", done));
      process.kill("SIGTERM");
      await gone;
      rmSync(root, { recursive: true, force: true });
    },
    setup: file,
  };
}

/** A raw request, as a program on the machine sends it: any header, cookies too. */
export function raw(url, { method = "GET", headers = {}, body } = {}) {
  return new Promise((done, failed) => {
    const sent = request(url, { method, headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += chunk));
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, text }));
    });
    sent.on("error", failed);
    sent.end(body);
  });
}
