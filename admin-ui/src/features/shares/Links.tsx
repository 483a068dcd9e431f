import { Button, Checkbox, Modal, Select, Stack, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { Secret } from "../../components/Secret";
import { Ends, UntilSelect } from "../../components/Until";
import { useAct } from "../../components/useAct";
import { rows } from "../apps/words";
import { fieldsOf } from "../data/kinds";
import { collections } from "../data/queries";
import { spaces } from "../session/queries";
import { links } from "./queries";

/** Links: who has one sees some fields of a collection, without an account. */
export function Links() {
  const all = useQuery(links);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Schemas["LinkShown"] | null>(null);
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
              <List list={list} />
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

function List({ list }: { list: Schemas["LinkShown"][] }) {
  const [ending, setEnding] = useState<string | null>(null);
  const remove = useAct({
    act: (id: string) => done(api.DELETE("/api/v1/links/{id}", { params: { path: { id } } })),
    done: () => "The link leads nowhere any more.",
    refresh: [["links"], ["audit"]],
    after: () => setEnding(null),
  });
  return (
    <div className="card">
      <Table className="stacks">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Shows</Table.Th>
            <Table.Th>Made</Table.Th>
            <Table.Th>Last used</Table.Th>
            <Table.Th>Ends</Table.Th>
            <Table.Th aria-label="Acts" />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {list.map((link) => (
            <Table.Tr key={link.link}>
              <Table.Td>
                {link.collection ?? "a collection that is gone"}: {link.fields?.join(", ") ?? "no field"}
                {rows(link.where) !== "" && <span className="soft"> where {rows(link.where)}</span>}
              </Table.Td>
              <Table.Td data-label="Made">
                <RelativeTime at={link.created} />
              </Table.Td>
              <Table.Td data-label="Last used">{link.last_used ? <RelativeTime at={link.last_used} /> : <span className="soft">not yet</span>}</Table.Td>
              <Table.Td data-label="Ends">
                <Ends at={link.until} />
              </Table.Td>
              <Table.Td>
                <Button variant="light" color="red" size="xs" onClick={() => setEnding(link.link)}>
                  Remove
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Ask
        opened={ending !== null}
        title="Remove this link?"
        act="Remove it"
        busy={remove.isPending}
        onAct={() => ending !== null && remove.mutate(ending)}
        onClose={() => setEnding(null)}
      >
        Its address leads nowhere from the next request on, and never again.
      </Ask>
    </div>
  );
}

function Form({ onMade }: { onMade: (link: Schemas["LinkShown"]) => void }) {
  const all = useQuery(spaces);
  const [chosen, setChosen] = useState<string | null>(null);
  const [collection, setCollection] = useState("");
  const [fields, setFields] = useState<string[]>([]);
  const [until, setUntil] = useState("P7D");
  const space = chosen ?? all.data?.find((one) => one.personal)?.id ?? "";
  const kinds = useQuery(collections(space));
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
        <Select label="Space" data={(all.data ?? []).map((one) => ({ value: one.id, label: one.name }))} value={space} onChange={setChosen} />
        <Select
          label="Collection"
          data={(kinds.data ?? []).map((kind) => kind.name)}
          value={collection === "" ? null : collection}
          required
          onChange={(value) => {
            setCollection(value ?? "");
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
