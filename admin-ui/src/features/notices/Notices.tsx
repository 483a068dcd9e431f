import { Badge, Button, Switch, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, done } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { Address } from "./Address";
import { type Kind, type Notice, address, kinds, notices, unread } from "./queries";
import { named, said } from "./words";

const COLUMNS: Column<Notice>[] = [
  { head: "What", cell: (notice) => <Sentence notice={notice} /> },
  { head: "When", cell: (notice) => <RelativeTime at={notice.at} /> },
];

function Sentence({ notice }: { notice: Notice }) {
  const { before, name, behind, to } = said(notice);
  return (
    <>
      {notice.read === null && <Badge mr="xs">new</Badge>}
      {before}
      {name !== "" && <bdi>{name}</bdi>}
      {behind} <Link to={to}>Look at it</Link>
    </>
  );
}

/** What the person was told, and of what they want to be. */
export function Notices() {
  const told = useQuery(notices);
  const read = useAct({
    act: (these?: string[]) => done(api.POST("/api/v1/notices/read", { body: these === undefined ? {} : { notices: these } })),
    refresh: [["notices"]],
  });
  return (
    <Page
      title="Notices"
      lead="What happened in your account, or waits for you. Of each kind the newest sixteen are kept."
      action={
        unread(told.data) > 0 && (
          <Button variant="default" loading={read.isPending} onClick={() => read.mutate(undefined)}>
            Mark all as read
          </Button>
        )
      }
    >
      <Loaded query={told}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="Nothing to tell">What is shared with you, a sign-in from a new place, or an app whose time is nearly over shows here.</Empty>
          ) : (
            <div className="card">
              <ActTable
                rows={list}
                id={(one) => one.notice}
                columns={COLUMNS}
                acts={[
                  {
                    label: "Mark as read",
                    of: (one) => one.read === null,
                    run: (one) => done(api.POST("/api/v1/notices/read", { body: { notices: [one.notice] } })),
                    done: "It is marked as read.",
                    refresh: [["notices"]],
                    gives: true,
                  },
                ]}
              />
            </div>
          )
        }
      </Loaded>
      <Address />
      <Wanted />
    </Page>
  );
}

const WAYS = [
  ["console", "In this list"],
  ["mail", "By e-mail"],
] as const;

function Wanted() {
  const all = useQuery(kinds);
  const to = useQuery(address);
  // Without an address there is nothing to choose.
  const ways = WAYS.filter(([way]) => way === "console" || !!to.data?.address);
  const set = useAct({
    act: ({ kind, way, on }: { kind: string; way: "console" | "mail"; on: boolean }) =>
      done(api.PUT("/api/v1/notices/kinds/{kind}", { params: { path: { kind } }, body: { [way]: on } })),
    done: (_, { kind, on }) => (on ? `On again: ${named(kind)}.` : `Off: ${named(kind)}.`),
    refresh: [["notices", "kinds"]],
  });
  return (
    <section className="card" aria-labelledby="wanted">
      <h2 id="wanted">Of what you are told</h2>
      <p className="soft">What says how your account is entered stays on: whoever were in it could turn it off first.</p>
      <Loaded query={all}>
        {(list) => (
          <Table className="stacks">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>When</Table.Th>
                {ways.map(([way, label]) => (
                  <Table.Th key={way}>{label}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {list.map((one: Kind) => (
                <Table.Tr key={one.kind}>
                  <Table.Td>{named(one.kind)}</Table.Td>
                  {ways.map(([way, label]) => (
                    <Table.Td key={way} data-label={label}>
                      {one.fixed ? (
                        <span className="soft">always</span>
                      ) : (
                        <Switch
                          aria-label={`${named(one.kind)}: ${label.toLowerCase()}`}
                          checked={one[way]}
                          onChange={(event) => set.mutate({ kind: one.kind, way, on: event.currentTarget.checked })}
                        />
                      )}
                    </Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Loaded>
    </section>
  );
}
