import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, read } from "../../api/client";
import { beginSignIn, canUsePasskeys, inWords, offersPasskeys, prove } from "./passkeys";

interface Props {
  /** A session was opened. */
  onEntered: (pageKey: string | null | undefined) => Promise<void>;
  /** What went wrong; null before it is tried again. */
  onFailed: (error: unknown) => void;
}

/** Signing in by a passkey: by a button, and where the name is typed. Nothing where it cannot be. */
export function PasskeySignIn({ onEntered, onFailed }: Props) {
  const [offered, setOffered] = useState(false);
  // What the browser offers where the name is typed; it ends when the button is pressed, or the page is left.
  const waiting = useRef(new AbortController());
  const told = useRef({ onEntered, onFailed });
  told.current = { onEntered, onFailed };

  const finish = async (proved: Awaited<ReturnType<typeof prove>>) => {
    const { page_key } = await read(api.POST("/api/v1/passkeys/sign-in/finish", { body: proved }));
    await told.current.onEntered(page_key);
  };

  useEffect(() => {
    if (!canUsePasskeys()) return;
    const own = new AbortController();
    waiting.current = own;
    const offer = async () => {
      // A node without a name, or at another address, refuses: then nothing is offered.
      const asked = await beginSignIn().catch(() => null);
      if (asked === null || own.signal.aborted) return;
      setOffered(true);
      if (await offersPasskeys()) await finish(await prove(asked, { mediation: "conditional", signal: own.signal }));
    };
    offer().catch((error: unknown) => {
      // Nobody has pressed anything: that no passkey was chosen is nothing to tell.
      if (!(error instanceof DOMException) && !own.signal.aborted) told.current.onFailed(error);
    });
    return () => own.abort();
  }, []);

  const enter = useMutation({
    mutationFn: async () => {
      waiting.current.abort();
      told.current.onFailed(null);
      await finish(await prove(await beginSignIn()));
    },
    onError: (error) => told.current.onFailed(inWords(error)),
  });

  if (!offered) return null;
  return (
    <Button variant="default" fullWidth onClick={() => enter.mutate()} loading={enter.isPending}>
      Sign in with a passkey
    </Button>
  );
}
