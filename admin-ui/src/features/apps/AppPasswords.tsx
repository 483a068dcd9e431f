import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Problem } from "../../components/Loaded";
import { Secret } from "../../components/Secret";
import { UntilSelect } from "../../components/Until";
import { WhereFields, useWhere } from "../../components/Where";
import { useAct } from "../../components/useAct";
import { fieldsOf } from "../data/kinds";
import { sentence, verbs } from "./words";

const ACTIONS = ["read", "search", "create", "update", "delete", "history"];

/** Passwords for tools that can send a name and a password and no more; `children`: what there are. */
export function AppPasswords({ children }: { children: ReactNode }) {
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Schemas["AppPasswordMade"] | null>(null);
  return (
    <>
      <h2>App passwords</h2>
      <p className="soft">
        For a script, or a program that asks for a name and a password and knows no other way. Each does what you choose here, with data
        alone, and signs in to nothing. They end when you change your password or sign out everywhere.
      </p>
      <p>
        <Button variant="default" onClick={() => setAdding(true)}>
          Make an app password
        </Button>
      </p>
      {children}
      <Modal opened={adding} onClose={() => setAdding(false)} title="Make an app password" size="lg">
        <Form
          onMade={(password) => {
            setAdding(false);
            setMade(password);
          }}
        />
      </Modal>
      <Modal opened={made !== null} onClose={() => setMade(null)} closeOnClickOutside={false} title={`The password for ${made?.name ?? ""}`} size="lg">
        <Stack>
          <Secret label="User name" value={made?.user ?? ""} />
          <Secret
            label="Password"
            value={made?.password ?? ""}
            hint="It is told here and nowhere else: copy it now. Whoever has it can do what it is for."
          />
        </Stack>
      </Modal>
    </>
  );
}

function Form({ onMade }: { onMade: (made: Schemas["AppPasswordMade"]) => void }) {
  const [asked, setAsked] = useState<{ space?: string | undefined; collection?: string | undefined }>({});
  const where = useWhere(asked);
  const { space, collection } = where;
  const [name, setName] = useState("");
  const [fields, setFields] = useState<string[]>([]);
  const [actions, setActions] = useState(["read", "search"]);
  const [until, setUntil] = useState("P180D");
  const known = useQuery(fieldsOf(space, collection));
  const make = useAct({
    act: (body: Schemas["NewPassword"]) => done(api.POST("/api/v1/app-passwords", { body })),
    refresh: [["grants"], ["app-passwords"], ["audit"]],
    after: onMade,
    quiet: true,
    secret: true,
  });
  const access: Schemas["Access"] = { type: "allod_doc", space, datatypes: [collection], actions, fields: { allow: fields } };
  const whole = collection !== "" && fields.length > 0 && actions.length > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate({ name, access: [access], ...(until !== "" && { until }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {make.error !== null && <Problem error={make.error} />}
        <TextInput
          label="What is it for?"
          description="By this you recognise it"
          placeholder="curl on my laptop"
          value={name}
          maxLength={100}
          required
          data-autofocus
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <WhereFields
          where={where}
          own
          onChange={(next) => {
            setAsked(next);
            setFields([]);
          }}
        />
        <Checkbox.Group label="Fields that it may use" value={fields} onChange={setFields}>
          <Group gap="md" mt="xs">
            {(known.data ?? []).map((field) => (
              <Checkbox key={field.name} value={field.name} label={field.name} />
            ))}
          </Group>
        </Checkbox.Group>
        <Checkbox.Group
          label="It may"
          value={actions}
          onChange={(next) => setActions(ACTIONS.filter((action) => next.includes(action) && (action !== "search" || next.includes("read"))))}
        >
          <Group gap="md" mt="xs">
            {ACTIONS.map((action) => (
              <Checkbox key={action} value={action} label={verbs([action])} disabled={action === "search" && !actions.includes("read")} />
            ))}
          </Group>
        </Checkbox.Group>
        <UntilSelect value={until} onChange={setUntil} />
        <Text aria-live="polite">{whole ? sentence(access) : "Choose what it may do: it may do nothing yet."}</Text>
        <div>
          <Button type="submit" loading={make.isPending} disabled={!whole || name.trim() === ""}>
            Make it
          </Button>
        </div>
      </Stack>
    </form>
  );
}
