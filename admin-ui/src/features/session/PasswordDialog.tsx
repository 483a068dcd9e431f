import { Box, Button, Group, Modal, PasswordInput, Text } from "@mantine/core";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, read } from "../../api/client";
import { confirmBy } from "../../api/pageFetch";
import { asRefused } from "../../api/problem";
import { CodeInput, codeIn, wantsCode } from "./CodeInput";

/** Asks for the password when the node wants it again before an act, and lets that act go on or end. */
export function PasswordDialog() {
  const [opened, setOpened] = useState(false);
  const [wrong, setWrong] = useState("");
  const [asksCode, setAsksCode] = useState(false);
  const [busy, setBusy] = useState(false);
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

  return (
    <Modal opened={opened} onClose={() => end(false)} title="Your password, once more" zIndex={350}>
      <form onSubmit={(event) => void submit(event)}>
        <Text mb="md">What you are about to do outlives this session, so the node wants to know that it is you.</Text>
        <PasswordInput
          name="password"
          label="Password"
          autoComplete="current-password"
          error={wrong === "" || asksCode ? undefined : wrong}
          required
          data-autofocus
          mb="md"
        />
        {asksCode && (
          <Box mb="md">
            <CodeInput wrong={wrong} />
          </Box>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => end(false)}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            Go on
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
