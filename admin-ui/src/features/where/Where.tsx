import { Badge, Button, Group, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded, Problem } from "../../components/Loaded";
import { Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { ShortId } from "../../components/Secret";
import { say } from "../../components/toasts";
import { grants } from "../apps/queries";
import { devices, replicas } from "../devices/queries";
import { bytes } from "../operator/amounts";
import { backups } from "../recovery/queries";
import { Samples } from "../samples/Samples";
import { me } from "../session/queries";
import { links, shares } from "../shares/queries";
import { exportMine, keep } from "./export";

/** Every copy of the person's data, who can read each, and who may take of it; and the way to take all of it along. */
export function Where() {
  return (
    <Page title="Where is my data" lead="Every place that has a copy, who can read it there, who else may look, and the way to take all of it along.">
      <Copies />
      <Lookers />
      <TakeAlong />
      <Sample />
    </Page>
  );
}

interface Copy {
  id: string;
  place: ReactNode;
  reads: ReactNode;
  state: ReactNode;
}

const COPY: Column<Copy>[] = [
  { head: "Place", cell: (copy) => copy.place },
  { head: "Who can read it there", cell: (copy) => copy.reads },
  { head: "How much is there", cell: (copy) => copy.state },
];

interface Peer {
  this?: boolean;
  reachable?: boolean | null;
  lag_commits?: number | null;
}

function far(one: Peer): ReactNode {
  if (one.this === true) return <span className="good">everything</span>;
  if (one.lag_commits === 0) return <span className="good">everything</span>;
  if (one.lag_commits !== null && one.lag_commits !== undefined) return `all but the last ${one.lag_commits.toLocaleString()} commits`;
  return <span className="soft">{one.reachable === false ? "not reachable" : "not known"}</span>;
}

const KEYS = <Badge color="yellow">you, and whoever holds the machine</Badge>;
const SEALED = <Badge>nobody: it has no keys</Badge>;

function Copies() {
  const mine = useQuery(devices);
  const held = useQuery(replicas);
  const who = useQuery(me);
  const operator = who.data?.operator === true;
  const status = useQuery({ ...backups, enabled: operator });
  return (
    <section className="card" aria-labelledby="copies">
      <h2 id="copies">Copies</h2>
      <Loaded query={mine}>
        {(list) => {
          const copies: Copy[] = list
            .filter((device) => !device.replaced_by)
            .map((device) => ({
              id: device.device,
              place: (
                <>
                  {device.this ? "This node" : "A device of yours"} <ShortId id={device.device} />
                </>
              ),
              reads: KEYS,
              state: far(device),
            }));
          for (const replica of held.data ?? []) {
            copies.push({
              id: replica.replica,
              place: (
                <>
                  A replica <ShortId id={replica.replica} />
                </>
              ),
              reads: SEALED,
              state: far(replica),
            });
          }
          const is = status.data?.backups;
          if (is?.last) {
            copies.push({
              id: "backup",
              place: "The place for backups",
              reads: <Badge>whoever has the recovery words</Badge>,
              state: (
                <>
                  as of <RelativeTime at={is.last} />
                </>
              ),
            });
          }
          return (
            <>
              <ActTable rows={copies} id={(copy) => copy.id} columns={COPY} />
              {copies.length === 1 && <p className="soft">There is one copy. If this machine is lost, so is what is on it.</p>}
              {!operator && <p className="soft">Whoever runs this node may keep backups of it, which the recovery words of the node open.</p>}
              <p>
                <Link to="/devices">Devices and replicas</Link> · <Link to="/recovery">Ways back in</Link>
              </p>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

/** Who may look at it besides. */
function Lookers() {
  const given = useQuery(grants);
  const out = useQuery(shares);
  const open = useQuery(links);
  const count = (n: number | undefined, one: string, many: string) => (n === undefined ? "…" : n === 0 ? `no ${one}` : n === 1 ? `1 ${one}` : `${n} ${many}`);
  return (
    <section className="card" aria-labelledby="lookers">
      <h2 id="lookers">Who else may look at it</h2>
      <dl className="facts">
        <dt>Apps</dt>
        <dd>
          <Link to="/apps">{count(given.data?.length, "grant", "grants")}</Link>
        </dd>
        <dt>People and groups</dt>
        <dd>
          <Link to="/shares">{count(out.data?.given.length, "share", "shares")}</Link>
        </dd>
        <dt>Whoever has a link</dt>
        <dd>
          <Link to="/shares" search={{ tab: "links" }}>
            {count(open.data?.length, "link", "links")}
          </Link>
        </dd>
      </dl>
      <p className="soft">What somebody has read they may have kept: taking it back ends the next request, and not what was seen.</p>
    </section>
  );
}

function TakeAlong() {
  const [come, setCome] = useState(0);
  const who = useQuery(me);
  const take = useMutation({
    mutationFn: () => {
      setCome(0);
      return exportMine(setCome);
    },
    onSuccess: (file) => {
      keep(file, `allod-${who.data?.name ?? "mine"}-${new Date().toISOString().slice(0, 10)}.jsonl`);
      say("Everything of yours is in a file.", "", `${bytes(file.size)}, whole to its last line.`);
    },
  });
  return (
    <section className="card" aria-labelledby="along">
      <h2 id="along">Take all of it along</h2>
      {take.error !== null && <Problem error={take.error} />}
      <Text mb="md">
        One file with everything of yours: documents with their whole history, definitions, what you gave and got, devices, sessions, audit. A line of JSON each; it is
        readable by whoever has the file.
      </Text>
      <Group>
        <Button onClick={() => take.mutate()} loading={take.isPending}>
          Export everything of mine
        </Button>
        <span className="soft" aria-live="polite">
          {take.isPending && come > 0 ? `${bytes(come)} so far` : ""}
        </span>
      </Group>
    </section>
  );
}

function Sample() {
  const who = useQuery(me);
  if (!who.data?.space) return null;
  return (
    <section className="card" aria-labelledby="sample">
      <h2 id="sample">Sample data</h2>
      <Samples space={who.data.space} />
    </section>
  );
}
