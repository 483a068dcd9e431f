import { queryOptions } from "@tanstack/react-query";
import { api, read } from "../../api/client";

/** The words that open the node's backups: whether there are some, and when they were tried. For operators. */
export const recovery = queryOptions({
  queryKey: ["recovery"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/recovery", { signal })),
});

/** How the node's backups stand. For operators. */
export const backups = queryOptions({
  queryKey: ["status"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/status", { signal })),
});
