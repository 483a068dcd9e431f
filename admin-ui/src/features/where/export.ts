import { pageFetch } from "../../api/pageFetch";
import { refusal } from "../../api/problem";

/** The last line of an export that is whole. */
const END = /\{"end":[^\n]*\}\s*$/;

/** Everything of the person, as one file; `told` hears how many bytes have come. Throws if it is refused or broken off. */
export async function exportMine(told: (bytes: number) => void): Promise<Blob> {
  const answer = await pageFetch(new Request(new URL("/api/v1/me/export", location.origin)));
  if (!answer.ok || answer.body === null) throw refusal(answer, await answer.json().catch(() => null));
  const parts: BlobPart[] = [];
  let bytes = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.byteLength;
    told(bytes);
  }
  const all = new Blob(parts, { type: "application/jsonl" });
  if (!END.test(await all.slice(-4_096).text())) throw new Error("The export was broken off: what came is not whole, and was not kept. Try again.");
  return all;
}

/** Gives a file to the browser, to be kept under a name. */
export function keep(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
