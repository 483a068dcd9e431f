import { Badge, Button, Modal, Stack, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { ActTable, type Column, type RowAct } from "../../components/ActTable";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { Secret, ShortId } from "../../components/Secret";
import { useAct } from "../../components/useAct";
import { AppSees } from "../apps/AppSees";
import { sentence } from "../apps/words";
import { registered } from "../audit/queries";

type App = Schemas["AppView"];

const EXAMPLE = `{
  "name": "Address book",
  "redirect_uris": ["https://book.example.org/callback"],
  "access": [
    { "type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": { "allow": ["name", "phone"] } }
  ]
}`;

const COLUMNS: Column<App>[] = [
  {
    head: "App",
    cell: (app) => (
      <>
        <bdi>{app.name}</bdi> {app.confidential && <Badge color="gray">keeps a secret</Badge>}{" "}
        {app.dpop_bound_access_tokens && <Badge color="gray">proves a key</Badge>}{" "}
        {app.registered_itself && <Badge color="gray">registered itself</Badge>}{" "}
        {app.document && <Badge color="gray">describes itself</Badge>}
        <div>
          <ShortId id={app.client_id} />
        </div>
        {app.document && <div className="mono">{app.document}</div>}
      </>
    ),
  },
  {
    head: "May ask for",
    cell: (app) => (
      <ul className="steps">
        {app.access.map((access, n) => (
          <li key={n}>{sentence(access)}</li>
        ))}
      </ul>
    ),
  },
  { head: "Is answered at", mono: true, cell: (app) => app.redirect_uris.map((uri) => <div key={uri}>{uri}</div>) },
  {
    head: "Granted",
    cell: (app) => (
      <Link to="/operator/audit" search={{ app: app.client_id }}>
        {app.grants === 0 ? "by nobody" : app.grants === 1 ? "once" : `${app.grants} times`}
      </Link>
    ),
  },
];

const REMOVE: RowAct<App> = {
  label: "Remove",
  run: ({ client_id: client }) => done(api.DELETE("/api/v1/apps/{client}", { params: { path: { client } } })),
  done: (app) => `${app.name} is removed, and nobody's grant to it counts any more.`,
  refresh: [["registered"], ["grants"], ["audit"]],
  ask: {
    title: (app) => `Remove ${app.name}?`,
    act: "Remove it",
    text: "Whatever anybody granted it is taken back, and its next request is refused. What it has read already it may have kept.",
  },
};

/** Every app that may ask people for access, and what it may ask for. */
export function Registered() {
  const all = useQuery(registered);
  const { app: seen } = useSearch({ from: "/shell/operators/operator/apps" });
  const navigate = useNavigate({ from: "/operator/apps" });
  const [adding, setAdding] = useState(false);
  const [added, setAdded] = useState<Schemas["AppAdded"] | null>(null);
  const button = <Button onClick={() => setAdding(true)}>Register an app</Button>;
  return (
    <Page title="Registered apps" lead="Which apps may ask people on this node for access, and for what at most. Each person decides what it gets of theirs." action={button}>
      <Loaded query={all}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No app is registered" action={button}>
              An app is registered by its manifest: its name, where it is answered, and what it asks for at most. Then people can grant it that, or less.
            </Empty>
          ) : (
            <div className="card">
              <ActTable
                rows={list}
                id={(app) => app.client_id}
                columns={COLUMNS}
                acts={[{ label: "What it sees", of: (app) => app.grants > 0, open: (app) => void navigate({ search: { app: app.client_id } }) }, REMOVE]}
              />
            </div>
          )
        }
      </Loaded>
      <AppSees app={seen} name={all.data?.find((app) => app.client_id === seen)?.name ?? "this app"} onClose={() => void navigate({ search: {} })} />
      <Modal opened={adding} onClose={() => setAdding(false)} title="Register an app" size="xl">
        <Register
          onAdded={(app) => {
            setAdding(false);
            setAdded(app);
          }}
        />
      </Modal>
      <Modal opened={added !== null} onClose={() => setAdded(null)} title="The app is registered" size="lg">
        <Stack>
          <Secret label="Client id" value={added?.client_id ?? ""} hint="The app sends it with each request for access." />
          {added?.client_secret && <Secret label="Client secret" value={added.client_secret} hint="It is told here and nowhere else: copy it now." />}
        </Stack>
      </Modal>
    </Page>
  );
}

function Register({ onAdded }: { onAdded: (app: Schemas["AppAdded"]) => void }) {
  const [wrong, setWrong] = useState<string | undefined>(undefined);
  const add = useAct({
    act: (body: Schemas["AppManifest"]) => done(api.POST("/api/v1/apps", { body })),
    refresh: [["registered"], ["audit"]],
    after: onAdded,
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    try {
      // What the manifest lacks or has too much, the node says.
      add.mutate(JSON.parse(String(new FormData(event.currentTarget).get("manifest"))) as Schemas["AppManifest"]);
      setWrong(undefined);
    } catch (error) {
      setWrong(`It is no JSON: ${(error as Error).message}`);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {add.error !== null && <Problem error={add.error} />}
        <Textarea
          name="manifest"
          label="Its manifest"
          description="As its maker gives it, in JSON"
          defaultValue={EXAMPLE}
          error={wrong}
          required
          data-autofocus
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        />
        <div>
          <Button type="submit" loading={add.isPending}>
            Register it
          </Button>
        </div>
      </Stack>
    </form>
  );
}
