import { Badge, Button, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { type Party, PartyFields, named, partyName } from "../../components/PartyFields";
import { Ends, UntilSelect } from "../../components/Until";
import { useAct } from "../../components/useAct";
import { groupOf, groups } from "./queries";

/** The person's groups: who is in them, and who manages them. */
export function Groups() {
  const all = useQuery(groups);
  const [adding, setAdding] = useState(false);
  const make = useAct({
    act: (name: string) => done(api.POST("/api/v1/groups", { body: { name } })),
    done: ({ name }) => `The group “${name}” is made.`,
    refresh: [["groups"]],
    after: () => setAdding(false),
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    make.mutate(String(new FormData(event.currentTarget).get("name")));
  };
  const button = <Button onClick={() => setAdding(true)}>New group</Button>;
  return (
    <Page title="Groups" lead="People with whom you share the same things. Who joins later gets what the group has; who leaves loses it." action={button}>
      <Loaded query={all}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="You are in no group" action={button}>
              Make one for a family or a team: what you share with it, everybody in it has.
            </Empty>
          ) : (
            list.map((group) => <Group key={group.group} group={group} />)
          )
        }
      </Loaded>
      <Modal opened={adding} onClose={() => setAdding(false)} title="New group">
        <form onSubmit={submit}>
          {make.error !== null && <Problem error={make.error} />}
          <TextInput name="name" label="Name" placeholder="Family" maxLength={200} required data-autofocus mb="md" />
          <Button type="submit" loading={make.isPending}>
            Make the group
          </Button>
        </form>
      </Modal>
    </Page>
  );
}

function Group({ group }: { group: Schemas["GroupView"] }) {
  const whole = useQuery(groupOf(group.group));
  const [adding, setAdding] = useState(false);
  const [asking, setAsking] = useState(false);
  const id = group.group;
  const remove = useAct({
    act: () => done(api.DELETE("/api/v1/groups/{id}", { params: { path: { id } } })),
    done: () => `The group “${group.name}” is gone.`,
    refresh: [["groups"], ["shares"]],
    after: () => setAsking(false),
  });
  const takeOut = useAct({
    act: (member: Schemas["MemberView"]) =>
      "group" in member
        ? done(api.DELETE("/api/v1/groups/{id}/members/groups/{inner}", { params: { path: { id, inner: member.group } } }))
        : done(api.DELETE("/api/v1/groups/{id}/members/users/{name}", { params: { path: { id, name: member.user ?? "" } } })),
    done: (_, member) => `${partyName(member)} is out of ${group.name}.`,
    refresh: [["groups"]],
  });
  const manages = group.role === "manager";
  return (
    <section className="card" aria-label={group.name}>
      <div className="page-head">
        <h2 className="card-title">
          {group.name} <Badge color={manages ? "teal" : "gray"}>{manages ? "you manage it" : "you are in it"}</Badge>
        </h2>
        {manages && (
          <Button.Group>
            <Button variant="default" size="xs" onClick={() => setAdding(true)}>
              Add somebody
            </Button>
            <Button variant="default" size="xs" onClick={() => setAsking(true)}>
              Remove the group
            </Button>
          </Button.Group>
        )}
      </div>
      {manages && (
        <Loaded query={whole} lines={2}>
          {({ members }) => (
            <ul className="lately">
              {(members ?? []).map((member) => (
                <li key={"group" in member ? member.group : `user ${member.user}`}>
                  <span>
                    {partyName(member)} {member.role === "manager" && <Badge>manager</Badge>}{" "}
                    {member.until && (
                      <span className="soft">
                        until <Ends at={member.until} />
                      </span>
                    )}
                  </span>
                  <Button variant="subtle" color="red" size="compact-sm" loading={takeOut.isPending} onClick={() => takeOut.mutate(member)}>
                    Take out
                  </Button>
                </li>
              ))}
            </ul>
          )}
        </Loaded>
      )}
      <Modal opened={adding} onClose={() => setAdding(false)} title={`Into ${group.name}`}>
        <AddMember id={id} onClose={() => setAdding(false)} />
      </Modal>
      <Ask
        opened={asking}
        title={`Remove ${group.name}?`}
        act="Remove the group"
        typed={group.name}
        busy={remove.isPending}
        onAct={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        Everybody loses what was shared with the group. A group does not come back.
      </Ask>
    </section>
  );
}

function AddMember({ id, onClose }: { id: string; onClose: () => void }) {
  const [party, setParty] = useState<Party>({ kind: "user", name: "" });
  const [role, setRole] = useState("member");
  const [until, setUntil] = useState("");
  const add = useAct({
    act: (body: Schemas["NewMember"]) => done(api.POST("/api/v1/groups/{id}/members", { params: { path: { id } }, body })),
    done: (member) => `${partyName(member)} is in it.`,
    refresh: [["groups"]],
    after: onClose,
    quiet: true,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate({ ...named(party), role, ...(until !== "" && { until }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {add.error !== null && <Problem error={add.error} />}
        <PartyFields party={party} onChange={setParty} />
        <Select
          label="As"
          data={[
            { value: "member", label: "Somebody in it" },
            { value: "manager", label: "Somebody who manages it" },
          ]}
          value={role}
          onChange={(value) => setRole(value ?? "member")}
        />
        <UntilSelect value={until} onChange={setUntil} />
        <div>
          <Button type="submit" loading={add.isPending}>
            Add
          </Button>
        </div>
      </Stack>
    </form>
  );
}
