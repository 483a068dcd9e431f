// A node for one run: a fresh directory, an owner, a collection with one document, and who speaks to it.

import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const OWNER = { user: "alice", password: "correct horse battery staple" };

/**
 * Starts a node. `binary` is `allod`; `settings`: what `allod.toml` says, `port`: where it listens, `fresh`: nobody owns it yet.
 */
export async function startNode(binary, { settings, port: wished = 0, fresh = false } = {}) {
  const root = mkdtempSync(join(tmpdir(), "allod-browser-"));
  const dir = join(root, "home");
  const file = (name, text) => {
    writeFileSync(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const run = (...args) => JSON.parse(execFileSync(binary, [...args, "--data", dir, "--json"], { encoding: "utf8" }) || "null");
  if (!fresh) run("init", "--owner", OWNER.user, "--password-file", file("alice.password", OWNER.password));
  if (settings !== undefined) writeFileSync(join(dir, "allod.toml"), settings, { mode: 0o600 });
  const process = spawn(binary, ["serve", "--data", dir, "--listen", `127.0.0.1:${wished}`, "--json"], {
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
    /** Where it is set up, of a node that nobody owns. */
    setupLink: ready.setup,
    operator,
    stop: async () => {
      process.removeAllListeners("exit");
      // One that has ended already says nothing any more.
      const ended = process.exitCode !== null || process.signalCode !== null;
      const gone = ended ? Promise.resolve() : new Promise((done) => process.once("exit", done));
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

/** The code that an app shows for a secret in base32 (RFC 6238). */
export function codeOf(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", key).update(step).digest();
  const at = mac[mac.length - 1] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
