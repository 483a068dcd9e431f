import { Button, Checkbox, Kbd, Popover, Switch } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { WhereFields, useWhere } from "../../components/Where";
import { DocumentDrawer } from "./DocumentDrawer";
import { FilterBuilder } from "./FilterBuilder";
import { Grid } from "./Grid";
import { NewDocument } from "./NewDocument";
import { type Condition, ofAddress, toAddress, toFilter } from "./filter";
import { type Field, fieldsOf } from "./kinds";
import { type Asked, countOf } from "./rows";

/** The documents of a collection: looked through, filtered, and changed in place. */
export function DataBrowser() {
  const search = useSearch({ from: "/shell/data" });
  const navigate = useNavigate({ from: "/data" });
  const where = useWhere(search);
  const { space, kinds, collection } = where;
  const fields = useQuery(fieldsOf(space, kinds.data?.some((kind) => kind.name === collection) === true ? collection : ""));
  const [adding, setAdding] = useState(false);

  return (
    <Page
      title="Data"
      lead={
        <>
          Every document that is yours to see. A cell is changed by a double click or by <Kbd>Enter</Kbd>; <Kbd>?</Kbd> says who sees it, <Kbd>Del</Kbd> deletes the
          document.
        </>
      }
      action={fields.data?.some((field) => field.writes) === true && <Button onClick={() => setAdding(true)}>New document</Button>}
    >
      <div className="card">
        <div className="fields">
          <WhereFields where={where} onChange={(next) => void navigate({ search: next })} />
        </div>
      </div>
      <Loaded query={kinds} lines={8}>
        {(list) => {
          if (list.length === 0) {
            return (
              <Empty title="No collection yet" action={<Link to="/schema" search={{ space }}>Define one</Link>}>
                A collection says what documents look like. Once there is one, its documents are here. To try it first, <Link to="/where">add sample data</Link>.
              </Empty>
            );
          }
          if (!list.some((kind) => kind.name === collection)) {
            return <Empty title={`There is no “${collection}” here`}>Choose one of the collections above.</Empty>;
          }
          return (
            <Loaded query={fields} lines={8}>
              {(known) => (
                <>
                  <Documents key={`${space} ${collection}`} space={space} collection={collection} fields={known} />
                  <NewDocument space={space} collection={collection} fields={known} opened={adding} onClose={() => setAdding(false)} />
                </>
              )}
            </Loaded>
          );
        }}
      </Loaded>
    </Page>
  );
}

function Documents({ space, collection, fields }: { space: string; collection: string; fields: Field[] }) {
  const search = useSearch({ from: "/shell/data" });
  const navigate = useNavigate({ from: "/data" });
  const set = (change: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });

  const conditions = useMemo(() => ofAddress(search.filter), [search.filter]);
  const { filter, wrong } = useMemo(() => read(conditions, fields), [conditions, fields]);
  const hidden = useMemo(() => new Set(search.hidden?.split(",") ?? []), [search.hidden]);
  const columns = useMemo(() => fields.filter((field) => !hidden.has(field.name)), [fields, hidden]);
  const [order, down] = [search.order?.replace(/^-/, ""), search.order?.startsWith("-") === true];
  const known = fields.some((field) => field.name === order && field.target === null);
  const asked: Asked = {
    space,
    collection,
    fields: columns,
    filter,
    order: order !== undefined && known ? { field: order, down } : null,
    deleted: search.deleted === "yes",
  };
  const count = useQuery(countOf(asked));
  const onOrder = (field: string) => {
    if (fields.some((one) => one.name === field && (one.target !== null || one.list))) return;
    set({ order: order !== field ? field : down ? undefined : `-${field}` });
  };
  const show = (name: string, on: boolean) => {
    const next = new Set(hidden);
    if (on) next.delete(name);
    else next.add(name);
    set({ hidden: next.size === 0 ? undefined : [...next].join(",") });
  };

  return (
    <>
      <div className="card">
        <FilterBuilder
          key={search.filter ?? ""}
          fields={fields}
          conditions={conditions}
          wrong={wrong}
          onChange={(next: Condition[]) => set({ filter: toAddress(next) })}
        />
        <div className="tools">
          <span aria-live="polite">{count.data === undefined ? "…" : `${count.data.toLocaleString()} ${count.data === 1 ? "document" : "documents"}`}</span>
          <Switch label="Deleted ones too" checked={asked.deleted} onChange={(event) => set({ deleted: event.currentTarget.checked ? "yes" : undefined })} />
          <Popover>
            <Popover.Target>
              <Button variant="default" size="xs">
                Columns
              </Button>
            </Popover.Target>
            <Popover.Dropdown>
              {fields.map((field) => (
                <div key={field.name} className="tick">
                  <Checkbox label={field.name} checked={!hidden.has(field.name)} onChange={(event) => show(field.name, event.currentTarget.checked)} />
                </div>
              ))}
            </Popover.Dropdown>
          </Popover>
        </div>
      </div>
      {count.data === 0 && !asked.deleted ? (
        <Empty title={conditions.length > 0 ? "Nothing matches" : `No ${collection} yet`}>
          {conditions.length > 0 ? "Loosen a condition, or remove one." : "“New document” adds the first one; apps that may write add theirs."}
        </Empty>
      ) : (
        <Grid asked={asked} columns={columns} onOrder={onOrder} onOpen={(doc, why) => set({ doc, why })} />
      )}
      <DocumentDrawer
        space={space}
        collection={collection}
        fields={fields}
        doc={search.doc}
        why={search.why}
        onWhy={(why) => set({ why })}
        onClose={() => set({ doc: undefined, why: undefined })}
      />
    </>
  );
}

function read(conditions: Condition[], fields: Field[]) {
  try {
    return { filter: toFilter(conditions, fields), wrong: null };
  } catch (error) {
    return { filter: null, wrong: (error as Error).message };
  }
}
