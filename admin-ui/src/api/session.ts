/**
 * The session of this page: a cookie that no script reads, and a key in the storage of this origin. Other ports of the
 * host see and set the cookie, so it opens nothing without the key, which they do not see.
 */
const STORED = "allod-page-key";

/** A space as `GET /api/v1/spaces` lists it. */
export interface Space {
  id: string;
  name: string;
  role: string;
}

/** What a refused request says. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Whether this page has the key of a session; the node may have ended it meanwhile. */
export function hasSession(): boolean {
  return localStorage.getItem(STORED) !== null;
}

async function ask(method: string, path: string, body?: unknown): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json" };
  // Without a session the header still says that a page asks, where the browser does not.
  headers["allod-page-key"] = localStorage.getItem(STORED) ?? "none";
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (response.ok) return response;
  const answer: unknown = await response.json().catch(() => null);
  const message = (answer as { detail?: string } | null)?.detail;
  throw new Refused(response.status, message ?? `The node answered ${response.status}.`);
}

/** Begins a session of this page. */
export async function signIn(user: string, password: string): Promise<void> {
  const response = await ask("POST", "/api/v1/session", { user, password });
  const { page_key } = (await response.json()) as { page_key: string };
  localStorage.setItem(STORED, page_key);
}

/** Ends the session of this page. */
export async function signOut(): Promise<void> {
  try {
    await ask("DELETE", "/api/v1/session");
  } finally {
    forgetSession();
  }
}

/** Drops a key that counts no more. */
export function forgetSession(): void {
  localStorage.removeItem(STORED);
}

/** The spaces of the person who is signed in. */
export async function spaces(): Promise<Space[]> {
  const response = await ask("GET", "/api/v1/spaces");
  return (await response.json()) as Space[];
}
