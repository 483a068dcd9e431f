import { Button, Group, Modal, PasswordInput, Text } from "@mantine/core";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api, read } from "../../api/client";
import { confirmBy } from "../../api/pageFetch";
import { asRefused } from "../../api/problem";

/** Asks for the password when the node wants it again before an act, and lets that act go on or end. */
export function PasswordDialog() {
  const [opened, setOpened] = useState(false);
  const [wrong, setWrong] = useState("");
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
    waiting.current.splice(0).forEach((tell) => tell(given));
  };

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const password = String(new FormData(form).get("password"));
    setBusy(true);
    try {
      await read(api.POST("/api/v1/session/confirm", { body: { password } }));
      end(true);
    } catch (error) {
      setWrong(asRefused(error).message);
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
          error={wrong === "" ? undefined : wrong}
          required
          data-autofocus
          mb="md"
        />
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
