import { Button, Skeleton, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { grants } from "../apps/queries";
import { collections } from "../data/queries";
import { devices, replicas } from "../devices/queries";
import { backups, recovery } from "../recovery/queries";
import { Samples } from "../samples/Samples";
import { credentials, useWaysIn } from "../security/ways";
import { me } from "../session/queries";
import { shares } from "../shares/queries";

interface Step {
  title: string;
  why: string;
  to: string;
  act: string;
  done: boolean;
}

/** What is done of what is best done, as the node has it: nothing is ticked by hand. */
export function Next() {
  const navigate = useNavigate();
  const steps = useSteps();
  const who = useQuery(me);
  const kinds = useQuery(collections(who.data?.space ?? ""));
  if (steps === null) {
    return (
      <section className="card" aria-label="What to do next">
        <Stack gap="sm" role="status" aria-label="Loading">
          {Array.from({ length: 4 }, (_, line) => (
            <Skeleton key={line} height={48} />
          ))}
        </Stack>
      </section>
    );
  }
  const left = steps.filter((step) => !step.done);
  if (left.length === 0) return null;
  const ready = steps.filter((step) => step.done);
  return (
    <>
      <section className="card" aria-labelledby="next">
        <div className="page-head">
          <h2 className="card-title" id="next">
            What to do next
          </h2>
          <span className="soft">
            {ready.length} of {steps.length} done
          </span>
        </div>
        <progress className="done-of" max={steps.length} value={ready.length} aria-label="Done" />
        <ul className="next">
          {left.map((step, n) => (
            <li key={step.title}>
              <div>
                <strong>{step.title}</strong>
                <div className="soft">{step.why}</div>
              </div>
              <Button variant={n === 0 ? "filled" : "light"} onClick={() => void navigate({ to: step.to })}>
                {step.act}
              </Button>
            </li>
          ))}
        </ul>
        {ready.length > 0 && (
          <details>
            <summary>Done already</summary>
            <ul className="lately">
              {ready.map((step) => (
                <li key={step.title}>
                  <span>
                    <span className="good" aria-hidden="true">
                      ✓{" "}
                    </span>
                    {step.title}
                  </span>
                  <Link to={step.to}>Look</Link>
                </li>
              ))}
            </ul>
          </details>
        )}
      </section>
      {kinds.data?.length === 0 && who.data?.space && (
        <section className="card" aria-labelledby="samples">
          <h2 id="samples">Nothing to look at yet</h2>
          <Samples space={who.data.space} />
        </section>
      )}
    </>
  );
}

/** The steps for who is signed in; null until what they depend on is known. */
function useSteps(): Step[] | null {
  const who = useQuery(me);
  const owner = who.data?.owner === true;
  const operator = who.data?.operator === true;
  const kinds = useQuery(collections(who.data?.space ?? ""));
  const given = useQuery(grants);
  const mine = useQuery(devices);
  const held = useQuery(replicas);
  const by = useQuery(credentials);
  const out = useQuery(shares);
  const waysIn = useWaysIn();
  const words = useQuery({ ...recovery, enabled: owner });
  const status = useQuery({ ...backups, enabled: operator });
  // What cannot be asked keeps nothing else from being shown.
  const waits = [kinds, given, mine, held, by, out, ...(owner ? [words] : []), ...(operator ? [status] : [])].some((query) => query.isPending);
  if (who.data === undefined || waits || (waysIn === undefined && !by.isError)) return null;
  const others = (mine.data ?? []).filter((device) => device.this !== true && !device.replaced_by).length + (held.data ?? []).length;
  const ways = (waysIn ?? []).length + ((by.data ?? []).some((one) => one.kind === "totp") ? 1 : 0);
  const steps: Step[] = [];
  if (owner) {
    steps.push({
      title: "Test your recovery kit",
      why: "24 words on paper, typed back once: by them and a backup everything comes back, whatever happens to this machine.",
      to: "/recovery",
      act: "Do it now",
      done: !!words.data?.ways[0]?.tested,
    });
  }
  steps.push(
    {
      title: "Have a second way to prove who you are",
      why: "A passkey, a code from your phone beside the password, or an account elsewhere: one thing that is lost or learned by somebody is not all of it.",
      to: "/security",
      act: "Set one up",
      done: ways > 1,
    },
    {
      title: "Define your first collection",
      why: "A collection says what your documents look like: contacts, notes, books. One line of text is enough.",
      to: "/schema",
      act: "Define one",
      done: (kinds.data ?? []).length > 0,
    },
    {
      title: "Let a first app in",
      why: "An app asks, and you choose fields, rows, acts and time. Here is what it may do then, and what it did.",
      to: "/apps",
      act: "How apps come in",
      done: (given.data ?? []).length > 0,
    },
    {
      title: "Add a second device or a replica",
      why: "Until there is one, all of it is on this machine alone.",
      to: "/devices",
      act: "Add one",
      done: others > 0,
    },
    {
      title: "Share something",
      why: "With a person, with a group, or by a link; for as long as you say.",
      to: "/shares",
      act: "Share",
      done: (out.data?.given ?? []).length > 0,
    },
  );
  if (operator) {
    steps.push({
      title: "Make a backup",
      why: "Encrypted, on another disk or another machine: the recovery words open it.",
      to: "/operator/backups",
      act: "How",
      done: !!status.data?.backups.last,
    });
  }
  return steps;
}
