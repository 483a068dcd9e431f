import { Button, PasswordInput, Stack } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { api, done } from "../../api/client";
import { forgetSession } from "../../api/session";
import { ActTable, type Column } from "../../components/ActTable";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { say } from "../../components/toasts";
import { useAct } from "../../components/useAct";
import { type Act, acts } from "../audit/queries";
import { OutsideWays } from "./OutsideWays";
import { Passkeys } from "./Passkeys";
import { RemoveMe } from "./RemoveMe";
import { SecondFactor } from "./SecondFactor";
import { Sessions } from "./Sessions";
import { program } from "./program";
import { credentials } from "./ways";

/** Passkeys, the password, a second factor, the sign-ins of late, the end of all sessions, and that of the account. */
export function Security() {
  return (
    <Page title="Sign-in and password" lead="Where you are signed in, how you come in, and how to end one session or all of them.">
      <Sessions />
      <Passkeys />
      <Password />
      <SecondFactor />
      <OutsideWays />
      <SignIns />
      <RemoveMe />
    </Page>
  );
}

function Password() {
  const form = useRef<HTMLFormElement>(null);
  const [apart, setApart] = useState(false);
  const ways = useQuery(credentials);
  // Who has none sets their first.
  const has = ways.data === undefined || ways.data.some(({ kind }) => kind === "password");
  const change = useAct({
    act: (body: { current?: string; new: string }) => done(api.PUT("/api/v1/me/password", { body })),
    done: ({ ended }) => `Your password is changed${ended > 0 ? `, and ${ended} other sessions ended` : ""}.`,
    refresh: [["audit"], ["credentials"]],
    after: () => form.current?.reset(),
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const sent = new FormData(event.currentTarget);
    const differ = sent.get("new") !== sent.get("again");
    setApart(differ);
    if (!differ) change.mutate({ ...(has && { current: String(sent.get("current")) }), new: String(sent.get("new")) });
  };
  return (
    <section className="card" aria-labelledby="change-password">
      <h2 id="change-password">{has ? "Change the password" : "Set a password"}</h2>
      <form onSubmit={submit} ref={form}>
        <Stack maw={420}>
          {change.error !== null && <Problem error={change.error} />}
          {has && <PasswordInput name="current" label="Current password" autoComplete="current-password" required />}
          <PasswordInput name="new" label="New password" description="At least 8 characters; a sentence is easy to keep in mind." autoComplete="new-password" minLength={8} required />
          <PasswordInput
            name="again"
            label="New password, again"
            autoComplete="new-password"
            error={apart ? "The two are not the same." : undefined}
            required
          />
          <div>
            <Button type="submit" loading={change.isPending}>
              {has ? "Change the password" : "Set the password"}
            </Button>
          </div>
        </Stack>
      </form>
    </section>
  );
}

interface Whence {
  from?: string | null;
  agent?: string | null;
}

const SIGN_IN: Column<Act>[] = [
  { head: "When", cell: (act) => <RelativeTime at={act.at} /> },
  { head: "From", mono: true, cell: ({ detail }) => (detail as Whence).from ?? "this machine" },
  {
    head: "By what",
    cell: ({ detail }) => {
      const { agent } = detail as Whence;
      return agent ? program(agent) : "a token that the operator made";
    },
  },
];

function SignIns() {
  const rows = useQuery(acts({ what: "session.created" }));
  const [asking, setAsking] = useState(false);
  const client = useQueryClient();
  const end = useAct({
    act: () => done(api.DELETE("/api/v1/sessions")),
    after: ({ ended }) => {
      forgetSession();
      client.clear();
      say(ended === 1 ? "Your session has ended." : `${ended} sessions have ended, this one too.`);
    },
  });
  return (
    <section className="card" aria-labelledby="sign-ins">
      <div className="page-head">
        <h2 id="sign-ins" className="card-title">
          Sign-ins of late
        </h2>
        <Button variant="default" onClick={() => setAsking(true)}>
          Sign out everywhere
        </Button>
      </div>
      <Loaded query={rows}>
        {({ list }) =>
          list.length === 0 ? (
            <Empty title="None that is kept">Each sign-in shows here, with the place and the program.</Empty>
          ) : (
            <ActTable rows={list.slice(0, 20).map((act, n) => ({ ...act, n }))} id={(act) => `${act.at} ${act.n}`} columns={SIGN_IN} />
          )
        }
      </Loaded>
      <Ask opened={asking} title="Sign out everywhere?" act="Sign out everywhere" busy={end.isPending} onAct={() => end.mutate()} onClose={() => setAsking(false)}>
        Every session of yours ends, this one too, and no browser is known any more. What you granted to apps stays.
      </Ask>
    </section>
  );
}
