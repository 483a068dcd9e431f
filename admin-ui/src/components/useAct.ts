import { type QueryKey, type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";
import type { Answer } from "../api/client";
import { complain, say } from "./toasts";

interface Act<In, Out> {
  act: (input: In) => Promise<Answer<Out>>;
  /** What is said once it is done; nothing where the page shows it anyhow. */
  done?: (data: Out, input: In) => string;
  /** The act that takes it back, where there is one: what is said then offers it. */
  undo?: (data: Out, input: In) => In | undefined;
  /** What is asked anew. */
  refresh?: QueryKey[];
  after?: (data: Out, input: In) => void;
  /** A form that shows its errors beside its fields. */
  quiet?: boolean;
  /** What is answered is a secret: it is shown, and kept by nothing here. */
  secret?: boolean;
}

/** Something that changes the node: said when it is done, complained of when it is refused. */
export function useAct<In = void, Out = unknown>({ act, done, undo, refresh = [], after, quiet = false, secret = false }: Act<In, Out>) {
  const client = useQueryClient();
  const acting: UseMutationResult<Answer<Out>, Error, In> = useMutation({
    mutationFn: act,
    ...(secret && { gcTime: 0 }),
    onSuccess: async ({ data, requestId }, input) => {
      await Promise.all(refresh.map((queryKey) => client.invalidateQueries({ queryKey })));
      // What is done here and waits elsewhere is said as the node says it.
      const waits = pending(data);
      if (waits !== null) say(waits.detail, requestId, waits.hint);
      else if (done !== undefined) {
        const back = undo?.(data, input);
        say(done(data, input), requestId, "", back === undefined ? undefined : () => acting.mutate(back));
      }
      after?.(data, input);
    },
    onError: (error) => {
      if (!quiet) complain(error);
    },
  });
  return acting;
}

function pending(data: unknown): { detail: string; hint: string } | null {
  const said = data as { pending?: boolean; detail?: string; hint?: string } | null | undefined;
  return said?.pending === true && said.detail ? { detail: said.detail, hint: said.hint ?? "" } : null;
}
