import { queryOptions } from "@tanstack/react-query";
import { graphql } from "../../api/graphql";
import { type Field, selection } from "./kinds";
import type { Row } from "./values";

/** Rows of one request. */
export const PART = 200;

/** Which documents are asked for. */
export interface Asked {
  space: string;
  collection: string;
  fields: Field[];
  filter: Record<string, unknown> | null;
  order: { field: string; down: boolean } | null;
  deleted: boolean;
}

/** Everything that is known of the rows of a collection. */
export const rowsKey = (space: string, collection: string) => ["rows", space, collection];

const names = (asked: Asked) => asked.fields.map((field) => field.name);

/** How many documents match; deleted ones do not count. */
export const countOf = (asked: Asked) =>
  queryOptions({
    queryKey: [...rowsKey(asked.space, asked.collection), "count", asked.filter],
    queryFn: async ({ signal }) => {
      const { collection, filter } = asked;
      const query = filter
        ? `query Count($filter: ${collection}FilterArg) { count: COUNT(${collection}: { filter: $filter }) }`
        : `query Count { count: COUNT(${collection}: {}) }`;
      return (await graphql<{ count: number }>(asked.space, query, filter ? { filter } : {}, signal)).data.count;
    },
  });

/** One part of the rows that match. */
export const partOf = (asked: Asked, part: number) =>
  queryOptions({
    queryKey: [...rowsKey(asked.space, asked.collection), "part", part, asked.filter, asked.order, asked.deleted, names(asked)],
    queryFn: async ({ signal }) => {
      const { collection, fields, filter, order, deleted } = asked;
      const query = `query Rows($filter: ${collection}FilterArg, $order: [${collection}OrderArg], $limit: Int, $offset: Int, $deleted: Boolean) {
        rows: ${collection}(filter: $filter, order: $order, limit: $limit, offset: $offset, showDeleted: $deleted) {
          _docID _deleted ${fields.map(selection).join(" ")}
        }
      }`;
      const variables = {
        filter,
        order: order === null ? [] : [{ [order.field]: order.down ? "DESC" : "ASC" }],
        limit: PART,
        offset: part * PART,
        deleted,
      };
      return (await graphql<{ rows: Row[] }>(asked.space, query, variables, signal)).data.rows;
    },
    staleTime: 30_000,
  });

/** One document, whole, deleted or not; null if there is none. */
export const documentOf = (space: string, collection: string, fields: Field[], doc: string) =>
  queryOptions({
    queryKey: [...rowsKey(space, collection), "document", doc],
    queryFn: async ({ signal }) => {
      const query = `query Document($doc: [ID]) {
        rows: ${collection}(docID: $doc, showDeleted: true) { _docID _deleted ${fields.map(selection).join(" ")} }
      }`;
      return (await graphql<{ rows: Row[] }>(space, query, { doc: [doc] }, signal)).data.rows[0] ?? null;
    },
  });

/** Writes fields of a document. */
export function update(space: string, collection: string, doc: string, input: Record<string, unknown>) {
  const query = `mutation Update($doc: [ID], $input: ${collection}MutationInputArg!) {
    done: update_${collection}(docID: $doc, input: $input) { _docID }
  }`;
  return touched(graphql<{ done: { _docID: string }[] }>(space, query, { doc: [doc], input }));
}

/** Makes a document. */
export function add(space: string, collection: string, input: Record<string, unknown>) {
  const query = `mutation Add($input: [${collection}MutationInputArg!]!) { done: add_${collection}(input: $input) { _docID } }`;
  return touched(graphql<{ done: { _docID: string }[] }>(space, query, { input: [input] }));
}

/** Deletes a document, or brings it back. */
export function deleteOrRestore(act: "delete" | "restore", space: string, collection: string, doc: string) {
  const query = `mutation Touch($doc: [ID]) { done: ${act}_${collection}(docID: $doc) { _docID } }`;
  return touched(graphql<{ done: { _docID: string }[] }>(space, query, { doc: [doc] }));
}

/** The language answers an empty list where nothing was within reach; a person wants to be told. */
async function touched(sent: Promise<{ data: { done: { _docID: string }[] }; requestId: string }>) {
  const { data, requestId } = await sent;
  const first = data.done[0];
  if (first === undefined) throw new Error("Nothing was changed: the document is not yours to change, or it is gone.");
  return { data: first._docID, requestId };
}
