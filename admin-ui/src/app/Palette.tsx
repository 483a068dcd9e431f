import { Modal, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { collections } from "../features/data/queries";
import { me, spaces } from "../features/session/queries";
import { groupsOf } from "./nav";

interface Entry {
  label: string;
  kind: string;
  words: string;
  go: () => void;
}

/** Ctrl-K: any page or collection by a few letters. */
export function Palette({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Go to" size="lg" yOffset="10vh" centered={false}>
      <Search onClose={onClose} />
    </Modal>
  );
}

function Search({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const list = useId();
  const entries = useEntries().filter((entry) => matches(entry, text));
  const shown = entries.slice(0, 50);
  const current = Math.min(at, shown.length - 1);

  useEffect(() => {
    document.getElementById(`${list}-${current}`)?.scrollIntoView({ block: "nearest" });
  }, [list, current]);

  const go = (entry: Entry | undefined) => {
    if (entry === undefined) return;
    onClose();
    entry.go();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && shown.length > 0) {
      event.preventDefault();
      setAt((current + step + shown.length) % shown.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(shown[current]);
    }
  };

  return (
    <>
      <TextInput
        aria-label="Page or collection"
        placeholder="A page, a collection…"
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKey}
        role="combobox"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={current >= 0 ? `${list}-${current}` : undefined}
        data-autofocus
      />
      <ul className="palette-list" id={list} role="listbox" aria-label="Where to go">
        {shown.map((entry, n) => (
          <li
            key={`${entry.kind} ${entry.label}`}
            id={`${list}-${n}`}
            role="option"
            aria-selected={n === current}
            onMouseMove={() => setAt(n)}
            onClick={() => go(entry)}
          >
            <span>{entry.label}</span>
            <small>{entry.kind}</small>
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p>Nothing is called so.</p>}
    </>
  );
}

function matches(entry: Entry, text: string): boolean {
  const all = `${entry.label} ${entry.kind} ${entry.words}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function useEntries(): Entry[] {
  const navigate = useNavigate();
  const { data: all } = useQuery(spaces);
  const personal = all?.find((space) => space.personal);
  const { data: kinds } = useQuery({ ...collections(personal?.id ?? ""), enabled: personal !== undefined });
  const { data: who } = useQuery(me);
  const pages = groupsOf(who?.operator === true).flatMap((group) => group.items);
  return [
    ...pages.map((page) => ({
      label: page.label,
      kind: "Page",
      words: page.also,
      go: () => void navigate({ to: page.to }),
    })),
    ...(kinds ?? []).map((kind) => ({
      label: kind.name,
      kind: "Collection",
      words: "data",
      go: () => void navigate({ to: "/data", search: { space: personal?.id, collection: kind.name } }),
    })),
    ...(all ?? []).map((space) => ({
      label: space.name,
      kind: "Space",
      words: "data",
      go: () => void navigate({ to: "/data", search: { space: space.id } }),
    })),
  ];
}
