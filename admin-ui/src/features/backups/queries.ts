import { queryOptions } from "@tanstack/react-query";
import { api, read, readAll } from "../../api/client";

/** The places that the node keeps for the backups of others. For operators. */
export const places = queryOptions({
  queryKey: ["places"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/places", { signal })),
});

/** Whether the node was restored and waits to be told that it is the only one. For operators. */
export const asleep = queryOptions({
  queryKey: ["asleep"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/restore", { signal })),
});
