import { Badge, Button, Modal, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { ActTable, type Column, type RowAct } from "../../components/ActTable";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { Secret, ShortId } from "../../components/Secret";
import { useAct } from "../../components/useAct";
import { devices, replicas } from "./queries";

/** Where the person's data is: devices with keys, replicas without, and how far each is. */
export function Devices() {
  const mine = useQuery(devices);
  const [code, setCode] = useState<Schemas["InviteView"] | null>(null);
  const invite = useAct({
    act: () => done(api.POST("/api/v1/devices/invite")),
    after: setCode,
  });
  return (
    <Page
      title="Devices and replicas"
      lead="A device holds your keys and sees your documents. A replica holds the same commits sealed, and sees nothing."
      action={
        <Button onClick={() => invite.mutate()} loading={invite.isPending}>
          Add a device
        </Button>
      }
    >
      <section className="card" aria-labelledby="devices">
        <h2 id="devices">Devices</h2>
        <Loaded query={mine}>
          {(list) => <ActTable rows={list} id={(device) => device.device} columns={DEVICE} />}
        </Loaded>
      </section>
      <Replicas />
      <Modal opened={code !== null} onClose={() => setCode(null)} title="A code for one device" size="lg">
        <Stack>
          <p>
            On the other machine, run <code className="mono">allod device join - --data ./laptop</code> and give it this code. It counts once, and ends{" "}
            {code !== null && <RelativeTime at={code.expires} />}.
          </p>
          <Secret label="Code" value={code?.code ?? ""} hint="Whoever has it within that time gets your keys: send it to nobody." />
        </Stack>
      </Modal>
    </Page>
  );
}

const DEVICE: Column<Schemas["DeviceView"]>[] = [
  {
    head: "Device",
    cell: (device) => (
      <>
        <ShortId id={device.device} /> {device.this && <Badge>this node</Badge>} {device.replaced_by && <Badge color="gray">replaced</Badge>}
      </>
    ),
  },
  { head: "State", cell: (device) => <State one={device} /> },
  { head: "Lag", cell: (device) => <Lag one={device} /> },
];

const REPLICA: Column<Schemas["ReplicaView"]>[] = [
  {
    head: "Replica",
    cell: (replica) => (
      <>
        <ShortId id={replica.replica} /> <div className="mono soft">{replica.addr}</div>
        {replica.error && <div className="bad">{replica.error}</div>}
      </>
    ),
  },
  { head: "State", cell: (replica) => <State one={replica} /> },
  { head: "Lag", cell: (replica) => <Lag one={replica} /> },
];

const REMOVE: RowAct<Schemas["ReplicaView"]> = {
  label: "Remove",
  run: ({ replica }) => done(api.DELETE("/api/v1/replicas/{replica}", { params: { path: { replica } } })),
  done: "The replica gets nothing more.",
  refresh: [["replicas"]],
  ask: {
    title: "Remove this replica?",
    act: "Remove it",
    text: "It gets nothing more from here. What it holds, sealed, stays with it.",
  },
};

interface Peer {
  this?: boolean;
  reachable?: boolean | null;
  lag_commits?: number | null;
  lag_s?: number | null;
  waits_for?: string | null;
}

function State({ one }: { one: Peer }) {
  if (one.this === true) return <Badge>here</Badge>;
  if (one.waits_for) return <Badge color="yellow">{one.waits_for === "our_clock" ? "this node's clock is ahead" : "its clock is ahead"}</Badge>;
  if (one.reachable === true) return <Badge>reachable</Badge>;
  return <Badge color="gray">{one.reachable === false ? "not reachable" : "not known"}</Badge>;
}

function Lag({ one }: { one: Peer }) {
  if (one.lag_commits === null || one.lag_commits === undefined) return <span className="soft">{one.this === true ? "none" : "not known"}</span>;
  if (one.lag_commits === 0) return <span className="good">has everything</span>;
  return (
    <span>
      {one.lag_commits.toLocaleString()} commits behind{one.lag_s ? `, for ${one.lag_s.toLocaleString()} s` : ""}
    </span>
  );
}

function Replicas() {
  const held = useQuery(replicas);
  const [adding, setAdding] = useState(false);
  const add = useAct({
    act: (addr: string) => done(api.POST("/api/v1/replicas", { body: { addr } })),
    done: () => "The replica is added; it is being filled.",
    refresh: [["replicas"]],
    after: () => setAdding(false),
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    add.mutate(String(new FormData(event.currentTarget).get("addr")).trim());
  };
  const button = (
    <Button variant="default" size="xs" onClick={() => setAdding(true)}>
      Add a replica
    </Button>
  );
  return (
    <section className="card" aria-labelledby="replicas">
      <div className="page-head">
        <h2 className="card-title" id="replicas">
          Replicas
        </h2>
        {(held.data?.length ?? 0) > 0 && button}
      </div>
      <Loaded query={held} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No replica holds a copy" action={button}>
              A replica keeps all your commits on another machine without being able to read them: what is lost here is still there.
            </Empty>
          ) : (
            <ActTable rows={list} id={(replica) => replica.replica} columns={REPLICA} acts={[REMOVE]} />
          )
        }
      </Loaded>
      <Modal opened={adding} onClose={() => setAdding(false)} title="Add a replica">
        <form onSubmit={submit}>
          {add.error !== null && <Problem error={add.error} />}
          <TextInput
            name="addr"
            label="Its address"
            description="As `allod replica serve` prints it; it ends in /p2p/ and the replica's own id"
            placeholder="/ip4/192.168.1.9/tcp/4001/p2p/12D3Koo…"
            required
            data-autofocus
            mb="md"
          />
          <Button type="submit" loading={add.isPending}>
            Add
          </Button>
        </form>
      </Modal>
    </section>
  );
}
