import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { useEffect, useId, useRef, useState } from "react";
import { Icon } from "../components/icons";
import { me } from "../features/session/queries";
import { type NavGroup, groupsOf } from "./nav";

const STORED = "allod-nav-folded";

/** Which groups the person folded or opened, by their titles; of the others each has its own way. */
function stored(): Record<string, boolean> {
  try {
    return (JSON.parse(localStorage.getItem(STORED) ?? "{}") ?? {}) as Record<string, boolean>;
  } catch {
    return {};
  }
}

/** The way to every page. */
export function Nav({ onGo }: { onGo?: (() => void) | undefined }) {
  const { data } = useQuery(me);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const nav = useRef<HTMLElement>(null);
  const [folded, setFolded] = useState(stored);
  const operates = data?.operator === true;
  // The list may be longer than the window: where one is shows in it.
  useEffect(() => {
    nav.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest" });
  }, [path, operates]);
  const fold = (title: string, away: boolean) => {
    const next = { ...folded, [title]: away };
    setFolded(next);
    localStorage.setItem(STORED, JSON.stringify(next));
  };
  return (
    <nav aria-label="Pages" ref={nav}>
      {groupsOf(operates).map((group) => (
        <Part key={group.title} group={group} path={path} folded={folded[group.title] ?? group.folded === true} onFold={(away) => fold(group.title, away)} onGo={onGo} />
      ))}
    </nav>
  );
}

interface PartProps {
  group: NavGroup;
  path: string;
  folded: boolean;
  onFold: (away: boolean) => void;
  onGo: (() => void) | undefined;
}

function Part({ group: { title, items }, path, folded, onFold, onGo }: PartProps) {
  const list = useId();
  // Where one is stays in view, whatever is folded away.
  const shown = folded ? items.filter((item) => item.to === path) : items;
  return (
    <>
      <button type="button" className="nav-title" aria-expanded={!folded} aria-controls={list} onClick={() => onFold(!folded)}>
        {title}
        <Icon name="chevron" size={14} />
      </button>
      <ul className="nav-list" id={list}>
        {shown.map((item) => (
          <li key={item.to}>
            <Link className="nav-link" to={item.to} activeOptions={{ exact: item.to === "/" || item.to === "/node", includeSearch: false }} onClick={onGo}>
              <Icon name={item.icon} />
              {item.label}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}
