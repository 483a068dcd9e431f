import type { Notice } from "./queries";

interface Words {
  /** What happened, before and behind the name that goes with it. */
  says: [before: string, behind: string];
  /** Without a name. */
  bare: string;
  /** Where one looks at it. */
  to: string;
  /** What the kind is called among those that can be turned off. */
  kind: string;
}

const WORDS: Record<string, Words> = {
  access_asked: { says: ["", " asks for more than you let it do."], bare: "An app asks for more than you let it do.", to: "/apps", kind: "An app asks for more" },
  share_got: { says: ["", " shared something with you."], bare: "Something was shared with you.", to: "/shares", kind: "Something is shared with me" },
  grant_ending: { says: ["What ", " may do ends soon."], bare: "What an app may do ends soon.", to: "/apps", kind: "What an app may do is about to end" },
  replica_behind: { says: ["", " lacks what it ought to have."], bare: "A device or replica lacks what it ought to have.", to: "/devices", kind: "A device or replica is behind" },
  backup_failing: { says: ["", ""], bare: "Backups of this node are not made in time.", to: "/operator/node", kind: "Backups fail (operators)" },
  sign_in_new: { says: ["Somebody signed in as you from a place that was not seen before: ", "."], bare: "Somebody signed in as you from a place that was not seen before.", to: "/security", kind: "A sign-in from a new place" },
  device_added: { says: ["A device joined your account: ", "."], bare: "A device joined your account.", to: "/devices", kind: "A device is added" },
  password_changed: { says: ["", ""], bare: "Your password was changed.", to: "/security", kind: "My password is changed" },
  credential_added: { says: ["A way to sign in was added: ", "."], bare: "A way to sign in was added.", to: "/security", kind: "A way to sign in is added" },
  credential_removed: { says: ["A way to sign in was removed: ", "."], bare: "A way to sign in was removed.", to: "/security", kind: "A way to sign in is removed" },
  recovery_shown: { says: ["", ""], bare: "The recovery words were made or shown.", to: "/recovery", kind: "The recovery words are made or shown" },
};

/** Kinds of credentials, as people call them. */
const CREDENTIALS: Record<string, string> = {
  passkey: "a passkey",
  totp: "a second factor",
  outside: "an account elsewhere",
  password: "a password",
  recovery_code: "a recovery code",
};

export interface Said {
  before: string;
  name: string;
  behind: string;
  to: string;
}

/** A notice in words; the name in it was chosen by somebody else. One of a later version is told by its own name. */
export function said({ kind, about }: Notice): Said {
  const words = WORDS[kind];
  if (words === undefined) return { before: kind.replaceAll("_", " "), name: "", behind: "", to: "/audit" };
  const [before, behind] = words.says;
  if (about === null || about === undefined || (before === "" && behind === "")) return { before: words.bare, name: "", behind: "", to: words.to };
  return { before, name: kind.startsWith("credential_") ? (CREDENTIALS[about] ?? about) : about, behind, to: words.to };
}

/** What a kind is called. */
export function named(kind: string): string {
  return WORDS[kind]?.kind ?? kind.replaceAll("_", " ");
}
