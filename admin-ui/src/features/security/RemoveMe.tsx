import { Button } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, done } from "../../api/client";
import { forgetSession } from "../../api/session";
import { Ask } from "../../components/Ask";
import { say } from "../../components/toasts";
import { useAct } from "../../components/useAct";
import { me } from "../session/queries";

/** The end of one's account, in plain words first: what lies in it comes back by nothing that the node has. */
export function RemoveMe() {
  const { data } = useQuery(me);
  const [asking, setAsking] = useState(false);
  const client = useQueryClient();
  const remove = useAct({
    act: () => done(api.DELETE("/api/v1/me")),
    after: ({ finished }) => {
      forgetSession();
      client.clear();
      say(finished ? "Your account is gone." : "Your account is closed, and the node is clearing up what is left of it.");
    },
  });
  if (data?.name == null) return null;
  return (
    <section className="card" aria-labelledby="remove-me">
      <h2 id="remove-me">Delete my account</h2>
      {data.owner ? (
        <p>The node is yours: your account stays as long as the node does. To end both, stop the node and delete its directory, its backups and its replicas.</p>
      ) : data.operator ? (
        <p>You are an operator: somebody takes that from you first. Then you can delete your account here.</p>
      ) : (
        <>
          <p>
            The keys of your spaces are destroyed, and with them all that lies there, for those too with whom you shared it. Nobody brings it back, whoever runs this node
            neither. To keep something, take it out before: <em>Where is my data</em> hands over everything in one file.
          </p>
          <Button variant="light" color="red" onClick={() => setAsking(true)}>
            Delete my account
          </Button>
        </>
      )}
      <Ask
        opened={asking}
        title="Delete your account for good?"
        act="Delete it for good"
        typed={data.name}
        busy={remove.isPending}
        onAct={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        <p>At once: you are signed out everywhere, your apps, links, passkeys and app passwords count no more, and what you shared is gone for others too.</p>
        <p>What stays is what you wrote in spaces of others: it is theirs. Where you were named there, somebody who was removed is.</p>
        <p>
          What this does not reach: backups that were made before, which open with the node’s recovery words until they are deleted; your own other devices; and what others
          copied.
        </p>
      </Ask>
    </section>
  );
}
