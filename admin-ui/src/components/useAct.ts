import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import type { Answer } from "../api/client";
import { complain, say } from "./toasts";

interface Act<In, Out> {
  act: (input: In) => Promise<Answer<Out>>;
  /** What is said once it is done; nothing where the page shows it anyhow. */
  done?: (data: Out, input: In) => string;
  /** What is asked anew. */
  refresh?: QueryKey[];
  after?: (data: Out, input: In) => void;
  /** A form that shows its errors beside its fields. */
  quiet?: boolean;
}

/** Something that changes the node: said when it is done, complained of when it is refused. */
export function useAct<In = void, Out = unknown>({ act, done, refresh = [], after, quiet = false }: Act<In, Out>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: async ({ data, requestId }, input) => {
      await Promise.all(refresh.map((queryKey) => client.invalidateQueries({ queryKey })));
      // What is done here and waits elsewhere is said as the node says it.
      const waits = pending(data);
      if (waits !== null) say(waits.detail, requestId, waits.hint);
      else if (done !== undefined) say(done(data, input), requestId);
      after?.(data, input);
    },
    onError: (error) => {
      if (!quiet) complain(error);
    },
  });
}

function pending(data: unknown): { detail: string; hint: string } | null {
  const said = data as { pending?: boolean; detail?: string; hint?: string } | null | undefined;
  return said?.pending === true && said.detail ? { detail: said.detail, hint: said.hint ?? "" } : null;
}
