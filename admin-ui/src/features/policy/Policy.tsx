import { Tabs } from "@mantine/core";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Page } from "../../components/Page";
import { Changes } from "./Changes";
import { Explain } from "./Explain";
import { Model } from "./Model";

const TABS = ["model", "why", "changes"];

/** The rules under all rights of this node: the model, why a check is answered as it is, and what was ever changed. */
export function Policy() {
  const search = useSearch({ from: "/shell/operators/operator/model" });
  const navigate = useNavigate({ from: "/operator/model" });
  const tab = TABS.find((one) => one === search.tab) ?? "model";
  return (
    <Page
      title="Policy"
      lead={
        <>
          What every yes and no of this node rests on. For questions about people, apps and fields there is <Link to="/operator/policy">May they?</Link>
        </>
      }
    >
      <Tabs value={tab} onChange={(next) => void navigate({ search: { tab: next === "model" ? undefined : (next ?? undefined) } })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="model">The model</Tabs.Tab>
          <Tabs.Tab value="why">Ask why</Tabs.Tab>
          <Tabs.Tab value="changes">Every change</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="model">
          <Model />
        </Tabs.Panel>
        <Tabs.Panel value="why">
          <Explain check={search.check} onAsk={(check) => void navigate({ search: { tab: "why", check } })} />
        </Tabs.Panel>
        <Tabs.Panel value="changes">
          <Changes />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
