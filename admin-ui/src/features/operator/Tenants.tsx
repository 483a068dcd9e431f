import { Button, Group, TextInput } from "@mantine/core";
import type { FormEvent } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";

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
  const count = (tenant: string) => people.filter((user) => user.tenant === tenant).length;
  return (
    <section className="card" aria-labelledby="tenants-title">
      <h2 id="tenants-title">Tenants</h2>
      <p className="soft">A household needs one. Where several companies share a node each has its own, and nobody in one is told who is in another.</p>
      <ul className="lately">
        {tenants.map((one) => (
          <li key={one.tenant}>
            <bdi>{one.name}</bdi>
            <span className="soft">{count(one.tenant) === 1 ? "1 person" : `${count(one.tenant).toLocaleString()} people`}</span>
          </li>
        ))}
      </ul>
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
