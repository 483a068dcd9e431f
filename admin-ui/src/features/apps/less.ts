import type { Schemas } from "../../api/client";
import { sentence } from "./words";

type Access = Schemas["Access"];
type Where = Record<string, Record<string, unknown>>;

/** A condition on rows that comes on top of those of the grant. */
export interface Only {
  field: string;
  test: string;
  /** Null: not chosen yet. */
  value: string | number | boolean | null;
}

/** What is kept of an element of a grant. */
export interface Kept {
  /** Whether it is kept at all. */
  on: boolean;
  datatypes: string[];
  actions: string[];
  fields: string[];
  only: Only | null;
  /** Of the documents that it names; empty, where it names none. */
  documents: string[];
  /** So many rows a day; null: as many as are asked for. */
  rows: number | null;
}

/** All that an element gives. */
export function all({ datatypes, actions, fields, documents, limits }: Access): Kept {
  return { on: true, datatypes, actions, fields: fields.allow, only: null, documents: documents ?? [], rows: limits?.rows_per_day ?? null };
}

/** How many rows a day are meant by what was typed: never more than the element gives. */
export function rowsOf({ limits }: Access, typed: string): number | null {
  const most = limits?.rows_per_day ?? null;
  const rows = Math.floor(Number(typed));
  if (typed.trim() === "" || !(rows >= 1)) return most;
  return Math.min(rows, most ?? 1_000_000_000);
}

/** Whether it is all that the element gives. */
export function isAll(access: Access, kept: Kept): boolean {
  const whole = all(access);
  const same = (["datatypes", "actions", "fields", "documents"] as const).every((part) => kept[part].length === whole[part].length);
  return kept.on && same && kept.only === null && kept.rows === whole.rows;
}

/** The actions that are kept: who looks for values has to be let read them. */
export function actionsOf({ actions }: Kept): string[] {
  return actions.includes("read") ? actions : actions.filter((one) => one !== "search");
}

/** With these of its actions; what waits for another to be ticked again goes on waiting. */
export function withActions(access: Access, kept: Kept, ticked: string[]): Kept {
  const now = actionsOf(kept);
  const waits = kept.actions.filter((one) => !now.includes(one));
  return { ...kept, actions: access.actions.filter((one) => ticked.includes(one) || waits.includes(one)) };
}

/** Fields of an element that the app was never told and never asked about; none, where it used nothing yet. */
export function neverLookedAt({ datatypes, fields }: Access, used: Schemas["GrantUsed"]): string[] {
  if (used.requests === 0) return [];
  return fields.allow.filter((field) => datatypes.every((type) => !used.fields.includes(`${type}.${field}`)));
}

/** Whether a condition was begun and says nothing yet. */
export function isOpen({ on, only }: Kept): boolean {
  return on && only !== null && only.value === null;
}

function whereOf(only: Only | null): Where | null {
  return only === null || only.value === null ? null : { [only.field]: { [only.test]: only.value } };
}

/** Conditions with one on top. Where its field is tested so already, both are said in another way. */
function both(where: Where, { field, test, value }: Only): Where {
  const tests = { ...where[field] };
  const old = tests[test];
  if (old === undefined || old === value) tests[test] = value;
  else if (test === "_eq") tests._in = [value];
  else if (test === "_neq") tests._nin = [...((tests._nin as unknown[] | undefined) ?? []), value];
  else if (stricter(test, value, old)) tests[test] = value;
  return { ...where, [field]: tests };
}

/** Whether no document can meet the condition and the element's own. */
export function contradicts(access: Access, { on, only }: Kept): boolean {
  if (!on || only === null || only.test !== "_eq" || only.value === null) return false;
  const old = (access.where as Where | null | undefined)?.[only.field]?._eq;
  return old !== undefined && old !== only.value;
}

/** Whether a bound leaves less than another: of numbers or instants. */
function stricter(test: string, value: unknown, old: unknown): boolean {
  const [a, b] = [value, old].map((one) => (typeof one === "number" ? one : Date.parse(String(one)))) as [number, number];
  return test === "_gt" || test === "_geq" ? a > b : a < b;
}

/** What remains of an element, as the node takes it; null: nothing. */
export function remains(access: Access, kept: Kept, duration: string | null): Access | null {
  const actions = actionsOf(kept);
  if (!kept.on || [kept.datatypes, actions, kept.fields].some((list) => list.length === 0)) return null;
  const named = access.documents ?? [];
  if (named.length > 0 && kept.documents.length === 0) return null;
  const { type, space = null, purpose = null } = access;
  const bounds = {
    documents: named.length === 0 ? null : kept.documents,
    limits: kept.rows === null ? null : { rows_per_day: kept.rows },
  };
  const element = { type, space, purpose, duration, ...bounds, datatypes: kept.datatypes, actions, fields: { allow: kept.fields } };
  // The element's own conditions too: the node may find that another one covers what is left of it.
  const own = (access.where ?? {}) as Where;
  const where = kept.only === null || kept.only.value === null ? own : both(own, kept.only);
  return { ...element, where: (Object.keys(where).length === 0 ? null : where) as Access["where"] & null };
}

/** What remains of an element in a sentence; empty: nothing. */
export function said(access: Access, kept: Kept): string {
  const left = remains(access, kept, null);
  return left === null ? "" : sentence({ ...left, where: access.where ?? null }, whereOf(kept.only));
}
