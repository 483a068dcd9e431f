import { Alert, Badge, Button, Modal, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { ActTable, type Column, type RowAct } from "../../components/ActTable";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { Secret } from "../../components/Secret";
import { useAct } from "../../components/useAct";
import { bytes, span } from "../operator/amounts";
import { backups, recovery } from "../recovery/queries";
import { asleep, places } from "./queries";

const GB = 1_000_000_000;

type Place = Schemas["PlaceView"];

/** How the backups of this node stand, and the room that it keeps for the backups of others. */
export function Backups() {
  const kept = useQuery(places);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Schemas["PlaceMade"] | null>(null);
  const button = <Button onClick={() => setAdding(true)}>Make a place</Button>;
  return (
    <Page title="Backups" lead="Whether this node can be brought back, and the places that it keeps for the backups of other nodes." action={button}>
      <Sleeping />
      <OfThisNode />
      <section className="card" aria-labelledby="places">
        <h2 id="places">Places for other nodes</h2>
        <p className="soft">A friend’s node, or a second one of yours, keeps its backups in a place here. They are sealed before they come: nothing on this node reads them.</p>
        <Loaded query={kept}>
          {(list) =>
            list.length === 0 ? (
              <Empty title="No place yet">A place has an address, a secret and as much room as you give it. Make one, and tell both to whoever runs the other node.</Empty>
            ) : (
              <ActTable rows={list} id={(place) => place.place} columns={COLUMNS} acts={[REMOVE]} />
            )
          }
        </Loaded>
      </section>
      <Modal opened={adding} onClose={() => setAdding(false)} title="A place for another node" size="lg">
        <Make
          onMade={(place) => {
            setAdding(false);
            setMade(place);
          }}
        />
      </Modal>
      <Modal opened={made !== null} onClose={() => setMade(null)} title={`The place ${made?.place ?? ""} is there`} size="lg">
        {made !== null && (
          <Stack>
            <Secret label="Address" value={made.address} hint="The other node names it as where its backups go." />
            <Secret label="Secret" value={made.secret} hint="It opens the place, and is told here and nowhere else: copy it now. It goes into a file of the other node." />
            <Text>On the other node, in its settings (allod.toml):</Text>
            <pre className="code" dir="ltr">{`[backup]\nto = "${made.address}"\nplace_secret_file = "/etc/allod/${made.place}.secret"`}</pre>
          </Stack>
        )}
      </Modal>
    </Page>
  );
}

/** After a restore apps, links and shares wait until somebody has looked at them. */
function Sleeping() {
  const { data } = useQuery(asleep);
  if (!data?.asleep_since) return null;
  const count = (n: number, one: string, many: string) => `${n.toLocaleString()} ${n === 1 ? one : many}`;
  return (
    <Alert color="yellow" mb="md" title="This node was restored from a backup, and what was given out sleeps">
      Since <RelativeTime at={data.asleep_since} />, {count(data.grants, "grant", "grants")} to apps, {count(data.links, "link", "links")} and{" "}
      {count(data.shares, "share", "shares")} wait: nobody can say which of them was taken back after the backup. Look at the lists, take back what should not be, then
      wake the rest on the machine: <code className="mono">allod restore confirm</code>.
    </Alert>
  );
}

function OfThisNode() {
  const status = useQuery(backups);
  const words = useQuery(recovery);
  return (
    <section className="card" aria-labelledby="own">
      <Loaded query={status}>
        {({ backups: is }) => {
          const [good, said] = standing(is);
          return (
            <>
              <h2 id="own">
                Backups of this node <Badge color={good ? "teal" : "red"}>{good ? "well" : "look at it"}</Badge>
              </h2>
              <p>{said}</p>
              <dl className="facts">
                <dt>By itself</dt>
                <dd>{is.every_s ? `every ${span(is.every_s)}` : <span className="bad">it makes none</span>}</dd>
                <dt>The last</dt>
                <dd>{is.last ? <RelativeTime at={is.last} /> : <span className="bad">none is known of</span>}</dd>
                <dt>Restored for a test</dt>
                <dd>{is.tested ? <RelativeTime at={is.tested} /> : <span className="soft">not yet</span>}</dd>
                {is.trouble && (
                  <>
                    <dt>Why not</dt>
                    <dd className="bad">{is.trouble}</dd>
                  </>
                )}
                <dt>The words that open them</dt>
                <dd>
                  <Link to="/recovery">{wordsOf(words.data)}</Link>
                </dd>
              </dl>
            </>
          );
        }}
      </Loaded>
      <details>
        <summary>How a backup is made</summary>
        <p>
          Backups name files of the machine, so whoever holds it sets them up: <code className="mono">to</code> and <code className="mono">every</code> under{" "}
          <code className="mono">[backup]</code> in allod.toml, a directory, a bucket, or a place at another node. At once, and looked through:
        </p>
        <pre className="code" dir="ltr">{"allod backup create --to /mnt/backups/home\nallod backup list   --to /mnt/backups/home\nallod backup verify --to /mnt/backups/home"}</pre>
      </details>
    </section>
  );
}

/** How the words stand that open the backups. */
function wordsOf(ways: Schemas["RecoveryStanding"] | undefined): string {
  if (ways === undefined) return "…";
  const way = ways.ways[0];
  return way === undefined ? "not made yet" : way.tested ? "made, and typed back" : "made, and never typed back";
}

/** Whether it is well, and a sentence of it. */
function standing(is: Schemas["Backups"]): [boolean, string] {
  if (is.trouble) return [false, "The last try went wrong."];
  if (!is.last && !is.every_s) return [false, "If this machine is lost, so is what is on it. A backup changes that."];
  if (!is.last) return [false, "It is set up, and the first one is still to come."];
  if (!is.every_s) return [true, "There is one, made by hand. The node makes none by itself."];
  return [true, is.tested ? "They are made by themselves, and the last test brought everything back." : "They are made by themselves; none was restored for a test yet."];
}

const COLUMNS: Column<Place>[] = [
  {
    head: "Place",
    cell: (place) => (
      <>
        <strong>{place.place}</strong>
        <div className="mono" dir="ltr">
          {place.address}
        </div>
      </>
    ),
  },
  {
    head: "Taken",
    cell: (place) => (
      <>
        {bytes(place.taken)} of {bytes(place.quota)}
        <progress className="done-of" max={place.quota} value={place.taken} aria-label={`Taken of ${place.place}`} />
        <span className="soft">{place.objects === 0 ? "nothing came yet" : `${place.objects.toLocaleString()} ${place.objects === 1 ? "object" : "objects"}`}</span>
      </>
    ),
  },
  { head: "Made", cell: (place) => <RelativeTime at={place.made} /> },
];

const REMOVE: RowAct<Place> = {
  label: "Remove",
  run: ({ place }) => done(api.DELETE("/api/v1/places/{place}", { params: { path: { place } } })),
  done: (place) => `The place ${place.place} is gone, and its backups with it.`,
  refresh: [["places"], ["audit"]],
  ask: {
    title: (place) => `Remove the place ${place.place}?`,
    act: "Remove it with its backups",
    text: "Every backup in it is deleted, and does not come back. The other node’s next backup fails, and says so there.",
    typed: (place) => place.place,
  },
};

function Make({ onMade }: { onMade: (place: Schemas["PlaceMade"]) => void }) {
  const [room, setRoom] = useState<number | string>(50);
  const make = useAct({
    act: (body: Schemas["NewPlace"]) => done(api.POST("/api/v1/places", { body })),
    refresh: [["places"], ["audit"]],
    after: onMade,
    quiet: true,
    secret: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name") ?? "").trim();
    make.mutate({ name, ...(Number(room) > 0 && { quota: Math.round(Number(room) * GB) }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {make.error !== null && <Problem error={make.error} />}
        <TextInput name="name" label="Its name" description="Small letters, digits and hyphens: it stands in the address" placeholder="anna" maxLength={40} autoCapitalize="none" required data-autofocus />
        <NumberInput label="Room, in GB" description="What comes beyond it is refused" value={room} onChange={setRoom} min={0.001} max={1_000_000} decimalScale={3} />
        <div>
          <Button type="submit" loading={make.isPending}>
            Make the place
          </Button>
        </div>
      </Stack>
    </form>
  );
}
