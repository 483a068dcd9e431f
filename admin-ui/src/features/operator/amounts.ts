const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes, as people say them. */
export function bytes(count: number): string {
  let [left, unit] = [count, 0];
  while (left >= 1_000 && unit < UNITS.length - 1) {
    left /= 1_000;
    unit += 1;
  }
  return `${left.toLocaleString(undefined, { maximumFractionDigits: unit === 0 ? 0 : 1 })} ${UNITS[unit] ?? ""}`;
}

/** Seconds, as people say them. */
export function span(seconds: number): string {
  const steps: [number, string][] = [
    [86_400, "days"],
    [3_600, "hours"],
    [60, "minutes"],
  ];
  const step = steps.find(([length]) => seconds >= 2 * length);
  return step === undefined ? `${Math.round(seconds)} s` : `${Math.round(seconds / step[0])} ${step[1]}`;
}
