import { Badge } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { type Schemas, api, read } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { ShortId } from "../../components/Secret";
import { Figures } from "./Figures";
import { bytes, span } from "./amounts";

const REFRESH_MS = 10_000;

type Status = Schemas["Status"];

/** How the node is: what `allod status` and `allod doctor` say. */
export function NodeStatus() {
  const status = useQuery({
    queryKey: ["status"],
    queryFn: ({ signal }) => read(api.GET("/api/v1/status", { signal })),
    refetchInterval: REFRESH_MS,
  });
  return (
    <Page title="Node" lead="How this node is; looked at anew every ten seconds.">
      <Loaded query={status} lines={8}>
        {(is) => (
          <>
            <Summary is={is} />
            <div className="cards">
              <Facts title="Disk">
                <dt>Log</dt>
                <dd>{bytes(is.bytes.log)}</dd>
                <dt>Open views</dt>
                <dd>{bytes(is.bytes.views)}</dd>
                <dt>Free</dt>
                <dd>{is.bytes.free === null || is.bytes.free === undefined ? "not known" : bytes(is.bytes.free)}</dd>
              </Facts>
              <Facts title="People">
                <dt>People</dt>
                <dd>
                  <Link to="/operator/people">{is.people.users.toLocaleString()}</Link>
                </dd>
                <dt>Tenants</dt>
                <dd>{is.people.tenants.toLocaleString()}</dd>
                <dt>Spaces</dt>
                <dd>{is.spaces.toLocaleString()}</dd>
                <dt>Apps</dt>
                <dd>
                  <Link to="/operator/apps">{is.people.apps.toLocaleString()}</Link>
                </dd>
              </Facts>
              <Backups is={is.backups} />
            </div>
            <Figures />
            <section className="card" aria-labelledby="peers">
              <h2 id="peers">Devices and replicas of everybody</h2>
              {is.peers.length === 0 ? (
                <p className="soft">There is none: what is here is nowhere else. A second device, a replica or a backup changes that.</p>
              ) : (
                <ActTable rows={is.peers} id={(peer) => peer.peer} columns={PEER} />
              )}
            </section>
            <section className="card" aria-labelledby="checks">
              <h2 id="checks">What was looked at</h2>
              <ActTable rows={is.checks.map((check, n) => ({ ...check, n }))} id={(check) => String(check.n)} columns={CHECK} />
              <p className="soft">
                <code className="mono">allod doctor</code>, on the machine, reads the whole log and every space as well.
              </p>
            </section>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Summary({ is }: { is: Status }) {
  return (
    <section className="card" aria-live="polite" aria-labelledby="summary">
      <h2 id="summary">
        {is.ready ? "This node is well" : "This node is not well"} <Badge color={is.ready ? "teal" : "red"}>{is.ready ? "well" : "look at it"}</Badge>
      </h2>
      {is.reasons.length > 0 && (
        <ul className="lately">
          {is.reasons.map((reason) => (
            <li key={reason.name + reason.detail}>
              <span>
                <CheckState state={reason.state} /> {reason.detail}
                {reason.fix !== "" && <div className="soft">{reason.fix}</div>}
              </span>
            </li>
          ))}
        </ul>
      )}
      <dl className="facts">
        <dt>Address</dt>
        <dd className="mono">{is.url}</dd>
        <dt>Version</dt>
        <dd>{is.version}</dd>
        <dt>Certificate</dt>
        <dd>
          {!is.certificate ? (
            "none: plain HTTP"
          ) : (
            <>
              {is.certificate.mode}, {is.certificate.until ? <>good until <RelativeTime at={is.certificate.until} /></> : "none yet"}
            </>
          )}
        </dd>
        <dt>Id</dt>
        <dd>
          <ShortId id={is.node} />
        </dd>
      </dl>
    </section>
  );
}

function Facts({ title, to, children }: { title: string; to?: "/operator/backups"; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <h2>{to === undefined ? title : <Link to={to}>{title}</Link>}</h2>
      <dl className="facts">{children}</dl>
    </section>
  );
}

function Backups({ is }: { is: Status["backups"] }) {
  return (
    <Facts title="Backups" to="/operator/backups">
      <dt>By itself</dt>
      <dd>{is.every_s ? `every ${span(is.every_s)}` : "none: set backup.to in allod.toml"}</dd>
      <dt>Last</dt>
      <dd>{is.last ? <RelativeTime at={is.last} /> : <span className="bad">none is known of</span>}</dd>
      <dt>Tested</dt>
      <dd>{is.tested ? <RelativeTime at={is.tested} /> : <span className="soft">not yet</span>}</dd>
      {is.trouble && (
        <>
          <dt>Trouble</dt>
          <dd className="bad">{is.trouble}</dd>
        </>
      )}
    </Facts>
  );
}

const COLORS: Record<string, string> = { ok: "teal", accepted: "gray", warn: "yellow", bad: "red" };

function CheckState({ state }: { state: string }) {
  return <Badge color={COLORS[state] ?? "gray"}>{state}</Badge>;
}

const CHECK: Column<Status["checks"][number] & { n: number }>[] = [
  { head: "What", cell: (check) => check.name.replaceAll("_", " ") },
  { head: "State", cell: (check) => <CheckState state={check.state} /> },
  {
    head: "Detail",
    cell: (check) => (
      <>
        {check.detail}
        {check.fix !== "" && <div className="soft">{check.fix}</div>}
      </>
    ),
  },
];

const PEER: Column<Status["peers"][number]>[] = [
  {
    head: "Peer",
    cell: (peer) => (
      <>
        {peer.kind} <ShortId id={peer.peer} />
      </>
    ),
  },
  {
    head: "State",
    cell: (peer) =>
      peer.waits_for ? (
        <Badge color="yellow">{peer.waits_for === "our_clock" ? "this node's clock is ahead" : "its clock is ahead"}</Badge>
      ) : (
        <Badge color={peer.reachable ? "teal" : "gray"}>{peer.reachable ? "reachable" : "not reachable"}</Badge>
      ),
  },
  {
    head: "Lag",
    cell: (peer) =>
      peer.lag_commits === 0 ? (
        <span className="good">has everything</span>
      ) : (
        `${peer.lag_commits.toLocaleString()} commits, for ${span(peer.lag_s)}`
      ),
  },
];
