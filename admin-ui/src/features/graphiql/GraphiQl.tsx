import { Select, useComputedColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { useMemo } from "react";
import { pageFetch } from "../../api/pageFetch";
import { Page } from "../../components/Page";
import { spaces } from "../session/queries";

const WELCOME = `# Ask this space whatever you may. Ctrl-Enter runs it, Ctrl-Space completes.
# What you may not see is not in the schema.

query Collections {
  __schema { queryType { fields { name } } }
}
`;

/** GraphiQL over a space, with the rights of who is signed in. */
export function GraphiQl() {
  const search = useSearch({ from: "/shell/graphql" });
  const navigate = useNavigate({ from: "/graphql" });
  const all = useQuery(spaces);
  const space = search.space ?? all.data?.find((one) => one.personal)?.id ?? "";
  const scheme = useComputedColorScheme();
  const fetcher = useMemo(
    () => async (asked: { query: string; variables?: unknown; operationName?: string | null }) => {
      const response = await pageFetch(
        new Request(new URL("/api/v1/graphql", location.origin), {
          method: "POST",
          headers: { "content-type": "application/json", accept: "application/json", "allod-space": space },
          body: JSON.stringify(asked),
        }),
      );
      return (await response.json()) as Record<string, unknown>;
    },
    [space],
  );
  return (
    <Page
      title="GraphiQL"
      lead="Ask and change a space in GraphQL, with your own rights."
      action={
        <Select
          aria-label="Space"
          data={(all.data ?? []).map((one) => ({ value: one.id, label: one.name }))}
          value={space}
          onChange={(value) => void navigate({ search: { space: value ?? undefined } })}
        />
      }
    >
      <div className="graphiql-box">
        {space !== "" && <GraphiQL key={`${space} ${scheme}`} fetcher={fetcher} forcedTheme={scheme} defaultQuery={WELCOME} showPersistHeadersSettings={false} isHeadersEditorEnabled={false} />}
      </div>
    </Page>
  );
}
