import type { Commit } from "./queries";

/** A stretch between two lanes, from the upper half of a row to its middle or from there to its end. */
export interface Stretch {
  from: number;
  to: number;
  half: "upper" | "lower";
}

/** A commit among the lines that pass it. */
export interface Row {
  cid: string;
  lane: number;
  stretches: Stretch[];
}

/** Lays commits, each before those on which it rests, out in lanes: who went on from whom, and where ways met again. */
export function laidOut(commits: Pick<Commit, "cid" | "heads">[]): Row[] {
  const here = new Set(commits.map((commit) => commit.cid));
  // By lane the commit that it leads to; null: it is free.
  const lanes: (string | null)[] = [];
  const free = () => {
    const at = lanes.indexOf(null);
    return at === -1 ? lanes.length : at;
  };
  return commits.map(({ cid, heads }) => {
    const stretches: Stretch[] = [];
    const found = lanes.indexOf(cid);
    const lane = found === -1 ? free() : found;
    lanes.forEach((to, from) => {
      if (to !== null) stretches.push({ from, to: to === cid ? lane : from, half: "upper" });
    });
    lanes.forEach((to, at) => {
      if (to === cid) lanes[at] = null;
    });
    if (found === -1) lanes[lane] = null;
    const passing = lanes.flatMap((to, at) => (to === null ? [] : [at]));
    // What the person is not told of is not drawn: the line ends here.
    heads.filter((head) => here.has(head.cid)).forEach((head, n) => {
      let to = lanes.indexOf(head.cid);
      if (to === -1) {
        to = n === 0 && lanes[lane] === null ? lane : free();
        lanes[to] = head.cid;
      }
      stretches.push({ from: lane, to, half: "lower" });
    });
    for (const at of passing) stretches.push({ from: at, to: at, half: "lower" });
    return { cid, lane, stretches };
  });
}

/** How many lanes are drawn at most. */
export const MOST_LANES = 12;

/** How many lanes there are. */
export function breadth(rows: Row[]): number {
  const most = rows.reduce((sum, row) => Math.max(sum, row.lane, ...row.stretches.flatMap(({ from, to }) => [from, to])), 0);
  return Math.min(most + 1, MOST_LANES);
}
