import type { Answer } from "./client";
import { pageFetch } from "./pageFetch";
import { Refused, refusal } from "./problem";

interface GraphQlAnswer<T> {
  data?: T | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

/** Asks a space in GraphQL. An answer with errors is a refusal: the first of them is what it says. */
export async function graphql<T>(
  space: string,
  query: string,
  variables: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<Answer<T>> {
  const response = await pageFetch(
    new Request(new URL("/api/v1/graphql", location.origin), {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", "allod-space": space },
      body: JSON.stringify({ query, variables }),
      signal: signal ?? null,
    }),
  );
  const requestId = response.headers.get("x-request-id") ?? "";
  const body = (await response.json().catch(() => null)) as GraphQlAnswer<T> | null;
  const first = body?.errors?.[0];
  if (first !== undefined) {
    throw new Refused(response.status, first.message, { code: first.extensions?.code ?? "", requestId });
  }
  if (!response.ok || body?.data === undefined || body.data === null) throw refusal(response, body);
  return { data: body.data, requestId };
}
