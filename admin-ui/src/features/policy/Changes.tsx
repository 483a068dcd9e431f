import { Alert, Badge, Button } from "@mantine/core";
import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, read } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { Empty } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { shortIds } from "../audit/ids";
import { type Broken, type Change, Follower, type Seen, forget, remember, seen } from "./chain";

/** Rows of one answer. */
const PART = 1_000;
/** The newest rows, which are kept to be shown. */
const KEPT = 500;
/** Rows that are shown at first, and more each time. */
const SHOWN = 50;

interface Chain {
  rows: Change[];
  count: number;
  hash: string;
  broken: Broken | null;
  before: Seen | null;
}

/** Every change of policy, followed from the first by this browser itself. */
const chain = (told: (count: number) => void) =>
  queryOptions({
    queryKey: ["policy", "chain"],
    queryFn: async ({ signal }): Promise<Chain> => {
      const before = seen();
      const follower = new Follower(before);
      let rows: Change[] = [];
      let count = 0;
      for (;;) {
        // oxlint-disable-next-line no-await-in-loop
        const part = await read(api.GET("/api/v1/policy/audit", { params: { query: { after: rows.at(-1)?.seq ?? 0 } }, signal }));
        // Each is sealed by the one before it: one after another.
        // oxlint-disable-next-line no-await-in-loop
        for (const row of part) await follower.follow(row);
        rows = [...rows, ...part].slice(-KEPT);
        count += part.length;
        told(count);
        if (part.length < PART) break;
      }
      follower.end();
      if (follower.broken === null && count > 0) remember({ seq: follower.seq, hash: follower.hash, at: new Date().toISOString() });
      return { rows: rows.reverse(), count, hash: follower.hash, broken: follower.broken, before };
    },
    staleTime: 30_000,
  });

export function Changes() {
  const [count, setCount] = useState(0);
  const [shown, setShown] = useState(SHOWN);
  const all = useQuery(chain(setCount));
  return (
    <>
      {all.isPending && count > 0 && <p aria-live="polite">{count.toLocaleString()} changes looked at so far…</p>}
      <Loaded query={all} lines={8}>
        {(is) =>
          is.count === 0 ? (
            <Empty title="Nothing was changed yet">Every share, grant and rule leaves a line here, sealed by the one before.</Empty>
          ) : (
            <>
              <Whole is={is} />
              <section className="card" aria-labelledby="changes">
                <h2 id="changes">Newest first</h2>
                <ActTable rows={is.rows.slice(0, shown)} id={(row) => String(row.seq)} columns={COLUMNS} />
                {shown < is.rows.length ? (
                  <Button mt="md" variant="default" onClick={() => setShown(shown + SHOWN)}>
                    More
                  </Button>
                ) : (
                  is.count > is.rows.length && (
                    <p className="soft">
                      Older ones: <code className="mono">allod policy audit</code> on the machine tells them all.
                    </p>
                  )
                )}
              </section>
            </>
          )
        }
      </Loaded>
    </>
  );
}

const WHY: Record<Broken["why"], (seq: number) => string> = {
  missing: (seq) => `Change ${seq} is missing.`,
  changed: (seq) => `Change ${seq} is not what was sealed.`,
  rewritten: (seq) => `Change ${seq} is another than this browser saw before.`,
  shorter: (seq) => `What this browser saw before went further: change ${seq} is gone.`,
};

/** Whether the chain is whole, and goes on from what was seen before. */
function Whole({ is }: { is: Chain }) {
  const client = useQueryClient();
  const { broken, before } = is;
  if (broken !== null) {
    const again = broken.why === "rewritten" || broken.why === "shorter";
    return (
      <Alert color="red" role="alert" mb="md" title={`The changes are not whole. ${WHY[broken.why](broken.seq)}`}>
        <p>
          {again
            ? "If this node was restored from a backup, that is why. If it was not, somebody changed its database behind its back."
            : "Somebody changed the database of this node behind its back."}
        </p>
        {again && (
          <Button
            variant="default"
            size="xs"
            onClick={() => {
              forget();
              void client.resetQueries({ queryKey: ["policy", "chain"] });
            }}
          >
            It was restored: begin anew from here
          </Button>
        )}
      </Alert>
    );
  }
  return (
    <section className="card" aria-labelledby="whole" aria-live="polite">
      <h2 id="whole">
        {is.count.toLocaleString()} {is.count === 1 ? "change" : "changes"} <Badge color="teal">whole</Badge>
      </h2>
      <p>
        This browser followed them from the first to the last: each is sealed by the one before, so nothing was changed or taken out unseen.{" "}
        {before === null ? (
          "It remembers how far it came, and says so if the past is ever another."
        ) : (
          <>
            They go on from what it saw <RelativeTime at={before.at} />.
          </>
        )}
      </p>
      <dl className="facts">
        <dt>Seal of the last</dt>
        <dd className="mono" dir="ltr">
          {is.hash}
        </dd>
      </dl>
    </section>
  );
}

const ACTIONS: Record<string, string> = {
  add_member: "Somebody joined a tenant",
  declare_space: "A space was made",
  declare_tenant: "A tenant was made",
  put_grant: "An app got access",
  revoke_grant: "An app lost its access",
  write: "Rights were given or taken",
  write_relationships: "Rights were given or taken",
  write_schema: "The model was changed",
};

interface Detail {
  put?: string[];
  remove?: string[];
  by?: Record<string, unknown>;
}

function detailOf(row: Change): Detail {
  return typeof row.detail === "object" && row.detail !== null ? (row.detail as Detail) : {};
}

function Lines({ sign, lines }: { sign: string; lines: string[] }) {
  return lines.map((line) => (
    <div key={line} title={line} dir="ltr">
      {sign} {shortIds(line)}
    </div>
  ));
}

/** Lines of one change that are shown at once. */
const LINES = 4;

const COLUMNS: Column<Change>[] = [
  { head: "Nr.", cell: (row) => row.seq.toLocaleString() },
  { head: "When", cell: (row) => <RelativeTime at={row.at} /> },
  { head: "What", cell: (row) => ACTIONS[row.action] ?? row.action.replaceAll("_", " ") },
  {
    head: "Relationships",
    mono: true,
    cell: (row) => {
      const { put = [], remove = [] } = detailOf(row);
      const lines = put.length + remove.length;
      const all = (
        <>
          <Lines sign="+" lines={put} />
          <Lines sign="−" lines={remove} />
        </>
      );
      if (lines === 0) return <span className="soft">none</span>;
      if (lines <= LINES) return all;
      return (
        <details>
          <summary>{lines.toLocaleString()} of them</summary>
          {all}
        </details>
      );
    },
  },
];
