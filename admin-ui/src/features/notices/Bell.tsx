import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";
import { Icon } from "../../components/icons";
import { notices, unread } from "./queries";

/** The way to what one was told, and how much of it is not read yet. */
export function Bell() {
  const { data } = useQuery(notices);
  const client = useQueryClient();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => {
    void client.prefetchQuery(notices);
  }, [client, path]);
  const count = unread(data);
  return (
    <Link to="/notices" className="bell" aria-label={count === 0 ? "Notices" : `Notices: ${count} unread`}>
      <Icon name="bell" />
      {count > 0 && (
        <span className="count" aria-hidden="true">
          {count > 99 ? "99+" : count}
        </span>
      )}
    </Link>
  );
}
