import { Select } from "@mantine/core";
import { RelativeTime } from "./RelativeTime";

/** Durations as ISO 8601 spells them; empty: without an end. */
export const UNTIL = [
  { value: "", label: "Until I end it" },
  { value: "P1D", label: "One day" },
  { value: "P7D", label: "One week" },
  { value: "P30D", label: "30 days" },
  { value: "P180D", label: "180 days" },
  { value: "P365D", label: "One year" },
];

/** For how long something is given. */
export function UntilSelect({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return <Select label="For how long" data={UNTIL} value={value} onChange={(next) => onChange(next ?? "")} />;
}

/** When something ends. */
export function Ends({ at }: { at: string | null | undefined }) {
  return at ? <RelativeTime at={at} /> : <span className="soft">no end</span>;
}
