import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Page } from "../../components/Page";
import { ActFilters, ActList } from "../audit/ActList";
import { type Wanted, actsOfAll, people, registered } from "../audit/queries";

/** What was done on the node, whomever it concerns. */
export function AuditOfAll() {
  const search = useSearch({ from: "/shell/operators/operator/audit" });
  const navigate = useNavigate({ from: "/operator/audit" });
  const everybody = useQuery(people);
  const apps = useQuery(registered);
  const set = (change: Wanted) => void navigate({ search: (before) => ({ ...before, ...change, before: undefined }), replace: true });
  return (
    <Page title="Audit of all" lead="What was done on this node, whomever it concerns; newest first. It tells that something was done and to which ids, and nothing that anybody has written.">
      <div className="card">
        <div className="fields">
          <Select
            label="Whom it concerns"
            data={[{ value: "", label: "Everybody" }, ...(everybody.data ?? []).map(({ name }) => ({ value: name, label: name }))]}
            value={search.user ?? ""}
            searchable
            onChange={(value) => set({ user: value || undefined })}
          />
          <Select
            label="Of which app"
            data={[{ value: "", label: "Any, or none" }, ...(apps.data ?? []).map((app) => ({ value: app.client_id, label: app.name }))]}
            value={search.app ?? ""}
            searchable
            onChange={(value) => set({ app: value || undefined })}
          />
          <ActFilters wanted={search} onChange={set} />
        </div>
      </div>
      <ActList query={useQuery(actsOfAll(search))} before={search.before} onPage={(before) => void navigate({ search: (now) => ({ ...now, before }) })} whom />
    </Page>
  );
}
