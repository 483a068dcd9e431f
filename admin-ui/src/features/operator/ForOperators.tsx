import { useQuery } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { Loaded } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { me } from "../session/queries";

/** The pages of operators; whoever is none is told so, and the node refuses them what the pages ask. */
export function ForOperators() {
  const who = useQuery(me);
  return (
    <Loaded query={who}>
      {({ operator }) =>
        operator ? (
          <Outlet />
        ) : (
          <Page title="For operators">
            <Empty title="You are no operator of this node">
              Operators see who is on the node and how it is. Another operator can make you one, or whoever holds the machine: <code className="mono">allod user operator NAME</code>.
            </Empty>
          </Page>
        )
      }
    </Loaded>
  );
}
