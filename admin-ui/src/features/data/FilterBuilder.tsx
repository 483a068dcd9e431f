import { ActionIcon, Button, Select, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Condition, operators } from "./filter";
import type { Field } from "./kinds";

interface Props {
  fields: Field[];
  conditions: Condition[];
  /** What does not fit, if something does not. */
  wrong: string | null;
  onChange: (conditions: Condition[]) => void;
}

/** A filter of fields, operators and values; it counts once it is applied. */
export function FilterBuilder({ fields, conditions, wrong, onChange }: Props) {
  const [draft, setDraft] = useState(conditions);
  const possible = fields.filter((field) => field.filters);
  const change = (at: number, part: Partial<Condition>) => setDraft(draft.map((one, n) => (n === at ? { ...one, ...part } : one)));
  const remove = (at: number) => {
    const left = draft.filter((_, n) => n !== at);
    setDraft(left);
    onChange(left);
  };
  const first = possible[0];
  if (first === undefined) return null;
  const add = () => setDraft([...draft, { field: first.name, operator: Object.keys(operators(first))[0] ?? "_eq", value: "" }]);

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onChange(draft);
      }}
    >
      {draft.map((condition, at) => {
        const field = possible.find((one) => one.name === condition.field) ?? first;
        return (
          <div className="filter" key={at}>
            <Select
              aria-label={`Field of condition ${at + 1}`}
              data={possible.map((one) => one.name)}
              value={field.name}
              searchable
              onChange={(name) => {
                const next = possible.find((one) => one.name === name) ?? first;
                const operator = condition.operator in operators(next) ? condition.operator : (Object.keys(operators(next))[0] ?? "_eq");
                change(at, { field: next.name, operator });
              }}
            />
            <Select
              aria-label={`Test of condition ${at + 1}`}
              data={Object.entries(operators(field)).map(([value, label]) => ({ value, label }))}
              value={condition.operator}
              onChange={(operator) => change(at, { operator: operator ?? "_eq" })}
            />
            <TextInput
              aria-label={`Value of condition ${at + 1}`}
              placeholder={field.scalar === "Boolean" ? "yes or no" : field.scalar === "DateTime" ? "2026-11-28" : "value"}
              value={condition.value}
              onChange={(event) => change(at, { value: event.currentTarget.value })}
            />
            <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Remove condition ${at + 1}`} onClick={() => remove(at)}>
              ✕
            </ActionIcon>
          </div>
        );
      })}
      {wrong !== null && (
        <p className="bad" role="alert">
          {wrong}
        </p>
      )}
      <Button.Group>
        <Button variant="default" size="xs" onClick={add}>
          Add a condition
        </Button>
        {draft.length > 0 && (
          <Button type="submit" size="xs">
            Apply
          </Button>
        )}
      </Button.Group>
    </form>
  );
}
