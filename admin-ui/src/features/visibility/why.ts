/** A relationship as the node tells it: `resource#relation@subject`, perhaps of its members, perhaps until an instant. */
interface Relationship {
  kind: string;
  id: string;
  relation: string;
  subject: string;
  subjectId: string;
  members: boolean;
  until: string | null;
}

const TEXT = /^([a-z_]+):([^#]+)#([a-z_]+)@([a-z_]+):([^#[]+)(#[a-z_]+)?(.*)$/;

/** Reads one; null for what is of no such form. */
export function relationship(text: string): Relationship | null {
  const found = TEXT.exec(text);
  if (found === null) return null;
  const [, kind = "", id = "", relation = "", subject = "", subjectId = "", members, more = ""] = found;
  return { kind, id, relation, subject, subjectId, members: members !== undefined, until: /\[expiration:([^\]]+)\]/.exec(more)?.[1] ?? null };
}

/** Names by ids, as far as the person knows them. */
export type Names = ReadonlyMap<string, string>;

/** Whose way it is: somebody by name, or `you`. */
export interface Whom {
  name: string;
  you: boolean;
}

const ROLE: Record<string, string> = { viewer: "to read", editor: "to read and change" };
const APP: Record<string, string> = {
  reader: "read",
  searcher: "search",
  creator: "add",
  updater: "change",
  deleter: "delete",
  historian: "see the past",
};

/** The way by which somebody sees something, a sentence for each step that says something. */
export function inWords(path: string[], whom: Whom, names: Names): string[] {
  const steps = path.map(relationship).filter((one) => one !== null);
  const told = steps.map((step) => sentence(step, whom, names)).filter((one) => one !== null);
  return [...new Set(told)];
}

/** What a thing is called; the kind alone where its name is not known. */
function thing({ kind, id }: Relationship, names: Names): string {
  const name = names.get(id);
  const known: Record<string, string> = {
    space: name === undefined ? "the whole space" : `the whole space “${name}”`,
    collection: "the collection",
    folder: name === undefined ? "a folder that it lies in" : `the folder “${name}”`,
    document: "the document",
    field: "the field",
  };
  return known[kind] ?? kind;
}

function group(id: string, names: Names): string {
  const name = names.get(id);
  return name === undefined ? "a group" : `the group “${name}”`;
}

function sentence(step: Relationship, whom: Whom, names: Names): string | null {
  const { kind, relation, subject, subjectId, members, until } = step;
  const they = whom.you ? "You" : whom.name;
  const [are, have] = whom.you ? ["are", "have"] : ["is", "has"];
  const ends = until === null ? "" : `, until ${new Date(until).toLocaleDateString(undefined, { dateStyle: "medium" })}`;
  const to = members ? group(subjectId, names) : subjectId === "*" ? "everyone on this node" : whom.you ? "you" : whom.name;
  if (kind === "group") {
    if (relation !== "member") return null;
    if (members) return `${capital(group(subjectId, names))} is in ${group(step.id, names)}${ends}.`;
    return `${they} ${are} in ${group(step.id, names)}${ends}.`;
  }
  if (kind === "grant") {
    const may = APP[relation];
    if (may === undefined) return null;
    return subject === "link" ? `A link lets whoever has it ${may} it${ends}.` : `A grant lets the app ${may} it${ends}.`;
  }
  if (kind === "field") {
    if (relation === "reader") return `The field is sealed, and ${to} may read it all the same${ends}.`;
    if (relation === "sealed") return `The field is sealed: it shows to its readers, and to who manages the collection.`;
    return null;
  }
  // How things lie in one another says nothing that the others do not.
  if (subject !== "user" && !members) return null;
  if (relation === "owner") return kind === "space" ? `${they} ${have} the space.` : `${capital(thing(step, names))} belongs to ${to}.`;
  const role = ROLE[relation];
  return role === undefined ? null : `${capital(thing(step, names))} was shared with ${to}, ${role}${ends}.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
