import { type Schemas, api, done } from "../../api/client";
import type { RowAct } from "../../components/ActTable";

type User = Schemas["UserView"];

const path = ({ name }: User) => ({ params: { path: { name } } });
const refresh = [["people"], ["audit"]];

/** Keeps somebody out for a while. An operator stops being one first. */
export const suspend: RowAct<User> = {
  label: "Suspend",
  of: (user) => !user.operator && !user.suspended,
  run: (user) => done(api.PUT("/api/v1/users/{name}/suspension", path(user))),
  done: (user) => `${user.name} is out, and so are their apps and links.`,
  refresh,
  ask: {
    title: (user) => `Suspend ${user.name}?`,
    act: "Suspend them",
    text: "They are signed out everywhere, and what apps and links hold in their name is refused from the next request on. What they have stays, what they shared with others too. Their own devices keep what they hold, and sync nothing meanwhile. You can end it at any time.",
  },
};

/** Ends that. */
export const letBackIn: RowAct<User> = {
  label: "Let back in",
  of: (user) => Boolean(user.suspended),
  run: (user) => done(api.DELETE("/api/v1/users/{name}/suspension", path(user))),
  done: (user) => `${user.name} can sign in again.`,
  refresh,
  gives: true,
};
