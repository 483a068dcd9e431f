import { queryOptions } from "@tanstack/react-query";
import { api, readAll } from "../../api/client";

/** The collections of a space that the person sees. */
export const collections = (space: string) =>
  queryOptions({
    queryKey: ["collections", space],
    queryFn: ({ signal }) => readAll(api.GET("/api/v1/collections", { params: { header: { "Allod-Space": space } }, signal })),
    enabled: space !== "",
  });
