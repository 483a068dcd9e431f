import { Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** `3 minutes ago`, `in 2 days`; within a minute `just now`. */
export function relative(at: Date, now: Date): string {
  const seconds = (at.getTime() - now.getTime()) / 1_000;
  const step = STEPS.find(([, length]) => Math.abs(seconds) >= length);
  if (step === undefined) return seconds > 0 ? "in a moment" : "just now";
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  return words.format(Math.trunc(seconds / step[1]), step[0]);
}

/** How long ago, or until when; the exact instant on hover and focus. */
export function RelativeTime({ at }: { at: string }) {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 30_000);
    return () => clearInterval(timer);
  }, []);
  const instant = new Date(at);
  if (Number.isNaN(instant.getTime())) return <>{at}</>;
  return (
    <Tooltip label={instant.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })}>
      <time dateTime={at}>{relative(instant, now)}</time>
    </Tooltip>
  );
}
