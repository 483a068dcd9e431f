import { Button, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Ask } from "../../components/Ask";
import { Loaded } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { inputOf } from "../data/DocumentDrawer";
import type { Field } from "../data/kinds";
import { rowsKey, update } from "../data/rows";
import { type Row, shown } from "../data/values";
import { type Commit, versionOf } from "./queries";

interface Props {
  space: string;
  collection: string;
  doc: string;
  fields: Field[];
  left: Commit;
  right: Commit;
  newest: Commit;
}

/** Two versions of a document, field by field, and the way back to either. */
export function Versions({ space, collection, doc, fields, left, right, newest }: Props) {
  const one = useQuery(versionOf(space, collection, fields, left.cid));
  const other = useQuery(versionOf(space, collection, fields, right.cid));
  const [back, setBack] = useState<{ commit: Commit; row: Row } | null>(null);
  // An old version comes back as a new change: nothing of the history is lost by it.
  const restore = useAct({
    act: (row: Row) => update(space, collection, doc, inputOf(fields, row)),
    done: () => "The document is as it was then; what was between stays in its history.",
    refresh: [rowsKey(space, collection), ["history", space, collection]],
    after: () => setBack(null),
  });
  const writes = fields.some((field) => field.writes);
  const head = (commit: Commit, row: Row | null) => (
    <>
      Step {commit.height}
      {commit.cid === newest.cid && " (newest)"}{" "}
      {writes && row !== null && commit.cid !== newest.cid && (
        <Button size="compact-xs" variant="light" onClick={() => setBack({ commit, row })}>
          Back to this
        </Button>
      )}
    </>
  );
  return (
    <section className="card" aria-labelledby="versions">
      <h2 id="versions">Side by side</h2>
      <Loaded query={one}>
        {(before) => (
          <Loaded query={other}>
            {(after) => (
              <div className="scroll">
                <Table>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Field</Table.Th>
                      <Table.Th>{head(left, before)}</Table.Th>
                      <Table.Th>{head(right, after)}</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {fields.map((field) => {
                      const [was, is] = [before?.[field.name], after?.[field.name]];
                      const changed = JSON.stringify(was) !== JSON.stringify(is);
                      return (
                        <Table.Tr key={field.name}>
                          <Table.Th scope="row">{field.name}</Table.Th>
                          <Table.Td>
                            <bdi>{changed ? <del className="changed">{shown(field, was) || "nothing"}</del> : shown(field, was)}</bdi>
                          </Table.Td>
                          <Table.Td>
                            <bdi>{changed ? <ins className="changed">{shown(field, is) || "nothing"}</ins> : shown(field, is)}</bdi>
                          </Table.Td>
                        </Table.Tr>
                      );
                    })}
                  </Table.Tbody>
                </Table>
              </div>
            )}
          </Loaded>
        )}
      </Loaded>
      <Ask
        opened={back !== null}
        title="Back to this version?"
        act="Write it anew"
        color="teal"
        busy={restore.isPending}
        onAct={() => back !== null && restore.mutate(back.row)}
        onClose={() => setBack(null)}
      >
        The fields are written as they were at step {back?.commit.height}. That is a new change: what is there now stays in the history.
      </Ask>
    </section>
  );
}
