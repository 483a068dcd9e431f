import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { EndFields } from "./EndFields";
import { DURATIONS, type End, inWords, instantOf, lasts } from "./ends";
import { type Kept, actionsOf, all, contradicts, isAll, isOpen, neverLookedAt, remains, rowsOf, said, withActions } from "./less";
import { OnlyRows } from "./OnlyRows";
import { sentence, verbs } from "./words";

interface Props {
  grant: Schemas["GrantView"];
  /** Whether the person gave it; else they may not look into its space. */
  mine: boolean;
  opened: boolean;
  /** The grant has another id from now on. */
  onChanged: (change: Schemas["GrantChanged"]) => void;
  onClose: () => void;
}

/** Holds a grant to less: things are taken away here, and none is added. */
export function GiveLess({ opened, onClose, ...props }: Props) {
  const [busy, setBusy] = useState(false);
  return (
    <Modal opened={opened} onClose={onClose} closeOnEscape={!busy} size="lg" title={`Give ${props.grant.app} less`}>
      <Form {...props} onBusy={setBusy} onClose={onClose} />
    </Modal>
  );
}

function Form({ grant, mine, onChanged, onBusy, onClose }: Omit<Props, "opened"> & { onBusy: (busy: boolean) => void }) {
  const [kept, setKept] = useState<Kept[]>(grant.access.map(all));
  const [end, setEnd] = useState<End>({ choice: "", day: "" });
  const shrink = useAct({
    act: async (access: Schemas["Access"][]) => {
      onBusy(true);
      try {
        const answer = await done(api.PUT("/api/v1/grants/{id}", { params: { path: { id: grant.grant } }, body: { access } }));
        onChanged(answer.data);
        return answer;
      } finally {
        onBusy(false);
      }
    },
    done: () => `${grant.app} is held to that from its next request on.`,
    refresh: [["grants"], ["access"], ["audit"]],
    after: onClose,
    quiet: true,
  });

  const now = new Date();
  const latest = grant.expires ? new Date(grant.expires) : undefined;
  const chosen = end.choice === "" ? null : instantOf(end, now);
  // The last day of the grant is over when the grant is.
  const sooner = chosen && latest !== undefined && chosen > latest ? latest : chosen;
  const choices = [
    { value: "", label: latest === undefined ? "As now: when I take it back" : `As now: ${inWords(latest)}` },
    ...DURATIONS.filter(({ value }) => latest === undefined || now.getTime() + lasts(value) < latest.getTime()).map(({ value, label }) => ({
      value,
      label: `${label} from now`,
    })),
  ];
  const at = (n: number) => kept[n] ?? all(grant.access[n]!);
  const change = (n: number, next: Kept) => setKept(kept.map((one, other) => (other === n ? next : one)));
  const sentences = grant.access.map((access, n) => said(access, at(n))).filter((one) => one !== "");
  const never = grant.access.map((access) => neverLookedAt(access, grant.used));
  const unlooked = never.some((fields, n) => at(n).on && at(n).fields.some((field) => fields.includes(field)));
  const open = kept.some(isOpen);
  const nobody = grant.access.some((access, n) => contradicts(access, at(n)));
  const unchanged = end.choice === "" && grant.access.every((access, n) => isAll(access, at(n)));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (sooner === undefined) return;
    const duration = sooner === null ? null : `PT${Math.ceil((sooner.getTime() - Date.now()) / 1_000)}S`;
    shrink.mutate(grant.access.map((access, n) => remains(access, at(n), duration)).filter((one) => one !== null));
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {shrink.error !== null && <Problem error={shrink.error} />}
        {unlooked && (
          <div>
            <Text mb="xs">In all that it was answered, it never looked at some of its fields.</Text>
            <Button
              variant="light"
              size="xs"
              onClick={() => setKept(grant.access.map((_, n) => ({ ...at(n), fields: at(n).fields.filter((field) => !never[n]?.includes(field)) })))}
            >
              Untick what it never looked at
            </Button>
          </div>
        )}
        <div>
          {grant.access.map((access, n) => (
            <Element
              key={n}
              access={access}
              kept={at(n)}
              never={never[n] ?? []}
              several={grant.access.length > 1}
              looks={mine}
              onChange={(next) => change(n, next)}
            />
          ))}
        </div>
        <EndFields end={end} choices={choices} latest={latest} onChange={setEnd} />
        <div aria-live="polite" className="card">
          <h3 className="card-title">What remains</h3>
          {sooner === undefined && <p className="bad">Choose a day that is not over yet.</p>}
          {open && <p className="bad">A condition has no value yet: choose one, or go without it.</p>}
          {nobody && <p className="bad">No document can meet these conditions together.</p>}
          {sentences.length === 0 ? (
            <p className="bad">Nothing. Take it back instead: that ends it for good.</p>
          ) : (
            <ul className="steps">
              {sentences.map((one, n) => (
                <li key={n}>{one}</li>
              ))}
              {sooner && <li>{`It ends ${inWords(sooner)}.`}</li>}
            </ul>
          )}
        </div>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={shrink.isPending} disabled={unchanged || open || nobody || sentences.length === 0 || sooner === undefined}>
            Give less
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface ElementProps {
  access: Schemas["Access"];
  kept: Kept;
  never: string[];
  /** Whether something is left if this is dropped. */
  several: boolean;
  looks: boolean;
  onChange: (kept: Kept) => void;
}

/** An element of what an app may do, and what of it is ticked. */
export function Element({ access, kept, never, several, looks, onChange }: ElementProps) {
  const actions = actionsOf(kept);
  const unfindable = access.actions.includes("search") && actions.includes("read") && !actions.includes("search");
  const writes = access.actions.some((action) => action === "create" || action === "update");
  return (
    <section className="card" aria-label={sentence(access)}>
      <Stack>
        {several ? (
          <Checkbox label={sentence(access)} checked={kept.on} onChange={(event) => onChange({ ...kept, on: event.currentTarget.checked })} />
        ) : (
          <Text>{sentence(access)}</Text>
        )}
        {kept.on && (
          <>
            {access.datatypes.length > 1 && (
              <Ticks label="Of" of={access.datatypes} kept={kept.datatypes} onChange={(datatypes) => onChange({ ...kept, datatypes })} />
            )}
            <Ticks
              label="It may"
              of={access.actions}
              kept={actions}
              hint={unfindable ? "Without searching it reads only documents whose ids it knows." : undefined}
              said={(action) => verbs([action])}
              closed={(action) => action === "search" && !actions.includes("read")}
              onChange={(ticked) => onChange(withActions(access, kept, ticked))}
            />
            <Ticks
              label="Fields"
              hint={never.length > 0 && writes ? "What it never looked at it may still have written." : undefined}
              of={access.fields.allow}
              kept={kept.fields}
              said={(field) => (never.includes(field) ? `${field} (never looked at)` : field)}
              onChange={(fields) => onChange({ ...kept, fields })}
            />
            {(access.documents ?? []).length > 0 && (
              <Ticks
                label="Documents"
                of={access.documents ?? []}
                kept={kept.documents}
                onChange={(documents) => onChange({ ...kept, documents })}
              />
            )}
            <TextInput
              type="number"
              min={1}
              max={access.limits?.rows_per_day ?? 1_000_000_000}
              step={1}
              label="Rows a day, at most"
              description={access.limits?.rows_per_day ? undefined : "Left empty, it is as many as it asks for."}
              value={kept.rows ?? ""}
              onChange={(event) => onChange({ ...kept, rows: rowsOf(access, event.currentTarget.value) })}
            />
            {looks && (
              <OnlyRows
                space={access.space ?? ""}
                datatypes={access.datatypes}
                only={kept.only}
                onChange={(only) => onChange({ ...kept, only })}
              />
            )}
          </>
        )}
      </Stack>
    </section>
  );
}

interface TicksProps {
  label: string;
  hint?: string | undefined;
  of: string[];
  kept: string[];
  said?: (one: string) => string;
  /** What cannot be ticked while something else is not. */
  closed?: (one: string) => boolean;
  onChange: (kept: string[]) => void;
}

function Ticks({ label, hint, of, kept, said = (one) => one, closed = () => false, onChange }: TicksProps) {
  return (
    <Checkbox.Group label={label} description={hint} value={kept} onChange={(next) => onChange(of.filter((one) => next.includes(one)))}>
      <Group gap="md" mt="xs">
        {of.map((one) => (
          <Checkbox key={one} value={one} label={said(one)} disabled={closed(one)} />
        ))}
      </Group>
    </Checkbox.Group>
  );
}
