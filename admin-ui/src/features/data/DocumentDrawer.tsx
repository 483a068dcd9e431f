import { ActionIcon, Badge, Button, Drawer, Group, Tabs, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useId, useRef, useState } from "react";
import { Loaded } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { Icon } from "../../components/icons";
import { useAct } from "../../components/useAct";
import { complain } from "../../components/toasts";
import { Seers } from "../visibility/Seers";
import type { Field } from "./kinds";
import { deleteOrRestore, documentOf, rowsKey, update } from "./rows";
import { type Row, inputName, shown } from "./values";

interface Props {
  space: string;
  collection: string;
  fields: Field[];
  doc: string | undefined;
  /** The field of which it is told who sees it. */
  why: string | undefined;
  onWhy: (field: string | undefined) => void;
  onClose: () => void;
}

/** One document: its values and who sees each, the same as JSON, its history, and its end. */
export function DocumentDrawer({ doc, onClose, ...rest }: Props) {
  return (
    <Drawer opened={doc !== undefined} onClose={onClose} title={rest.collection}>
      {doc !== undefined && <Document key={doc} doc={doc} {...rest} />}
    </Drawer>
  );
}

/** When a document was made: ids are ordered by time (UUIDv7, RFC 9562); null for those that somebody else made up. */
export function madeAt(doc: string): string | null {
  const plain = doc.replaceAll("-", "");
  if (plain.length !== 32 || plain[12] !== "7") return null;
  return new Date(Number.parseInt(plain.slice(0, 12), 16)).toISOString();
}

function Document({ space, collection, fields, doc, why, onWhy }: Omit<Props, "doc" | "onClose"> & { doc: string }) {
  const navigate = useNavigate();
  const one = useQuery(documentOf(space, collection, fields, doc));
  const refresh = [rowsKey(space, collection), ["history", space, collection]];
  const made = madeAt(doc);
  const end = useAct({
    act: (act: "delete" | "restore") => deleteOrRestore(act, space, collection, doc),
    done: (_, act) => (act === "delete" ? "The document is deleted. It can be brought back." : "The document is back."),
    undo: (_, act) => (act === "delete" ? ("restore" as const) : undefined),
    refresh,
  });
  return (
    <Loaded query={one}>
      {(row) =>
        row === null ? (
          <p>There is no such document, or it is not yours to see.</p>
        ) : (
          <>
            <Group mb="sm" gap="xs">
              <span className="mono">{doc}</span>
              {row._deleted === true && <Badge color="red">deleted</Badge>}
              {made !== null && (
                <span className="soft">
                  made <RelativeTime at={made} />
                </span>
              )}
            </Group>
            <Group mb="md">
              <Button
                variant="default"
                onClick={() => void navigate({ to: "/history", search: { space, collection, doc } })}
              >
                History
              </Button>
              {row._deleted === true ? (
                <Button onClick={() => end.mutate("restore")} loading={end.isPending}>
                  Bring back
                </Button>
              ) : (
                <Button variant="light" color="red" onClick={() => end.mutate("delete")} loading={end.isPending}>
                  Delete
                </Button>
              )}
            </Group>
            <Tabs defaultValue="values" keepMounted={false}>
              <Tabs.List mb="md">
                <Tabs.Tab value="values">Values</Tabs.Tab>
                <Tabs.Tab value="json">JSON</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="values">
                <dl className="facts values">
                  {fields.map((field) => (
                    <Value key={field.name} space={space} collection={collection} field={field} row={row} open={field.name === why} onWhy={onWhy} />
                  ))}
                </dl>
              </Tabs.Panel>
              <Tabs.Panel value="json">
                <Json key={JSON.stringify(row)} space={space} collection={collection} fields={fields} row={row} />
              </Tabs.Panel>
            </Tabs>
          </>
        )
      }
    </Loaded>
  );
}

interface ValueProps {
  space: string;
  collection: string;
  field: Field;
  row: Row;
  /** Whether it is told who sees it. */
  open: boolean;
  onWhy: (field: string | undefined) => void;
}

function Value({ space, collection, field, row, open, onWhy }: ValueProps) {
  const told = useId();
  const button = useRef<HTMLButtonElement>(null);
  // Whoever came to ask this is where the answer is.
  const asked = useRef(open);
  useEffect(() => {
    if (asked.current) button.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <>
      <dt>{field.name}</dt>
      <dd>
        <span>{shown(field, row[field.name]) ? <bdi>{shown(field, row[field.name])}</bdi> : <span className="soft">nothing</span>}</span>
        <ActionIcon
          ref={button}
          variant="subtle"
          color="gray"
          aria-label={`Who sees ${field.name}`}
          title={`Who sees ${field.name}, and why`}
          aria-expanded={open}
          aria-controls={told}
          onClick={() => onWhy(open ? undefined : field.name)}
        >
          <Icon name="eye" size={16} />
        </ActionIcon>
      </dd>
      <dd className="told" id={told} hidden={!open}>
        {open && <Seers space={space} collection={collection} field={field.name} doc={row._docID} />}
      </dd>
    </>
  );
}

/** The fields that may be written, as an object by the names that an input takes. */
export function inputOf(fields: Field[], row: Row): Record<string, unknown> {
  const pairs = fields.filter((field) => field.writes).map((field) => {
    const value = row[field.name];
    return [inputName(field), field.target !== null && value ? (value as { _docID: string })._docID : (value ?? null)];
  });
  return Object.fromEntries(pairs) as Record<string, unknown>;
}

interface JsonProps {
  space: string;
  collection: string;
  fields: Field[];
  row: Row;
}

function Json({ space, collection, fields, row }: JsonProps) {
  const before = inputOf(fields, row);
  const written = JSON.stringify(before, null, 2);
  const [text, setText] = useState(written);
  const save = useAct({
    act: (input: Record<string, unknown>) => update(space, collection, row._docID, input),
    done: () => "The document is saved.",
    refresh: [rowsKey(space, collection), ["history", space, collection]],
  });
  const submit = () => {
    try {
      const value = JSON.parse(text) as Record<string, unknown>;
      // What was left as it was is not written: somebody else may have changed it meanwhile.
      const changed = Object.entries(value).filter(([key, one]) => JSON.stringify(one) !== JSON.stringify(before[key]));
      save.mutate(Object.fromEntries(changed));
    } catch {
      complain(new Error("This is not JSON yet: look for a missing quote or comma."));
    }
  };
  return (
    <>
      <Textarea
        aria-label="The document as JSON"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        minRows={10}
        maxRows={26}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        readOnly={row._deleted === true}
        mb="sm"
      />
      <Button onClick={submit} disabled={text === written || row._deleted === true} loading={save.isPending}>
        Save
      </Button>
    </>
  );
}
