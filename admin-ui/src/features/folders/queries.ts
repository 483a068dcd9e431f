import { queryOptions } from "@tanstack/react-query";
import { api, read, readAll } from "../../api/client";

/** The folders of a space that the person sees. */
export const foldersOf = (space: string) =>
  queryOptions({
    queryKey: ["folders", space],
    queryFn: ({ signal }) => readAll(api.GET("/api/v1/folders", { params: { query: { space } }, signal })),
    enabled: space !== "",
  });

/** The documents that lie in a folder, as far as the person sees them: a page of them. */
export const filedIn = (folder: string, after: string | undefined) =>
  queryOptions({
    queryKey: ["filed", folder, after],
    queryFn: ({ signal }) =>
      read(
        api.GET("/api/v1/folders/{id}/documents", {
          params: { path: { id: folder }, query: { ...(after !== undefined && { after }) } },
          signal,
        }),
      ),
  });
