import { Badge, Button, Modal, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done, readAll } from "../../api/client";
import { Loaded, Problem } from "../../components/Loaded";
import { type Party, PartyFields, named, partyName } from "../../components/PartyFields";
import { useAct } from "../../components/useAct";

const RULES = [
  { value: "hidden", label: "Hidden from somebody" },
  { value: "sealed", label: "Sealed: only for its readers and who manages the collection" },
  { value: "reader", label: "Shown to somebody though it is sealed" },
];

/** What a rule does, in words. */
function words(rule: Schemas["FieldRuleView"]): string {
  if (rule.rule === "hidden") return `is hidden from ${partyName(rule.who)}`;
  if (rule.rule === "reader") return `is shown to ${partyName(rule.who)} though it is sealed`;
  return "is sealed";
}

/** The rules for the fields of a collection. */
export function FieldRules({ space, collection, field }: { space: string; collection: string; field: string }) {
  const [adding, setAdding] = useState(false);
  const refresh = [["field-rules"], ["access"]];
  const all = useQuery({
    queryKey: ["field-rules", space, collection],
    queryFn: ({ signal }) => readAll(api.GET("/api/v1/field-rules", { params: { query: { space, collection } }, signal })),
  });
  const remove = useAct({
    act: (id: string) => done(api.DELETE("/api/v1/field-rules/{id}", { params: { path: { id } } })),
    done: () => "The rule is removed.",
    refresh,
  });
  return (
    <section className="card" aria-labelledby="rules">
      <div className="page-head">
        <h2 className="card-title" id="rules">
          Rules for the fields of {collection}
        </h2>
        <Button variant="default" size="xs" onClick={() => setAdding(true)}>
          Hide or seal {field}
        </Button>
      </div>
      <Loaded query={all} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <p className="soft">None: who sees a document sees all of its fields.</p>
          ) : (
            <ul className="lately">
              {list.map((rule) => (
                <li key={rule.field_rule}>
                  <span>
                    <Badge color="gray">{rule.field ?? "a field"}</Badge> {words(rule)}
                  </span>
                  <Button variant="subtle" color="red" size="compact-sm" onClick={() => remove.mutate(rule.field_rule)} loading={remove.isPending}>
                    Remove
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <Modal opened={adding} onClose={() => setAdding(false)} title={`${collection}.${field}`}>
        <Form space={space} collection={collection} field={field} onClose={() => setAdding(false)} />
      </Modal>
    </section>
  );
}

function Form({ space, collection, field, onClose }: { space: string; collection: string; field: string; onClose: () => void }) {
  const [rule, setRule] = useState("hidden");
  const [party, setParty] = useState<Party>({ kind: "user", name: "" });
  const make = useAct({
    act: (body: Schemas["NewRule"]) => done(api.POST("/api/v1/field-rules", { body })),
    done: () => "The rule is in force.",
    refresh: [["field-rules"], ["access"]],
    after: onClose,
    quiet: true,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate({ space, collection, field, rule, ...(rule !== "sealed" && { who: named(party) }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {make.error !== null && <Problem error={make.error} />}
        <Select label="The field is" data={RULES} value={rule} onChange={(value) => setRule(value ?? "hidden")} />
        {rule !== "sealed" && <PartyFields party={party} onChange={setParty} />}
        <div>
          <Button type="submit" loading={make.isPending}>
            Put it into force
          </Button>
        </div>
      </Stack>
    </form>
  );
}
