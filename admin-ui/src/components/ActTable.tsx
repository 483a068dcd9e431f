import { Button, Group, Table } from "@mantine/core";
import type { QueryKey } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Answer } from "../api/client";
import { Ask } from "./Ask";
import { useAct } from "./useAct";

/** What is told of each row. The first column names the row. */
export interface Column<T> {
  head: string;
  cell: (one: T) => ReactNode;
  /** Ids and addresses. */
  mono?: boolean;
}

interface Act<T> {
  label: string;
  /** Whether a row has it; by default each. */
  of?: (one: T) => boolean;
}

/** Opens something of the page. */
interface Opens<T> extends Act<T> {
  open: (one: T) => void;
}

/** Changes the node. */
interface Changes<T> extends Act<T> {
  run: (one: T) => Promise<Answer<unknown>>;
  /** What is said once it is done. */
  done: string | ((one: T) => string);
  /** What is asked anew then. */
  refresh: QueryKey[];
  /** It gives something back, and takes nothing away. */
  gives?: boolean;
  /** What is asked before; without it, it is done at once. */
  ask?: {
    title: string | ((one: T) => string);
    act: string;
    text: ReactNode;
    /** What has to be typed first: for what does not come back. */
    typed?: (one: T) => string;
  };
}

export type RowAct<T> = Opens<T> | Changes<T>;

interface Props<T> {
  rows: T[];
  id: (one: T) => string;
  columns: Column<T>[];
  acts?: RowAct<T>[];
}

function textOf<T>(text: string | ((one: T) => string), one: T): string {
  return typeof text === "string" ? text : text(one);
}

/** A list as a table, with what can be done about each row; where there is no room for columns, a block each. */
export function ActTable<T>({ rows, id, columns, acts = [] }: Props<T>) {
  const [asked, setAsked] = useState<{ act: Changes<T>; one: T } | null>(null);
  const doing = useAct({
    act: ({ act, one }: { act: Changes<T>; one: T }) => act.run(one),
    done: (_, { act, one }) => textOf(act.done, one),
    refresh: acts.flatMap((act) => ("run" in act ? act.refresh : [])),
    after: () => setAsked(null),
  });
  const begin = (act: RowAct<T>, one: T) => {
    if ("open" in act) act.open(one);
    else if (act.ask === undefined) doing.mutate({ act, one });
    else setAsked({ act, one });
  };
  const busy = (act: RowAct<T>, one: T) => doing.isPending && doing.variables.act.label === act.label && id(doing.variables.one) === id(one);
  return (
    <>
      <Table className="stacks">
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ head }) => (
              <Table.Th key={head}>{head}</Table.Th>
            ))}
            {acts.length > 0 && <Table.Th aria-label="Acts" />}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((one) => (
            <Table.Tr key={id(one)}>
              {columns.map(({ head, cell, mono }, n) => (
                <Table.Td key={head} data-label={n === 0 ? undefined : head} className={mono === true ? "mono" : undefined}>
                  {cell(one)}
                </Table.Td>
              ))}
              {acts.length > 0 && (
                <Table.Td>
                  <Group gap="xs" justify="flex-end" className="row-acts">
                    {acts
                      .filter((act) => act.of?.(one) !== false)
                      .map((act) => (
                        <Button
                          key={act.label}
                          size="xs"
                          variant={"open" in act || act.gives === true ? "default" : "light"}
                          color={"open" in act || act.gives === true ? undefined : "red"}
                          loading={busy(act, one)}
                          onClick={() => begin(act, one)}
                        >
                          {act.label}
                        </Button>
                      ))}
                  </Group>
                </Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Ask
        opened={asked !== null}
        title={asked?.act.ask === undefined ? "" : textOf(asked.act.ask.title, asked.one)}
        act={asked?.act.ask?.act ?? ""}
        busy={doing.isPending}
        {...(asked?.act.ask?.typed !== undefined && { typed: asked.act.ask.typed(asked.one) })}
        onAct={() => asked !== null && doing.mutate(asked)}
        onClose={() => setAsked(null)}
      >
        {asked?.act.ask?.text}
      </Ask>
    </>
  );
}
