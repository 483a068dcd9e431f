import { queryOptions } from "@tanstack/react-query";
import { graphql } from "../../api/graphql";

/** The scalars of the query language. */
export type Scalar = "ID" | "Boolean" | "Int" | "Float" | "Float32" | "String" | "DateTime" | "JSON" | "Blob";

/** A field of a collection, as far as the person sees it. */
export interface Field {
  name: string;
  scalar: Scalar;
  list: boolean;
  /** The collection that a relation leads to; a to-one relation is edited by its `_…ID`. */
  target: string | null;
  /** Whether a filter, and an order, may name it. */
  filters: boolean;
  /** Whether an update may name it. */
  writes: boolean;
}

interface TypeRef {
  kind: string;
  name: string | null;
  ofType: TypeRef | null;
}

interface Named {
  name: string;
  type: TypeRef;
}

interface Introspected {
  type: { fields: Named[] | null } | null;
  filter: { inputFields: Named[] | null } | null;
  input: { inputFields: Named[] | null } | null;
}

const QUERY = `query Fields($type: String!, $filter: String!, $input: String!) {
  type: __type(name: $type) { fields { name type { ...T } } }
  filter: __type(name: $filter) { inputFields { name type { ...T } } }
  input: __type(name: $input) { inputFields { name type { ...T } } }
}
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

function innermost(type: TypeRef): { name: string; kind: string; list: boolean } {
  let list = false;
  let at: TypeRef = type;
  while (at.ofType) {
    list ||= at.kind === "LIST";
    at = at.ofType;
  }
  return { name: at.name ?? "", kind: at.kind, list };
}

/** What the language adds to every document. */
const OWN = /^(_docID|_deleted|_version|_conflicts|__typename)$/;
const AGGREGATES = /^(COUNT|SUM|AVG|MIN|MAX|GROUP)$/;

/** The fields of a collection that the person sees: the definitions that the node tells them, and no others. */
export const fieldsOf = (space: string, collection: string) =>
  queryOptions({
    queryKey: ["fields", space, collection],
    queryFn: async ({ signal }): Promise<Field[]> => {
      const names = { type: collection, filter: `${collection}FilterArg`, input: `${collection}MutationInputArg` };
      const { data } = await graphql<Introspected>(space, QUERY, names, signal);
      const filters = new Set(data.filter?.inputFields?.map((field) => field.name));
      const writes = new Set(data.input?.inputFields?.map((field) => field.name));
      const fields = (data.type?.fields ?? []).filter((field) => !OWN.test(field.name) && !AGGREGATES.test(field.name));
      const relations = fields.filter((field) => innermost(field.type).kind === "OBJECT").map((field) => field.name);
      return fields
        .filter((field) => !relations.some((relation) => field.name === `_${relation}ID`))
        .map(({ name, type }) => {
          const inner = innermost(type);
          const relation = inner.kind === "OBJECT";
          return {
            name,
            scalar: (relation ? "ID" : inner.name) as Scalar,
            list: inner.list,
            target: relation ? inner.name : null,
            filters: filters.has(name) && !relation,
            writes: writes.has(name) && !(relation && inner.list),
          };
        });
    },
    enabled: space !== "" && collection !== "",
    staleTime: 60_000,
  });

/** How a field is asked for: of a related document its id, of many how many there are. */
export function selection(field: Field): string {
  if (field.target === null) return field.name;
  return field.list ? `${field.name}: COUNT(${field.name}: {})` : `${field.name} { _docID }`;
}
