import { Badge, Button, Select, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { program } from "../security/program";
import { me } from "../session/queries";
import { acts } from "./queries";
import { sentence } from "./sentence";

const SHOWN = 100;

/** What was done that concerns the person, by whomever. */
export function Audit() {
  const rows = useQuery(acts);
  const { what, actor } = useSearch({ from: "/shell/audit" });
  const navigate = useNavigate({ from: "/audit" });
  const [most, setMost] = useState(SHOWN);
  const set = (change: { what?: string | undefined; actor?: string | undefined }) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });

  return (
    <Page title="My audit" lead="What was done that concerns you, by you, by apps, or by whoever runs this node; the newest 500, newest first.">
      <Loaded query={rows} lines={8}>
        {(list) => {
          const found = list.filter((act) => (what === undefined || act.action === what) && (actor === undefined || kindOf(act) === actor));
          const kinds = [...new Set(list.map((act) => act.action))].toSorted();
          return (
            <>
              <div className="card">
                <div className="fields">
                  <Select
                    label="What"
                    data={[{ value: "", label: "Everything" }, ...kinds.map((value) => ({ value, label: sentence(value) }))]}
                    value={what ?? ""}
                    onChange={(value) => set({ what: value || undefined })}
                  />
                  <Select
                    label="By whom"
                    data={[
                      { value: "", label: "Anybody" },
                      { value: "person", label: "A person" },
                      { value: "app", label: "An app" },
                      { value: "operator", label: "Whoever runs the node" },
                      { value: "node", label: "The node itself" },
                    ]}
                    value={actor ?? ""}
                    onChange={(value) => set({ actor: value || undefined })}
                  />
                </div>
              </div>
              {found.length === 0 ? (
                <Empty title="Nothing of the kind">Another choice above shows more.</Empty>
              ) : (
                <div className="card">
                  <Table className="stacks">
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>When</Table.Th>
                        <Table.Th>What</Table.Th>
                        <Table.Th>By</Table.Th>
                        <Table.Th>About</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {found.slice(0, most).map((act, n) => (
                        <Table.Tr key={`${act.at} ${n}`}>
                          <Table.Td data-label="When">
                            <RelativeTime at={act.at} />
                          </Table.Td>
                          <Table.Td data-label="What">{sentence(act.action)}</Table.Td>
                          <Table.Td data-label="By">
                            <Actor act={act} />
                          </Table.Td>
                          <Table.Td data-label="About" className="mono">
                            {detail(act.detail)}
                          </Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                  {found.length > most && (
                    <Button variant="default" onClick={() => setMost(most + SHOWN)}>
                      Show more
                    </Button>
                  )}
                </div>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function kindOf(act: Schemas["ActShown"]): string {
  if (act.actor === "operator" || act.actor === "node") return act.actor;
  return act.actor.startsWith("app") ? "app" : "person";
}

function Actor({ act }: { act: Schemas["ActShown"] }) {
  const { data } = useQuery(me);
  const kind = kindOf(act);
  const id = act.actor.split(":").at(-1) ?? "";
  if (kind === "operator") return <Badge color="yellow">operator</Badge>;
  if (kind === "node") return <Badge color="gray">the node</Badge>;
  if (id === data?.user) return <Badge>you</Badge>;
  return (
    <Badge color="blue" title={id}>
      {kind} {id.slice(0, 8)}
    </Badge>
  );
}

/** Ids and words of an act, short. */
function detail(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  return Object.entries(value)
    .filter(([key, one]) => key !== "request" && one !== null && one !== "")
    .map(([key, one]) => `${key.replaceAll("_", " ")}: ${key === "agent" ? program(String(one)) : typeof one === "string" ? one : JSON.stringify(one)}`)
    .join(" · ");
}
