import { Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { collections } from "../data/queries";
import { foldersOf } from "../folders/queries";
import { SAMPLES, SAMPLE_NAMES, addSamples, removeSamples } from "./samples";

const REFRESH = [["collections"], ["folders"], ["filed"], ["rows"], ["fields"], ["audit"]];

/** Data to try the node with: added by a click, and taken out by another. */
export function Samples({ space, onAdded }: { space: string; onAdded?: () => void }) {
  const folders = useQuery(foldersOf(space));
  const kinds = useQuery(collections(space));
  const [asking, setAsking] = useState(false);
  const add = useAct({
    act: () => addSamples(space),
    done: (count) => `${count} sample documents are in your space.`,
    refresh: REFRESH,
    ...(onAdded && { after: onAdded }),
    quiet: true,
  });
  const remove = useAct({
    act: () => removeSamples(space),
    done: (count) => `${count} sample documents are deleted.`,
    refresh: REFRESH,
    after: () => setAsking(false),
  });
  return (
    <Loaded query={folders} lines={2}>
      {(list) => {
        if (list.some((folder) => folder.name === SAMPLES)) {
          return (
            <>
              <Text mb="md">There is sample data in your space: contacts, books and notes of nobody, in folders called “{SAMPLES}”.</Text>
              <Button variant="default" onClick={() => setAsking(true)}>
                Remove the sample data
              </Button>
              <Ask opened={asking} title="Remove the sample data?" act="Remove it" busy={remove.isPending} onAct={() => remove.mutate()} onClose={() => setAsking(false)}>
                What lies in the folders “{SAMPLES}” is deleted, what you have put there yourself too. The collections stay, empty: their definitions are part of the
                history.
              </Ask>
            </>
          );
        }
        const taken = (kinds.data ?? []).filter((kind) => SAMPLE_NAMES.includes(kind.name)).map((kind) => kind.name);
        return (
          <>
            {add.error !== null && <Problem error={add.error} />}
            <Text mb="md">
              A few contacts, books and notes of nobody, so that every page has something to show: a table to filter, a history to go back in, something to share. They go
              again by one click.
            </Text>
            {taken.length > 0 && add.error === null && (
              <Text mb="md" className="soft">
                You have {taken.join(", ")} already: what is added must fit those definitions, or is refused.
              </Text>
            )}
            <Group>
              <Button onClick={() => add.mutate()} loading={add.isPending} disabled={space === ""}>
                Add sample data
              </Button>
            </Group>
          </>
        );
      }}
    </Loaded>
  );
}
