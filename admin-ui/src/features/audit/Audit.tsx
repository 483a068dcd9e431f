import { useNavigate, useSearch } from "@tanstack/react-router";
import { useQuery } from "@tanstack/react-query";
import { Page } from "../../components/Page";
import { ActFilters, ActList } from "./ActList";
import { acts } from "./queries";

/** What was done that concerns the person, by whomever. */
export function Audit() {
  const search = useSearch({ from: "/shell/audit" });
  const navigate = useNavigate({ from: "/audit" });
  return (
    <Page title="My audit" lead="What was done that concerns you, by you, by apps, or by whoever runs this node; newest first.">
      <div className="card">
        <div className="fields">
          <ActFilters wanted={search} onChange={(change) => void navigate({ search: (before) => ({ ...before, ...change, before: undefined }), replace: true })} />
        </div>
      </div>
      <ActList query={useQuery(acts(search))} before={search.before} onPage={(before) => void navigate({ search: (now) => ({ ...now, before }) })} />
    </Page>
  );
}
