import { UNTIL } from "../../components/Until";

/** The end of a grant, as it is chosen. */
export interface End {
  /** A duration, `day`, `never`, or empty for the end that it has. */
  choice: string;
  /** With `day`: which, as a date input has it. */
  day: string;
}

export const DURATIONS = UNTIL.filter(({ value }) => value !== "");
const DAY = 86_400_000;

/** The milliseconds of a duration in days, as `P30D`. */
export function lasts(duration: string): number {
  return Number(duration.slice(1, -1)) * DAY;
}

/** An instant as a date input has its day. */
export function dayOf(at: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** The instant that is chosen, at the end of a day; null: without an end, undefined: nothing is chosen that lies ahead. */
export function instantOf({ choice, day }: End, now: Date): Date | null | undefined {
  if (choice === "never") return null;
  const at = choice === "day" ? new Date(`${day}T23:59:59`) : new Date(now.getTime() + lasts(choice));
  return at > now ? at : undefined;
}

/** An instant in words. */
export function inWords(at: Date): string {
  return at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
