import { Badge, Radio, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { ShortId } from "../../components/Secret";
import { madeAt } from "../data/DocumentDrawer";
import { type Field, fieldsOf } from "../data/kinds";
import { devices } from "../devices/queries";
import { Graph } from "./Graph";
import { Versions } from "./Versions";
import { breadth, laidOut } from "./lanes";
import { type Commit, commitsOf } from "./queries";

/** The commits of a document, and two of its versions side by side. */
export function History() {
  const { space = "", collection = "", doc = "", left, right } = useSearch({ from: "/shell/history" });
  const fields = useQuery(fieldsOf(space, collection));
  const commits = useQuery(commitsOf(space, collection, doc));
  const made = madeAt(doc);
  if (doc === "") {
    return (
      <Page title="History">
        <Empty title="Of which document?" action={<Link to="/data">To the data</Link>}>
          Open a document in the data browser, and choose its history there.
        </Empty>
      </Page>
    );
  }
  return (
    <Page
      title={`History of a ${collection}`}
      lead={
        <>
          <span className="mono">{doc}</span>
          {made !== null && (
            <>
              , made <RelativeTime at={made} />
            </>
          )}
        </>
      }
      action={
        <Link to="/data" search={{ space, collection, doc }}>
          Back to the document
        </Link>
      }
    >
      <Loaded query={commits}>
        {(list) => (
          <Loaded query={fields}>
            {(known) => {
              const newest = list[0];
              if (newest === undefined) {
                return <Empty title="Nothing is told of it">The document is gone, or its history is not yours to see.</Empty>;
              }
              const one = list.find((commit) => commit.cid === left) ?? list[1] ?? newest;
              const other = list.find((commit) => commit.cid === right) ?? newest;
              return (
                <>
                  <Versions space={space} collection={collection} doc={doc} fields={known} left={one} right={other} newest={newest} />
                  <Commits list={list} fields={known} left={one.cid} right={other.cid} />
                </>
              );
            }}
          </Loaded>
        )}
      </Loaded>
    </Page>
  );
}

function Commits({ list, fields, left, right }: { list: Commit[]; fields: Field[]; left: string; right: string }) {
  const navigate = useNavigate({ from: "/history" });
  const mine = useQuery(devices);
  const author = (commit: Commit) => {
    const id = commit.signature?.identity;
    if (id === undefined) return <span className="soft">not told</span>;
    const device = mine.data?.find((one) => one.device === id);
    if (device?.this === true) return "this node";
    return (
      <>
        {device !== undefined ? "another device of yours, " : "device "}
        <ShortId id={id} />
      </>
    );
  };
  const rows = useMemo(() => laidOut(list), [list]);
  const lanes = breadth(rows);
  const set = (change: { left?: string; right?: string }) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true, resetScroll: false });
  return (
    <section className="card" aria-labelledby="commits">
      <h2 id="commits">Changes, newest first</h2>
      <div className="scroll">
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th aria-label="Which rests on which" />
              <Table.Th>Left</Table.Th>
              <Table.Th>Right</Table.Th>
              <Table.Th>Step</Table.Th>
              <Table.Th>Changed</Table.Th>
              <Table.Th>Signed by</Table.Th>
              <Table.Th>Commit</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {list.map((commit, n) => (
              <Table.Tr key={commit.cid}>
                <Table.Td className="graph-cell" style={{ width: `${lanes * 1.1}rem`, minWidth: `${lanes * 1.1}rem` }}>
                  {rows[n] !== undefined && <Graph row={rows[n]} lanes={lanes} />}
                </Table.Td>
                <Table.Td>
                  <Radio aria-label={`Step ${commit.height} on the left`} name="left" checked={commit.cid === left} onChange={() => set({ left: commit.cid })} />
                </Table.Td>
                <Table.Td>
                  <Radio aria-label={`Step ${commit.height} on the right`} name="right" checked={commit.cid === right} onChange={() => set({ right: commit.cid })} />
                </Table.Td>
                <Table.Td>
                  {commit.height} {commit.heads.length > 1 && <Badge color="blue">joins {commit.heads.length}</Badge>}
                </Table.Td>
                <Table.Td>
                  {commit.links.map((link) => fields.find((field) => `_${field.name}ID` === link.name)?.name ?? link.name).join(", ") || (
                    <span className="soft">{commit.height === 1 ? "made" : "deleted or brought back"}</span>
                  )}
                </Table.Td>
                <Table.Td>{author(commit)}</Table.Td>
                <Table.Td>
                  <ShortId id={commit.cid} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </section>
  );
}

