import { Badge, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Schemas, api, done, readAll } from "../../api/client";
import { ActTable, type Column } from "../../components/ActTable";
import { Loaded } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";

type Session = Schemas["SessionView"];

const COLUMNS: Column<Session>[] = [
  {
    head: "By what",
    cell: (session) => (
      <>
        <bdi>{session.by ?? "not told"}</bdi> {session.this && <Badge>this one</Badge>}
      </>
    ),
  },
  { head: "From", mono: true, cell: (session) => session.from ?? "not told" },
  { head: "Last used", cell: (session) => <RelativeTime at={session.last_used} /> },
  { head: "Ends unused", cell: (session) => <RelativeTime at={session.ends_unused} /> },
];

/** Where the person is signed in, and the end of each. */
export function Sessions() {
  const all = useQuery({
    queryKey: ["sessions"],
    queryFn: ({ signal }) => readAll(api.GET("/api/v1/sessions", { signal })),
  });
  return (
    <section className="card" aria-labelledby="sessions">
      <h2 id="sessions">Where you are signed in</h2>
      <Text mb="md">What ends here is a session alone. Apps and app passwords stay, until you take them back under “Apps” or sign out everywhere.</Text>
      <Loaded query={all}>
        {(list) => (
          <ActTable
            rows={list}
            id={(session) => session.session}
            columns={COLUMNS}
            acts={[
              {
                label: "End",
                of: (session) => !session.this,
                run: ({ session: id }) => done(api.DELETE("/api/v1/sessions/{id}", { params: { path: { id } } })),
                done: "That session has ended.",
                refresh: [["sessions"], ["audit"]],
              },
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}
