import { Alert, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, read } from "../../api/client";
import { asRefused } from "../../api/problem";
import { keepSession } from "../../api/session";
import { CodeInput, codeIn, wantsCode } from "./CodeInput";

/** A page of the console: an address that leads elsewhere, whoever made it, leads home. */
function within(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) && new URL(to, location.origin).origin === location.origin ? to : "/";
}

/** Signing in at this node; afterwards one is where one wanted to go. */
export function SignIn() {
  const { to } = useSearch({ from: "/sign-in" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const password = useRef<HTMLInputElement>(null);
  const [asksCode, setAsksCode] = useState(false);
  useEffect(() => {
    document.title = "Sign in · Allod";
  }, []);

  const enter = useMutation({
    mutationFn: (body: { user: string; password: string; totp?: string }) => read(api.POST("/api/v1/session", { body })),
    onSuccess: async ({ page_key }) => {
      client.clear();
      if (page_key) keepSession(page_key);
      await navigate({ href: within(to), replace: true });
    },
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
    enter.mutate({ user: String(sent.get("user")), password: String(sent.get("password")), ...codeIn(sent) });
  };
  const refused = enter.error === null ? null : asRefused(enter.error);
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
              <TextInput id="user" name="user" label="Name" autoComplete="username" autoCapitalize="none" autoFocus required />
              <PasswordInput
                id="password"
                name="password"
                label="Password"
                autoComplete="current-password"
                ref={password}
                error={wrong !== null && wrong.code !== "wrong_code"}
                aria-describedby={wrong === null ? undefined : "wrong"}
                required
              />
              {asksCode && <CodeInput wrong={wrong?.code === "wrong_code"} />}
              <Button type="submit" loading={enter.isPending} fullWidth>
                Sign in
              </Button>
            </Stack>
          </form>
        </div>
      </div>
    </main>
  );
}
