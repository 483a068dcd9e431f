import { queryOptions } from "@tanstack/react-query";
import { api, readAll } from "../../api/client";

const REFRESH_MS = 5_000;

/** The devices of the person's account, with how far each is. */
export const devices = queryOptions({
  queryKey: ["devices"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/devices", { signal })),
  refetchInterval: REFRESH_MS,
});

/** Who else holds copies, without keys. */
export const replicas = queryOptions({
  queryKey: ["replicas"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/replicas", { signal })),
  refetchInterval: REFRESH_MS,
});
