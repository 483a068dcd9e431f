import { type KeyboardEvent, type Ref, useMemo } from "react";
import { tokens } from "./zed";

/** A relationship schema in colours. */
export function Coloured({ text }: { text: string }) {
  const pieces = useMemo(() => tokens(text), [text]);
  return (
    <>
      {pieces.map(({ text: piece, kind }, n) => (kind === "" ? piece : <span key={n} className={`tok-${kind}`}>{piece}</span>))}
    </>
  );
}

interface Props {
  label: string;
  value: string;
  onChange: (text: string) => void;
  field: Ref<HTMLTextAreaElement>;
}

/** The same to be written in: the colours lie under the letters. Tab leaves it, as everywhere. */
export function ZedEditor({ label, value, onChange, field }: Props) {
  // A new line begins as the one before, and deeper within a bracket.
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    const { value: text, selectionStart: at } = event.currentTarget;
    const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
    const deeper = text.includes("\n\t") ? "\t" : "  ";
    const indent = (/^[ \t]*/.exec(line)?.[0] ?? "") + (line.trimEnd().endsWith("{") ? deeper : "");
    if (indent === "") return;
    event.preventDefault();
    event.currentTarget.setRangeText(`\n${indent}`, at, event.currentTarget.selectionEnd, "end");
    onChange(event.currentTarget.value);
  };
  return (
    <div className="editor" dir="ltr">
      <pre aria-hidden="true">
        <Coloured text={value} />
        {"\n"}
      </pre>
      <textarea ref={field} aria-label={label} value={value} spellCheck={false} autoCapitalize="none" onKeyDown={onKey} onChange={(event) => onChange(event.currentTarget.value)} />
    </div>
  );
}
