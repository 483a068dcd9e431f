import type { IconName } from "../components/icons";

export interface NavItem {
  to: string;
  label: string;
  icon: IconName;
  /** Other words by which the palette finds it. */
  also: string;
}

/** What everybody has. */
export const MINE: NavItem[] = [
  { to: "/", label: "Home", icon: "home", also: "start next" },
  { to: "/spaces", label: "Spaces", icon: "space", also: "new space" },
  { to: "/data", label: "Data", icon: "data", also: "documents collections table browse" },
  { to: "/apps", label: "Apps", icon: "app", also: "grants access revoke" },
  { to: "/shares", label: "Shares and links", icon: "share", also: "give got public" },
  { to: "/folders", label: "Folders", icon: "space", also: "file documents together" },
  { to: "/groups", label: "Groups", icon: "group", also: "family members" },
  { to: "/visibility", label: "Who sees what", icon: "eye", also: "field rules hide seal why permission" },
  { to: "/devices", label: "Devices and replicas", icon: "device", also: "phone sync lag invite" },
  { to: "/security", label: "Sign-in and password", icon: "lock", also: "sessions sign out everywhere" },
  { to: "/audit", label: "My audit", icon: "list", also: "log what happened" },
];

/** How data is defined and asked for. */
export const BUILD: NavItem[] = [
  { to: "/schema", label: "Schema", icon: "schema", also: "SDL types define collections" },
  { to: "/graphql", label: "GraphiQL", icon: "query", also: "query API explorer" },
  { to: "/node", label: "Health", icon: "pulse", also: "ready status node version" },
];
