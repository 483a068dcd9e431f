import { api, read } from "../../api/client";

/** Whether this browser can make and prove passkeys, and hand over what comes of it (Web Authentication Level 3). */
export function canUsePasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

/** Whether it offers them where a name is typed. */
export async function offersPasskeys(): Promise<boolean> {
  return canUsePasskeys() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false);
}

/** What a device is asked: as the node said it. */
export interface Asked {
  ceremony: string;
  public_key: object;
}

/** What was answered, as the node reads it. */
export interface Proved {
  ceremony: string;
  credential: Record<string, never>;
}

function answered(asked: Asked, credential: Credential | null): Proved {
  if (credential === null) throw new DOMException("none was chosen", "NotAllowedError");
  return { ceremony: asked.ceremony, credential: (credential as PublicKeyCredential).toJSON() as Record<string, never> };
}

/** Has a device prove a passkey. */
export async function prove(asked: Asked, how: { mediation?: CredentialMediationRequirement; signal?: AbortSignal } = {}): Promise<Proved> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.public_key as PublicKeyCredentialRequestOptionsJSON);
  return answered(asked, await navigator.credentials.get({ publicKey, ...how }));
}

/** Has a device make a passkey. */
export async function make(asked: Asked): Promise<Proved> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.public_key as PublicKeyCredentialCreationOptionsJSON);
  return answered(asked, await navigator.credentials.create({ publicKey }));
}

/** What a browser says when nothing came of it, in words. */
export function inWords(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  switch (error.name) {
    case "NotAllowedError":
      return new Error("No passkey was used: it was broken off, or there is none for this node on the device.");
    case "InvalidStateError":
      return new Error("This device has a passkey for this node already.");
    case "SecurityError":
      return new Error("The browser uses no passkeys at this address.");
    default:
      return new Error("The device could not do it.");
  }
}

export function beginSignIn(): Promise<Asked> {
  return read(api.POST("/api/v1/passkeys/sign-in/start"));
}

/** Proves once more who one is; the node then lets dangerous acts through for a while. */
export async function confirmByPasskey(): Promise<void> {
  const asked = await read(api.POST("/api/v1/passkeys/confirm/start"));
  await read(api.POST("/api/v1/passkeys/confirm/finish", { body: await prove(asked) }));
}
