import type { ReactNode } from "react";
import { useEffect } from "react";

interface Props {
  title: string;
  /** One sentence: what one sees here. */
  lead?: ReactNode;
  /** The one main act of the page. */
  action?: ReactNode;
  children: ReactNode;
}

/** A page: its title, what it is for, its main act, and what it shows. */
export function Page({ title, lead, action, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Allod`;
  }, [title]);
  return (
    <>
      <header className="page-head">
        <div>
          <h1>{title}</h1>
          {lead !== undefined && <p>{lead}</p>}
        </div>
        {action}
      </header>
      {children}
    </>
  );
}

/** Where there is nothing yet: what would be here, and how it comes about. */
export function Empty({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      <p>{children}</p>
      {action}
    </div>
  );
}
