import type { IconName } from "../components/icons";

export interface NavItem {
  to: string;
  label: string;
  icon: IconName;
  /** Other words by which the palette finds it. */
  also: string;
}

/** Pages that belong together; a group can be folded away. */
export interface NavGroup {
  title: string;
  items: NavItem[];
  /** Folded away until somebody opens it. */
  folded?: boolean;
  /** For operators alone. */
  operators?: boolean;
}

export const GROUPS: NavGroup[] = [
  {
    title: "My data",
    items: [
      { to: "/", label: "Home", icon: "home", also: "start next" },
      { to: "/data", label: "Data", icon: "data", also: "documents collections table browse" },
      { to: "/spaces", label: "Spaces", icon: "space", also: "new space" },
      { to: "/folders", label: "Folders", icon: "folder", also: "file documents together" },
      { to: "/where", label: "Where is my data", icon: "map", also: "copies export download keys left take out" },
    ],
  },
  {
    title: "Who has what",
    items: [
      { to: "/apps", label: "Apps", icon: "app", also: "grants access revoke" },
      { to: "/shares", label: "Shares and links", icon: "share", also: "give got public" },
      { to: "/groups", label: "Groups", icon: "group", also: "family members" },
      { to: "/visibility", label: "Who sees what", icon: "eye", also: "field rules hide seal why permission" },
      { to: "/audit", label: "My audit", icon: "list", also: "log what happened" },
    ],
  },
  {
    title: "My account",
    items: [
      { to: "/devices", label: "Devices and replicas", icon: "device", also: "phone sync lag invite" },
      { to: "/notices", label: "Notices", icon: "bell", also: "told unread mail turn off" },
      { to: "/security", label: "Sign-in and password", icon: "lock", also: "sessions sign out everywhere second factor" },
      { to: "/recovery", label: "Ways back in", icon: "policy", also: "recovery kit words lost forgotten backup" },
    ],
  },
  {
    title: "Build",
    folded: true,
    items: [
      { to: "/schema", label: "Schema", icon: "schema", also: "SDL types define collections" },
      { to: "/graphql", label: "GraphiQL", icon: "query", also: "query API explorer" },
      { to: "/node", label: "Health", icon: "pulse", also: "ready status node version" },
    ],
  },
  {
    title: "Operator",
    folded: true,
    operators: true,
    items: [
      { to: "/operator/people", label: "People", icon: "person", also: "users invite suspend quota password operator" },
      { to: "/operator/apps", label: "Registered apps", icon: "app", also: "register remove all clients" },
      { to: "/operator/node", label: "Node", icon: "pulse", also: "status doctor checks backups peers metrics disk certificate" },
      { to: "/operator/backups", label: "Backups", icon: "box", also: "places restore other nodes keep test recovery" },
      { to: "/operator/audit", label: "Audit of all", icon: "list", also: "log everybody who did what" },
      { to: "/operator/policy", label: "May they?", icon: "test", also: "policy permission tester check explain who can see" },
      { to: "/operator/model", label: "Policy", icon: "policy", also: "model zed relationships definitions permissions schema chain changes sealed explain" },
    ],
  },
];

/** The groups of who is signed in. */
export function groupsOf(operates: boolean): NavGroup[] {
  return GROUPS.filter((group) => group.operators !== true || operates);
}
