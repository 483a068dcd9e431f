import type { Schemas } from "../../api/client";

const VERBS: Record<string, string> = {
  create: "add",
  read: "read",
  update: "change",
  delete: "delete",
  search: "search",
  history: "see the history of",
};
/** The tests of a condition on rows. */
export const TESTS: Record<string, string> = {
  _eq: "is",
  _neq: "is not",
  _in: "is one of",
  _nin: "is none of",
  _gt: "is more than",
  _geq: "is at least",
  _lt: "is less than",
  _leq: "is at most",
};

/** `a, b and c`. */
export function joined(words: string[], last = "and"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** `read and search`. */
export function verbs(actions: string[]): string {
  return joined(actions.map((action) => VERBS[action] ?? action));
}

/** `tag is family`, of the rows that an entry covers; empty: all of them. */
export function rows(where: unknown): string {
  if (typeof where !== "object" || where === null) return "";
  const tests = Object.entries(where).flatMap(([field, block]) =>
    Object.entries(block as Record<string, unknown>).map(([test, value]) => {
      const said = Array.isArray(value) ? value.map(String).join(", ") : String(value);
      return `${field} ${TESTS[test] ?? test} ${said}`;
    }),
  );
  return joined(tests);
}

/** Ids that one takes in at a glance; of more it is said how many there are. */
const NAMED = 3;

/** Which documents an entry names, and how many a day; empty: all, and as many as are asked for. */
function bounds({ documents, limits }: Schemas["Access"]): string {
  const ids = documents ?? [];
  const named = ids.length > NAMED ? `${ids.length} documents that it names` : `the id ${joined(ids, "or")}`;
  const rows = limits?.rows_per_day ?? null;
  return `${ids.length === 0 ? "" : `, with ${named}`}${rows === null ? "" : `, at most ${rows.toLocaleString()} a day`}`;
}

/** What an entry of a grant allows, in a sentence; `only`: a condition on top of its own. */
export function sentence(access: Schemas["Access"], only: unknown = null): string {
  const condition = joined([rows(access.where), rows(only)].filter((one) => one !== ""));
  const of = `${joined(access.fields.allow)} of ${joined(access.datatypes)}`;
  return `May ${verbs(access.actions)} ${of}${condition === "" ? "" : `, where ${condition}`}${bounds(access)}.`;
}
