import { MOST_LANES, type Row } from "./lanes";

/** One row of the picture: the lines that pass, and the commit as a dot. It says nothing that the row does not say in words. */
export function Graph({ row, lanes }: { row: Row; lanes: number }) {
  const drawn = row.stretches.filter(({ from, to }) => from < MOST_LANES && to < MOST_LANES);
  return (
    <div className="graph" aria-hidden="true">
      <svg viewBox={`0 0 ${lanes} 2`} preserveAspectRatio="none">
        {drawn.map(({ from, to, half }) => (
          <line key={`${from} ${to} ${half}`} x1={from + 0.5} x2={to + 0.5} y1={half === "upper" ? 0 : 1} y2={half === "upper" ? 1 : 2} />
        ))}
      </svg>
      {row.lane < MOST_LANES && <i style={{ insetInlineStart: `${((row.lane + 0.5) / lanes) * 100}%` }} />}
    </div>
  );
}
