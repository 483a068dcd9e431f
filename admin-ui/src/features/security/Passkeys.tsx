import { Alert, Badge, Button, Group, Modal, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done, read } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { canUsePasskeys, inWords, make } from "../session/passkeys";
import { passkeys, useLoneWay } from "./ways";

type Passkey = Schemas["PasskeyView"];

const REFRESH = [["passkeys"], ["credentials"], ["sessions"], ["audit"]];

const COLUMNS: Column<Passkey>[] = [
  {
    head: "Passkey",
    cell: (one) => (
      <>
        <bdi>{one.name}</bdi>{" "}
        {!one.counts && (
          <Badge color="red" title={`It was made for ${one.relying_party}.`}>
            counts no more
          </Badge>
        )}
      </>
    ),
  },
  { head: "For", mono: true, cell: (one) => one.relying_party },
  { head: "Since", cell: (one) => <RelativeTime at={one.created} /> },
  { head: "Last used", cell: (one) => (one.last_used ? <RelativeTime at={one.last_used} /> : "never") },
];

/** Passkeys: adding, calling otherwise and removing them. */
export function Passkeys() {
  const all = useQuery(passkeys);
  const alone = useLoneWay();
  const [renamed, setRenamed] = useState<Passkey | null>(null);
  const add = useAct({
    act: async () => {
      const asked = await read(api.POST("/api/v1/passkeys/register/start"));
      const made = await make(asked).catch((error: unknown) => Promise.reject(inWords(error)));
      return done(api.POST("/api/v1/passkeys/register/finish", { body: made }));
    },
    done: ({ name }) => `You can sign in by “${name}” from now on.`,
    refresh: REFRESH,
  });
  const dead = (all.data ?? []).filter(({ counts }) => !counts).length;
  return (
    <section className="card" aria-labelledby="passkeys">
      <h2 id="passkeys">Passkeys</h2>
      <Text mb="md">
        Your device keeps a key for this node, and uses it when you unlock it: by finger, face or PIN. It stands for the password and a
        code together, and no page elsewhere can ask for it.
      </Text>
      {alone && (
        <Alert color="yellow" title="One passkey is your only way in." mb="md">
          Whoever loses the device is out. Add a passkey on a second device, or set a password.
        </Alert>
      )}
      {dead > 0 && (
        <Alert color="yellow" title={dead === 1 ? "One passkey counts no more." : `${dead} passkeys count no more.`} mb="md">
          A passkey is for a name, and this node has another one by now. Add a new one on each device; what counts no more can be removed.
        </Alert>
      )}
      <Loaded query={all}>
        {(list) =>
          list.length > 0 && (
            <ActTable
              rows={list}
              id={(one) => one.passkey}
              columns={COLUMNS}
              acts={[
                { label: "Rename", open: setRenamed },
                {
                  label: "Remove",
                  run: ({ passkey: id }) => done(api.DELETE("/api/v1/passkeys/{id}", { params: { path: { id } } })),
                  done: (one) => `Nobody signs in by “${one.name}” any more.`,
                  refresh: REFRESH,
                  ask: {
                    title: (one) => `Remove “${one.name}”?`,
                    act: "Remove it",
                    text: "Sessions that it opened end, and all your app passwords: whoever had it may have made some. Remove it on the device as well: what is left there opens nothing.",
                  },
                },
              ]}
            />
          )
        }
      </Loaded>
      {canUsePasskeys() ? (
        <Button variant="default" onClick={() => add.mutate()} loading={add.isPending} mt="md">
          Add a passkey
        </Button>
      ) : (
        <Text className="soft">This browser keeps no passkeys that it could hand over; use another one to add some.</Text>
      )}
      {renamed !== null && <Rename one={renamed} onClose={() => setRenamed(null)} />}
    </section>
  );
}

function Rename({ one, onClose }: { one: Passkey; onClose: () => void }) {
  const rename = useAct({
    act: (name: string) => done(api.PUT("/api/v1/passkeys/{id}", { params: { path: { id: one.passkey } }, body: { name } })),
    done: () => "It is called so.",
    refresh: REFRESH,
    after: onClose,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    rename.mutate(String(new FormData(event.currentTarget).get("name")));
  };
  return (
    <Modal opened onClose={onClose} title="What is it called?">
      <form onSubmit={submit}>
        <TextInput name="name" label="Name" defaultValue={one.name} maxLength={64} required data-autofocus mb="md" />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={rename.isPending}>
            Call it so
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
