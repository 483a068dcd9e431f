import { Alert, Anchor, Box, Button, Group, Modal, PasswordInput, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, read } from "../../api/client";
import { confirmBy } from "../../api/pageFetch";
import { asRefused } from "../../api/problem";
import { complain } from "../../components/toasts";
import { CodeInput, codeIn, wantsCode } from "./CodeInput";
import { credentials, passkeys } from "../security/ways";
import { goTo, providers } from "./outside";
import { canUsePasskeys, confirmByPasskey, inWords } from "./passkeys";

/** The page that is open, as the console's router names it. */
function here(): string {
  return location.pathname.replace(/^\/admin/, "") + location.search;
}

/** Asks for the password when the node wants it again before an act, and lets that act go on or end. */
export function PasswordDialog() {
  const [opened, setOpened] = useState(false);
  const [wrong, setWrong] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const [busy, setBusy] = useState(false);
  const known = useQuery({ ...providers, enabled: opened });
  const ways = useQuery({ ...credentials, enabled: opened });
  const keys = useQuery({ ...passkeys, enabled: opened });
  const byPasskey = canUsePasskeys() && (keys.data ?? []).some(({ counts }) => counts);
  const byPassword = ways.data === undefined || ways.data.some(({ kind }) => kind === "password");
  const waiting = useRef<((given: boolean) => void)[]>([]);

  useEffect(() => {
    confirmBy(
      () =>
        new Promise<boolean>((given) => {
          waiting.current.push(given);
          setOpened(true);
        }),
    );
  }, []);

  const end = (given: boolean) => {
    setOpened(false);
    setWrong("");
    setAsksCode(false);
    waiting.current.splice(0).forEach((tell) => tell(given));
  };

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const sent = new FormData(form);
    setBusy(true);
    try {
      await read(api.POST("/api/v1/session/confirm", { body: { password: String(sent.get("password")), ...codeIn(sent) } }));
      end(true);
    } catch (error) {
      const { code, message } = asRefused(error);
      setWrong(code === "totp_needed" ? "" : message);
      if (wantsCode(code)) {
        // The password was right: it stays, and the code is asked for.
        setAsksCode(true);
        return;
      }
      setAsksCode(false);
      form.reset();
      form.querySelector("input")?.focus();
    } finally {
      setBusy(false);
    }
  };

  const usePasskey = async () => {
    setBusy(true);
    try {
      await confirmByPasskey();
      end(true);
    } catch (error) {
      setAsksCode(false);
      setWrong(asRefused(inWords(error)).message);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Modal opened={opened} onClose={() => end(false)} title="Your password, once more" zIndex={350}>
      <form onSubmit={(event) => void submit(event)}>
        <Text mb="md">What you are about to do outlives this session, so the node wants to know that it is you.</Text>
        {byPassword ? (
          <PasswordInput
            name="password"
            label="Password"
            autoComplete="current-password"
            error={wrong === "" || asksCode ? undefined : wrong}
            required
            data-autofocus
            mb="md"
          />
        ) : (
          wrong !== "" && (
            <Alert color="red" role="alert" title={wrong} mb="md">
              Try again, or prove it in another way.
            </Alert>
          )
        )}
        {asksCode && (
          <Box mb="md">
            <CodeInput wrong={wrong} />
          </Box>
        )}
        {(known.data ?? []).length > 0 && (
          <Text size="sm" mb="md">
            Or prove it where you sign in:{" "}
            {(known.data ?? []).map(({ name, label }) => (
              <Anchor key={name} component="button" type="button" mr="sm" onClick={() => void goTo(name, "confirm", here()).catch(complain)}>
                {label}
              </Anchor>
            ))}
            <br />
            You come back to this page, and do it once more.
          </Text>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => end(false)}>
            Cancel
          </Button>
          {byPasskey && (
            <Button variant={byPassword ? "default" : "filled"} loading={busy} onClick={() => void usePasskey()}>
              Use a passkey
            </Button>
          )}
          {byPassword && (
            <Button type="submit" loading={busy}>
              Go on
            </Button>
          )}
        </Group>
      </form>
    </Modal>
  );
}
