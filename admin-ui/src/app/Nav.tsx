import { Link } from "@tanstack/react-router";
import { Icon } from "../components/icons";
import { BUILD, MINE, type NavItem } from "./nav";

/** The way to every page. */
export function Nav({ onGo }: { onGo?: (() => void) | undefined }) {
  return (
    <nav aria-label="Pages">
      <Part title="Mine" items={MINE} onGo={onGo} />
      <Part title="Build" items={BUILD} onGo={onGo} />
    </nav>
  );
}

function Part({ title, items, onGo }: { title: string; items: NavItem[]; onGo: (() => void) | undefined }) {
  return (
    <>
      <p className="nav-title" id={`nav-${title}`}>
        {title}
      </p>
      <ul className="nav-list" aria-labelledby={`nav-${title}`}>
        {items.map((item) => (
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
