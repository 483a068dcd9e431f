import { Badge, Button, Group, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { type Schemas, api, done } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { me } from "../session/queries";
import { type Tenant, tenantActs } from "./closing";

interface Props {
  tenants: Schemas["TenantView"][];
  people: Schemas["UserView"][];
}

/** Companies or households that share the node, and are not told of one another's people. */
export function Tenants({ tenants, people }: Props) {
  const add = useAct({
    act: (name: string) => done(api.POST("/api/v1/tenants", { body: { name } })),
    done: ({ name }) => `The tenant ${name} is there. Whom you invite into it has an account in it.`,
    refresh: [["tenants"], ["audit"]],
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    add.mutate(String(new FormData(form).get("tenant-name")).trim(), { onSuccess: () => form.reset() });
  };
  const { data } = useQuery(me);
  const count = (tenant: string) => people.filter((user) => user.tenant === tenant).length;
  const columns: Column<Tenant>[] = [
    { head: "Tenant", cell: (one) => <bdi>{one.name}</bdi> },
    { head: "People", cell: (one) => count(one.tenant).toLocaleString() },
    { head: "State", cell: (one) => (one.suspended ? <Badge color="red">suspended</Badge> : <span className="good">open</span>) },
  ];
  return (
    <section className="card" aria-labelledby="tenants-title">
      <h2 id="tenants-title">Tenants</h2>
      <p className="soft">A household needs one. Where several companies share a node each has its own, and nobody in one is told who is in another.</p>
      <ActTable rows={tenants} id={(one) => one.tenant} columns={columns} acts={data === undefined ? [] : tenantActs(data.tenant)} />
      {add.error !== null && <Problem error={add.error} />}
      <form onSubmit={submit}>
        <Group align="flex-end" gap="xs">
          <TextInput name="tenant-name" label="Another tenant" maxLength={64} required />
          <Button type="submit" variant="default" loading={add.isPending}>
            Add it
          </Button>
        </Group>
      </form>
    </section>
  );
}
