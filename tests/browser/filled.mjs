// A node with something on every page of the console, and the way there.

import assert from "node:assert/strict";
import { OWNER, raw } from "./node.mjs";

const SCALARS = "title: String! rating: Float read: Boolean tags: [String] bought: DateTime note: JSON";
const SDL = `type Author { name: String books: [Book] } type Book { ${SCALARS} author: Author } type Contact { name: String phone: String tag: String }`;
export const GRANTED = {
  type: "allod_doc",
  datatypes: ["Contact"],
  actions: ["read", "search"],
  fields: { allow: ["name", "phone"] },
  where: { tag: { _eq: "family" } },
  purpose: "Shows whom you know",
  duration: "P30D",
};

/** Every page, as it is when something is there. */
export const pagesOf = ({ contact, space, user }) => ({
  home: "/",
  spaces: "/spaces",
  data: "/data?collection=Book",
  document: `/data?collection=Contact&doc=${contact}`,
  history: `/history?${new URLSearchParams({ space, collection: "Contact", doc: contact })}`,
  apps: "/apps",
  shares: "/shares",
  links: "/shares?tab=links",
  folders: "/folders",
  groups: "/groups",
  visibility: "/visibility?collection=Book&field=rating",
  devices: "/devices",
  security: "/security",
  recovery: "/recovery",
  where: "/where",
  welcome: "/welcome",
  audit: "/audit",
  notices: "/notices",
  schema: "/schema",
  health: "/node",
  people: "/operator/people",
  person: "/operator/people?person=bob",
  registered: "/operator/apps",
  node: "/operator/node",
  "audit-of-all": "/operator/audit",
  "may-they": "/operator/policy?user=bob&verb=read&collection=Contact&field=phone",
  "document-why": `/data?${new URLSearchParams({ collection: "Contact", doc: contact, why: "phone" })}`,
  backups: "/operator/backups",
  policy: "/operator/model",
  "policy-why": `/operator/model?${new URLSearchParams({ tab: "why", check: `space:${space}#view@user:${user}` })}`,
  "policy-changes": "/operator/model?tab=changes",
});

/** Puts something onto every page. */
export async function fill(node) {
  const ask = async (query, variables) => (await node.operator("POST", "/api/v1/graphql", { query, variables })).data;
  await node.operator("POST", "/api/v1/collections", { sdl: SDL });
  await node.operator("POST", "/api/v1/users", { name: "bob", password: "the long password of bob" });
  const titles = ["Emma", "Persuasion", "Solaris", "Fiasco", "Sanditon", "Mansfield Park"];
  const books = Array.from({ length: 1_000 }, (_, n) => ({
    title: `${titles[n % titles.length]} ${n}`,
    rating: (n % 50) / 10,
    read: n % 3 === 0,
    tags: n % 2 ? ["classic"] : ["sf", "owned"],
    bought: "2026-05-11T10:00:00Z",
    note: { shelf: n % 7 },
  }));
  for (let n = 0; n < books.length; n += 250) {
    await ask("mutation Add($input: [BookMutationInputArg!]!) { add_Book(input: $input) { _docID } }", { input: books.slice(n, n + 250) });
  }
  const people = [{ name: "Ann", phone: "1", tag: "family" }, { name: "Ben", phone: "2", tag: "work" }];
  const { added } = await ask("mutation Add($input: [ContactMutationInputArg!]!) { added: add_Contact(input: $input) { _docID } }", { input: people });
  const contact = added[0]._docID;
  await ask(`mutation { update_Contact(docID: "${contact}", input: { phone: "+41 99" }) { _docID } }`);
  const manifest = { name: "Little Address Book", redirect_uris: ["http://127.0.0.1/cb"], access: [GRANTED] };
  const { client_id } = await node.operator("POST", "/api/v1/apps", manifest);
  const { access_token } = await node.operator("POST", "/api/v1/grants", { user: OWNER.user, client_id, access: [GRANTED] });
  const body = JSON.stringify({ query: "{ Contact { name } }" });
  const told = await raw(`${node.url}/api/v1/graphql`, { method: "POST", headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" }, body });
  assert.equal(JSON.parse(told.text).data.Contact.length, 1);
  const { group } = await node.operator("POST", "/api/v1/groups", { name: "Family" });
  await node.operator("POST", `/api/v1/groups/${group}/members`, { user: "bob" });
  await node.operator("POST", "/api/v1/shares", { collection: "Contact", with: { group }, role: "viewer", until: "P30D" });
  await node.operator("POST", "/api/v1/places", { name: "anna" });
  const { space, user } = await node.operator("GET", "/api/v1/me");
  return { contact, space, user };
}

/** Signs in at the console. */
export async function enter(node, page, who = OWNER) {
  await page.goto(`${node.pages}/admin/`);
  await page.fill("#user", who.user);
  await page.fill("#password", who.password);
  await page.click("form button[type=submit]");
  await page.waitForSelector("text=Your spaces");
}

/** Goes to a page of the console. */
export async function go(node, page, path) {
  await page.goto(`${node.pages}/admin${path}`);
  await settled(page);
}

/** Whatever was on its way has come. */
export async function settled(page) {
  await page.waitForSelector("h1");
  await page.waitForFunction(() => document.querySelector('[aria-label="Loading"]') === null);
  await page.waitForFunction(() => document.querySelector("td")?.textContent !== "…");
}
