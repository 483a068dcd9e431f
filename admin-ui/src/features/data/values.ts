import type { Field } from "./kinds";

/** A document as the query language answers it. */
export type Row = { _docID: string; _deleted?: boolean } & Record<string, unknown>;

/** A value in a cell, in one line. */
export function shown(field: Field, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (field.target !== null) return field.list ? `${String(value)} of ${field.target}` : (value as { _docID: string })._docID;
  if (field.scalar === "DateTime" && typeof value === "string") {
    const at = new Date(value);
    return Number.isNaN(at.getTime()) ? value : at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A value as it is typed into a field; {@link parsed} reads it back. */
export function typed(field: Field, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (field.target !== null) return (value as { _docID: string })._docID;
  if (field.list || field.scalar === "JSON") return JSON.stringify(value);
  return String(value);
}

/** What was typed, as the query language takes it: nothing typed is null. Throws a sentence where it does not fit. */
export function parsed(field: Field, text: string): unknown {
  if (text === "") return null;
  if (field.list) return list(field, text);
  return scalar(field, text);
}

function list(field: Field, text: string): unknown {
  if (!text.trimStart().startsWith("[")) return text.split(",").map((one) => scalar(field, one.trim()));
  const value: unknown = json(text);
  if (!Array.isArray(value)) throw new Error("This is a list, as in [1, 2].");
  return value;
}

function scalar(field: Field, text: string): unknown {
  switch (field.scalar) {
    case "Int":
      if (!/^[+-]?\d+$/.test(text)) throw new Error("This is a whole number.");
      return number(text);
    case "Float":
    case "Float32":
      return number(text);
    case "Boolean": {
      const word = text.toLowerCase();
      if (["true", "yes", "1"].includes(word)) return true;
      if (["false", "no", "0"].includes(word)) return false;
      throw new Error("This is yes or no.");
    }
    case "DateTime": {
      const at = new Date(text);
      if (Number.isNaN(at.getTime())) throw new Error("This is an instant, as in 2026-11-28T14:35:00Z.");
      return /[Zz]|[+-]\d\d:\d\d$/.test(text) ? text : at.toISOString();
    }
    case "JSON":
      return json(text);
    case "String":
    case "ID":
    case "Blob":
      return text;
  }
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error("This is a number.");
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new Error("This number is too long to be edited here without loss.");
  return value;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('This is JSON, as in {"a": 1}.');
  }
}

/** The name by which a field is written: a relation by the id that it leads to. */
export function inputName(field: Field): string {
  return field.target === null ? field.name : `_${field.name}ID`;
}
