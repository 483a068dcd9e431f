import { Badge, Button, Select, TextInput } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { type Schemas, api, read } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { Ends } from "../../components/Until";
import { WhereFields, useWhere } from "../../components/Where";
import { documents } from "../apps/AppSees";
import { rows } from "../apps/words";
import { fieldsOf } from "../data/kinds";
import { FieldRules } from "./FieldRules";

/** Who can see a field and by which relationships, and the rules that keep a field from somebody. */
export function Visibility() {
  const search = useSearch({ from: "/shell/visibility" });
  const navigate = useNavigate({ from: "/visibility" });
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const where = useWhere(search);
  const { space, collection } = where;
  const fields = useQuery(fieldsOf(space, collection));
  const field = search.field ?? fields.data?.[0]?.name ?? "";
  return (
    <Page title="Who sees what" lead="Who can see a field, and why: the answer is made by what is enforced. You may ask of what you manage.">
      <div className="card">
        <div className="fields">
          <WhereFields where={where} onChange={(next) => void navigate({ search: next })} />
          <Select
            label="Field"
            data={(fields.data ?? []).map((one) => one.name)}
            value={field === "" ? null : field}
            placeholder="None"
            onChange={(value) => set({ field: value ?? undefined })}
          />
          <TextInput
            label="Of one document"
            placeholder="Its id; empty: of any"
            defaultValue={search.doc ?? ""}
            onBlur={(event) => set({ doc: event.currentTarget.value.trim() || undefined })}
            onKeyDown={(event) => {
              if (event.key === "Enter") set({ doc: event.currentTarget.value.trim() || undefined });
            }}
          />
        </div>
      </div>
      {field === "" || space === "" ? (
        <Empty title="No field to ask about">Define a collection first; then this page says who can see each of its fields.</Empty>
      ) : (
        <>
          <Seers key={`${space} ${collection} ${field} ${search.doc}`} space={space} collection={collection} field={field} doc={search.doc} />
          <FieldRules space={space} collection={collection} field={field} />
        </>
      )}
    </Page>
  );
}

interface Of {
  space: string;
  collection: string;
  field: string;
  doc: string | undefined;
}

function Seers({ space, collection, field, doc }: Of) {
  const [after, setAfter] = useState<string[]>([]);
  const cursor = after.at(-1);
  const seers = useQuery({
    queryKey: ["access", "seers", space, collection, field, doc, cursor],
    queryFn: ({ signal }) =>
      read(
        api.GET("/api/v1/access", {
          params: { query: { space, collection, field, ...(doc !== undefined && { document: doc }), ...(cursor !== undefined && { after: cursor }) } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
  return (
    <section className="card" aria-labelledby="seers">
      <h2 id="seers">
        Who sees {collection}.{field}
        {doc !== undefined && " of this document"}
      </h2>
      <Loaded query={seers}>
        {({ entries, next }) => (
          <>
            {entries.length === 0 && <p className="soft">Nobody.</p>}
            <ul className="lately">
              {entries.map((seer, n) => (
                <Seer key={n} seer={seer} />
              ))}
            </ul>
            <Button.Group>
              {after.length > 0 && (
                <Button variant="default" size="xs" onClick={() => setAfter(after.slice(0, -1))}>
                  Back
                </Button>
              )}
              {next && (
                <Button variant="default" size="xs" onClick={() => setAfter([...after, next])}>
                  More
                </Button>
              )}
            </Button.Group>
          </>
        )}
      </Loaded>
    </section>
  );
}

/** A person, a group, everyone, an app or a link, as the answer names them. */
function name(seer: Schemas["SeerShown"]): { text: string; kind: string } {
  if (seer.everyone === true) return { text: "Everyone on this node", kind: "everyone" };
  if (seer.group) return { text: seer.name ?? "A group", kind: "group" };
  if (seer.link) return { text: `Whoever has a link of ${seer.user ?? "somebody"}`, kind: "link" };
  if (seer.grant) return { text: `${seer.app ?? "An app"}, for ${seer.user ?? "somebody"}`, kind: "app" };
  return { text: seer.user ?? "Somebody on another node", kind: "person" };
}

function Seer({ seer }: { seer: Schemas["SeerShown"] }) {
  const { text, kind } = name(seer);
  return (
    <li>
      <div>
        <strong>{text}</strong> <Badge color={kind === "person" || kind === "group" ? "teal" : "blue"}>{kind}</Badge>{" "}
        {seer.documents && <span className="soft">{documents(seer.documents)} documents</span>}
        {rows(seer.where) !== "" && <span className="soft"> where {rows(seer.where)}</span>}
        {seer.until && (
          <span className="soft">
            {" "}
            · ends <Ends at={seer.until} />
          </span>
        )}
        <details>
          <summary>Why</summary>
          <ol className="steps mono">
            {seer.path.map((step) => (
              <li key={step}>{step}</li>
            ))}
          </ol>
        </details>
      </div>
    </li>
  );
}
