import { Badge, Button, List } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Loaded } from "../../components/Loaded";
import { Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { grants } from "../apps/queries";
import { acts } from "../audit/queries";
import { sentence } from "../audit/sentence";
import { collections } from "../data/queries";
import { devices, replicas } from "../devices/queries";
import { me, spaces } from "../session/queries";

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

interface Step {
  title: string;
  why: string;
  to: string;
  act: string;
}

/** The steps that nobody has taken yet; each goes away by being done. */
function Next() {
  const navigate = useNavigate();
  const who = useQuery(me);
  const kinds = useQuery(collections(who.data?.space ?? ""));
  const given = useQuery(grants);
  const mine = useQuery(devices);
  const held = useQuery(replicas);
  if (!kinds.data || !given.data || !mine.data) return null;
  const steps: Step[] = [];
  if (kinds.data.length === 0) {
    steps.push({
      title: "Define your first collection",
      why: "A collection says what your documents look like: contacts, notes, books. One line of text is enough.",
      to: "/schema",
      act: "Define one",
    });
  }
  if (mine.data.filter((device) => !device.replaced_by).length < 2 && (held.data ?? []).length === 0) {
    steps.push({
      title: "Add a second device or a replica",
      why: "Until there is one, all of it is on this machine alone.",
      to: "/devices",
      act: "Add one",
    });
  }
  if (kinds.data.length > 0 && given.data.length === 0) {
    steps.push({
      title: "Share something",
      why: "With a person, with a group, or by a link; for as long as you say.",
      to: "/shares",
      act: "Share",
    });
  }
  if (steps.length === 0) return null;
  return (
    <section className="card" aria-label="What to do next">
      <h2>What to do next</h2>
      <ul className="next">
        {steps.map((step) => (
          <li key={step.title}>
            <div>
              <strong>{step.title}</strong>
              <div className="soft">{step.why}</div>
            </div>
            <Button variant="light" onClick={() => void navigate({ to: step.to })}>
              {step.act}
            </Button>
          </li>
        ))}
      </ul>
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
    <Card title="Where your data is" to="/devices" link="Devices and replicas">
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
  const rows = useQuery(acts);
  return (
    <section className="card" aria-label="Lately">
      <h2>Lately</h2>
      <Loaded query={rows}>
        {(list) => (
          <ul className="lately">
            {list.slice(0, 8).map((act, n) => (
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
