import { Button, NumberInput, Select, TextInput } from "@mantine/core";
import { useQueries, useQuery } from "@tanstack/react-query";
import { graphql } from "../../api/graphql";
import { type Field, fieldsOf } from "../data/kinds";
import type { Only } from "./less";
import { TESTS } from "./words";

interface Props {
  space: string;
  /** The types of the element; the field is one of all of them. */
  datatypes: string[];
  only: Only | null;
  onChange: (only: Only | null) => void;
}

const EQUAL = ["_eq", "_neq"];
const ORDER = ["_geq", "_gt", "_leq", "_lt"];
const NUMBERS = ["Int", "Float", "Float32"];
const SCALARS: string[] = [...NUMBERS, "String", "Boolean", "DateTime"];

function testsOf({ scalar }: Field): string[] {
  if (scalar === "Boolean") return ["_eq"];
  if (scalar === "DateTime") return ORDER;
  return NUMBERS.includes(scalar) ? [...EQUAL, ...ORDER] : EQUAL;
}

/** One condition more on the documents that an element covers. */
export function OnlyRows({ space, datatypes, only, onChange }: Props) {
  const known = useQueries({ queries: datatypes.map((type) => fieldsOf(space, type)) });
  const first = known[0]?.data ?? [];
  const everywhere = ({ name, scalar }: Field) => known.every(({ data }) => data?.some((other) => other.name === name && other.scalar === scalar));
  const fields = first.filter((field) => field.filters && !field.list && field.target === null && SCALARS.includes(field.scalar) && everywhere(field));
  const field = fields.find((one) => one.name === only?.field);
  if (fields.length === 0) return null;
  if (field === undefined || only === null) {
    return (
      <Select
        label="Only documents where"
        placeholder="Choose a field to hold it to fewer documents"
        data={fields.map((one) => one.name)}
        value={null}
        searchable
        onChange={(next) => {
          const chosen = fields.find((one) => one.name === next);
          if (chosen !== undefined) onChange({ field: chosen.name, test: testsOf(chosen)[0] ?? "_eq", value: null });
        }}
      />
    );
  }
  return (
    <>
      <div className="fields">
        <Select
          label={`Only documents where ${field.name}`}
          data={testsOf(field).map((value) => ({ value, label: TESTS[value] ?? value }))}
          value={only.test}
          onChange={(test) => onChange({ ...only, test: test ?? "_eq" })}
        />
        <Value field={field} space={space} datatypes={datatypes} value={only.value} onChange={(value) => onChange({ ...only, value })} />
      </div>
      <div>
        <Button variant="default" size="xs" onClick={() => onChange(null)}>
          Without this condition
        </Button>
      </div>
    </>
  );
}

interface ValueProps {
  field: Field;
  space: string;
  datatypes: string[];
  value: Only["value"];
  onChange: (value: Only["value"]) => void;
}

function Value({ field, space, datatypes, value, onChange }: ValueProps) {
  switch (field.scalar) {
    case "Boolean":
      return (
        <Select
          label="Value"
          data={[
            { value: "yes", label: "yes" },
            { value: "no", label: "no" },
          ]}
          value={value === null ? null : value === true ? "yes" : "no"}
          onChange={(next) => onChange(next === "yes")}
        />
      );
    case "DateTime":
      return (
        <TextInput
          type="date"
          label="Value"
          value={String(value ?? "").slice(0, 10)}
          onChange={({ currentTarget: { value: day } }) => onChange(day === "" ? null : `${day}T00:00:00Z`)}
        />
      );
    case "Int":
    case "Float":
    case "Float32":
      return (
        <NumberInput
          label="Value"
          hideControls
          allowDecimal={field.scalar !== "Int"}
          min={Number.MIN_SAFE_INTEGER}
          max={Number.MAX_SAFE_INTEGER}
          value={typeof value === "number" ? value : ""}
          onChange={(next) => onChange(typeof next === "number" ? next : null)}
        />
      );
    default:
      return <Text field={field.name} space={space} datatypes={datatypes} value={value} onChange={onChange} />;
  }
}

/** What is offered of the texts that a field holds. */
const MOST_TEXTS = 200;

/** One of the texts that documents hold now. */
function Text({ field, space, datatypes, value, onChange }: Omit<ValueProps, "field"> & { field: string }) {
  const held = useQuery({
    queryKey: ["texts", space, datatypes, field],
    queryFn: async ({ signal }) => {
      const of = datatypes.map((type, n) => `t${n}: ${type}(groupBy: [${field}], limit: ${MOST_TEXTS}) { ${field} }`);
      const { data } = await graphql<Record<string, Record<string, unknown>[]>>(space, `{ ${of.join(" ")} }`, {}, signal);
      const texts = Object.values(data).flatMap((rows) => rows.map((row) => row[field]));
      return [...new Set(texts)].filter((text): text is string => typeof text === "string" && text !== "" && text.length <= 250).toSorted();
    },
  });
  return (
    <Select
      label="Value"
      placeholder="Choose one"
      data={held.data ?? []}
      searchable
      nothingFoundMessage={held.isPending ? "Looking…" : "No document holds such a text."}
      error={held.isError ? "What the documents hold cannot be read now." : undefined}
      value={value === null ? null : String(value)}
      onChange={onChange}
    />
  );
}
