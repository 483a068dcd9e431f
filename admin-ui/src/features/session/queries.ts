import { queryOptions } from "@tanstack/react-query";
import { api, read, readAll } from "../../api/client";

/** Who is signed in. */
export const me = queryOptions({
  queryKey: ["me"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/me", { signal })),
  staleTime: 60_000,
});

/** The spaces that they see, their personal one first. */
export const spaces = queryOptions({
  queryKey: ["spaces"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/spaces", { signal })),
});
