import { Button, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done, readAll } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { useAct } from "../../components/useAct";

const NAMES: Record<string, string> = {
  spaces: "Spaces",
  groups: "Groups",
  shares: "Shares and field rules",
  links: "Links",
  codes: "Waiting device codes",
  app_passwords: "App passwords",
  replicas: "Replicas",
  collections: "Collections in a space",
  folders: "Folders",
  filings: "Documents in folders",
};

/** How much a person may have, or everybody who has no number of their own. */
export function Quotas({ user }: { user?: string }) {
  const all = useQuery({
    queryKey: ["quotas", user ?? ""],
    queryFn: ({ signal }) => readAll(api.GET("/api/v1/quotas", { params: { query: user === undefined ? {} : { user } }, signal })),
  });
  return (
    <Loaded query={all}>
      {(list) => (
        <div className="quotas">
          {list.map((one) => (
            <Quota key={`${one.quota} ${one.most}`} one={one} user={user} />
          ))}
        </div>
      )}
    </Loaded>
  );
}

function Quota({ one, user }: { one: Schemas["QuotaView"]; user: string | undefined }) {
  const [text, setText] = useState(String(one.most));
  const name = NAMES[one.quota] ?? one.quota;
  const set = useAct({
    act: (most: number | null) =>
      done(api.PUT("/api/v1/quotas/{kind}", { params: { path: { kind: one.quota } }, body: { most, ...(user !== undefined && { user }) } })),
    done: (now) => `${name}: ${(now.find(({ quota }) => quota === one.quota)?.most ?? 0).toLocaleString()} at most, for ${user ?? "everybody"}.`,
    refresh: [["quotas"], ["audit"]],
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    // What is no number, the input does not let through.
    set.mutate(text === "" ? null : Number(text));
  };
  return (
    <form onSubmit={submit} className="quota">
      <TextInput
        type="number"
        min={0}
        max={100_000}
        label={name}
        value={text}
        placeholder={user === undefined ? "the default" : "as everybody"}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit" variant="default" disabled={text === String(one.most)} loading={set.isPending} aria-label={`Set: ${name}`}>
        Set
      </Button>
    </form>
  );
}
