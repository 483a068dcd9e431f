/** What an address says after its `?`, as text: a filter there is what was typed, whatever it looks like. */
export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const said = Object.entries(search).filter((pair): pair is [string, string] => typeof pair[1] === "string" && pair[1] !== "");
  return said.length === 0 ? "" : `?${new URLSearchParams(said)}`;
}

/** The members that a page knows; others are as if they were not there. */
export function texts<K extends string>(...keys: K[]) {
  return (search: Record<string, unknown>): { [key in K]?: string | undefined } => {
    const found: { [key in K]?: string } = {};
    for (const key of keys) {
      const value = search[key];
      if (typeof value === "string" && value !== "") found[key] = value;
    }
    return found;
  };
}
