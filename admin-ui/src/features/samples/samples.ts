import { type Answer, api, done, read, readAll } from "../../api/client";
import { graphql } from "../../api/graphql";

/** What folders of sample documents are called: by it they are found again, and removed. */
export const SAMPLES = "Sample data";

interface Sample {
  collection: string;
  sdl: string;
  documents: Record<string, unknown>[];
  /** Changed once more, so that there is a history. */
  later: Record<string, unknown>;
}

const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().replace(/\.\d+/, "");

const SAMPLE: Sample[] = [
  {
    collection: "Contact",
    sdl: "type Contact { name: String! phone: String email: String tag: String met: DateTime }",
    documents: [
      { name: "Ada Lovelace", phone: "+44 20 7946 0001", email: "ada@example.org", tag: "friend", met: day(900) },
      { name: "Emmy Noether", phone: "+49 9131 555 01", email: "emmy@example.org", tag: "work", met: day(400) },
      { name: "Grandmother", phone: "+41 44 555 01 02", tag: "family", met: day(12_000) },
      { name: "Uncle Paul", phone: "+41 44 555 01 03", tag: "family", met: day(11_000) },
      { name: "Dr. Weber, dentist", phone: "+41 44 555 01 04", tag: "health", met: day(60) },
    ],
    later: { phone: "+44 20 7946 0099" },
  },
  {
    collection: "Book",
    sdl: "type Book { title: String! author: String rating: Float read: Boolean tags: [String] }",
    documents: [
      { title: "Emma", author: "Jane Austen", rating: 4.5, read: true, tags: ["classic"] },
      { title: "Persuasion", author: "Jane Austen", rating: 4.8, read: true, tags: ["classic"] },
      { title: "Solaris", author: "Stanisław Lem", rating: 4.2, read: true, tags: ["science fiction"] },
      { title: "The Dispossessed", author: "Ursula K. Le Guin", read: false, tags: ["science fiction"] },
      { title: "A Pattern Language", author: "Christopher Alexander", rating: 4.9, read: false, tags: ["building", "lent to Ada"] },
    ],
    later: { rating: 4.7 },
  },
  {
    collection: "Note",
    sdl: "type Note { title: String! text: String pinned: Boolean written: DateTime }",
    documents: [
      { title: "What to cook on Sunday", text: "Onion tart, salad, the plums from the garden.", pinned: true, written: day(2) },
      { title: "Numbers of the boiler", text: "Serial 4711-0815, last looked at in May.", pinned: false, written: day(120) },
      { title: "Ideas for a present", text: "A lamp for Ada. Something with a motor for Paul.", pinned: false, written: day(20) },
    ],
    later: { text: "Onion tart, salad, and a cake: the plums are not ripe yet." },
  },
];

export const SAMPLE_NAMES = SAMPLE.map((one) => one.collection);

/** Adds what is lacking of the sample data to a space, where those names are free or were used by it before. */
export async function addSamples(space: string): Promise<Answer<number>> {
  const there = await readAll(api.GET("/api/v1/collections", { params: { header: { "Allod-Space": space } } }));
  const folders = await readAll(api.GET("/api/v1/folders", { params: { query: { space } } }));
  let count = 0;
  let requestId = "";
  for (const { collection, sdl, documents, later } of SAMPLE) {
    if (folders.some((folder) => folder.name === SAMPLES && folder.collection === collection)) continue;
    if (!there.some((known) => known.name === collection)) {
      await done(api.POST("/api/v1/collections", { params: { header: { "Allod-Space": space } }, body: { sdl } }));
    }
    const { folder } = await read(api.POST("/api/v1/folders", { body: { space, collection, name: SAMPLES } }));
    const add = `mutation Add($input: [${collection}MutationInputArg!]!) { added: add_${collection}(input: $input) { _docID } }`;
    const made = await graphql<{ added: { _docID: string }[] }>(space, add, { input: documents });
    const ids = made.data.added.map((one) => one._docID);
    await done(api.POST("/api/v1/folders/{id}/documents", { params: { path: { id: folder ?? "" } }, body: { documents: ids } }));
    const change = `mutation Change($doc: [ID], $input: ${collection}MutationInputArg!) { update_${collection}(docID: $doc, input: $input) { _docID } }`;
    await graphql(space, change, { doc: ids.slice(0, 1), input: later });
    count += ids.length;
    requestId = made.requestId;
  }
  return { data: count, requestId };
}

/** Deletes the sample documents of a space with the folders that name them; the collections stay. */
export async function removeSamples(space: string): Promise<Answer<number>> {
  const folders = await readAll(api.GET("/api/v1/folders", { params: { query: { space } } }));
  let count = 0;
  let requestId = "";
  for (const { folder, name, collection } of folders) {
    if (name !== SAMPLES || !folder || !collection) continue;
    for (let after: string | undefined; ; ) {
      const part = await read(
        api.GET("/api/v1/folders/{id}/documents", { params: { path: { id: folder }, query: { ...(after !== undefined && { after }) } } }),
      );
      if (part.documents.length > 0) {
        await graphql(space, `mutation Remove($doc: [ID]) { delete_${collection}(docID: $doc) { _docID } }`, { doc: part.documents });
        count += part.documents.length;
      }
      if (!part.next) break;
      after = part.next;
    }
    ({ requestId } = await done(api.DELETE("/api/v1/folders/{id}", { params: { path: { id: folder } } })));
  }
  return { data: count, requestId };
}
