import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, readAll } from "../../api/client";

/** By what the person signs in. */
export const credentials = queryOptions({
  queryKey: ["credentials"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/me/credentials", { signal })),
});

/** Their passkeys, with those that count no more. */
export const passkeys = queryOptions({
  queryKey: ["passkeys"],
  queryFn: ({ signal }) => readAll(api.GET("/api/v1/passkeys", { signal })),
});

/** What brings the person in by itself, in words; undefined until it is known. */
export function useWaysIn(): string[] | undefined {
  const all = useQuery(credentials);
  const keys = useQuery(passkeys);
  if (all.data === undefined || keys.isPending) return undefined;
  const others = all.data.flatMap(({ kind, label }) => (kind === "password" ? ["your password"] : kind === "outside" ? [label ?? "an account elsewhere"] : []));
  return [...others, ...(keys.data ?? []).filter(({ counts }) => counts).map(() => "a passkey")];
}

/** Whether one passkey is all that brings the person in: whoever loses the device is out. */
export function useLoneWay(): boolean {
  const all = useQuery(credentials);
  const keys = useQuery(passkeys);
  const others = (all.data ?? []).filter(({ kind }) => kind === "password" || kind === "outside").length;
  return all.data !== undefined && others === 0 && (keys.data ?? []).filter(({ counts }) => counts).length === 1;
}
