import { TextInput } from "@mantine/core";

/** What the node says when a password is right and a code has to come with it: the field is shown from then on. */
export function wantsCode(code: string): boolean {
  return code === "totp_needed" || code === "wrong_code";
}

/** Where a code of the second factor is typed, or one of recovery: those have letters too. `wrong`: what is, if it was. */
export function CodeInput({ wrong }: { wrong: boolean | string }) {
  return (
    <TextInput
      id="totp"
      name="totp"
      label="Code of your second factor"
      description="From the app that makes your codes, or one of your recovery codes."
      autoComplete="one-time-code"
      autoCapitalize="none"
      error={wrong === "" ? undefined : wrong}
      autoFocus
      required
    />
  );
}

/** The code that a form was sent with; none where it did not ask for one. */
export function codeIn(form: FormData): { totp?: string } {
  const code = form.get("totp");
  return typeof code === "string" && code.trim() !== "" ? { totp: code.trim() } : {};
}
