import { Badge } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Loaded } from "../../components/Loaded";
import { Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { devices, replicas } from "../devices/queries";
import { credentials, useWaysIn } from "../security/ways";
import { me } from "../session/queries";
import { Kit } from "./Kit";
import { backups, recovery } from "./queries";

/** How one comes back: into the account, and to the data. */
export function Recovery() {
  const who = useQuery(me);
  return (
    <Page title="Ways back in" lead="What you can still do when a password is forgotten, a phone is lost, or this machine breaks. Each is worth what it was last tried.">
      <Account />
      <Copies />
      {who.data?.owner === true && <Words />}
      {who.data?.operator === true && <Backups />}
    </Page>
  );
}

function State({ good, children }: { good: boolean; children: ReactNode }) {
  return <Badge color={good ? "teal" : "yellow"}>{children}</Badge>;
}

function Account() {
  const by = useQuery(credentials);
  const who = useQuery(me);
  const ways = useWaysIn();
  return (
    <section className="card" aria-labelledby="account">
      <h2 id="account">Into your account</h2>
      <Loaded query={by} lines={2}>
        {(list) => {
          if (ways === undefined) return null;
          const codes = list.filter((one) => one.kind === "recovery_code").length;
          const factor = list.some((one) => one.kind === "totp");
          return (
            <>
              <p>
                <State good={ways.length > 1}>{ways.length === 1 ? "1 way in" : `${ways.length} ways in`}</State>{" "}
                {ways.length > 0 && `By ${ways.join(", ")}.`}
              </p>
              <ul className="steps">
                {factor && (
                  <li>
                    A second factor is asked for; {codes === 1 ? "one recovery code stands" : `${codes} recovery codes stand`} in for a lost phone.
                  </li>
                )}
                <li>
                  Forgotten the password?{" "}
                  {who.data?.operator === true
                    ? "Another operator makes you a link, or “allod user password NAME” on the machine."
                    : "Whoever runs this node makes you a link by which you set another."}
                </li>
              </ul>
              <p>
                <Link to="/security">Sign-in and password</Link>
              </p>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function Copies() {
  const mine = useQuery(devices);
  const held = useQuery(replicas);
  return (
    <section className="card" aria-labelledby="copies">
      <h2 id="copies">To your data</h2>
      <Loaded query={mine} lines={2}>
        {(list) => {
          const others = list.filter((one) => one.this !== true && !one.replaced_by).length;
          const sealed = held.data?.length ?? 0;
          return (
            <>
              <p>
                <State good={others + sealed > 0}>{others + sealed === 0 ? "this machine alone" : "elsewhere too"}</State>{" "}
                {others === 0 ? "No other device has" : others === 1 ? "1 other device has" : `${others} other devices have`} your keys and documents, and{" "}
                {sealed === 0 ? "no replica has" : sealed === 1 ? "1 replica has" : `${sealed} replicas have`} them sealed.
              </p>
              <p>
                <Link to="/where">Where your data is</Link>
              </p>
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

function Words() {
  const standing = useQuery(recovery);
  const way = standing.data?.ways[0];
  return (
    <section className="card" aria-labelledby="kit">
      <h2 id="kit">
        The recovery kit of this node{" "}
        {standing.data !== undefined && <State good={!!way?.tested}>{way === undefined ? "none yet" : way.tested ? "tried" : "never tried"}</State>}
      </h2>
      <Kit />
    </section>
  );
}

function Backups() {
  const status = useQuery(backups);
  return (
    <section className="card" aria-labelledby="backups">
      <h2 id="backups">Backups of this node</h2>
      <Loaded query={status} lines={2}>
        {({ backups: is }) => (
          <>
            <p>
              <State good={!!is.last}>{is.last ? "there is one" : "none is known of"}</State>{" "}
              {is.last ? (
                <>
                  The last <RelativeTime at={is.last} />, {is.tested ? <>restored for a test <RelativeTime at={is.tested} />.</> : "not restored for a test yet."}
                </>
              ) : (
                <>
                  On the machine: <code className="mono">allod backup create --to /mnt/backups/home</code>, or <code className="mono">backup.to</code> in its settings, and it
                  makes one every day.
                </>
              )}
            </p>
            {is.trouble && <p className="bad">{is.trouble}</p>}
            <p>
              <Link to="/operator/backups">Backups</Link>
            </p>
          </>
        )}
      </Loaded>
    </section>
  );
}
