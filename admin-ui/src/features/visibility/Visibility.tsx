import { Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Empty, Page } from "../../components/Page";
import { WhereFields, useWhere } from "../../components/Where";
import { fieldsOf } from "../data/kinds";
import { FieldRules } from "./FieldRules";
import { Seers } from "./Seers";

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
          <section className="card" aria-labelledby="seers">
            <h2 id="seers">
              Who sees {collection}.{field}
              {search.doc !== undefined && " of this document"}
            </h2>
            <Seers key={`${space} ${collection} ${field} ${search.doc}`} space={space} collection={collection} field={field} doc={search.doc} />
          </section>
          <FieldRules space={space} collection={collection} field={field} />
        </>
      )}
    </Page>
  );
}
