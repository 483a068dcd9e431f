import { Anchor, Button, Group, List, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { Secret } from "../../components/Secret";
import { useAct } from "../../components/useAct";
import { credentials as ways } from "./ways";

const REFRESH = [["credentials"], ["audit"]];

/** The second factor: whether there is one, and how it begins and ends. */
export function SecondFactor() {
  const credentials = useQuery(ways);
  const [codes, setCodes] = useState<string[]>([]);
  return (
    <section className="card" aria-labelledby="second-factor">
      <h2 id="second-factor">A second factor</h2>
      {codes.length > 0 && <RecoveryCodes codes={codes} onKept={() => setCodes([])} />}
      <Loaded query={credentials}>
        {(list) => {
          const factor = list.find((one) => one.kind === "totp");
          if (factor === undefined) return <Begin onCodes={setCodes} />;
          const left = list.filter((one) => one.kind === "recovery_code").length;
          return <Counts id={factor.credential} since={factor.created} left={left} />;
        }}
      </Loaded>
    </section>
  );
}

function Begin({ onCodes }: { onCodes: (codes: string[]) => void }) {
  const begin = useAct({ act: () => done(api.POST("/api/v1/me/totp", {})) });
  const confirm = useAct({
    act: (code: string) => done(api.POST("/api/v1/me/totp/confirm", { body: { code } })),
    done: () => "From now on a code is asked for beside your password.",
    refresh: REFRESH,
    after: ({ recovery_codes }) => onCodes(recovery_codes),
    quiet: true,
  });
  const begun = begin.data?.data;
  if (begun === undefined) {
    return (
      <>
        <Text mb="md">Whoever learns your password still needs a code that an app on your phone makes, new every half minute.</Text>
        <Button variant="default" onClick={() => begin.mutate()} loading={begin.isPending}>
          Set one up
        </Button>
      </>
    );
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    confirm.mutate(String(new FormData(event.currentTarget).get("code")).trim());
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={520}>
        <Text>
          Give this to the app that makes your codes, or <Anchor href={begun.uri}>open it there</Anchor> on this device. Then type the
          code that it shows.
        </Text>
        <Secret label="Key" value={begun.secret} />
        {confirm.error !== null && <Problem error={confirm.error} />}
        <TextInput name="code" label="The first code" inputMode="numeric" autoComplete="one-time-code" required />
        <div>
          <Button type="submit" loading={confirm.isPending}>
            Use it from now on
          </Button>
        </div>
      </Stack>
    </form>
  );
}

function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept: () => void }) {
  return (
    <Stack mb="md" role="status">
      <Text fw={700}>Write these down: each stands once for a code, should you lose your phone. They are not shown again.</Text>
      <List className="mono">
        {codes.map((code) => (
          <List.Item key={code}>{code}</List.Item>
        ))}
      </List>
      <Group>
        <Button onClick={onKept}>I have them</Button>
      </Group>
    </Stack>
  );
}

function Counts({ id, since, left }: { id: string; since: string; left: number }) {
  const [asking, setAsking] = useState(false);
  const remove = useAct({
    act: () => done(api.DELETE("/api/v1/me/credentials/{id}", { params: { path: { id } } })),
    done: () => "The password is enough again.",
    refresh: REFRESH,
    after: () => setAsking(false),
  });
  return (
    <>
      <Text mb="md">
        A code is asked for beside your password, since <RelativeTime at={since} />.{" "}
        {left === 1 ? "One recovery code is left." : `${left} recovery codes are left.`}
      </Text>
      <Button variant="light" color="red" onClick={() => setAsking(true)}>
        Turn it off
      </Button>
      <Ask
        opened={asking}
        title="Turn the second factor off?"
        act="Turn it off"
        busy={remove.isPending}
        onAct={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        Then your password alone opens everything that is yours. The recovery codes go with it.
      </Ask>
    </>
  );
}
