import { Select, TextInput } from "@mantine/core";
import { type End, dayOf } from "./ends";

interface Props {
  end: End;
  choices: { value: string; label: string }[];
  /** No later than this, where there is an end already. */
  latest?: Date | undefined;
  onChange: (end: End) => void;
}

/** Chooses when a grant ends: one of a few ends, or a day. */
export function EndFields({ end, choices, latest, onChange }: Props) {
  return (
    <div className="fields">
      <Select
        label="Ends"
        data={[...choices, { value: "day", label: "On a day…" }]}
        value={end.choice}
        onChange={(choice) => onChange({ ...end, choice: choice ?? "" })}
      />
      {end.choice === "day" && (
        <TextInput
          type="date"
          label="At the end of"
          required
          min={dayOf(new Date())}
          max={latest === undefined ? undefined : dayOf(latest)}
          value={end.day}
          onChange={(event) => onChange({ ...end, day: event.currentTarget.value })}
        />
      )}
    </div>
  );
}
