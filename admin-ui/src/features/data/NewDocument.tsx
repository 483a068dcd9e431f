import { Button, Modal, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import type { Field } from "./kinds";
import { add, rowsKey } from "./rows";
import { inputName, parsed } from "./values";

interface Props {
  space: string;
  collection: string;
  fields: Field[];
  opened: boolean;
  onClose: () => void;
}

/** A new document: a line for each field that may be written. */
export function NewDocument({ space, collection, fields, opened, onClose }: Props) {
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const make = useAct({
    act: (input: Record<string, unknown>) => add(space, collection, input),
    done: () => "The document is added.",
    refresh: [rowsKey(space, collection)],
    after: onClose,
    quiet: true,
  });
  const writes = fields.filter((field) => field.writes);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const sent = new FormData(event.currentTarget);
    const input: Record<string, unknown> = {};
    const found: Record<string, string> = {};
    for (const field of writes) {
      const text = String(sent.get(field.name) ?? "");
      if (text === "") continue;
      try {
        input[inputName(field)] = parsed(field, text);
      } catch (error) {
        found[field.name] = (error as Error).message;
      }
    }
    setWrong(found);
    if (Object.keys(found).length === 0) make.mutate(input);
  };
  return (
    <Modal opened={opened} onClose={onClose} title={`New ${collection}`} size="lg">
      <form onSubmit={submit}>
        <Stack>
          {make.error !== null && <Problem error={make.error} />}
          {writes.map((field, n) => (
            <TextInput
              key={field.name}
              name={field.name}
              label={field.name}
              description={field.target !== null ? `The id of a ${field.target}` : field.list ? `Several ${field.scalar}, with commas between` : field.scalar}
              error={wrong[field.name]}
              data-autofocus={n === 0 || undefined}
            />
          ))}
          <div>
            <Button type="submit" loading={make.isPending}>
              Add
            </Button>
          </div>
        </Stack>
      </form>
    </Modal>
  );
}
