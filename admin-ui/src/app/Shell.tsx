import { ActionIcon, Button, Drawer, Kbd, Menu, useMantineColorScheme } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouter, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { api, done } from "../api/client";
import { forgetSession, hasSession, onSession } from "../api/session";
import { Icon } from "../components/icons";
import { say } from "../components/toasts";
import { Bell } from "../features/notices/Bell";
import { PasswordDialog } from "../features/session/PasswordDialog";
import { me } from "../features/session/queries";
import { Nav } from "./Nav";
import { Palette } from "./Palette";

/** What is around every page of a person who is signed in. */
export function Shell() {
  const [menu, setMenu] = useState(false);
  const [palette, setPalette] = useState(false);
  const signedIn = useSyncExternalStore(onSession, hasSession);
  const router = useRouter();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useHotkeys([["mod+K", () => setPalette(true)]], []);

  useEffect(() => {
    if (signedIn) return;
    const { href } = router.latestLocation;
    void router.navigate({ to: "/sign-in", search: href === "/" ? {} : { to: href }, replace: true });
  }, [signedIn, router]);

  // Who goes to another page by keyboard is at its beginning, and not still in the navigation.
  useEffect(() => {
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);

  if (!signedIn) return null;
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        To the page
      </a>
      <header className="bar">
        <ActionIcon className="narrow-only" variant="subtle" color="gray" size="lg" aria-label="Pages" onClick={() => setMenu(true)}>
          <Icon name="menu" />
        </ActionIcon>
        <Link to="/" className="mark">
          <img src="/admin/mark.svg" alt="" width={26} height={26} />
          Allod
        </Link>
        <span className="grow" />
        <Button
          variant="default"
          className="wide-only"
          leftSection={<Icon name="search" size={16} />}
          rightSection={<Kbd size="xs">Ctrl K</Kbd>}
          onClick={() => setPalette(true)}
        >
          Go to
        </Button>
        <ActionIcon className="narrow-only" variant="subtle" color="gray" size="lg" aria-label="Go to" onClick={() => setPalette(true)}>
          <Icon name="search" />
        </ActionIcon>
        <Bell />
        <Scheme />
        <Person />
      </header>
      <aside className="side wide-only">
        <Nav />
      </aside>
      <main className="content" id="main" ref={main} tabIndex={-1}>
        <Outlet />
      </main>
      <Drawer opened={menu} onClose={() => setMenu(false)} position="left" size="17rem" title="Allod">
        <Nav onGo={() => setMenu(false)} />
      </Drawer>
      <Palette opened={palette} onClose={() => setPalette(false)} />
      <PasswordDialog />
    </div>
  );
}

const SCHEMES = [
  ["light", "Light"],
  ["dark", "Dark"],
  ["auto", "As the system"],
] as const;

function Scheme() {
  // The transitions of a change are kept: holding them takes a style that the policy forbids.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Light or dark">
          <Icon name="sun" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {SCHEMES.map(([scheme, label]) => (
          <Menu.Item key={scheme} onClick={() => setColorScheme(scheme)} fw={scheme === colorScheme ? 700 : 400}>
            {label}
            {scheme === colorScheme && <span aria-label="chosen"> ✓</span>}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Person() {
  const { data } = useQuery(me);
  const client = useQueryClient();
  const navigate = useNavigate();
  const signOut = async () => {
    // It ends here in any case; a node that cannot be reached ends it when it lapses.
    await done(api.DELETE("/api/v1/session")).catch(() => undefined);
    forgetSession();
    client.clear();
    say("You are signed out.");
  };
  return (
    <Menu>
      <Menu.Target>
        <Button variant="subtle" color="gray" leftSection={<Icon name="person" />}>
          <span className="name">{data?.name ?? "Account"}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => void navigate({ to: "/security" })}>Sign-in and password</Menu.Item>
        <Menu.Item onClick={() => void navigate({ to: "/audit" })}>My audit</Menu.Item>
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
