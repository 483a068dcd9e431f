import { forgetSession, pageKey } from "./session";

/** Asks the person for their password; whether it was given and counts. */
type AskPassword = () => Promise<boolean>;

let askPassword: AskPassword = () => Promise.resolve(false);

/** Who asks for the password when an act needs it again. */
export function confirmBy(ask: AskPassword): void {
  askPassword = ask;
}

async function codeOf(response: Response): Promise<string> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null);
  return (body as { code?: string } | null)?.code ?? "";
}

/**
 * `fetch` for requests of this page to its node: with the key of its session. An act that needs the password again is
 * asked for it and repeated; an answer that the session has ended ends it here.
 */
export async function pageFetch(input: Request): Promise<Response> {
  const send = () => {
    const request = input.clone();
    request.headers.set("allod-page-key", pageKey());
    return fetch(request);
  };
  const response = await send();
  if (response.status !== 401) return response;
  const code = await codeOf(response);
  if (code === "insufficient_user_authentication") return (await askPassword()) ? send() : response;
  if (code === "invalid_token" || code === "unauthenticated") forgetSession();
  return response;
}
