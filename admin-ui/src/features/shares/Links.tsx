import { Button, Checkbox, Modal, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { ActTable, type Column, type RowAct } from "../../components/ActTable";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { Secret } from "../../components/Secret";
import { Ends, UntilSelect } from "../../components/Until";
import { WhereFields, useWhere } from "../../components/Where";
import { useAct } from "../../components/useAct";
import { rows } from "../apps/words";
import { fieldsOf } from "../data/kinds";
import { links } from "./queries";

/** Links: who has one sees some fields of a collection, without an account. */
export function Links() {
  const all = useQuery(links);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Schemas["LinkView"] | null>(null);
  const button = <Button onClick={() => setAdding(true)}>Make a link</Button>;
  return (
    <>
      <Loaded query={all}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No link leads here" action={button}>
              A link shows some fields of a collection to whoever has its address, without an account, until you remove it or its time is over.
            </Empty>
          ) : (
            <>
              <p>{button}</p>
              <div className="card">
                <ActTable rows={list} id={(link) => link.link} columns={COLUMNS} acts={[REMOVE]} />
              </div>
            </>
          )
        }
      </Loaded>
      <Modal opened={adding} onClose={() => setAdding(false)} title="Make a link">
        <Form
          onMade={(link) => {
            setAdding(false);
            setMade(link);
          }}
        />
      </Modal>
      <Modal opened={made !== null} onClose={() => setMade(null)} title="The link" size="lg">
        <Secret label="Address" value={made?.url ?? ""} hint="It is told here and nowhere else: copy it now. Whoever has it sees what it shows." />
      </Modal>
    </>
  );
}

const COLUMNS: Column<Schemas["LinkView"]>[] = [
  {
    head: "Shows",
    cell: (link) => (
      <>
        {link.collection ?? "a collection that is gone"}: {link.fields?.join(", ") ?? "no field"}
        {rows(link.where) !== "" && <span className="soft"> where {rows(link.where)}</span>}
      </>
    ),
  },
  { head: "Made", cell: (link) => <RelativeTime at={link.created} /> },
  { head: "Last used", cell: (link) => (link.last_used ? <RelativeTime at={link.last_used} /> : <span className="soft">not yet</span>) },
  { head: "Ends", cell: (link) => <Ends at={link.until} /> },
];

const REMOVE: RowAct<Schemas["LinkView"]> = {
  label: "Remove",
  run: ({ link: id }) => done(api.DELETE("/api/v1/links/{id}", { params: { path: { id } } })),
  done: "The link leads nowhere any more.",
  refresh: [["links"], ["audit"]],
  ask: { title: "Remove this link?", act: "Remove it", text: "Its address leads nowhere from the next request on, and never again." },
};

function Form({ onMade }: { onMade: (link: Schemas["LinkView"]) => void }) {
  const [asked, setAsked] = useState<{ space?: string | undefined; collection?: string | undefined }>({});
  const where = useWhere(asked);
  const { space, collection } = where;
  const [fields, setFields] = useState<string[]>([]);
  const [until, setUntil] = useState("P7D");
  const known = useQuery(fieldsOf(space, collection));
  const make = useAct({
    act: (body: Schemas["NewLink"]) => done(api.POST("/api/v1/links", { body })),
    refresh: [["links"], ["audit"]],
    after: onMade,
    quiet: true,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate({ space, collection, fields, ...(until !== "" && { until }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {make.error !== null && <Problem error={make.error} />}
        <WhereFields
          where={where}
          onChange={(next) => {
            setAsked(next);
            setFields([]);
          }}
        />
        <Checkbox.Group label="Fields that it shows" description="Nothing else of the documents is told" value={fields} onChange={setFields}>
          <Stack gap="xs" mt="xs">
            {(known.data ?? [])
              .filter((field) => field.target === null)
              .map((field) => (
                <Checkbox key={field.name} value={field.name} label={field.name} />
              ))}
          </Stack>
        </Checkbox.Group>
        <UntilSelect value={until} onChange={setUntil} />
        <div>
          <Button type="submit" loading={make.isPending} disabled={collection === "" || fields.length === 0}>
            Make the link
          </Button>
        </div>
      </Stack>
    </form>
  );
}
