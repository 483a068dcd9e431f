import { type KeyboardEvent, useState } from "react";
import { useAct } from "../../components/useAct";
import { complain } from "../../components/toasts";
import type { Field } from "./kinds";
import { rowsKey, update } from "./rows";
import { type Row, inputName, parsed, shown, typed } from "./values";

interface Props {
  space: string;
  collection: string;
  field: Field;
  /** Not there while it is on its way. */
  row: Row | undefined;
  /** Whether the keyboard is here. */
  at: boolean;
  onAt: () => void;
  /** Editing has ended: the keyboard goes back to the cell. */
  onLeave: () => void;
}

/** What is written into a document, and what takes it back. */
interface Saved {
  doc: string;
  value: unknown;
  back?: { value: unknown };
}

/** A value, edited in place: Enter or a double click begins, Enter keeps, Escape leaves it as it was. */
export function Cell({ space, collection, field, row, at, onAt, onLeave }: Props) {
  const [text, setText] = useState<string | null>(null);
  const save = useAct({
    act: ({ doc, value }: Saved) => update(space, collection, doc, { [inputName(field)]: value }),
    done: (_, { back }) => (back === undefined ? `${field.name} is as it was.` : `${field.name} is saved.`),
    undo: (_, { doc, back }) => (back === undefined ? undefined : { doc, value: back.value }),
    refresh: [rowsKey(space, collection), ["history", space, collection]],
  });
  const value = row?.[field.name];
  const editable = row !== undefined && row._deleted !== true && field.writes;
  const begin = () => {
    if (editable) setText(typed(field, value));
  };
  const end = (keep: boolean) => {
    const before = typed(field, value);
    try {
      if (keep && row !== undefined && text !== null && text !== before) {
        save.mutate({ doc: row._docID, value: parsed(field, text), back: { value: parsed(field, before) } });
      }
      setText(null);
      onLeave();
    } catch (error) {
      complain(error);
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (text === null && (event.key === "Enter" || event.key === "F2")) begin();
    else if (text !== null && event.key === "Enter") end(true);
    else if (text !== null && event.key === "Escape") end(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const said = row === undefined ? "…" : shown(field, value);
  return (
    <td
      role="gridcell"
      tabIndex={at ? 0 : -1}
      data-at={at}
      data-editable={editable || undefined}
      aria-readonly={!editable}
      title={said}
      onFocus={onAt}
      onDoubleClick={begin}
      onKeyDown={onKey}
    >
      {text === null ? (
        <bdi>{said}</bdi>
      ) : (
        <input
          className="cell"
          aria-label={field.name}
          value={text}
          autoFocus
          onChange={(event) => setText(event.currentTarget.value)}
          onBlur={() => setText(null)}
        />
      )}
    </td>
  );
}
