import { api, read } from "../../api/client";

/**
 * A sign-in at a provider leaves this page and comes back to it. What it was begun with lies in the storage of this tab
 * and origin, which no other page reads: the node ends it for this page alone.
 */
const STORED = "allod-outside";

export type Purpose = "sign_in" | "link" | "confirm";

export interface Begun {
  provider: string;
  purpose: Purpose;
  key: string;
  /** Where the person wanted to go, or was. */
  to: string;
}

function drawn(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Begins one, and goes to the provider. */
export async function goTo(provider: string, purpose: Purpose, to: string): Promise<void> {
  const key = drawn();
  const { url } = await read(api.POST("/api/v1/oidc/{name}/start", { params: { path: { name: provider } }, body: { purpose, key } }));
  sessionStorage.setItem(STORED, JSON.stringify({ provider, purpose, key, to } satisfies Begun));
  location.assign(url);
}

/** What this tab began; it stays until it ended well, since a code may still be asked for. */
export function begun(): Begun | null {
  const stored = sessionStorage.getItem(STORED);
  return stored === null ? null : (JSON.parse(stored) as Begun);
}

export function ended(): void {
  sessionStorage.removeItem(STORED);
}

export const providers = {
  queryKey: ["providers"],
  queryFn: ({ signal }: { signal: AbortSignal }) => read(api.GET("/api/v1/oidc", { signal })),
  staleTime: 300_000,
};
