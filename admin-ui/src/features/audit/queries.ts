import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, readAll, readPart } from "../../api/client";
import type { Schemas } from "../../api/client";

/** Acts of one page. */
const SHOWN = 50;

/** An act as any of the audits tells it: whom it concerns is told where it may be somebody else. */
export type Act = Schemas["ActView"] & Partial<Schemas["ActOfAll"]>;

/** What an address says of which acts are wanted. */
export interface Wanted {
  what?: string | undefined;
  actor?: string | undefined;
  /** For operators: whom it concerns, and which app. */
  user?: string | undefined;
  app?: string | undefined;
  /** The cursor of the page. */
  before?: string | undefined;
}

function query({ what, actor, before }: Wanted) {
  return {
    limit: SHOWN,
    ...(what !== undefined && { action: what }),
    ...(actor !== undefined && { by: actor }),
    ...(before !== undefined && { cursor: before }),
  };
}

/** What concerns the person, newest first, a page of it. */
export const acts = (wanted: Wanted) =>
  queryOptions({
    queryKey: ["audit", "mine", wanted],
    queryFn: ({ signal }) => readPart<Act>(api.GET("/api/v1/audit", { params: { query: query(wanted) }, signal })),
    placeholderData: keepPreviousData,
  });

/** What concerns anybody, newest first, a page of it; for operators. */
export const actsOfAll = (wanted: Wanted) =>
  queryOptions({
    queryKey: ["audit", "all", wanted],
    queryFn: ({ signal }) => {
      const { user, app } = wanted;
      const more = { ...(user !== undefined && { user }), ...(app !== undefined && { app }) };
      return readPart<Act>(api.GET("/api/v1/audit/all", { params: { query: { ...query(wanted), ...more } }, signal }));
    },
    placeholderData: keepPreviousData,
  });

/** The last few acts that concern the person. */
export const lately = queryOptions({
  queryKey: ["audit", "lately"],
  queryFn: async ({ signal }) => (await readPart(api.GET("/api/v1/audit", { params: { query: { limit: 8 } }, signal }))).list,
});

/** Everybody on the node; for operators. */
export const people = queryOptions({
  queryKey: ["people"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/users", { signal })),
});

/** Every app of the node; for operators. */
export const registered = queryOptions({
  queryKey: ["registered"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/apps", { signal })),
});
