import { Button, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { Page } from "../../components/Page";
import { Kit } from "../recovery/Kit";
import { recovery } from "../recovery/queries";
import { Samples } from "../samples/Samples";
import { Passkeys } from "../security/Passkeys";
import { SecondFactor } from "../security/SecondFactor";
import { me } from "../session/queries";

const STEPS = ["kit", "way", "samples"] as const;
type Step = (typeof STEPS)[number];
const TITLES: Record<Step, string> = { kit: "Your recovery kit", way: "A second way to prove who you are", samples: "Something to look at" };

/** What comes right after the set-up: each step can be left out, and is on the home page until it is taken. */
export function Welcome() {
  const asked = useSearch({ from: "/shell/welcome" }).step;
  const step: Step = STEPS.find((one) => one === asked) ?? "kit";
  const navigate = useNavigate({ from: "/welcome" });
  const who = useQuery(me);
  const standing = useQuery({ ...recovery, enabled: who.data?.owner === true });
  const next = STEPS[STEPS.indexOf(step) + 1];
  const go = () => void (next === undefined ? navigate({ to: "/" }) : navigate({ search: { step: next } }));
  const took: Record<Step, boolean> = { kit: !!standing.data?.ways[0]?.tested, way: false, samples: false };
  return (
    <Page title="Welcome home" lead="Three things that are best done now. Each can wait: the home page keeps them for you.">
      <ol className="stages" aria-label="Steps">
        {STEPS.map((one, n) => (
          <li key={one} aria-current={one === step ? "step" : undefined} data-done={n < STEPS.indexOf(step) || undefined}>
            {TITLES[one]}
          </li>
        ))}
      </ol>
      {step === "kit" && (
        <Stage title={TITLES.kit}>
          {who.data?.owner === false ? <p>The words of this node are with whoever owns it.</p> : <Kit onKept={go} />}
        </Stage>
      )}
      {step === "way" && (
        <>
          <Passkeys />
          <SecondFactor />
        </>
      )}
      {step === "samples" && (
        <Stage title={TITLES.samples}>
          <Samples space={who.data?.space ?? ""} onAdded={go} />
        </Stage>
      )}
      <Group mt="md">
        <Button variant={took[step] ? "filled" : "default"} onClick={go}>
          {next === undefined ? "Go home" : took[step] ? "Go on" : "Later"}
        </Button>
      </Group>
    </Page>
  );
}

function Stage({ title, children }: { title: string; children: ReactNode }) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), []);
  return (
    <section className="card" aria-labelledby="stage">
      <h2 id="stage" tabIndex={-1} ref={head}>
        {title}
      </h2>
      {children}
    </section>
  );
}
