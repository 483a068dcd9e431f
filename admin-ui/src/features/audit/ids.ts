/** The ids in a text, short; those that have a name by that. */
export function shortIds(text: string, names: ReadonlyMap<string, string> = new Map()): string {
  return text.replaceAll(/[0-9a-f]{32}/g, (id) => names.get(id) ?? `${id.slice(0, 8)}…`);
}
