/** What a public health route says of the node: the route is reached, and what it answered. */
export interface Health {
  ok: boolean;
  detail: string;
}

/** Asks `/healthz` (the process lives) or `/readyz` (it can serve). A node that cannot be reached is `ok: false`. */
export async function health(route: "/healthz" | "/readyz", signal: AbortSignal): Promise<Health> {
  try {
    const response = await fetch(route, { signal, headers: { accept: "application/json" } });
    return { ok: response.ok, detail: response.ok ? "yes" : `no (HTTP ${response.status})` };
  } catch (error) {
    if (signal.aborted) throw error;
    return { ok: false, detail: "not reachable" };
  }
}
