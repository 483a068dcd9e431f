/**
 * The session of this page: a cookie that no script reads, and a key in the storage of this origin. Other ports of the
 * host see and set the cookie, so it opens nothing without the key, which they do not see.
 */
const STORED = "allod-page-key";

const listeners = new Set<() => void>();

/** What requests send beside the cookie. Without a session it still says that a page asks, where the browser does not. */
export function pageKey(): string {
  return localStorage.getItem(STORED) ?? "none";
}

/** Whether this page has the key of a session; the node may have ended it meanwhile. */
export function hasSession(): boolean {
  return localStorage.getItem(STORED) !== null;
}

export function keepSession(key: string): void {
  localStorage.setItem(STORED, key);
  listeners.forEach((tell) => tell());
}

/** Drops a key that counts no more. */
export function forgetSession(): void {
  localStorage.removeItem(STORED);
  listeners.forEach((tell) => tell());
}

/** Calls back when a session begins or ends, also in another tab of this browser. */
export function onSession(tell: () => void): () => void {
  listeners.add(tell);
  const elsewhere = (event: StorageEvent) => {
    if (event.key === STORED) tell();
  };
  addEventListener("storage", elsewhere);
  return () => {
    listeners.delete(tell);
    removeEventListener("storage", elsewhere);
  };
}
