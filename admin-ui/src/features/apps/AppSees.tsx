import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Schemas, api, read } from "../../api/client";
import { Loaded } from "../../components/Loaded";
import { Empty } from "../../components/Page";
import { Ends } from "../../components/Until";
import { me } from "../session/queries";
import { FirstRows } from "./FirstRows";
import { rows, verbs } from "./words";

/** What an app can see at this moment, by what is enforced and not by what was asked. */
export function AppSees({ app, name, onClose }: { app: string | undefined; name: string; onClose: () => void }) {
  return (
    <Drawer opened={app !== undefined} onClose={onClose} title={`What ${name} sees`}>
      {app !== undefined && <Seen app={app} />}
    </Drawer>
  );
}

function Seen({ app }: { app: string }) {
  const seen = useQuery({
    queryKey: ["access", "app", app],
    queryFn: ({ signal }) => read(api.GET("/api/v1/access/apps/{client}", { params: { path: { client: app } }, signal })),
  });
  const who = useQuery(me);
  return (
    <Loaded query={seen}>
      {({ entries }) =>
        entries.length === 0 ? (
          <Empty title="Nothing">Whatever was granted has ended, or covers nothing that is there.</Empty>
        ) : (
          entries.map((grant) => (
            <section className="card" key={grant.grant}>
              {grant.user && grant.user !== who.data?.name && (
                <p>
                  Of what <bdi>{grant.user}</bdi> has:
                </p>
              )}
              {grant.user === who.data?.name && <FirstRows grant={grant.grant} />}
              {grant.collections.map((one) => (
                <div key={one.collection}>
                  <h3 className="card-title">{one.collection}</h3>
                  {one.entries.map((entry) => (
                    <dl className="facts" key={entry.entry}>
                      <dt>May</dt>
                      <dd>{verbs(entry.actions)}</dd>
                      <dt>Fields</dt>
                      <dd>{entry.fields.join(", ") || "none"}</dd>
                      <dt>Documents</dt>
                      <dd>{documents(entry.documents)}</dd>
                      {rows(entry.where) !== "" && (
                        <>
                          <dt>Where</dt>
                          <dd>{rows(entry.where)}</dd>
                        </>
                      )}
                      <dt>Ends</dt>
                      <dd>
                        <Ends at={entry.until} />
                      </dd>
                    </dl>
                  ))}
                </div>
              ))}
              <details>
                <summary>By which relationships</summary>
                <ul className="steps mono" dir="ltr">
                  {grant.path.map((step) => (
                    <li key={step}>{step}</li>
                  ))}
                </ul>
              </details>
            </section>
          ))
        )
      }
    </Loaded>
  );
}

/** Which documents an entry covers, in words. */
export function documents(which: Schemas["DocumentsView"]): string {
  if (typeof which === "string") return which;
  return "only" in which ? `only ${which.only}` : `all but ${which.all_but}`;
}
