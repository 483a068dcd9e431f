import { queryOptions } from "@tanstack/react-query";
import { api, read } from "../../api/client";

/** The relationship schema in force. For operators. */
export const model = queryOptions({
  queryKey: ["policy", "schema"],
  queryFn: async ({ signal }) => (await read(api.GET("/api/v1/policy/schema", { signal }))).schema,
});

/** One check, and how its answer came about. For operators. */
export const explained = (check: string) =>
  queryOptions({
    queryKey: ["policy", "explain", check],
    queryFn: ({ signal }) => read(api.POST("/api/v1/policy/explain", { body: { check }, signal })),
    retry: false,
  });
