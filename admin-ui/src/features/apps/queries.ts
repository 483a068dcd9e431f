import { queryOptions } from "@tanstack/react-query";
import { api, readAll } from "../../api/client";

/** What the person lets apps do. */
export const grants = queryOptions({
  queryKey: ["grants"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/grants", { signal })),
});

/** The person's app passwords, with where each was last used; the passwords themselves are told once, when they are made. */
export const appPasswords = queryOptions({
  queryKey: ["app-passwords"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/app-passwords", { signal })),
});

/** What apps ask for beyond that, and wait for. */
export const requests = queryOptions({
  queryKey: ["requests"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/requests", { signal })),
});

/** The apps that know who the person is. */
export const signIns = queryOptions({
  queryKey: ["sign-ins"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/sign-ins", { signal })),
});
