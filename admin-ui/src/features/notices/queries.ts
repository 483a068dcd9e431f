import { queryOptions } from "@tanstack/react-query";
import { type Schemas, api, read, readAll } from "../../api/client";

export type Notice = Schemas["NoticeView"];
export type Kind = Schemas["KindView"];
export type Address = Schemas["AddressView"];

/**
 * What the person was told. It is asked for as they go through the pages and come back to the window, and not by the clock:
 * a session that lies open is to end unused.
 */
export const notices = queryOptions({
  queryKey: ["notices"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/notices", { signal })),
  staleTime: 30_000,
  refetchOnWindowFocus: true,
});

/** Of what they want to be told. */
export const kinds = queryOptions({
  queryKey: ["notices", "kinds"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/notices/kinds", { signal })),
});

/** Where they are written to. */
export const address = queryOptions({
  queryKey: ["notices", "address"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/notices/address", { signal })),
  // It is nobody else's to see: not from what is kept, either.
  gcTime: 0,
});

/** How many are not read yet. */
export function unread(list: Notice[] | undefined): number {
  return (list ?? []).filter((one) => one.read === null).length;
}
