import { Badge } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Page } from "../../components/Page";

const REFRESH_MS = 5_000;

/** What `/readyz` says; members that an older node does not have are not there. */
interface Readiness {
  set_up?: boolean;
  writing?: boolean;
  missing?: string[];
  policy?: { engine: string; answers: boolean; pending: number; revocations_pending: number; refused: number; detail?: string; fix?: string };
  clock?: { ahead_s: number; detail: string; fix: string };
  tls?: { mode: string; until?: string | null; detail?: string; fix?: string };
}

/** Whether this node can serve, and if not, why and what to do. */
export function Health() {
  const state = useQuery({
    queryKey: ["readiness"],
    queryFn: async ({ signal }) => {
      // A node that cannot serve says so with 503, and the same members.
      const [ready, live] = await Promise.all([api.GET("/readyz", { signal }), api.GET("/healthz", { signal })]);
      return { ok: ready.response.ok, version: live.data?.version, is: (ready.data ?? ready.error ?? {}) as Readiness };
    },
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page title="Health" lead="Whether this node can serve right now; asked anew every five seconds.">
      <Loaded query={state}>
        {({ ok, version, is }) => (
          <>
            <section className="card" aria-live="polite">
              <h2>
                {ok ? "This node can serve" : "This node cannot serve everything"} <Badge color={ok ? "teal" : "red"}>{ok ? "ready" : "not ready"}</Badge>
              </h2>
              <dl className="facts">
                <dt>Version</dt>
                <dd>{version ?? "not known"}</dd>
                <dt>Set up</dt>
                <dd>{said(is.set_up)}</dd>
                <dt>Takes writes</dt>
                <dd>{said(is.writing)}</dd>
                <dt>Policy</dt>
                <dd>
                  {is.policy === undefined ? "not known" : `${is.policy.engine}, ${is.policy.answers ? "answers" : "does not answer"}`}
                  {is.policy !== undefined && is.policy.pending > 0 && `, ${is.policy.pending} changes on their way`}
                </dd>
                {is.tls !== undefined && (
                  <>
                    <dt>TLS</dt>
                    <dd>{is.tls.mode}</dd>
                  </>
                )}
                {(is.missing ?? []).length > 0 && (
                  <>
                    <dt>Missing</dt>
                    <dd className="bad">{is.missing?.join(", ")}</dd>
                  </>
                )}
              </dl>
            </section>
            {[is.policy, is.clock, is.tls].map(
              (trouble, n) =>
                trouble?.detail !== undefined && (
                  <section className="card" key={n}>
                    <h2>{trouble.detail}</h2>
                    <p>{trouble.fix}</p>
                  </section>
                ),
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function said(value: boolean | undefined): string {
  return value === undefined ? "not known" : value ? "yes" : "no";
}
