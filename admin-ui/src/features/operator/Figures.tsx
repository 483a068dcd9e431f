import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { Problem } from "../../components/Loaded";
import { pageFetch } from "../../api/pageFetch";
import { refusal } from "../../api/problem";
import { bytes } from "./amounts";

const EACH_MS = 2_000;
/** Readings that are kept, and drawn. */
const KEPT = 90;
/** Readings that have room from the beginning. */
const LEAST = 15;

/** Sums of the node's figures at one moment, by name. */
type Reading = { at: number; of: Map<string, number> };

/** The figures as `/metrics` tells them (OpenMetrics): those of one name together, whatever their labels. */
function read(text: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split("\n")) {
    const found = /^([a-z_]+)(?:\{[^}]*\})? (\S+)/.exec(line);
    const [name, value] = [found?.[1], Number(found?.[2])];
    if (name !== undefined && Number.isFinite(value)) sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return sums;
}

interface Figure {
  label: string;
  name: RegExp;
  /** How much more it is each second, and not how much. */
  rate?: boolean;
  say: (value: number) => string;
}

const FIGURES: Figure[] = [
  { label: "Requests", name: /http_requests_total$/, rate: true, say: (value) => `${value.toFixed(1)} each second` },
  { label: "Commits", name: /log_commit_seconds_count$/, rate: true, say: (value) => `${value.toFixed(1)} each second` },
  { label: "Processor", name: /process_cpu_seconds(_total)?$/, rate: true, say: (value) => `${Math.round(value * 100)} %` },
  { label: "Memory", name: /process_resident_memory_bytes$/, say: bytes },
];

/** What the node does at this moment, in small lines that begin when the page is opened. */
export function Figures() {
  const kept = useRef<Reading[]>([]);
  const figures = useQuery({
    queryKey: ["metrics"],
    queryFn: async ({ signal }) => {
      const response = await pageFetch(new Request(new URL("/metrics", location.origin), { signal }));
      if (!response.ok) throw refusal(response, await response.json().catch(() => null));
      kept.current = [...kept.current, { at: performance.now(), of: read(await response.text()) }].slice(-KEPT);
      return kept.current;
    },
    refetchInterval: EACH_MS,
    structuralSharing: false,
  });
  if (figures.isError) return <Problem error={figures.error} retry={() => void figures.refetch()} />;
  return (
    <div className="cards figures">
      {FIGURES.map((figure) => (
        <Line key={figure.label} figure={figure} values={series(figure, figures.data ?? [])} />
      ))}
    </div>
  );
}

function series({ name, rate = false }: Figure, readings: Reading[]): number[] {
  const sum = ({ of }: Reading) => [...of].reduce((all, [known, value]) => (name.test(known) ? all + value : all), 0);
  if (!rate) return readings.map(sum);
  return readings.slice(1).map((now, n) => {
    const before = readings[n] ?? now;
    return Math.max(0, sum(now) - sum(before)) / Math.max(0.001, (now.at - before.at) / 1_000);
  });
}

function Line({ figure, values }: { figure: Figure; values: number[] }) {
  const last = values.at(-1);
  const most = Math.max(...values, Number.EPSILON);
  // What is new comes in from the right; a line of a few readings is no broader than they are.
  const places = Math.max(values.length, LEAST);
  const points = values.map((value, n) => `${((n + places - values.length) / (places - 1)) * 100},${29 - (value / most) * 27}`);
  return (
    <section className="card" aria-label={figure.label}>
      <h2>{figure.label}</h2>
      <p>{last === undefined ? "…" : figure.say(last)}</p>
      <svg className="spark" viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
        <polyline points={points.join(" ")} />
      </svg>
    </section>
  );
}
