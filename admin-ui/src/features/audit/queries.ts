import { queryOptions } from "@tanstack/react-query";
import { api, read } from "../../api/client";

/** What concerns the person, newest first. */
export const acts = queryOptions({
  queryKey: ["audit"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/audit", { signal })),
});
