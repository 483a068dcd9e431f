import { Alert, Button, Divider, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, read } from "../../api/client";
import { asRefused } from "../../api/problem";
import { keepSession } from "../../api/session";
import { CodeInput, codeIn, wantsCode } from "./CodeInput";
import { PasskeySignIn } from "./PasskeySignIn";
import { goTo, providers } from "./outside";

/** A page of the console: an address that leads elsewhere, whoever made it, leads home. */
export function within(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) && new URL(to, location.origin).origin === location.origin ? to : "/";
}

/** Signing in at this node; afterwards one is where one wanted to go. */
export function SignIn() {
  const { to, user } = useSearch({ from: "/sign-in" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const password = useRef<HTMLInputElement>(null);
  const [asksCode, setAsksCode] = useState(false);
  const known = useQuery(providers);
  const [byPasskey, setByPasskey] = useState<unknown>(null);
  const leave = useMutation({ mutationFn: (provider: string) => goTo(provider, "sign_in", within(to)) });
  useEffect(() => {
    document.title = "Sign in · Allod";
  }, []);

  const entered = async (pageKey: string | null | undefined) => {
    client.clear();
    if (pageKey) keepSession(pageKey);
    await navigate({ href: within(to), replace: true });
  };
  const enter = useMutation({
    mutationFn: (body: { user: string; password: string; totp?: string }) => read(api.POST("/api/v1/session", { body })),
    onSuccess: ({ page_key }) => entered(page_key),
    onError: (error) => {
      // The name stays as it was typed; the password, where it was not right, is typed again.
      if (wantsCode(asRefused(error).code)) {
        setAsksCode(true);
        return;
      }
      if (password.current === null) return;
      password.current.value = "";
      password.current.focus();
    },
  });

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const sent = new FormData(event.currentTarget);
    setByPasskey(null);
    enter.mutate({ user: String(sent.get("user")), password: String(sent.get("password")), ...codeIn(sent) });
  };
  const failed = byPasskey ?? enter.error ?? leave.error;
  const refused = failed === null ? null : asRefused(failed);
  // That a code is wanted is no fault: its field says so.
  const wrong = refused?.code === "totp_needed" ? null : refused;

  return (
    <main className="enter">
      <div>
        <p className="mark">
          <img src="/admin/mark.svg" alt="" width={28} height={28} />
          Allod
        </p>
        <div className="card">
          <h1 className="card-title">Sign in</h1>
          {wrong !== null && (
            <Alert id="wrong" color="red" role="alert" title={wrong.message} mb="md">
              {wrong.hint}
            </Alert>
          )}
          <form onSubmit={submit}>
            <Stack gap="md">
              <TextInput id="user" name="user" label="Name" autoComplete="username webauthn" autoCapitalize="none" defaultValue={user} autoFocus={user === undefined} required />
              <PasswordInput
                id="password"
                name="password"
                label="Password"
                autoComplete="current-password"
                ref={password}
                autoFocus={user !== undefined}
                error={wrong !== null && byPasskey === null && enter.error !== null && wrong.code !== "wrong_code"}
                aria-describedby={wrong === null ? undefined : "wrong"}
                required
              />
              {asksCode && <CodeInput wrong={wrong?.code === "wrong_code"} />}
              <Button type="submit" loading={enter.isPending} fullWidth>
                Sign in
              </Button>
            </Stack>
          </form>
          <Stack gap="sm" mt="lg">
            <PasskeySignIn onEntered={entered} onFailed={setByPasskey} />
            {(known.data ?? []).length > 0 && <Divider label="or" />}
            {(known.data ?? []).map(({ name, label }) => (
                <Button key={name} variant="default" fullWidth onClick={() => leave.mutate(name)} loading={leave.isPending && leave.variables === name}>
                  Sign in with {label}
                </Button>
              ))}
          </Stack>
        </div>
      </div>
    </main>
  );
}
