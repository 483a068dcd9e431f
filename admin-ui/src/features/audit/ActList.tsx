import { Badge, Button, Group, Select } from "@mantine/core";
import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import type { Part } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { Empty } from "../../components/Page";
import { RelativeTime } from "../../components/RelativeTime";
import { program } from "../security/program";
import { me } from "../session/queries";
import { shortIds } from "./ids";
import type { Act, Wanted } from "./queries";
import { ACTIONS, sentence } from "./sentence";

const ACTORS = [
  { value: "", label: "Anybody" },
  { value: "person", label: "A person" },
  { value: "app", label: "An app" },
  { value: "operator", label: "Whoever runs the node" },
  { value: "node", label: "The node itself" },
];

/** Chooses acts by what they are and who did them. */
export function ActFilters({ wanted, onChange }: { wanted: Wanted; onChange: (change: Wanted) => void }) {
  const known = wanted.what === undefined || ACTIONS.includes(wanted.what) ? ACTIONS : [...ACTIONS, wanted.what];
  const kinds = known.map((value) => ({ value, label: sentence(value) })).toSorted((one, other) => one.label.localeCompare(other.label));
  return (
    <>
      <Select
        label="What"
        data={[{ value: "", label: "Everything" }, ...kinds]}
        value={wanted.what ?? ""}
        searchable
        onChange={(value) => onChange({ what: value || undefined })}
      />
      <Select label="By whom" data={ACTORS} value={wanted.actor ?? ""} onChange={(value) => onChange({ actor: value || undefined })} />
    </>
  );
}

const WHEN: Column<Act> = { head: "When", cell: (act) => <RelativeTime at={act.at} /> };
const WHAT: Column<Act> = { head: "What", cell: (act) => sentence(act.action) };
const WHOM: Column<Act> = { head: "Whom", cell: (act) => <bdi>{act.user_name ?? "somebody on another node"}</bdi> };
const BY: Column<Act> = { head: "By", cell: (act) => <Actor act={act} /> };
const ABOUT: Column<Act> = {
  head: "About",
  mono: true,
  cell: (act) => {
    const said = detail(act.detail);
    return <span title={said}>{shortIds(said)}</span>;
  },
};

interface Props {
  query: UseQueryResult<Part<Act>>;
  /** The cursor of this page; none: the newest. */
  before: string | undefined;
  onPage: (before: string | undefined) => void;
  /** Tells whom each concerns. */
  whom?: boolean;
}

/** A page of acts, and the way to older ones. */
export function ActList({ query, before, onPage, whom = false }: Props) {
  const columns = whom ? [WHEN, WHAT, WHOM, BY, ABOUT] : [WHEN, WHAT, BY, ABOUT];
  return (
    <Loaded query={query} lines={8}>
      {({ list, next }) =>
        list.length === 0 ? (
          <Empty title="Nothing of the kind">Another choice above shows more.</Empty>
        ) : (
          <div className="card" aria-busy={query.isPlaceholderData}>
            <ActTable rows={list.map((act, n) => ({ ...act, n }))} id={(act) => `${act.at} ${act.n}`} columns={columns} />
            {(next !== null || before !== undefined) && (
              <Group mt="md" gap="xs">
                <Button variant="default" disabled={before === undefined} onClick={() => onPage(undefined)}>
                  Newest
                </Button>
                <Button variant="default" disabled={next === null || query.isPlaceholderData} onClick={() => next !== null && onPage(next)}>
                  Older
                </Button>
              </Group>
            )}
          </div>
        )
      }
    </Loaded>
  );
}

function Actor({ act }: { act: Act }) {
  const { data } = useQuery(me);
  const [kind, id = ""] = act.actor.split(":");
  const named = act.actor_name ?? id.slice(0, 8);
  if (kind === "node") return <Badge color="gray">the node</Badge>;
  if (kind === "operator") return <Badge color="yellow">{id === "" ? "the machine" : `operator ${id === data?.user ? "(you)" : named}`}</Badge>;
  if (id === data?.user) return <Badge>you</Badge>;
  if (act.actor_removed === true)
    return (
      <Badge color="gray" title={id}>
        somebody who was removed
      </Badge>
    );
  return (
    <Badge color="blue" title={id}>
      {kind === "app" ? "app " : act.actor_name ? "" : "person "}
      <bdi>{named}</bdi>
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
