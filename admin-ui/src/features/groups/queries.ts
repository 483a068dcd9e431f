import { queryOptions } from "@tanstack/react-query";
import { api, read, readAll } from "../../api/client";

/** The groups that the person manages or is in. */
export const groups = queryOptions({
  queryKey: ["groups"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/groups", { signal })),
});

/** One group; with its members for who manages it. */
export const groupOf = (id: string) =>
  queryOptions({
    queryKey: ["groups", id],
    queryFn: ({ signal }) => read(api.GET("/api/v1/groups/{id}", { params: { path: { id } }, signal })),
  });
