import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Problem } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { me } from "../session/queries";
import { EndFields } from "./EndFields";
import { DURATIONS, type End, inWords, instantOf } from "./ends";
import { Element } from "./GiveLess";
import { type Kept, all, contradicts, isAll, isOpen, remains, said } from "./less";
import { requests } from "./queries";

type Request = Schemas["RequestView"];
const REFRESH = [["requests"], ["grants"], ["access"], ["audit"], ["notices"]];

/** What apps ask for beyond what they were granted; nothing, where none does. */
export function Requests() {
  const { data } = useQuery(requests);
  if (data === undefined || data.length === 0) return null;
  return (
    <section className="card" aria-labelledby="requests">
      <h2 id="requests">Requests</h2>
      {data.map((one) => (
        <Waiting key={one.request} request={one} />
      ))}
    </section>
  );
}

function Waiting({ request }: { request: Request }) {
  const who = useQuery(me);
  const [deciding, setDeciding] = useState(false);
  const decline = useAct({
    act: () => done(api.POST("/api/v1/requests/{id}/decline", { params: { path: { id: request.request } } })),
    done: () => `${request.app} gets nothing more.`,
    refresh: REFRESH,
  });
  return (
    <article className="card" aria-label={`Request of ${request.app}`}>
      <h3 className="card-title">
        <bdi>{request.app}</bdi> asks for more
      </h3>
      <p className="soft">
        It names itself, and nobody has reviewed it; it is answered at <bdi className="mono">{request.hosts.join(", ")}</bdi>. It asked{" "}
        <RelativeTime at={request.created} />, and waits until <RelativeTime at={request.expires} />.
        {who.data !== undefined && who.data.name !== request.user_name && (
          <>
            {" "}
            It asks <bdi>{request.user_name}</bdi>.
          </>
        )}
      </p>
      <Why text={request.purpose} />
      {request.unfit ? (
        <Alert color="yellow" title="This cannot be granted as it is" mb="md">
          {request.unfit}
        </Alert>
      ) : (
        <ul className="steps">
          {request.sentences.map((one, n) => (
            <li key={n}>{one}</li>
          ))}
        </ul>
      )}
      <Group gap="xs">
        <Button variant="default" loading={decline.isPending} onClick={() => decline.mutate()}>
          Decline
        </Button>
        <Button disabled={!!request.unfit} onClick={() => setDeciding(true)}>
          Choose what it gets…
        </Button>
      </Group>
      <Modal opened={deciding} onClose={() => setDeciding(false)} size="lg" title={<>What <bdi>{request.app}</bdi> gets</>}>
        <Choice request={request} onClose={() => setDeciding(false)} />
      </Modal>
    </article>
  );
}

function Why({ text }: { text: string | null | undefined }) {
  if (!text) return null;
  return (
    <p>
      The app says why: “<bdi>{text}</bdi>”
    </p>
  );
}

function Choice({ request, onClose }: { request: Request; onClose: () => void }) {
  const [kept, setKept] = useState<Kept[]>(request.access.map(all));
  const [end, setEnd] = useState<End>({ choice: "", day: "" });
  const approve = useAct({
    act: (body: { access?: Schemas["Access"][]; until?: string }) =>
      done(api.POST("/api/v1/requests/{id}/approve", { params: { path: { id: request.request } }, body })),
    done: () => `${request.app} has it from its next request on.`,
    refresh: REFRESH,
    after: onClose,
    quiet: true,
  });
  const at = (n: number) => kept[n] ?? all(request.access[n]!);
  const chosen = end.choice === "" ? null : instantOf(end, new Date());
  const left = request.access.map((access, n) => remains(access, at(n), access.duration ?? null)).filter((one) => one !== null);
  const sentences = request.access.map((access, n) => said(access, at(n))).filter((one) => one !== "");
  const open = kept.some(isOpen);
  const nobody = request.access.some((access, n) => contradicts(access, at(n)));
  const whole = request.access.every((access, n) => isAll(access, at(n)));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (chosen === undefined) return;
    approve.mutate({ ...(whole ? {} : { access: left }), ...(chosen === null ? {} : { until: chosen.toISOString() }) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {approve.error !== null && <Problem error={approve.error} />}
        <div>
          {request.access.map((access, n) => (
            <div key={n}>
              <Element
                access={access}
                kept={at(n)}
                never={[]}
                several={request.access.length > 1}
                looks={false}
                onChange={(next) => setKept(kept.map((one, other) => (other === n ? next : one)))}
              />
              <Why text={access.purpose} />
            </div>
          ))}
        </div>
        <EndFields
          end={end}
          choices={[{ value: "", label: "As the app asks" }, ...DURATIONS.map(({ value, label }) => ({ value, label: `${label} from now, or sooner if it asks so` }))]}
          onChange={setEnd}
        />
        <div aria-live="polite" className="card">
          <h3 className="card-title">What it gets, beside what it has</h3>
          {chosen === undefined && <p className="bad">Choose a day that is not over yet.</p>}
          {sentences.length === 0 ? (
            <p className="bad">Nothing. Decline instead.</p>
          ) : (
            <ul className="steps">
              {sentences.map((one, n) => (
                <li key={n}>{one}</li>
              ))}
              {chosen && <li>{`It ends ${inWords(chosen)} at the latest.`}</li>}
            </ul>
          )}
        </div>
        <Text size="sm">You can take it back at any time, with everything else that the app may do; it then ends with the app’s next request.</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={approve.isPending} disabled={open || nobody || sentences.length === 0 || chosen === undefined}>
            Allow this
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
