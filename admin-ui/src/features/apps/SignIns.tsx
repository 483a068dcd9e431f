import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { signIns } from "./queries";

/** The apps that know who the person is, and how to end that. */
export function SignIns() {
  const known = useQuery(signIns);
  return (
    <Loaded query={known}>
      {(list) =>
        list.length > 0 && (
          <>
            <h2>Apps that you sign in to</h2>
            <p className="soft">They know who you are, and see none of your data by that.</p>
            {list.map((one) => (
              <SignIn key={one.client_id} one={one} />
            ))}
          </>
        )
      }
    </Loaded>
  );
}

function SignIn({ one }: { one: Schemas["SignInView"] }) {
  const [asking, setAsking] = useState(false);
  const end = useAct({
    act: () => done(api.DELETE("/api/v1/sign-ins/{client}", { params: { path: { client: one.client_id } } })),
    done: () => `${one.app} is not told who you are any more.`,
    refresh: [["sign-ins"], ["audit"]],
    after: () => setAsking(false),
  });
  return (
    <section className="card" aria-label={`Signing in to ${one.app}`}>
      <div className="page-head">
        <h3 className="card-title">
          <bdi>{one.app}</bdi>
        </h3>
        <Button variant="light" color="red" onClick={() => setAsking(true)}>
          End it
        </Button>
      </div>
      <dl className="facts">
        <dt>Knows</dt>
        <dd>{one.name ? "a number that stands for you, and your name" : "a number that stands for you"}</dd>
        <dt>Since</dt>
        <dd>
          <RelativeTime at={one.created} />
        </dd>
        <dt>You last signed in</dt>
        <dd>
          <RelativeTime at={one.last_used} />
        </dd>
      </dl>
      <Ask
        opened={asking}
        title={`Sign in to ${one.app} no more?`}
        act="End it"
        busy={end.isPending}
        onAct={() => end.mutate()}
        onClose={() => setAsking(false)}
      >
        It is told nothing more of you. What it knows already it may have kept, and it may let you in for a while yet. It can ask you again.
      </Ask>
    </section>
  );
}
