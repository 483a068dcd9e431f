import { Alert, Anchor, Button, Loader, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef } from "react";
import { api, read } from "../../api/client";
import { asRefused } from "../../api/problem";
import { keepSession } from "../../api/session";
import { say } from "../../components/toasts";
import { CodeInput, codeIn, wantsCode } from "./CodeInput";
import { within } from "./SignIn";
import { begun, ended, goTo } from "./outside";

interface Back {
  state: string;
  code: string;
  iss?: string;
}

/** What a provider sent the browser back with; it stands behind `#`, and leaves the address before anything is done. */
function broughtBack(): { by: string | null; back: Back | null; error: string | null } {
  const sent = new URLSearchParams(location.hash.slice(1));
  const [state, code, iss] = [sent.get("state"), sent.get("code"), sent.get("iss")];
  return {
    by: sent.get("with"),
    back: state !== null && code !== null ? { state, code, ...(iss !== null && { iss }) } : null,
    error: sent.get("error"),
  };
}

/** On the way to a provider, and back from it. */
export function Outside() {
  const { with: named } = useSearch({ from: "/outside" });
  const navigate = useNavigate();
  const client = useQueryClient();
  const once = useRef(false);
  const brought = useRef(broughtBack());
  const { by, back, error: refusedThere } = brought.current;
  const own = begun();
  useEffect(() => {
    document.title = "Sign in · Allod";
  }, []);

  const finish = useMutation({
    mutationFn: (code: { totp?: string }) => {
      // A code of another provider than the one that was asked is told to nobody.
      if (back === null || own === null || by !== own.provider) throw new Error("This sign-in was begun in another tab or browser; begin it again.");
      const body = { ...back, key: own.key, ...code };
      return read(api.POST("/api/v1/oidc/{name}/finish", { params: { path: { name: own.provider } }, body }));
    },
    onSuccess: async (answer) => {
      ended();
      if ("page_key" in answer && answer.page_key) {
        client.clear();
        keepSession(answer.page_key);
      } else if ("done" in answer) {
        await client.invalidateQueries();
        say(answer.done === "linked" ? "You can sign in by it from now on." : "It is you: do what you were about to do.");
      }
      await navigate({ href: within(own?.to), replace: true });
    },
  });
  const begin = useMutation({ mutationFn: (provider: string) => goTo(provider, "sign_in", "/") });

  useEffect(() => {
    if (once.current) return;
    once.current = true;
    if (back !== null) {
      history.replaceState(history.state, "", location.pathname + location.search);
      finish.mutate({});
    } else if (refusedThere === null && named !== undefined) {
      begin.mutate(named);
    }
  }, [back, begin, finish, named, refusedThere]);

  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    finish.mutate(codeIn(new FormData(event.currentTarget)));
  };
  const failed = finish.error ?? begin.error;
  const refused = failed === null ? null : asRefused(failed);
  const asksCode = refused !== null && wantsCode(refused.code);
  const wrong = refusedThere !== null ? { message: refusedThere === "stale" ? "This sign-in is out of date; begin it again." : "The provider let nobody in.", hint: "" } : refused;

  return (
    <main className="enter">
      <div>
        <p className="mark">
          <img src="/admin/mark.svg" alt="" width={28} height={28} />
          Allod
        </p>
        <div className="card">
          <h1 className="card-title">{asksCode ? "Your second factor" : "Sign in"}</h1>
          {asksCode ? (
            <form onSubmit={submit}>
              <Stack gap="md">
                <CodeInput wrong={refused.code === "wrong_code" ? refused.message : ""} />
                <Button type="submit" loading={finish.isPending} fullWidth>
                  Go on
                </Button>
              </Stack>
            </form>
          ) : wrong !== null ? (
            <Stack gap="md">
              <Alert color="red" role="alert" title={wrong.message}>
                {wrong.hint}
              </Alert>
              <Anchor href="/admin/sign-in">Back to the sign-in</Anchor>
            </Stack>
          ) : back === null && named === undefined ? (
            <Anchor href="/admin/sign-in">Back to the sign-in</Anchor>
          ) : (
            <Stack gap="md" align="center" role="status">
              <Loader size="sm" />
              <Text>One moment …</Text>
            </Stack>
          )}
        </div>
      </div>
    </main>
  );
}
