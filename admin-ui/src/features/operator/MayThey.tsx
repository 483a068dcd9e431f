import { Badge, Button, Select, TextInput } from "@mantine/core";
import { keepPreviousData, queryOptions, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type Schemas, api, read } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { shortIds } from "../audit/ids";
import { people, registered } from "../audit/queries";
import { collections } from "../data/queries";
import { me } from "../session/queries";
import { inWords } from "../visibility/why";

const VERBS = [
  { value: "read", label: "read" },
  { value: "search", label: "search" },
  { value: "history", label: "see the history of" },
  { value: "create", label: "add" },
  { value: "update", label: "change" },
  { value: "delete", label: "delete" },
];
/** Who is asked about at most, where it is everybody. */
const MOST = 100;

type Question = Schemas["Question"];

const verdict = (question: Question) =>
  queryOptions({
    queryKey: ["verdict", question],
    queryFn: ({ signal }) => read(api.POST("/api/v1/check", { body: question, signal })),
    retry: false,
  });

/** Asks policy about anybody: may this person, by this app, do that? And if not, what refuses it? */
export function MayThey() {
  const search = useSearch({ from: "/shell/operators/operator/policy" });
  const navigate = useNavigate({ from: "/operator/policy" });
  const everybody = useQuery(people);
  const apps = useQuery(registered);
  const who = useQuery(me);
  const kinds = useQuery(collections(who.data?.space ?? ""));
  const { user, app, collection, field, doc, space } = search;
  const verb = search.verb ?? "read";
  const names = new Map([
    ...(everybody.data ?? []).map((one) => [one.user, one.name] as const),
    ...(apps.data ?? []).map((one) => [one.client_id, one.name] as const),
  ]);
  const set = (change: typeof search) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const sent = new FormData(event.currentTarget);
    const text = (name: string) => String(sent.get(name) ?? "").trim() || undefined;
    void navigate({ search: (before) => ({ ...before, collection: text("collection"), field: text("field"), doc: text("doc"), space: text("space") }) });
  };
  const question: Question | null =
    user === undefined || collection === undefined
      ? null
      : {
          user,
          verb,
          collection,
          explain: true,
          ...(app !== undefined && { app }),
          ...(field !== undefined && { field }),
          ...(doc !== undefined && { doc }),
          ...(space !== undefined && { space }),
        };
  return (
    <Page title="May they?" lead="Whether a person, perhaps by an app, may do something, and why: the answer is made by what is enforced. No document is shown.">
      <form className="card" onSubmit={submit} key={[collection, field, doc, space].join("\n")}>
        <div className="fields">
          <Select
            label="May"
            placeholder="A person"
            data={(everybody.data ?? []).map(({ name }) => name)}
            value={user ?? null}
            searchable
            onChange={(value) => set({ user: value ?? undefined })}
          />
          <Select
            label="By"
            data={[{ value: "", label: "themselves" }, ...(apps.data ?? []).map((one) => ({ value: one.client_id, label: one.name }))]}
            value={app ?? ""}
            searchable
            onChange={(value) => set({ app: value || undefined })}
          />
          <Select label="Do" data={VERBS} value={verb} onChange={(value) => set({ verb: value ?? undefined })} />
          <TextInput name="collection" label="In the collection" placeholder="Contact" defaultValue={collection ?? ""} list="known-collections" required />
          <datalist id="known-collections">
            {(kinds.data ?? []).map((kind) => (
              <option key={kind.name} value={kind.name} />
            ))}
          </datalist>
          <TextInput name="field" label="This field" placeholder="Any" defaultValue={field ?? ""} />
          <TextInput name="doc" label="Of this document" placeholder="Its id; empty: of any" defaultValue={doc ?? ""} />
          <TextInput name="space" label="In the space" placeholder="Its id; empty: theirs" defaultValue={space ?? ""} />
          <div>
            <Button type="submit">Ask</Button>
          </div>
        </div>
      </form>
      {question === null ? (
        <Empty title="Nothing is asked yet">Choose a person and name a collection. Without an app it is asked what they may do themselves; with one, what it may do in their name.</Empty>
      ) : (
        <>
          <Verdict key={JSON.stringify(question)} question={question} names={names} />
          <Everybody key={`all ${JSON.stringify(question)}`} question={question} names={(everybody.data ?? []).map(({ name }) => name)} />
        </>
      )}
    </Page>
  );
}

