import { Badge, Button } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Refused } from "../../api/problem";
import { type Schemas, api, read } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Ends } from "../../components/Until";
import { documents } from "../apps/AppSees";
import { rows } from "../apps/words";
import { shortIds } from "../audit/ids";
import { foldersOf } from "../folders/queries";
import { groups } from "../groups/queries";
import { me, spaces } from "../session/queries";
import { type Names, inWords } from "./why";

interface Of {
  space: string;
  collection: string;
  field: string;
  /** Of one document; else of any. */
  doc?: string | undefined;
}

/** Who sees a field, and why, a page at a time: for who manages the collection. Others are told where to look. */
export function Seers({ space, collection, field, doc }: Of) {
  const [after, setAfter] = useState<string[]>([]);
  const cursor = after.at(-1);
  const names = useNames(space);
  const seers = useQuery({
    queryKey: ["access", "seers", space, collection, field, doc, cursor],
    queryFn: ({ signal }) =>
      read(
        api.GET("/api/v1/access", {
          params: { query: { space, collection, field, ...(doc !== undefined && { document: doc }), ...(cursor !== undefined && { after: cursor }) } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
  if (seers.error instanceof Refused && seers.error.code === "forbidden") {
    return (
      <p className="soft">
        Who else sees it is told to who manages the collection. You see it because it was shared with you: <Link to="/shares" search={{ tab: "got" }}>what you got</Link>.
      </p>
    );
  }
  return (
    <Loaded query={seers} lines={2}>
      {({ entries, next }) => (
        <>
          {entries.length === 0 && <p className="soft">Nobody.</p>}
          <ul className="lately">
            {entries.map((seer, n) => (
              <Seer key={n} seer={seer} names={names} />
            ))}
          </ul>
          <Button.Group>
            {after.length > 0 && (
              <Button variant="default" size="xs" onClick={() => setAfter(after.slice(0, -1))}>
                Back
              </Button>
            )}
            {next && (
              <Button variant="default" size="xs" onClick={() => setAfter([...after, next])}>
                More
              </Button>
            )}
          </Button.Group>
        </>
      )}
    </Loaded>
  );
}

/** What spaces, folders and groups are called that the person knows. */
function useNames(space: string): Names {
  const all = useQuery(spaces).data;
  const mine = useQuery(groups).data;
  const here = useQuery(foldersOf(space)).data;
  return useMemo(
    () =>
      new Map([
        ...(all ?? []).map((one) => [one.id, one.name] as const),
        ...(mine ?? []).map((one) => [one.group, one.name] as const),
        ...(here ?? []).map((one) => [one.folder ?? "", one.name] as const),
      ]),
    [all, mine, here],
  );
}

/** A person, a group, everyone, an app or a link, as the answer names them. */
function name(seer: Schemas["SeerView"]): { text: string; kind: string } {
  if (seer.everyone === true) return { text: "Everyone on this node", kind: "everyone" };
  if (seer.group) return { text: seer.name ?? "A group", kind: "group" };
  if (seer.link) return { text: `Whoever has a link of ${seer.user ?? "somebody"}`, kind: "link" };
  if (seer.grant) return { text: `${seer.app ?? "An app"}, for ${seer.user ?? "somebody"}`, kind: "app" };
  return { text: seer.user ?? "Somebody on another node", kind: "person" };
}

function Seer({ seer, names }: { seer: Schemas["SeerView"]; names: Names }) {
  const who = useQuery(me);
  const { text, kind } = name(seer);
  const mine = seer.user !== undefined && seer.user !== null && seer.user === who.data?.name;
  const you = kind === "person" && mine;
  // What an app or a link sees it sees in the name of who gave it.
  const whom = kind === "person" ? text : (seer.user ?? text);
  const why = inWords(seer.path, { name: whom, you: mine }, names);
  return (
    <li>
      <div>
        <strong>
          <bdi>{you ? `${text} (you)` : text}</bdi>
        </strong>{" "}
        <Badge color={kind === "person" || kind === "group" ? "teal" : "blue"}>{kind}</Badge>{" "}
        {seer.documents && <span className="soft">{documents(seer.documents)} documents</span>}
        {rows(seer.where) !== "" && <span className="soft"> where {rows(seer.where)}</span>}
        {seer.until && (
          <span className="soft">
            {" "}
            · ends <Ends at={seer.until} />
          </span>
        )}
        {why.map((one) => (
          <div key={one}>
            <bdi>{one}</bdi>
          </div>
        ))}
        <details>
          <summary>By which relationships</summary>
          <ol className="steps mono" dir="ltr">
            {seer.path.map((step) => (
              <li key={step} title={step}>
                {shortIds(step)}
              </li>
            ))}
          </ol>
        </details>
      </div>
    </li>
  );
}
