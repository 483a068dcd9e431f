import { Badge, Button, Drawer, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done, readAll } from "../../api/client";
import { ActTable, type Column, type RowAct } from "../../components/ActTable";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { people } from "../audit/queries";
import { me } from "../session/queries";
import { type Invitation, InvitationDialog, inviteOf } from "./Invitation";
import { Person } from "./Person";
import { Quotas } from "./Quotas";
import { Tenants } from "./Tenants";
import { letBackIn, suspend } from "./suspending";

type User = Schemas["UserView"];

/** Who is on the node, and the way in of each. */
export function People() {
  const all = useQuery(people);
  const who = useQuery(me);
  const tenants = useQuery({ queryKey: ["tenants"], queryFn: ({ signal }) => readAll(api.GET("/api/v1/tenants", { signal })) });
  const search = useSearch({ from: "/shell/operators/operator/people" });
  const navigate = useNavigate({ from: "/operator/people" });
  const set = (change: typeof search) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const [inviting, setInviting] = useState(false);
  const [invitation, setInvitation] = useState<Invitation | null>(null);

  const columns: Column<User>[] = [
    {
      head: "Name",
      cell: (user) => (
        <>
          <bdi>{user.name}</bdi> {user.user === who.data?.user && <Badge>you</Badge>} {user.operator && <Badge color="yellow">operator</Badge>}
        </>
      ),
    },
    { head: "State", cell: (user) => <State user={user} /> },
    ...((tenants.data?.length ?? 0) > 1
      ? [{ head: "Tenant", cell: (user: User) => tenants.data?.find((tenant) => tenant.tenant === user.tenant)?.name ?? "" }]
      : []),
    { head: "Since", cell: (user) => <RelativeTime at={user.created} /> },
  ];
  const acts: RowAct<User>[] = [{ label: "Manage", open: (user) => set({ person: user.name }) }, suspend, letBackIn];
  const wanted = (search.name ?? "").toLowerCase();
  return (
    <Page
      title="People"
      lead="Who has an account on this node, and the way in of each. Nothing of what they have is shown here."
      action={<Button onClick={() => setInviting(true)}>Invite somebody</Button>}
    >
      <Loaded query={all} lines={6}>
        {(list) => {
          const found = list.filter((user) => user.name.toLowerCase().includes(wanted));
          return (
            <>
              {list.length > 8 && (
                <div className="card">
                  <TextInput label="Whose name has" value={search.name ?? ""} onChange={(event) => set({ name: event.currentTarget.value || undefined })} />
                </div>
              )}
              {found.length === 0 ? (
                <Empty title="Nobody of such a name">Fewer letters find more.</Empty>
              ) : (
                <div className="card">
                  <ActTable rows={found} id={(user) => user.user} columns={columns} acts={acts} />
                </div>
              )}
              {list.length === 1 && (
                <Empty title="You are alone here" action={<Button onClick={() => setInviting(true)}>Invite somebody</Button>}>
                  Whoever you invite gets a link, chooses a password, and has a space of their own: what they do not share, no page of this console shows you.
                </Empty>
              )}
              <Drawer opened={search.person !== undefined} onClose={() => set({ person: undefined })} title={search.person ?? ""}>
                {search.person !== undefined && (
                  <Person user={list.find((user) => user.name === search.person)} onInvitation={setInvitation} onRemoved={() => set({ person: undefined })} />
                )}
              </Drawer>
            </>
          );
        }}
      </Loaded>
      <section className="card" aria-labelledby="quotas">
        <h2 id="quotas">What everybody may have</h2>
        <Quotas />
      </section>
      {tenants.data !== undefined && <Tenants tenants={tenants.data} people={all.data ?? []} />}
      <Modal opened={inviting} onClose={() => setInviting(false)} title="Invite somebody">
        <Invite
          tenants={tenants.data ?? []}
          onInvitation={(made) => {
            setInviting(false);
            setInvitation(made);
          }}
        />
      </Modal>
      <InvitationDialog invitation={invitation} onClose={() => setInvitation(null)} />
    </Page>
  );
}

function State({ user }: { user: User }) {
  if (user.suspended)
    return (
      <>
        <Badge color="red">suspended</Badge>{" "}
        <span className="soft">
          <RelativeTime at={user.suspended} />
        </span>
      </>
    );
  if (!user.has_password) return <Badge color="blue">has no password yet</Badge>;
  return <span className="good">can sign in</span>;
}

function Invite({ tenants, onInvitation }: { tenants: Schemas["TenantView"][]; onInvitation: (made: Invitation) => void }) {
  const invite = useAct({
    act: async ({ name, tenant }: { name: string; tenant: string | undefined }) => {
      await done(api.POST("/api/v1/users", { body: { name, ...(tenant !== undefined && { tenant }) } }));
      return inviteOf(name);
    },
    refresh: [["people"], ["audit"]],
    after: onInvitation,
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const sent = new FormData(event.currentTarget);
    const tenant = sent.get("tenant");
    invite.mutate({ name: String(sent.get("name")).trim(), tenant: typeof tenant === "string" && tenant !== "" ? tenant : undefined });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {invite.error !== null && <Problem error={invite.error} />}
        <TextInput name="name" label="Their name" description="By which they sign in, and others share with them" autoCapitalize="none" maxLength={64} required data-autofocus />
        {tenants.length > 1 && (
          <TextInput name="tenant" label="Tenant" description={`One of ${tenants.map((one) => one.name).join(", ")}; empty: yours`} list="tenants" />
        )}
        <datalist id="tenants">
          {tenants.map((one) => (
            <option key={one.tenant} value={one.name} />
          ))}
        </datalist>
        <Group>
          <Button type="submit" loading={invite.isPending}>
            Make the link
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
