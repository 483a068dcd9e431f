/** What a refused request says: a problem (RFC 9457), or the first error of a GraphQL answer. */
export class Refused extends Error {
  readonly status: number;
  /** Stable, for programs; empty where the answer had none. */
  readonly code: string;
  /** What to do next; may be empty. */
  readonly hint: string;
  /** In the node's log; empty where no answer came. */
  readonly requestId: string;

  constructor(status: number, detail: string, more: { code?: string; hint?: string; requestId?: string } = {}) {
    super(detail);
    this.status = status;
    this.code = more.code ?? "";
    this.hint = more.hint ?? "";
    this.requestId = more.requestId ?? "";
  }
}

/** The problem that an answer carries. */
export function refusal(response: Response, body: unknown): Refused {
  const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof said[key] === "string" ? said[key] : "");
  return new Refused(response.status, text("detail") || `The node answered ${response.status}.`, {
    code: text("code"),
    hint: text("hint"),
    requestId: text("request_id") || (response.headers.get("x-request-id") ?? ""),
  });
}

/** Whatever was thrown, as something that can be shown. */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof TypeError) {
    return new Refused(0, "The node cannot be reached.", {
      hint: "Look whether it runs and whether you are connected; then try again.",
    });
  }
  return new Refused(0, error instanceof Error ? error.message : "That did not work.");
}
