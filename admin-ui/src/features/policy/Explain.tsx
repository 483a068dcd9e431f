import { Badge, Button, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useMemo, useState } from "react";
import { type Schemas } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Empty } from "../../components/Page";
import { shortIds } from "../audit/ids";
import { people, registered } from "../audit/queries";
import type { Names } from "../visibility/why";
import { explained, model } from "./queries";
import { definitions } from "./zed";

const COLORS: Record<string, string> = { yes: "teal", no: "red", conditional: "yellow" };

/** A question in its parts. */
interface Asked {
  kind: string;
  id: string;
  permission: string;
  subject: string;
  /** By name where that is known, else by id. */
  who: string;
}

function parts(check: string | undefined, names: Names): Asked {
  const [, kind = "space", id = "", permission = "view", subject = "user", who = ""] = /^([a-z_/]+):([^#]*)#([a-z_]+)@([a-z_/]+):(.*)$/.exec(check ?? "") ?? [];
  return { kind, id, permission, subject, who: names.get(who) ?? who };
}

/** Asks the model one question, and shows every step of the answer. */
export function Explain({ check, onAsk }: { check: string | undefined; onAsk: (check: string) => void }) {
  const schema = useQuery(model);
  const everybody = useQuery(people);
  const apps = useQuery(registered);
  const names: Names = useMemo(
    () => new Map([...(everybody.data ?? []).map((one) => [one.user, one.name] as const), ...(apps.data ?? []).map((one) => [one.client_id, one.name] as const)]),
    [everybody.data, apps.data],
  );
  const kinds = useMemo(() => definitions(schema.data ?? ""), [schema.data]);
  const [asked, setAsked] = useState(() => parts(check, names));
  // The address says what is asked, wherever it came from.
  useEffect(() => setAsked(parts(check, names)), [check, names]);
  const set = (change: Partial<Asked>) => setAsked({ ...asked, ...change });
  const { kind, id, permission, subject, who } = asked;
  const about = kinds.find((one) => one.name === kind);
  const rights = [...(about?.permissions ?? []), ...(about?.relations ?? [])];
  const words = kinds.map((one) => one.name);
  const known = subject === "user" ? (everybody.data ?? []).map((one) => ({ id: one.user, name: one.name })) : subject === "client" ? (apps.data ?? []).map((one) => ({ id: one.client_id, name: one.name })) : [];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    // A name that is known stands for its id.
    const them = known.find((one) => one.name === who.trim())?.id ?? who.trim();
    onAsk(`${kind}:${id.trim()}#${permission}@${subject}:${them}`);
  };
  return (
    <>
      <form className="card" onSubmit={submit}>
        <div className="fields">
          <Select
            label="Of a"
            data={words}
            value={kind}
            searchable
            onChange={(value) => {
              const next = kinds.find((one) => one.name === value);
              const keeps = next?.permissions.includes(permission) === true;
              set({ kind: value ?? "space", ...(!keeps && { permission: next?.permissions[0] ?? next?.relations[0] ?? "" }) });
            }}
          />
          <TextInput label="With the id" value={id} onChange={(event) => set({ id: event.currentTarget.value })} placeholder="0190a3c5…" required />
          <Select label="May, or is" data={rights} value={rights.includes(permission) ? permission : null} searchable onChange={(value) => set({ permission: value ?? "" })} />
          <Select label="A" data={words} value={subject} searchable onChange={(value) => set({ subject: value ?? "user" })} />
          <TextInput label="Of the name or id" value={who} onChange={(event) => set({ who: event.currentTarget.value })} list="known-subjects" required />
          <datalist id="known-subjects">
            {known.map((one) => (
              <option key={one.id} value={one.name} />
            ))}
          </datalist>
          <div>
            <Button type="submit" disabled={permission === ""}>
              Ask
            </Button>
          </div>
        </div>
      </form>
      {check === undefined ? (
        <Empty title="Nothing is asked yet">
          A question is about one thing, one permission and one somebody: may this person see this space? The answer shows every step that it came by. Ids stand on the pages of
          people, apps and documents.
        </Empty>
      ) : (
        <Answer key={check} check={check} names={names} />
      )}
    </>
  );
}

function Answer({ check, names }: { check: string; names: Names }) {
  const said = useQuery(explained(check));
  return (
    <section className="card" aria-labelledby="answer" aria-live="polite">
      <Loaded query={said}>
        {(told) => (
          <>
            <h2 id="answer">
              <Badge color={COLORS[told.answer] ?? "gray"} size="lg">
                {told.answer}
              </Badge>{" "}
              <span className="mono" dir="ltr" title={check}>
                {shortIds(check, names)}
              </span>
            </h2>
            {told.missing.length > 0 && <p>It depends on what was not said: {told.missing.join(", ")}.</p>}
            {told.path.length > 0 && (
              <>
                <p>By these relationships:</p>
                <ol className="steps mono" dir="ltr">
                  {told.path.map((step) => (
                    <li key={step} title={step}>
                      {shortIds(step, names)}
                    </li>
                  ))}
                </ol>
              </>
            )}
            <h3 className="card-title">Step by step</h3>
            <ul className="tree" dir="ltr">
              <Step step={told.steps} names={names} />
            </ul>
          </>
        )}
      </Loaded>
    </section>
  );
}

type Traced = Schemas["CheckStep"];

function Step({ step, names, depth = 0 }: { step: Traced; names: Names; depth?: number }) {
  const under = step.steps as unknown as Traced[];
  const line = (
    <>
      <Badge color={COLORS[step.answer] ?? "gray"}>{step.answer}</Badge>{" "}
      <span className="mono" title={step.check}>
        {shortIds(step.check, names)}
      </span>
    </>
  );
  const followed = [...(step.by ? [step.by] : []), ...step.direct];
  const reasons = followed.map((one) => (
    <div key={one.relationship} className="mono soft" title={one.relationship}>
      {shortIds(one.relationship, names)}
      {one.caveat && ` (if ${one.caveat.expression})`}
    </div>
  ));
  return (
    <li>
      {under.length === 0 ? (
        line
      ) : (
        // What was answered yes is where the answer comes from: that way is open.
        <details open={depth < 2 || step.answer === "yes"}>
          <summary>{line}</summary>
          <ul className="tree">
            {under.map((one, n) => (
              <Step key={`${one.check} ${n}`} step={one} names={names} depth={depth + 1} />
            ))}
          </ul>
        </details>
      )}
      {reasons}
    </li>
  );
}
