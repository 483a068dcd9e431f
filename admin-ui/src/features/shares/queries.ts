import { queryOptions } from "@tanstack/react-query";
import { api, read, readAll } from "../../api/client";

/** What the person gave, and what they got. */
export const shares = queryOptions({
  queryKey: ["shares"],
  queryFn: ({ signal }) => read(api.GET("/api/v1/shares", { signal })),
});

/** The links into the person's spaces. */
export const links = queryOptions({
  queryKey: ["links"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/links", { signal })),
});
