import { Badge, Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Empty } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { ShortId } from "../../components/Secret";
import { useAct } from "../../components/useAct";
import { type Invitation, inviteOf } from "./Invitation";
import { Quotas } from "./Quotas";

interface Props {
  user: Schemas["UserView"] | undefined;
  onInvitation: (made: Invitation) => void;
  onRemoved: () => void;
}

/** One person, as an operator sees them. */
export function Person({ user, onInvitation, onRemoved }: Props) {
  if (user === undefined) return <Empty title="Nobody of this name">They may have had another name.</Empty>;
  return (
    <>
      <dl className="facts">
        <dt>Account</dt>
        <dd>
          <ShortId id={user.user} />
        </dd>
        <dt>Since</dt>
        <dd>
          <RelativeTime at={user.created} />
        </dd>
        {user.suspended && (
          <>
            <dt>Suspended</dt>
            <dd className="bad">
              <RelativeTime at={user.suspended} />
            </dd>
          </>
        )}
        <dt>Audit</dt>
        <dd>
          <Link className="plain-link" to="/operator/audit" search={{ user: user.name }}>
            What concerns them
          </Link>
        </dd>
        <dt>Rights</dt>
        <dd>
          <Link className="plain-link" to="/operator/policy" search={{ user: user.name }}>
            May they…?
          </Link>
        </dd>
      </dl>
      {!user.suspended && <PasswordLink user={user} onInvitation={onInvitation} />}
      {!user.suspended && <OperatorRights user={user} />}
      <section className="card" aria-labelledby="own-quotas">
        <h2 id="own-quotas">What they may have</h2>
        <Quotas user={user.name} />
      </section>
      {!user.operator && <Remove user={user} onRemoved={onRemoved} />}
    </>
  );
}

function Remove({ user, onRemoved }: { user: Schemas["UserView"]; onRemoved: () => void }) {
  const [asking, setAsking] = useState(false);
  const remove = useAct({
    act: () => done(api.DELETE("/api/v1/users/{name}", { params: { path: { name: user.name } } })),
    done: ({ finished }) => (finished ? `${user.name} is gone.` : `${user.name} is out for good, and the node is clearing up what is left.`),
    refresh: [["people"], ["audit"]],
    after: () => {
      setAsking(false);
      onRemoved();
    },
  });
  return (
    <section className="card" aria-labelledby="remove-person">
      <h2 id="remove-person">Remove for good</h2>
      <p>The keys of their spaces are destroyed: what lies there is gone for everybody, and nobody brings it back. To keep somebody out for a while, suspend them.</p>
      <Button variant="light" color="red" onClick={() => setAsking(true)}>
        Remove {user.name}
      </Button>
      <Ask
        opened={asking}
        title={`Remove ${user.name} for good?`}
        act="Remove them for good"
        typed={user.name}
        busy={remove.isPending}
        onAct={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        <p>From the next request on nothing of theirs lets anybody in, and what they shared is gone for others too. What others own stays, with what they wrote there.</p>
        <p>
          Backups that were made before still hold them, until those are pruned; so do their own devices. Their name is free, and whoever gets it has nothing of theirs. Who
          comes by an outside provider may come back as somebody new.
        </p>
      </Ask>
    </section>
  );
}

function PasswordLink({ user, onInvitation }: { user: Schemas["UserView"]; onInvitation: (made: Invitation) => void }) {
  const invite = useAct({ act: () => inviteOf(user.name), refresh: [["audit"]], after: onInvitation });
  return (
    <section className="card" aria-labelledby="password-link">
      <h2 id="password-link">{user.has_password ? "They forgot their password" : "They have not come yet"}</h2>
      <p>
        A link by which they choose {user.has_password ? "a new" : "their"} password themselves, once and within a day. You do not see it, and a second factor of theirs
        stays.
      </p>
      <Button variant="default" loading={invite.isPending} onClick={() => invite.mutate()}>
        Make a link
      </Button>
    </section>
  );
}

function OperatorRights({ user }: { user: Schemas["UserView"] }) {
  const [asking, setAsking] = useState(false);
  const path = { params: { path: { name: user.name } } };
  const change = useAct({
    act: () => (user.operator ? done(api.DELETE("/api/v1/users/{name}/operator", path)) : done(api.PUT("/api/v1/users/{name}/operator", path))),
    done: ({ operator }) => (operator ? `${user.name} is an operator.` : `${user.name} is an operator no more.`),
    refresh: [["people"], ["audit"], ["me"]],
    after: () => setAsking(false),
  });
  return (
    <section className="card" aria-labelledby="rights">
      <h2 id="rights">Operator {user.operator && <Badge color="yellow">yes</Badge>}</h2>
      <p>Operators see these pages, invite and suspend people, set quotas, and register apps. Nobody's documents show to them for it.</p>
      <Button variant={user.operator ? "light" : "default"} color={user.operator ? "red" : undefined} onClick={() => setAsking(true)}>
        {user.operator ? "Take it away" : "Make them an operator"}
      </Button>
      <Ask
        opened={asking}
        title={user.operator ? `Is ${user.name} an operator no more?` : `Make ${user.name} an operator?`}
        act={user.operator ? "Take it away" : "Make them one"}
        color={user.operator ? "red" : "teal"}
        busy={change.isPending}
        onAct={() => change.mutate()}
        onClose={() => setAsking(false)}
      >
        {user.operator
          ? "They see these pages no more, from the next request on. Their own data stays as it is."
          : "They can do here whatever you can, and also take it away from you. Whoever holds the machine can always set that right."}
      </Ask>
    </section>
  );
}
