import { useEffect, useState } from "react";
import { type Health, health } from "../../api/health";
import { Session } from "../session/Session";

interface State {
  live: Health;
  ready: Health;
  at: Date;
}

const REFRESH_MS = 5_000;

/** The one page of the console so far: whether this node lives and can serve, asked anew every five seconds, and who is
 *  signed in. */
export function NodeState() {
  const [state, setState] = useState<State | null>(null);

  useEffect(() => {
    const stop = new AbortController();
    const ask = async () => {
      const [live, ready] = await Promise.all([health("/healthz", stop.signal), health("/readyz", stop.signal)]);
      setState({ live, ready, at: new Date() });
    };
    const run = () => void ask().catch(() => undefined);
    run();
    const timer = setInterval(run, REFRESH_MS);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, []);

  return (
    <main>
      <h1>Allod</h1>
      <p className="lead">Land held outright, owing nothing to a lord.</p>
      <section aria-labelledby="state" aria-live="polite">
        <h2 id="state">This node</h2>
        {state === null ? (
          <p>Asking the node…</p>
        ) : (
          <dl>
            <Row label="Running" health={state.live} />
            <Row label="Ready to serve" health={state.ready} />
            <div>
              <dt>Asked</dt>
              <dd>{state.at.toLocaleTimeString()}</dd>
            </div>
          </dl>
        )}
      </section>
      <Session />
    </main>
  );
}

function Row({ label, health }: { label: string; health: Health }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd className={health.ok ? "good" : "bad"}>{health.detail}</dd>
    </div>
  );
}
