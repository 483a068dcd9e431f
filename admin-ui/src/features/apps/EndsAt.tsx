import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Problem } from "../../components/Loaded";
import { useAct } from "../../components/useAct";
import { EndFields } from "./EndFields";
import { DURATIONS, type End, inWords, instantOf } from "./ends";

interface Props {
  grant: Schemas["GrantView"];
  opened: boolean;
  /** The grant has another id from now on. */
  onChanged: (change: Schemas["GrantChanged"]) => void;
  onClose: () => void;
}

const CHOICES = [...DURATIONS.map(({ value, label }) => ({ value, label: `${label} from now` })), { value: "never", label: "When I take it back" }];

/** Lets a grant end at another time, sooner or later. */
export function EndsAt({ grant, opened, onChanged, onClose }: Props) {
  const [end, setEnd] = useState<End>({ choice: "P30D", day: "" });
  const extend = useAct({
    act: async (until: Date | null) => {
      const params = { path: { id: grant.grant } };
      const answer = await done(api.PUT("/api/v1/grants/{id}/end", { params, body: { until: until?.toISOString() ?? null } }));
      onChanged(answer.data);
      return answer;
    },
    done: (_, until) => `${grant.app} keeps it until ${until === null ? "you take it back" : inWords(until)}.`,
    refresh: [["grants"], ["access"], ["audit"]],
    after: onClose,
    quiet: true,
  });
  const until = instantOf(end, new Date());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (until !== undefined) extend.mutate(until);
  };
  return (
    // What asks for the password lies above: Escape there is not meant for this.
    <Modal opened={opened} onClose={onClose} closeOnEscape={!extend.isPending} title={`When it ends for ${grant.app}`}>
      <form onSubmit={submit}>
        <Stack>
          {extend.error !== null && <Problem error={extend.error} />}
          <Text>{grant.expires ? `It ends ${inWords(new Date(grant.expires))} as it is.` : "It has no end as it is."}</Text>
          <EndFields end={end} choices={CHOICES} onChange={setEnd} />
          <Text aria-live="polite">
            {until === undefined && "Choose a day that is not over yet."}
            {until === null && "It may do what it may now until you take it back, however long that is."}
            {until && `It may do what it may now until ${inWords(until)}.`}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={extend.isPending} disabled={until === undefined}>
              Let it end then
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
