import { Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Schemas, api, read } from "../../api/client";
import { Loaded } from "../../components/Loaded";

/** The person's own first rows, as the app sees them at this moment: read by what is enforced. */
export function FirstRows({ grant }: { grant: string }) {
  const seen = useQuery({
    queryKey: ["access", "rows", grant],
    queryFn: ({ signal }) => read(api.GET("/api/v1/grants/{id}/preview", { params: { path: { id: grant } }, signal })),
    // What was looked at is not kept: it is somebody's documents, and may be other ones the next time.
    gcTime: 0,
    staleTime: 0,
  });
  return (
    <Loaded query={seen} lines={3}>
      {({ types, types_left: left }) => (
        <>
          {types.map((one) => (
            <Type key={one.collection} one={one} />
          ))}
          {types.length === 0 && <p className="soft">Nothing of yours is within it now.</p>}
          {left > 0 && <p className="soft">{left === 1 ? "One more collection" : `${left.toLocaleString()} more collections`} that it sees too.</p>}
        </>
      )}
    </Loaded>
  );
}

/** What is said where there are no rows to show. */
function instead({ collection, shows, fields, rows }: Schemas["TypePreviewed"]): string | null {
  if (shows === "nothing") return `It reads nothing of ${collection}.`;
  if (shows === "named") return `It reads a ${collection} whose id it knows; it is shown no list.`;
  if (shows === "large") return `The first rows of ${collection} are too large to be shown here.`;
  if (fields.length === 0) return `It sees that there is a ${collection}, and no field of it.`;
  return rows.length === 0 ? `No ${collection} is within it now.` : null;
}

function Type({ one }: { one: Schemas["TypePreviewed"] }) {
  const said = instead(one);
  const notes = [
    one.fields_left > 0 && `${one.fields_left === 1 ? "One more field" : `${one.fields_left} more fields`}.`,
    one.more && "There are more rows.",
    one.versions && "It sees every version of them, too.",
  ].filter((note) => note !== false);
  return (
    <div className="first-rows">
      {said !== null ? (
        <p className="soft">{said}</p>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label={`What it sees of ${one.collection}`}>
          <Table captionSide="top">
            <Table.Caption>The first of your {one.collection}, as it sees them now</Table.Caption>
            <Table.Thead>
              <Table.Tr>
                {one.fields.map((field) => (
                  <Table.Th key={field} scope="col">
                    {field}
                  </Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {one.rows.map((row, n) => (
                <Table.Tr key={n}>
                  {row.map((cell, m) => (
                    <Table.Td key={one.fields[m] ?? m}>{cell === null ? <i className="soft">not shown</i> : <bdi>{cell}</bdi>}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {notes.length > 0 && <p className="soft">{notes.join(" ")}</p>}
    </div>
  );
}
