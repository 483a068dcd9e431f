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
import { bytes } from "../operator/amounts";
import { me } from "../session/queries";
import { AppPasswords } from "./AppPasswords";
import { AppSees } from "./AppSees";
import { EndsAt } from "./EndsAt";
import { GiveLess } from "./GiveLess";
import { appPasswords, grants } from "./queries";
import { Requests } from "./Requests";
import { SignIns } from "./SignIns";
import { sentence } from "./words";

/** What the person lets each app do, and how to take it back. */
export function Apps() {
  const given = useQuery(grants);
  const who = useQuery(me);
  const passwords = useQuery(appPasswords);
  const { app } = useSearch({ from: "/shell/apps" });
  const navigate = useNavigate({ from: "/apps" });
  // A grant that is changed has another id, and stays the same card: what had the focus keeps it.
  const [cards, setCards] = useState<Record<string, string>>({});
  return (
    <Page title="Apps" lead="Which apps may use your data, exactly what they may do with it, and until when. What you take away, in part or in whole, stops at the next request.">
      <Requests />
      <Loaded query={given}>
        {(all) => {
          const list = all.filter((grant) => !grant.app_password);
          return list.length === 0 ? (
            <Empty title="No app may use your data">
              An app that wants to sends you to a page of this node. There you choose the fields, the rows, what it may do with them, and for how long; afterwards it is listed here.
            </Empty>
          ) : (
            list.map((grant) => (
              <Grant
                key={cards[grant.grant] ?? grant.grant}
                grant={grant}
                mine={grant.user === who.data?.user}
                onSees={() => void navigate({ search: { app: grant.client_id ?? undefined } })}
                onChanged={({ before, grant }) => setCards((known) => ({ ...known, [grant]: known[before] ?? before }))}
              />
            ))
          );
        }}
      </Loaded>
      <AppPasswords>
        {(given.data ?? [])
          .filter((grant) => grant.app_password)
          .map((grant) => (
            <Grant
              key={cards[grant.grant] ?? grant.grant}
              grant={grant}
              password={passwords.data?.find((one) => one.app_password === grant.client_id)}
              mine={grant.user === who.data?.user}
              onChanged={({ before, grant }) => setCards((known) => ({ ...known, [grant]: known[before] ?? before }))}
            />
          ))}
      </AppPasswords>
      <SignIns />
      <AppSees
        app={app}
        name={given.data?.find((grant) => grant.client_id === app)?.app ?? "This app"}
        onClose={() => void navigate({ search: {} })}
      />
    </Page>
  );
}

/** What the app really used of what it may, and what it never looked at. */
function Used({ grant: { used, access } }: { grant: Schemas["GrantView"] }) {
  if (used.requests === 0) return null;
  const may = access.flatMap((entry) => entry.datatypes.flatMap((type) => entry.fields.allow.map((field) => `${type}.${field}`)));
  const never = [...new Set(may)].filter((field) => !used.fields.includes(field));
  const count = (n: number, one: string, many: string) => `${n.toLocaleString()} ${n === 1 ? one : many}`;
  return (
    <>
      <dt>Really used</dt>
      <dd>
        {count(used.requests, "answer", "answers")}, {count(used.rows, "document", "documents")} in them, {bytes(used.bytes)}
      </dd>
      <dt>Fields it looked at</dt>
      <dd>{used.fields.join(", ") || "none"}</dd>
      {never.length > 0 && (
        <>
          <dt>Never looked at</dt>
          <dd>{never.join(", ")}</dd>
        </>
      )}
    </>
  );
}

/** How much of each limit is used today. */
function Today({ grant: { today } }: { grant: Schemas["GrantView"] }) {
  if (today.length === 0) return null;
  return (
    <>
      <dt>Told today</dt>
      {today.map(({ collection, told, rows_per_day, again }, n) => (
        <dd key={n}>
          {told.toLocaleString()} of {rows_per_day.toLocaleString()} of {collection}
          {told >= rows_per_day && (
            <>
              ; more <RelativeTime at={again} />
            </>
          )}
        </dd>
      ))}
    </>
  );
}

interface GrantProps {
  grant: Schemas["GrantView"];
  mine: boolean;
  /** Of an app password: from where it was last used. */
  password?: Schemas["AppPasswordView"] | undefined;
  onSees?: () => void;
  onChanged: (change: Schemas["GrantChanged"]) => void;
}

function Grant({ grant, mine, password, onSees, onChanged }: GrantProps) {
  const [asking, setAsking] = useState(false);
  const [less, setLess] = useState(false);
  const [ending, setEnding] = useState(false);
  const revoke = useAct({
    act: () => done(api.DELETE("/api/v1/grants/{id}", { params: { path: { id: grant.grant } } })),
    done: () => `${grant.app} has no access any more.`,
    refresh: [["grants"], ["app-passwords"], ["audit"]],
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
          {grant.client_id && onSees && (
            <Button variant="default" onClick={onSees}>
              What it sees
            </Button>
          )}
          <Button variant="default" onClick={() => setLess(true)}>
            Give less
          </Button>
          <Button variant="default" onClick={() => setEnding(true)}>
            Ends at another time…
          </Button>
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
        {password?.from && (
          <>
            <dt>From</dt>
            <dd>
              {password.from}
              {password.by && <>, by {password.by}</>}
            </dd>
          </>
        )}
        <Used grant={grant} />
        <Today grant={grant} />
      </dl>
      <GiveLess grant={grant} mine={mine} opened={less} onChanged={onChanged} onClose={() => setLess(false)} />
      <EndsAt grant={grant} opened={ending} onChanged={onChanged} onClose={() => setEnding(false)} />
      <Ask
        opened={asking}
        title={`Take it back from ${grant.app}?`}
        act="Take it back"
        busy={revoke.isPending}
        onAct={() => revoke.mutate()}
        onClose={() => setAsking(false)}
      >
        Its next request is refused. What it has read already it may have kept. {grant.app_password ? "The password is good for nothing any more." : "It can ask you again."}
      </Ask>
    </section>
  );
}
