import type { Field } from "./kinds";
import { parsed } from "./values";

/** One condition of a filter, as it is typed; all of them have to hold. */
export interface Condition {
  field: string;
  operator: string;
  value: string;
}

const EQUAL = { _eq: "is", _neq: "is not" };
const ORDER = { _gt: "is more than", _geq: "is at least", _lt: "is less than", _leq: "is at most" };
const TEXT = { _ilike: "contains", _nilike: "does not contain" };
const LIST = { _any: "has", _none: "has not" };

/** The operators of a field, with how they read. */
export function operators(field: Field): Record<string, string> {
  if (field.list) return LIST;
  switch (field.scalar) {
    case "Int":
    case "Float":
    case "Float32":
    case "DateTime":
      return { ...EQUAL, ...ORDER };
    case "String":
      return { ...TEXT, ...EQUAL, ...ORDER };
    default:
      return EQUAL;
  }
}

/** Conditions as an address keeps them. */
export function toAddress(conditions: Condition[]): string | undefined {
  const kept = conditions.map(({ field, operator, value }) => [field, operator, value]);
  return kept.length === 0 ? undefined : JSON.stringify(kept);
}

/** Conditions of an address; what is none is left out. */
export function ofAddress(text: string | undefined): Condition[] {
  if (text === undefined) return [];
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value)) return [];
    return value
      .filter((one): one is [string, string, string] => Array.isArray(one) && one.length === 3 && one.every((part) => typeof part === "string"))
      .map(([field, operator, value]) => ({ field, operator, value }));
  } catch {
    return [];
  }
}

/** The filter of the query language. Throws a sentence where a value does not fit its field. */
export function toFilter(conditions: Condition[], fields: Field[]): Record<string, unknown> | null {
  const all = conditions.flatMap(({ field: name, operator, value }) => {
    const field = fields.find((one) => one.name === name);
    if (field === undefined || !(operator in operators(field))) return [];
    return [{ [name]: test(field, operator, value) }];
  });
  return all.length === 0 ? null : { _and: all };
}

function test(field: Field, operator: string, value: string): unknown {
  if (operator in TEXT) return { [operator]: `%${value}%` };
  const one = { ...field, list: false };
  if (operator in LIST) return { [operator]: { _eq: parsed(one, value) } };
  return { [operator]: parsed(one, value) };
}
