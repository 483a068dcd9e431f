import { Alert, Badge, Button, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Loaded, Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { keep } from "../where/export";
import { Coloured, ZedEditor } from "./Zed";
import { model } from "./queries";
import { type Definition, definitions, placeOf } from "./zed";

/** The model in force, to be read; and a draft of another, to see what would come of it. */
export function Model() {
  const inForce = useQuery(model);
  const [draft, setDraft] = useState<string | null>(null);
  return (
    <Loaded query={inForce} lines={10}>
      {(text) =>
        draft === null ? (
          <Read text={text} onDraft={() => setDraft(text)} />
        ) : (
          <Draft inForce={text} text={draft} onText={setDraft} onClose={() => setDraft(null)} />
        )
      }
    </Loaded>
  );
}

function Read({ text, onDraft }: { text: string; onDraft: () => void }) {
  const parts = useMemo(() => definitions(text), [text]);
  return (
    <section className="card" aria-labelledby="model">
      <div className="page-head">
        <h2 className="card-title" id="model">
          In force
        </h2>
        <Button variant="default" onClick={onDraft}>
          Try a change
        </Button>
      </div>
      <p className="soft">
        Each definition is a kind of thing. Its relations say who stands how to it, its permissions what follows from that. You may look at it here, and add definitions of
        your own on the machine.
      </p>
      <nav className="outline" aria-label="Definitions">
        {parts.map(({ name }) => (
          <a
            key={name}
            className="plain-link mono"
            href={`#definition-${name}`}
            onClick={(event) => {
              event.preventDefault();
              const part = document.getElementById(`definition-${name}`);
              part?.scrollIntoView({ block: "start" });
              part?.focus({ preventScroll: true });
            }}
          >
            {name}
          </a>
        ))}
      </nav>
      {pieces(text, parts).map(({ name, text: piece }) => (
        <pre key={name} className="code zed" dir="ltr" id={name === "" ? undefined : `definition-${name}`} tabIndex={0} role="region" aria-label={name === "" ? "What is used" : name}>
          <Coloured text={piece} />
        </pre>
      ))}
    </section>
  );
}

/** The text definition by definition; what stands before the first has no name. */
function pieces(text: string, parts: Definition[]): { name: string; text: string }[] {
  const first = { name: "", text: text.slice(0, parts[0]?.at ?? text.length).trim() };
  const rest = parts.map(({ name, at }, n) => ({ name, text: text.slice(at, parts[n + 1]?.at ?? text.length).trim() }));
  return [first, ...rest].filter((one) => one.text !== "");
}

interface DraftProps {
  inForce: string;
  text: string;
  onText: (text: string) => void;
  onClose: () => void;
}

function Draft({ inForce, text, onText, onClose }: DraftProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  // What was looked at, so that an answer about another text is not taken for one about this.
  const [looked, setLooked] = useState<string | null>(null);
  const look = useAct({
    act: (body: string) =>
      done(api.POST("/api/v1/policy/schema/check", { body, bodySerializer: (plain) => plain, headers: { "content-type": "text/plain" } })),
    after: (_, body) => setLooked(body),
    quiet: true,
  });
  const goTo = (line: number, column: number) => {
    const area = field.current;
    if (area === null) return;
    const at = placeOf(text, line, column);
    area.focus();
    area.setSelectionRange(at, at);
    // The field is as long as its text: the page scrolls, and not the field.
    const top = area.getBoundingClientRect().top + window.scrollY + (area.scrollHeight * (line - 1)) / Math.max(1, text.split("\n").length);
    window.scrollTo({ top: top - window.innerHeight / 3 });
  };
  const said = look.data?.data;
  return (
    <>
      <section className="card" aria-labelledby="draft">
        <h2 id="draft">A draft</h2>
        <p className="soft">Nothing here counts until whoever holds the machine puts it into force. The node’s own definitions stay as they are; others come beside them.</p>
        <ZedEditor label="The schema" value={text} onChange={onText} field={field} />
        <div className="tools">
          <Button onClick={() => look.mutate(text)} loading={look.isPending}>
            What would it change?
          </Button>
          <Button variant="default" disabled={text === inForce} onClick={() => onText(inForce)}>
            As it is in force
          </Button>
          <Button variant="subtle" color="gray" onClick={onClose}>
            Leave it
          </Button>
        </div>
      </section>
      <div className="after" aria-live="polite">
        {look.error !== null && <Problem error={look.error} />}
        {said !== undefined && look.error === null && <Told said={said} stale={looked !== text} text={text} onPlace={goTo} />}
      </div>
    </>
  );
}

interface ToldProps {
  said: Schemas["PolicySchemaChecked"];
  /** The text was changed since. */
  stale: boolean;
  text: string;
  onPlace: (line: number, column: number) => void;
}

function Told({ said, stale, text, onPlace }: ToldProps) {
  const { fits, wrong, changes, warnings } = said;
  return (
    <section className="card" aria-labelledby="told">
      <h2 id="told">
        {fits ? (changes.length === 0 ? "It changes nothing" : "It fits") : "It does not fit"} <Badge color={fits ? "teal" : "red"}>{fits ? "fits" : "refused"}</Badge>{" "}
        {stale && <Badge color="yellow">the draft was changed since</Badge>}
      </h2>
      {wrong && (
        <Alert color="red" role="alert" title={SENTENCES[wrong.code] ?? "It would be refused."} mb="md">
          <p>{wrong.message}</p>
          {wrong.line !== null && wrong.line !== undefined && (
            <Button variant="default" size="xs" onClick={() => onPlace(wrong.line ?? 1, wrong.column ?? 1)}>
              Line {wrong.line}, column {wrong.column}
            </Button>
          )}
        </Alert>
      )}
      {changes.length > 0 && (
        <>
          <p>What is other than now:</p>
          <ul className="steps">
            {changes.map((change) => (
              <li key={change}>{change.replaceAll(/`([^`]*)`/g, "“$1”")}</li>
            ))}
          </ul>
        </>
      )}
      {warnings.length > 0 && (
        <>
          <p>Likely mistakes:</p>
          <ul className="lately">
            {warnings.map((warning) => (
              <li key={`${warning.line} ${warning.name}`}>
                <span>
                  {warning.message} <span className="soft mono">{warning.name}</span>
                </span>
                <Button variant="default" size="xs" onClick={() => onPlace(warning.line, warning.column)}>
                  Line {warning.line}
                </Button>
              </li>
            ))}
          </ul>
        </>
      )}
      {fits && changes.length > 0 && !stale && (
        <>
          <p>
            To put it into force, keep it as a file, and say on the machine: <code className="mono">allod policy write schema.zed</code>
          </p>
          <Group>
            <Button variant="default" onClick={() => keep(new Blob([text], { type: "text/plain" }), "schema.zed")}>
              Keep it as schema.zed
            </Button>
          </Group>
        </>
      )}
    </section>
  );
}

const SENTENCES: Record<string, string> = {
  schema_wrong: "There is a mistake in it.",
  schema_of_the_platform: "It changes what the node itself rests on.",
  schema_in_use: "Somebody’s rights rest on what it takes away.",
};
