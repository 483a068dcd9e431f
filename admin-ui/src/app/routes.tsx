import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { hasSession } from "../api/session";
import { Empty, Page } from "../components/Page";
import { Problem } from "../components/Loaded";
import { Home } from "../features/home/Home";
import { Shell } from "./Shell";
import { parseSearch, stringifySearch, texts } from "./search";

const root = createRootRoute({
  notFoundComponent: () => (
    <Page title="There is no such page">
      <Empty title="Nothing is here">The address may be mistyped. The navigation leads to every page.</Empty>
    </Page>
  ),
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: texts("to", "user"),
  beforeLoad: () => {
    if (hasSession()) throw redirect({ to: "/" });
  },
  component: lazyRouteComponent(() => import("../features/session/SignIn"), "SignIn"),
});

const outside = createRoute({
  getParentRoute: () => root,
  path: "/outside",
  validateSearch: texts("with"),
  component: lazyRouteComponent(() => import("../features/session/Outside"), "Outside"),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  beforeLoad: ({ location }) => {
    if (!hasSession()) throw redirect({ to: "/sign-in", search: location.href === "/" ? {} : { to: location.href } });
  },
  component: Shell,
});

const under = () => shell;
const page = <P extends string>(path: P, component: Parameters<typeof lazyRouteComponent>[0], name: string) =>
  createRoute({ getParentRoute: under, path, component: lazyRouteComponent(component, name) });

const home = createRoute({ getParentRoute: under, path: "/", component: Home });
const spaces = page("/spaces", () => import("../features/spaces/Spaces"), "Spaces");
const data = createRoute({
  getParentRoute: under,
  path: "/data",
  validateSearch: texts("space", "collection", "filter", "order", "deleted", "doc", "hidden", "why"),
  component: lazyRouteComponent(() => import("../features/data/DataBrowser"), "DataBrowser"),
});
const history = createRoute({
  getParentRoute: under,
  path: "/history",
  validateSearch: texts("space", "collection", "doc", "left", "right"),
  component: lazyRouteComponent(() => import("../features/history/History"), "History"),
});
const security = page("/security", () => import("../features/security/Security"), "Security");
const audit = createRoute({
  getParentRoute: under,
  path: "/audit",
  validateSearch: texts("what", "actor", "before"),
  component: lazyRouteComponent(() => import("../features/audit/Audit"), "Audit"),
});

const schema = createRoute({
  getParentRoute: under,
  path: "/schema",
  validateSearch: texts("space"),
  component: lazyRouteComponent(() => import("../features/schema/Schema"), "Schema"),
});

const apps = createRoute({
  getParentRoute: under,
  path: "/apps",
  validateSearch: texts("app"),
  component: lazyRouteComponent(() => import("../features/apps/Apps"), "Apps"),
});
const shares = createRoute({
  getParentRoute: under,
  path: "/shares",
  validateSearch: texts("tab"),
  component: lazyRouteComponent(() => import("../features/shares/Shares"), "Shares"),
});
const folders = createRoute({
  getParentRoute: under,
  path: "/folders",
  validateSearch: texts("space"),
  component: lazyRouteComponent(() => import("../features/folders/Folders"), "Folders"),
});
const groups = page("/groups", () => import("../features/groups/Groups"), "Groups");
const visibility = createRoute({
  getParentRoute: under,
  path: "/visibility",
  validateSearch: texts("space", "collection", "field", "doc"),
  component: lazyRouteComponent(() => import("../features/visibility/Visibility"), "Visibility"),
});
const devices = page("/devices", () => import("../features/devices/Devices"), "Devices");
const graphiql = createRoute({
  getParentRoute: under,
  path: "/graphql",
  validateSearch: texts("space"),
  component: lazyRouteComponent(() => import("../features/graphiql/GraphiQl"), "GraphiQl"),
});
const where = page("/where", () => import("../features/where/Where"), "Where");
const notices = page("/notices", () => import("../features/notices/Notices"), "Notices");
const recovery = page("/recovery", () => import("../features/recovery/Recovery"), "Recovery");
const welcome = createRoute({
  getParentRoute: under,
  path: "/welcome",
  validateSearch: texts("step"),
  component: lazyRouteComponent(() => import("../features/welcome/Welcome"), "Welcome"),
});
const health = page("/node", () => import("../features/node/Health"), "Health");

const operators = createRoute({ getParentRoute: under, id: "operators", component: lazyRouteComponent(() => import("../features/operator/ForOperators"), "ForOperators") });
const underOperators = () => operators;
const people = createRoute({
  getParentRoute: underOperators,
  path: "/operator/people",
  validateSearch: texts("person", "name"),
  component: lazyRouteComponent(() => import("../features/operator/People"), "People"),
});
const registered = createRoute({
  getParentRoute: underOperators,
  path: "/operator/apps",
  validateSearch: texts("app"),
  component: lazyRouteComponent(() => import("../features/operator/Registered"), "Registered"),
});
const status = createRoute({
  getParentRoute: underOperators,
  path: "/operator/node",
  component: lazyRouteComponent(() => import("../features/operator/NodeStatus"), "NodeStatus"),
});
const auditOfAll = createRoute({
  getParentRoute: underOperators,
  path: "/operator/audit",
  validateSearch: texts("user", "app", "what", "actor", "before"),
  component: lazyRouteComponent(() => import("../features/operator/AuditOfAll"), "AuditOfAll"),
});
const policy = createRoute({
  getParentRoute: underOperators,
  path: "/operator/policy",
  validateSearch: texts("user", "app", "verb", "collection", "field", "doc", "space"),
  component: lazyRouteComponent(() => import("../features/operator/MayThey"), "MayThey"),
});
const backups = createRoute({
  getParentRoute: underOperators,
  path: "/operator/backups",
  component: lazyRouteComponent(() => import("../features/backups/Backups"), "Backups"),
});
const model = createRoute({
  getParentRoute: underOperators,
  path: "/operator/model",
  validateSearch: texts("tab", "check"),
  component: lazyRouteComponent(() => import("../features/policy/Policy"), "Policy"),
});

const mine = [home, spaces, data, history, apps, shares, folders, groups, visibility, devices, security, audit, where, notices, recovery, welcome];
const pages = [...mine, schema, graphiql, health, operators.addChildren([people, registered, status, auditOfAll, backups, policy, model])];

export const router = createRouter({
  routeTree: root.addChildren([signIn, outside, shell.addChildren(pages)]),
  basepath: "/admin",
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => <Problem error={error} retry={reset} />,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
