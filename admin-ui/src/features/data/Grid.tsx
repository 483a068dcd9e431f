import { useDirection } from "@mantine/core";
import { type ColumnDef, flexRender, getCoreRowModel, useReactTable } from "@tanstack/react-table";
import { useQueries, useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { Cell } from "./Cell";
import type { Field } from "./kinds";
import { type Asked, PART, countOf, deleteOrRestore, partOf, rowsKey } from "./rows";
import type { Row } from "./values";

const ROW_HEIGHT = 38;

interface Props {
  asked: Asked;
  columns: Field[];
  onOrder: (field: string) => void;
  /** Opens a document; `why`: at the answer who sees that field. */
  onOpen: (doc: string, why?: string) => void;
}

/** The rows of a collection, however many: what is in view is drawn and asked for, and nothing else. */
export function Grid({ asked, columns, onOrder, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const [at, setAt] = useState({ row: 0, column: 0 });
  const [moved, setMoved] = useState(0);
  const { dir } = useDirection();
  const count = useQuery(countOf(asked));
  const [known, setKnown] = useState(0);
  // Deleted rows are not counted by the node: where they are shown, the end is where a part is not full.
  const total = Math.max(asked.deleted ? known : 0, count.data ?? 0);

  const virtual = useVirtualizer({ count: total, getScrollElement: () => box.current, estimateSize: () => ROW_HEIGHT, overscan: 12 });
  const items = virtual.getVirtualItems();
  const from = Math.floor((items[0]?.index ?? 0) / PART);
  const to = Math.floor((items.at(-1)?.index ?? 0) / PART);
  const wanted = Array.from({ length: to - from + 1 }, (_, n) => from + n);
  const parts = useQueries({ queries: wanted.map((part) => partOf(asked, part)) });
  const row = (index: number): Row | undefined => parts[Math.floor(index / PART) - from]?.data?.[index % PART];

  const last = parts.at(-1)?.data;
  const seen = last === undefined ? 0 : to * PART + last.length + (last.length === PART ? 1 : 0);
  useEffect(() => {
    if (seen > 0) setKnown((before) => (last?.length === PART ? Math.max(before, seen) : seen));
  }, [seen, last]);

  const definitions = useMemo<ColumnDef<Row | undefined>[]>(
    () => columns.map((field) => ({ id: field.name, header: field.name, accessorFn: (one) => one?.[field.name], meta: { field } })),
    [columns],
  );
  const table = useReactTable({
    data: items.map((item) => row(item.index)),
    columns: definitions,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
    // The window of rows is another with each scroll: nothing of it is reset by that.
    autoResetAll: false,
  });
  const drawn = table.getRowModel().rows;

  // The cell that the arrows lead to has the focus; it may have to be scrolled to first.
  const top = items[0]?.index;
  useEffect(() => {
    const cell = body.current?.querySelector<HTMLElement>('[data-at="true"]');
    if (moved > 0 && cell && !cell.contains(document.activeElement)) cell.focus({ preventScroll: true });
  }, [moved, at.row, at.column, top]);
  const end = useAct({
    act: ({ act, doc }: { act: "delete" | "restore"; doc: string }) => deleteOrRestore(act, asked.space, asked.collection, doc),
    done: (_, { act }) => (act === "delete" ? "The document is deleted. It can be brought back." : "The document is back."),
    undo: (_, { act, doc }) => (act === "delete" ? { act: "restore" as const, doc } : undefined),
    refresh: [rowsKey(asked.space, asked.collection), ["history", asked.space, asked.collection]],
    // The row that comes into its place has the keyboard.
    after: () => setMoved((times) => times + 1),
  });
  const writes = columns.some((field) => field.writes);
  const onKey = (event: KeyboardEvent) => {
    if (event.target instanceof HTMLInputElement) return;
    const one = row(at.row);
    if (event.key === "?" && one !== undefined) {
      event.preventDefault();
      onOpen(one._docID, columns[Math.max(at.column - 1, 0)]?.name);
      return;
    }
    if (event.key === "Delete" && writes && one !== undefined && one._deleted !== true && !end.isPending) {
      event.preventDefault();
      end.mutate({ act: "delete", doc: one._docID });
      return;
    }
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / ROW_HEIGHT) - 2);
    const steps: Record<string, [number, number]> = {
      ArrowDown: [1, 0],
      ArrowUp: [-1, 0],
      ArrowRight: [0, dir === "rtl" ? -1 : 1],
      ArrowLeft: [0, dir === "rtl" ? 1 : -1],
      PageDown: [page, 0],
      PageUp: [-page, 0],
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = {
      row: Math.min(Math.max(at.row + step[0], 0), total - 1),
      column: Math.min(Math.max(at.column + step[1], 0), columns.length),
    };
    virtual.scrollToIndex(next.row);
    setAt(next);
    setMoved((times) => times + 1);
  };

  const failed = parts.find((part) => part.isError) ?? (count.isError ? count : undefined);
  if (failed !== undefined) return <Problem error={failed.error} retry={() => void failed.refetch()} />;
  return (
    <div className="grid-box" ref={box} tabIndex={-1}>
      {/* Rows that are laid out by themselves are no table for a browser: the roles say what they are. */}
      <table className="grid" role="grid" aria-rowcount={total + 1} aria-label={asked.collection} onKeyDown={onKey}>
        <thead role="rowgroup">
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} role="row" aria-rowindex={1}>
              <th role="columnheader" className="slim" aria-label="Open" />
              {group.headers.map((header) => {
                const order = asked.order?.field === header.id ? asked.order : null;
                return (
                  <th key={header.id} role="columnheader" aria-sort={order === null ? "none" : order.down ? "descending" : "ascending"}>
                    <button type="button" onClick={() => onOrder(header.id)}>
                      {flexRender(header.column.columnDef.header, header.getContext())}
                      {order !== null && <span aria-hidden="true">{order.down ? "↓" : "↑"}</span>}
                    </button>
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody role="rowgroup" ref={body} style={{ height: virtual.getTotalSize() }}>
          {items.map((item, n) => {
            const one = row(item.index);
            return (
              <tr
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                data-deleted={one?._deleted === true || undefined}
                style={{ height: item.size, transform: `translateY(${item.start}px)` }}
              >
                <td role="gridcell" className="slim">
                  <button
                    type="button"
                    className="open-row"
                    aria-label={`Open document ${item.index + 1}`}
                    tabIndex={at.row === item.index && at.column === 0 ? 0 : -1}
                    data-at={at.row === item.index && at.column === 0}
                    onFocus={() => setAt({ row: item.index, column: 0 })}
                    onClick={() => one !== undefined && onOpen(one._docID)}
                  >
                    ⤢
                  </button>
                </td>
                {drawn[n]?.getVisibleCells().map((cell, m) => (
                  <Cell
                    key={cell.id}
                    space={asked.space}
                    collection={asked.collection}
                    field={columns[m] as Field}
                    row={one}
                    at={at.row === item.index && at.column === m + 1}
                    onAt={() => setAt({ row: item.index, column: m + 1 })}
                    onLeave={() => setMoved((times) => times + 1)}
                  />
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
