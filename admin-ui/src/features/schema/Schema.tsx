import { Badge, Button, Select, Table, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { api, done } from "../../api/client";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { useAct } from "../../components/useAct";
import { type Field, fieldsOf } from "../data/kinds";
import { collections } from "../data/queries";
import { spaces } from "../session/queries";

const EXAMPLE = "type Contact {\n  name: String!\n  phone: String\n  met: DateTime\n}";

/** The collections of a space with their fields, and how more are defined. */
export function Schema() {
  const search = useSearch({ from: "/shell/schema" });
  const navigate = useNavigate({ from: "/schema" });
  const all = useQuery(spaces);
  const space = search.space ?? all.data?.find((one) => one.personal)?.id ?? "";
  const kinds = useQuery(collections(space));
  return (
    <Page title="Schema" lead="What the documents of a space look like. Definitions are GraphQL types; each becomes a collection.">
      <div className="card">
        <div className="fields">
          <Select
            label="Space"
            data={(all.data ?? []).map((one) => ({ value: one.id, label: one.name }))}
            value={space}
            onChange={(value) => void navigate({ search: { space: value ?? undefined } })}
          />
        </div>
      </div>
      {all.data?.find((one) => one.id === space)?.role === "owner" && <Define space={space} />}
      <Loaded query={kinds}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No collection yet">Define the first one above: a name, and a line for each field.</Empty>
          ) : (
            list.map((kind) => <Collection key={kind.id} space={space} name={kind.name} version={kind.version} />)
          )
        }
      </Loaded>
    </Page>
  );
}

function Define({ space }: { space: string }) {
  const [sdl, setSdl] = useState("");
  const define = useAct({
    act: (text: string) =>
      done(api.POST("/api/v1/collections", { params: { header: { "Allod-Space": space } }, body: { sdl: text } })),
    done: (list) => `${list.map((one) => one.name).join(", ")}: defined.`,
    refresh: [["collections", space]],
    after: () => setSdl(""),
    quiet: true,
  });
  return (
    <section className="card" aria-labelledby="define">
      <h2 id="define">Define collections</h2>
      {define.error !== null && <Problem error={define.error} />}
      <Textarea
        label="Definitions"
        description="All of them are added, or none. Scalars: String, Int, Float, Boolean, DateTime, JSON, Blob; a type by its name is a relation."
        placeholder={EXAMPLE}
        value={sdl}
        onChange={(event) => setSdl(event.currentTarget.value)}
        minRows={5}
        maxRows={24}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        spellCheck={false}
        mb="sm"
      />
      <Button onClick={() => define.mutate(sdl)} disabled={sdl.trim() === ""} loading={define.isPending}>
        Define
      </Button>
    </section>
  );
}

/** A field's type as its definition spells it. */
function spelled(field: Field): string {
  const name = field.target ?? field.scalar;
  return field.list ? `[${name}]` : name;
}

function Collection({ space, name, version }: { space: string; name: string; version: string }) {
  const fields = useQuery(fieldsOf(space, name));
  return (
    <section className="card" aria-label={name}>
      <div className="page-head">
        <h2 className="card-title">{name}</h2>
        <Link to="/data" search={{ space, collection: name }}>
          Its documents
        </Link>
      </div>
      <Loaded query={fields}>
        {(list) => (
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Field</Table.Th>
                <Table.Th>Type</Table.Th>
                <Table.Th>You may</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {list.map((field) => (
                <Table.Tr key={field.name}>
                  <Table.Td>{field.name}</Table.Td>
                  <Table.Td className="mono">{spelled(field)}</Table.Td>
                  <Table.Td>
                    <Badge color="gray">{field.writes ? "read and write" : "read"}</Badge>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Loaded>
      <p className="soft">
        Version <span className="mono">{version}</span>
      </p>
    </section>
  );
}
