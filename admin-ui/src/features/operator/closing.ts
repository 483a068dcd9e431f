import { type Schemas, api, done } from "../../api/client";
import type { RowAct } from "../../components/ActTable";

export type Tenant = Schemas["TenantView"];

const path = ({ name }: Tenant) => ({ params: { path: { name } } });
const refresh = [["tenants"], ["people"], ["audit"]];

/** What can be done about a tenant with all of its people; about one's own, nothing. */
export function tenantActs(own: string): RowAct<Tenant>[] {
  const other = ({ tenant }: Tenant) => tenant !== own;
  return [
    {
      label: "Suspend",
      of: (one) => other(one) && !one.suspended,
      run: (one) => done(api.PUT("/api/v1/tenants/{name}/suspension", path(one))),
      done: (one) => `Everybody of ${one.name} is out.`,
      refresh,
      ask: {
        title: (one) => `Suspend everybody of ${one.name}?`,
        act: "Suspend them all",
        text: "All of its people are signed out, and what apps and links hold in their name is refused from the next request on. What they have stays. You can end it at any time.",
      },
    },
    {
      label: "Let back in",
      of: (one) => other(one) && Boolean(one.suspended),
      run: (one) => done(api.DELETE("/api/v1/tenants/{name}/suspension", path(one))),
      done: (one) => `The people of ${one.name} can sign in again.`,
      refresh,
      gives: true,
    },
    {
      label: "Remove",
      of: other,
      run: (one) => done(api.DELETE("/api/v1/tenants/{name}", path(one))),
      done: (one) => `${one.name} is gone, with its people.`,
      refresh,
      ask: {
        title: (one) => `Remove ${one.name} and all of its people for good?`,
        act: "Remove them all for good",
        text: "The keys of their spaces are destroyed: what lies there is gone for everybody, and nobody brings it back. Backups that were made before still hold them, until those are pruned; so do their own devices.",
        typed: (one) => one.name,
      },
    },
  ];
}
