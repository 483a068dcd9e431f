import createClient from "openapi-fetch";
import { pageFetch } from "./pageFetch";
import { refusal } from "./problem";
import type { components, paths } from "./schema";

/** The node's HTTP interface, typed by what it says of itself (`npm run api`). */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: pageFetch });

/** A type of the interface. */
export type Schemas = components["schemas"];

/** What an act answered, and the id under which the node's log has it. */
export interface Answer<T> {
  data: T;
  requestId: string;
}

interface Sent<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What was answered; throws {@link Refused} if it was refused. */
export async function done<T>(sent: Promise<Sent<T>>): Promise<Answer<T>> {
  const { data, error, response } = await sent;
  if (!response.ok) throw refusal(response, error);
  return { data: data as T, requestId: response.headers.get("x-request-id") ?? "" };
}

/** The data alone. */
export async function read<T>(sent: Promise<Sent<T>>): Promise<T> {
  return (await done(sent)).data;
}

/** A list to its end: the node tells it in parts of a thousand. */
export async function readAll<T>(sent: Promise<Sent<T[]>>): Promise<T[]> {
  const first = await sent;
  if (!first.response.ok) throw refusal(first.response, first.error);
  const all = [...(first.data ?? [])];
  let next = nextOf(first.response);
  while (next !== null) {
    const response = await pageFetch(new Request(new URL(next, location.origin)));
    if (!response.ok) throw refusal(response, await response.json().catch(() => null));
    all.push(...((await response.json()) as T[]));
    next = nextOf(response);
  }
  return all;
}

/** A part of a list, and the cursor of the next one if there is one. */
export interface Part<T> {
  list: T[];
  next: string | null;
}

/** One part of a list that has no end to be waited for. */
export async function readPart<T>(sent: Promise<Sent<T[]>>): Promise<Part<T>> {
  const { data, error, response } = await sent;
  if (!response.ok) throw refusal(response, error);
  const next = nextOf(response);
  return { list: data ?? [], next: next === null ? null : new URL(next, location.origin).searchParams.get("cursor") };
}

function nextOf(response: Response): string | null {
  return /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1] ?? null;
}
