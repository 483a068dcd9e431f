import { Badge, Button, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { partyName } from "../../components/PartyFields";
import { RelativeTime } from "../../components/RelativeTime";
import { Ends } from "../../components/Until";
import { Links } from "./Links";
import { NewShare } from "./NewShare";
import { shares } from "./queries";

const TABS = ["given", "got", "links"];

/** What is shared with whom, and the links that show something to whoever has them. */
export function Shares() {
  const { tab } = useSearch({ from: "/shell/shares" });
  const navigate = useNavigate({ from: "/shares" });
  const all = useQuery(shares);
  const [adding, setAdding] = useState(false);
  const shown = tab !== undefined && TABS.includes(tab) ? tab : "given";
  return (
    <Page
      title="Shares and links"
      lead="What you gave to people and groups, what you got, and links. What you end is refused at the next request."
      action={<Button onClick={() => setAdding(true)}>Share something</Button>}
    >
      <Tabs value={shown} onChange={(value) => void navigate({ search: { tab: value ?? undefined } })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="given">Given</Tabs.Tab>
          <Tabs.Tab value="got">Got</Tabs.Tab>
          <Tabs.Tab value="links">Links</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="given">
          <Loaded query={all}>
            {({ given }) =>
              given.length === 0 ? (
                <Empty title="You have shared nothing yet" action={<Button onClick={() => setAdding(true)}>Share something</Button>}>
                  A whole space, a collection, or one document, with a person or a group, as something they may see or change.
                </Empty>
              ) : (
                <List list={given} got={false} />
              )
            }
          </Loaded>
        </Tabs.Panel>
        <Tabs.Panel value="got">
          <Loaded query={all}>
            {({ received }) =>
              received.length === 0 ? (
                <Empty title="Nobody has shared anything with you">What somebody shares with you, or with a group of yours, is listed here and among your spaces.</Empty>
              ) : (
                <List list={received} got />
              )
            }
          </Loaded>
        </Tabs.Panel>
        <Tabs.Panel value="links">
          <Links />
        </Tabs.Panel>
      </Tabs>
      <NewShare opened={adding} onClose={() => setAdding(false)} />
    </Page>
  );
}

function idOf(share: Schemas["ShareView"]): string {
  return "share" in share ? share.share : share.field_rule;
}

/** What a share is on, as a way into the data where there is one. */
function What({ share }: { share: Schemas["ShareView"] }) {
  const { space, space_name: name, collection, document, field } = share;
  if (!collection) return <Link to="/data" search={{ space }}>{name ?? "a space"}</Link>;
  return (
    <>
      <Link to="/data" search={{ space, collection, doc: document ?? undefined }}>
        {collection}
        {field ? `.${field}` : ""}
      </Link>{" "}
      <span className="soft">
        {document ? "one document, " : share.folder ? "a folder, " : ""}
        {name ?? "a space"}
      </span>
    </>
  );
}

type Share = Schemas["ShareView"];

const columns = (got: boolean): Column<Share>[] => [
  { head: "What", cell: (share) => <What share={share} /> },
  got
    ? { head: "From", cell: (share) => share.by ?? (share.by_removed === true ? "somebody who was removed" : "somebody on another node") }
    : { head: "With", cell: (share) => partyName(share.with) },
  {
    head: "As",
    cell: ({ role }) => <Badge color={role === "blocked" ? "red" : role === "editor" || role === "owner" ? "teal" : "gray"}>{role}</Badge>,
  },
  { head: "Since", cell: (share) => <RelativeTime at={share.created} /> },
  { head: "Ends", cell: (share) => <Ends at={share.until} /> },
];

function List({ list, got }: { list: Share[]; got: boolean }) {
  return (
    <div className="card">
      <ActTable
        rows={list}
        id={idOf}
        columns={columns(got)}
        acts={[
          {
            label: got ? "Give it back" : "End",
            run: (share) => done(api.DELETE("/api/v1/shares/{id}", { params: { path: { id: idOf(share) } } })),
            done: "The share has ended.",
            refresh: [["shares"], ["audit"], ["spaces"]],
            ask: {
              title: "End this share?",
              act: "End it",
              text: got
                ? "You see it no more; who gave it can share it again."
                : "The next request by it is refused. What was seen already may have been kept.",
            },
          },
        ]}
      />
    </div>
  );
}
