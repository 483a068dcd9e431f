/** A piece of a relationship schema, and what it is; an empty kind is nothing in particular. */
export interface Token {
  text: string;
  kind: "comment" | "word" | "name" | "";
}

const WORDS = /^(definition|caveat|relation|permission|partial|use|with|nil|self)$/;
const PIECES = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|[A-Za-z_][A-Za-z0-9_/]*|[^A-Za-z_/]+|\//g;

/** The text in pieces: what they say together is the text. */
export function tokens(text: string): Token[] {
  let declares = false;
  return (text.match(PIECES) ?? []).map((piece) => {
    if (piece.startsWith("//") || piece.startsWith("/*")) return { text: piece, kind: "comment" };
    if (!/^[A-Za-z_]/.test(piece)) return { text: piece, kind: "" };
    const named = declares;
    declares = /^(definition|caveat|relation|permission|partial)$/.test(piece);
    if (WORDS.test(piece) && !named) return { text: piece, kind: "word" };
    return { text: piece, kind: named ? "name" : "" };
  });
}

/** Something that rights are about, with what may be asked of it. */
export interface Definition {
  name: string;
  relations: string[];
  permissions: string[];
  /** Where it begins in the text. */
  at: number;
}

/** The definitions of a schema, in their order. */
export function definitions(text: string): Definition[] {
  const found: Definition[] = [];
  const all = tokens(text);
  let at = 0;
  all.forEach((token, n) => {
    const word = token.kind === "word" ? token.text : "";
    const name = all.slice(n + 1).find((next) => next.kind === "name")?.text ?? "";
    if (word === "definition") found.push({ name, relations: [], permissions: [], at });
    else if (word === "relation") found.at(-1)?.relations.push(name);
    else if (word === "permission") found.at(-1)?.permissions.push(name);
    at += token.text.length;
  });
  return found;
}

/** Where a line begins, and where a byte of it is; both count from 1. */
export function placeOf(text: string, line: number, column: number): number {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const bytes = new TextEncoder().encode(lines[line - 1] ?? "").slice(0, Math.max(0, column - 1));
  return before + new TextDecoder().decode(bytes).length;
}
