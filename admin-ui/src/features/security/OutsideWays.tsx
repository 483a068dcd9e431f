import { Button, Group, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { complain } from "../../components/toasts";
import { useAct } from "../../components/useAct";
import { goTo, providers } from "../session/outside";
import { credentials as ways } from "./ways";

/** Accounts elsewhere by which one signs in here; nothing where the operator set up no provider. */
export function OutsideWays() {
  const known = useQuery(providers);
  const credentials = useQuery(ways);
  const [asking, setAsking] = useState<string | null>(null);
  const remove = useAct({
    act: (id: string) => done(api.DELETE("/api/v1/me/credentials/{id}", { params: { path: { id } } })),
    done: () => "Nobody signs in by it any more.",
    refresh: [["credentials"], ["sessions"], ["audit"]],
    after: () => setAsking(null),
  });
  const linked = (credentials.data ?? []).filter((one) => one.kind === "outside");
  if ((known.data ?? []).length === 0 && linked.length === 0) return null;
  return (
    <section className="card" aria-labelledby="outside-ways">
      <h2 id="outside-ways">Sign in by an account elsewhere</h2>
      <Text mb="md">Whoever is signed in there comes in here as you: add only what you would trust with your password.</Text>
      <Loaded query={credentials}>
        {() =>
          linked.length > 0 && (
            <Table className="stacks" mb="md">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Account</Table.Th>
                  <Table.Th>Since</Table.Th>
                  <Table.Th aria-label="Acts" />
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {linked.map((one) => (
                  <Table.Tr key={one.credential}>
                    <Table.Td>
                      <bdi>{one.label}</bdi>
                    </Table.Td>
                    <Table.Td data-label="Since">
                      <RelativeTime at={one.created} />
                    </Table.Td>
                    <Table.Td>
                      <Button variant="light" color="red" size="xs" onClick={() => setAsking(one.credential)}>
                        Remove
                      </Button>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          )
        }
      </Loaded>
      <Group>
        {(known.data ?? []).map(({ name, label }) => (
          <Button key={name} variant="default" onClick={() => void goTo(name, "link", "/security").catch(complain)}>
            Add {label}
          </Button>
        ))}
      </Group>
      <Ask
        opened={asking !== null}
        title="Sign in by it no more?"
        act="Remove it"
        busy={remove.isPending}
        onAct={() => asking !== null && remove.mutate(asking)}
        onClose={() => setAsking(null)}
      >
        Sessions that it opened end, and all your app passwords: whoever had it may have made some. Your other ways in stay.
      </Ask>
    </section>
  );
}