function Verdict({ question, names }: { question: Question; names: ReadonlyMap<string, string> }) {
  const asked = useQuery(verdict(question));
  return (
    <section className="card" aria-labelledby="verdict" aria-live="polite">
      <Loaded query={asked}>
        {(said) => (
          <>
            <h2 id="verdict">
              <Badge color={said.allowed ? "teal" : "red"} size="lg">
                {said.allowed ? "yes" : "no"}
              </Badge>{" "}
              {reasonOf(said)}
            </h2>
            <dl className="facts">
              {said.refused_by && (
                <>
                  <dt>Refused by</dt>
                  <dd className="mono">{said.refused_by}</dd>
                </>
              )}
              {said.entry && (
                <>
                  <dt>Entry of the grant</dt>
                  <dd className="mono">{said.entry}</dd>
                </>
              )}
              <dt>Fields that show</dt>
              <dd>{said.mask.length === 0 ? <span className="soft">none</span> : said.mask.join(", ")}</dd>
              {said.space && (
                <>
                  <dt>Space</dt>
                  <dd className="mono">{said.space}</dd>
                </>
              )}
              <dt>By which relationships</dt>
              <dd>
                {inWords(said.path, { name: question.user, you: false }, names).map((one) => (
                  <div key={one}>
                    <bdi>{one}</bdi>
                  </div>
                ))}
                {said.path.length === 0 ? (
                  <span className="soft">none gives it</span>
                ) : (
                  <ol className="steps mono" dir="ltr">
                    {said.path.map((step) => (
                      <li key={step} title={step}>
                        {shortIds(step, names)}
                      </li>
                    ))}
                  </ol>
                )}
              </dd>
            </dl>
          </>
        )}
      </Loaded>
    </section>
  );
}

/** What a word for a yes says. */
const REASONS: Record<string, string> = {
  own: "It is their own.",
  shared: "It was shared with them.",
  granted: "They granted it to the app.",
  grant: "They granted it to the app.",
};

/** Why, in a sentence. */
function reasonOf({ reason }: Schemas["Verdict"]): string {
  const said = REASONS[reason] ?? reason.replaceAll(/`([^`]*)`/g, "“$1”");
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}${said.endsWith(".") ? "" : "."}`;
}

/** The other way round: who of everybody may do it. */
function Everybody({ question, names }: { question: Question; names: string[] }) {
  const [asking, setAsking] = useState(false);
  const asked = names.slice(0, MOST);
  const all = useQuery({
    queryKey: ["verdicts", question, asked],
    queryFn: async ({ signal }) => {
      const found: { name: string; said: Schemas["Verdict"] | null; error: unknown }[] = [];
      // One after another: so many questions at once would keep others waiting.
      for (const name of asked) {
        try {
          const { app: _, ...own } = question;
          // oxlint-disable-next-line no-await-in-loop
          found.push({ name, said: await read(api.POST("/api/v1/check", { body: { ...own, user: name, explain: false }, signal })), error: null });
        } catch (error) {
          found.push({ name, said: null, error });
        }
      }
      return found;
    },
    enabled: asking,
    retry: false,
    placeholderData: keepPreviousData,
  });
  const { collection, field, doc, space } = question;
  return (
    <section className="card" aria-labelledby="everybody">
      <h2 id="everybody">Who else?</h2>
      {!asking ? (
        <p>
          <Button variant="default" onClick={() => setAsking(true)}>
            Ask it of everybody
          </Button>
        </p>
      ) : (
        <Loaded query={all}>
          {(list) => (
            <ul className="lately">
              {list.map(({ name, said, error }) => (
                <li key={name}>
                  <span>
                    {said === null ? <Badge color="gray">not known</Badge> : <Badge color={said.allowed ? "teal" : "red"}>{said.allowed ? "yes" : "no"}</Badge>} <bdi>{name}</bdi>
                  </span>
                  <span className="soft">{said === null ? (error as Error).message : reasonOf(said)}</span>
                </li>
              ))}
            </ul>
          )}
        </Loaded>
      )}
      {names.length > MOST && <p className="soft">Of the first {MOST} people.</p>}
      {field && (
        <p>
          Of what you manage yourself, groups, apps and links too:{" "}
          <Link to="/visibility" search={{ ...(space && { space }), collection, field, ...(doc && { doc }) }}>
            who sees {collection}.{field}
          </Link>
        </p>
      )}
    </section>
  );
}
