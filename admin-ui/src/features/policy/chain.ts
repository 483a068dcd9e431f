import type { Schemas } from "../../api/client";

/** A change of policy as it is sealed. */
export type Change = Schemas["PolicyChange"];

/** The end of the chain that this browser saw last. */
export interface Seen {
  seq: number;
  hash: string;
  /** When it saw it. */
  at: string;
}

const MAGIC = "allod policy audit 1\0";
const KEPT = "allod-policy-seen";
const encoder = new TextEncoder();

/** The hash of nothing: what the first row comes behind. */
export const START = "00".repeat(32);

/** The hash that a row has behind one with the hash `previous`, as the node says that it makes it (`PolicyChange.hash`). */
export async function hashOf(previous: string, row: Change): Promise<string> {
  const parts = [
    encoder.encode(MAGIC),
    Uint8Array.from(previous.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)),
    number(row.seq),
    number(row.at_us),
    ...[row.action, row.sealed].flatMap((text) => {
      const bytes = encoder.encode(text);
      return [number(bytes.length), bytes];
    }),
  ];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Eight bytes, the largest first. */
function number(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value));
  return bytes;
}

/** What this browser saw last; null: it never looked. */
export function seen(): Seen | null {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null") as Partial<Seen> | null;
    return typeof kept?.seq === "number" && typeof kept.hash === "string" && typeof kept.at === "string" ? { seq: kept.seq, hash: kept.hash, at: kept.at } : null;
  } catch {
    return null;
  }
}

/** From now on this is what it saw. */
export function remember(end: Seen): void {
  try {
    localStorage.setItem(KEPT, JSON.stringify(end));
  } catch {
    // A browser that keeps nothing compares nothing the next time.
  }
}

/** As if it had never looked. */
export function forget(): void {
  localStorage.removeItem(KEPT);
}

/** What is wrong with a chain, and at which row. */
export interface Broken {
  seq: number;
  why: "missing" | "changed" | "rewritten" | "shorter";
}

/** Follows a chain row by row, from its beginning, comparing with what was seen before. */
export class Follower {
  seq = 0;
  hash = START;
  broken: Broken | null = null;
  readonly #before: Seen | null;

  constructor(before: Seen | null) {
    this.#before = before;
  }

  async follow(row: Change): Promise<void> {
    if (this.broken !== null) return;
    const hash = await hashOf(this.hash, row);
    if (row.seq !== this.seq + 1) this.broken = { seq: this.seq + 1, why: "missing" };
    else if (hash !== row.hash) this.broken = { seq: row.seq, why: "changed" };
    else if (this.#before?.seq === row.seq && this.#before.hash !== hash) this.broken = { seq: row.seq, why: "rewritten" };
    if (this.broken !== null) return;
    this.seq = row.seq;
    this.hash = hash;
  }

  /** All rows have come. */
  end(): void {
    if (this.broken === null && this.#before !== null && this.#before.seq > this.seq) this.broken = { seq: this.seq + 1, why: "shorter" };
  }
}
