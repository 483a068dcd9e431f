import { queryOptions } from "@tanstack/react-query";
import { api, readAll } from "../../api/client";

/** What the person lets apps do. */
export const grants = queryOptions({
  queryKey: ["grants"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/grants", { signal })),
});
