import { Badge, List } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Loaded } from "../../components/Loaded";
import { Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { grants } from "../apps/queries";
import { lately } from "../audit/queries";
import { sentence } from "../audit/sentence";
import { devices, replicas } from "../devices/queries";
import { me, spaces } from "../session/queries";
import { Next } from "./Next";

/** What there is, and what to do next. */
export function Home() {
  const who = useQuery(me);
  const all = useQuery(spaces);
  const name = who.data?.name;
  return (
    <Page title={name ? `Hello, ${name}` : "Home"} lead="Your data on this node, who may use it, and what to do next.">
      <Next />
      <div className="cards">
        <Card title="Your spaces" to="/spaces" link="All spaces">
          <Loaded query={all} lines={2}>
            {(list) => (
              <List listStyleType="none">
                {list.slice(0, 6).map((space) => (
                  <List.Item key={space.id}>
                    <Link to="/data" search={{ space: space.id }} className="plain-link">
                      {space.name}
                    </Link>{" "}
                    <Badge color={space.role === "owner" ? "teal" : "gray"}>{space.personal ? "personal" : space.role}</Badge>
                  </List.Item>
                ))}
              </List>
            )}
          </Loaded>
        </Card>
        <Apps />
        <Copies />
      </div>
      <Lately />
    </Page>
  );
}

function Card({ title, to, link, children }: { title: string; to: string; link: string; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <h2>{title}</h2>
      {children}
      <p>
        <Link to={to}>{link}</Link>
      </p>
    </section>
  );
}

function Apps() {
  const given = useQuery(grants);
  return (
    <Card title="Apps" to="/apps" link="What each may do">
      <Loaded query={given} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <p className="soft">No app may use your data. One that wants to sends you to a page where you choose.</p>
          ) : (
            <List listStyleType="none">
              {list.slice(0, 5).map((grant) => (
                <List.Item key={grant.grant}>
                  {grant.app}
                  <span className="soft"> · {grant.last_used ? <RelativeTime at={grant.last_used} /> : "not used yet"}</span>
                </List.Item>
              ))}
            </List>
          )
        }
      </Loaded>
    </Card>
  );
}

function Copies() {
  const mine = useQuery(devices);
  const held = useQuery(replicas);
  return (
    <Card title="Where your data is" to="/where" link="Every copy of it">
      <Loaded query={mine} lines={2}>
        {(list) => {
          const live = list.filter((device) => !device.replaced_by);
          const behind = live.filter((device) => (device.lag_commits ?? 0) > 0).length;
          return (
            <dl className="facts">
              <dt>Devices</dt>
              <dd>
                {live.length} {behind > 0 && <Badge color="yellow">{behind} behind</Badge>}
              </dd>
              <dt>Replicas</dt>
              <dd>{held.data?.length ?? "…"}</dd>
            </dl>
          );
        }}
      </Loaded>
    </Card>
  );
}

function Lately() {
  const rows = useQuery(lately);
  return (
    <section className="card" aria-label="Lately">
      <h2>Lately</h2>
      <Loaded query={rows}>
        {(list) => (
          <ul className="lately">
            {list.map((act, n) => (
              <li key={`${act.at} ${n}`}>
                <span>{sentence(act.action)}</span>
                <span className="soft">
                  <RelativeTime at={act.at} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      <p>
        <Link to="/audit">All of it</Link>
      </p>
    </section>
  );
}
