import { Badge, Button, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { Ends } from "../../components/Until";
import { useAct } from "../../components/useAct";
import { me } from "../session/queries";
import { AppSees } from "./AppSees";
import { grants } from "./queries";
import { sentence } from "./words";

/** What the person lets each app do, and how to take it back. */
export function Apps() {
  const given = useQuery(grants);
  const who = useQuery(me);
  const { app } = useSearch({ from: "/shell/apps" });
  const navigate = useNavigate({ from: "/apps" });
  return (
    <Page title="Apps" lead="Which apps may use your data, exactly what they may do with it, and until when. What is taken back stops at the next request.">
      <Loaded query={given}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No app may use your data">
              An app that wants to sends you to a page of this node. There you choose the fields, the rows, what it may do with them, and for how long; afterwards it is listed here.
            </Empty>
          ) : (
            list.map((grant) => (
              <Grant
                key={grant.grant}
                grant={grant}
                mine={grant.user === who.data?.user}
                onSees={() => void navigate({ search: { app: grant.client_id ?? undefined } })}
              />
            ))
          )
        }
      </Loaded>
      <AppSees
        app={app}
        name={given.data?.find((grant) => grant.client_id === app)?.app ?? "This app"}
        onClose={() => void navigate({ search: {} })}
      />
    </Page>
  );
}

function Grant({ grant, mine, onSees }: { grant: Schemas["GrantShown"]; mine: boolean; onSees: () => void }) {
  const [asking, setAsking] = useState(false);
  const revoke = useAct({
    act: () => done(api.DELETE("/api/v1/grants/{id}", { params: { path: { id: grant.grant } } })),
    done: () => `${grant.app} has no access any more.`,
    refresh: [["grants"], ["audit"]],
    after: () => setAsking(false),
  });
  const purposes = [...new Set(grant.access.map((access) => access.purpose).filter((one) => one !== null && one !== undefined && one !== ""))];
  return (
    <section className="card" aria-label={grant.app}>
      <div className="page-head">
        <div>
          <h2 className="card-title">
            <bdi>{grant.app}</bdi>
          </h2>
          {!mine && <Badge color="yellow">given by {grant.user_name}</Badge>}
          {purposes.length > 0 && <p>{purposes.join(" · ")}</p>}
        </div>
        <Group gap="xs">
          {grant.client_id && (
            <Button variant="default" onClick={onSees}>
              What it sees
            </Button>
          )}
          <Button variant="light" color="red" onClick={() => setAsking(true)}>
            Take it back
          </Button>
        </Group>
      </div>
      <ul className="steps">
        {grant.access.map((access, n) => (
          <li key={n}>{sentence(access)}</li>
        ))}
      </ul>
      <dl className="facts">
        <dt>Given</dt>
        <dd>
          <RelativeTime at={grant.created} />
        </dd>
        <dt>Ends</dt>
        <dd>
          <Ends at={grant.expires} />
        </dd>
        <dt>Last used</dt>
        <dd>{grant.last_used ? <RelativeTime at={grant.last_used} /> : <span className="soft">not yet</span>}</dd>
      </dl>
      <Ask
        opened={asking}
        title={`Take it back from ${grant.app}?`}
        act="Take it back"
        busy={revoke.isPending}
        onAct={() => revoke.mutate()}
        onClose={() => setAsking(false)}
      >
        Its next request is refused. What it has read already it may have kept. It can ask you again.
      </Ask>
    </section>
  );
}
