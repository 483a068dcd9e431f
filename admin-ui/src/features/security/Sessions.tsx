import { Badge, Button, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, done, readAll } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";

/** Where the person is signed in, and the end of each. */
export function Sessions() {
  const all = useQuery({
    queryKey: ["sessions"],
    queryFn: ({ signal }) => readAll(api.GET("/api/v1/sessions", { signal })),
  });
  const end = useAct({
    act: (id: string) => done(api.DELETE("/api/v1/sessions/{id}", { params: { path: { id } } })),
    done: () => "That session has ended.",
    refresh: [["sessions"], ["audit"]],
  });
  return (
    <section className="card" aria-labelledby="sessions">
      <h2 id="sessions">Where you are signed in</h2>
      <Loaded query={all}>
        {(list) => (
          <Table className="stacks">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>By what</Table.Th>
                <Table.Th>From</Table.Th>
                <Table.Th>Last used</Table.Th>
                <Table.Th>Ends unused</Table.Th>
                <Table.Th aria-label="Acts" />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {list.map((session) => (
                <Table.Tr key={session.session}>
                  <Table.Td>
                    <bdi>{session.by ?? "not told"}</bdi> {session.this && <Badge>this one</Badge>}
                  </Table.Td>
                  <Table.Td data-label="From" className="mono">
                    {session.from ?? "not told"}
                  </Table.Td>
                  <Table.Td data-label="Last used">
                    <RelativeTime at={session.last_used} />
                  </Table.Td>
                  <Table.Td data-label="Ends unused">
                    <RelativeTime at={session.ends_unused} />
                  </Table.Td>
                  <Table.Td>
                    {!session.this && (
                      <Button variant="light" color="red" size="xs" onClick={() => end.mutate(session.session)} loading={end.isPending}>
                        End
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Loaded>
    </section>
  );
}
