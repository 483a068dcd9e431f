import { queryOptions } from "@tanstack/react-query";
import { graphql } from "../../api/graphql";
import { type Field, selection } from "../data/kinds";
import type { Row } from "../data/values";

/** A change of a document: what a device wrote at once. */
export interface Commit {
  cid: string;
  height: number;
  /** The fields that it changed, of those that the person sees. */
  links: { cid: string; name: string }[];
  /** The commits on which it rests. */
  heads: { cid: string }[];
  /** The device that signed it. */
  signature: { type: string; identity: string } | null;
}

const MOST = 5_000;

/** The commits of a document, newest first. */
export const commitsOf = (space: string, collection: string, doc: string) =>
  queryOptions({
    queryKey: ["history", space, collection, doc],
    queryFn: async ({ signal }) => {
      const query = `query History($doc: [ID], $limit: Int) {
        commits: _commits(docID: $doc, fieldName: "_C", order: [{ height: DESC }, { cid: ASC }], limit: $limit) {
          cid height links { cid name } heads { cid } signature { type identity }
        }
      }`;
      return (await graphql<{ commits: Commit[] }>(space, query, { doc: [doc], limit: MOST }, signal)).data.commits;
    },
    enabled: space !== "" && collection !== "" && doc !== "",
  });

/** A document as it was at a commit; that never changes. */
export const versionOf = (space: string, collection: string, fields: Field[], cid: string) =>
  queryOptions({
    queryKey: ["version", space, collection, cid, fields.map((field) => field.name)],
    queryFn: async ({ signal }) => {
      const query = `query Version($cid: [String]) {
        rows: ${collection}(cid: $cid, showDeleted: true) { _docID _deleted ${fields.map(selection).join(" ")} }
      }`;
      return (await graphql<{ rows: Row[] }>(space, query, { cid: [cid] }, signal)).data.rows[0] ?? null;
    },
    enabled: cid !== "",
    staleTime: Infinity,
  });
