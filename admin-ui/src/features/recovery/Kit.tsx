import { Button, Group, PasswordInput, Stack, Text, Textarea } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Loaded, Problem } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { recovery } from "./queries";

const WORDS = 24;
const REFRESH = [["recovery"], ["audit"]];

/** The recovery words of the node: made, shown, printed, and typed back. `onKept` is called once they are known to be kept. */
export function Kit({ onKept }: { onKept?: () => void }) {
  const standing = useQuery(recovery);
  const [words, setWords] = useState<string | null>(null);
  const [typing, setTyping] = useState(false);
  const kept = () => {
    setWords(null);
    setTyping(false);
    onKept?.();
  };
  if (typing) return <TypedBack onBack={words === null ? () => setTyping(false) : undefined} again={words === null ? undefined : () => setTyping(false)} onKept={kept} />;
  if (words !== null) return <Shown words={words} onWritten={() => setTyping(true)} />;
  return (
    <Loaded query={standing} lines={2}>
      {({ ways }) => {
        const way = ways[0];
        return way === undefined ? <Make onWords={setWords} /> : <Made way={way} onWords={setWords} onType={() => setTyping(true)} />;
      }}
    </Loaded>
  );
}

function Make({ onWords }: { onWords: (words: string) => void }) {
  const make = useAct({
    act: () => done(api.POST("/api/v1/recovery")),
    refresh: REFRESH,
    after: ({ words }) => onWords(words),
    quiet: true,
  });
  return (
    <>
      {make.error !== null && <Problem error={make.error} />}
      <Text mb="md">
        {WORDS} words open the backups of this node on any machine, should this one be lost, stolen or broken. Nobody else has them, and nobody can give you
        others: write them on paper, and keep it where this machine is not.
      </Text>
      <Button onClick={() => make.mutate()} loading={make.isPending}>
        Show my words
      </Button>
    </>
  );
}

function Made({ way, onWords, onType }: { way: Schemas["RecoveryWay"]; onWords: (words: string) => void; onType: () => void }) {
  const [asking, setAsking] = useState(false);
  return (
    <Stack gap="md">
      <Text>
        Made {way.made ? <RelativeTime at={way.made} /> : "some time ago"};{" "}
        {way.tested ? (
          <>
            typed back <RelativeTime at={way.tested} />.
          </>
        ) : (
          <strong>not typed back yet, so nobody knows whether they were written down right.</strong>
        )}
      </Text>
      <Group>
        <Button variant={way.tested ? "default" : "filled"} onClick={onType}>
          {way.tested ? "Try them again" : "Type them back"}
        </Button>
        <Button variant="default" onClick={() => setAsking(!asking)} aria-expanded={asking}>
          Show them once more
        </Button>
      </Group>
      {asking && <Again onWords={onWords} />}
    </Stack>
  );
}

function Again({ onWords }: { onWords: (words: string) => void }) {
  const show = useAct({
    act: (body: { password: string }) => done(api.POST("/api/v1/recovery/words", { body })),
    refresh: REFRESH,
    after: ({ recovery_key }) => onWords(recovery_key),
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    show.mutate({ password: String(new FormData(event.currentTarget).get("password")) });
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={420}>
        {show.error !== null && <Problem error={show.error} />}
        <PasswordInput name="password" label="Your password" autoComplete="current-password" required autoFocus />
        <div>
          <Button type="submit" loading={show.isPending}>
            Show them
          </Button>
        </div>
      </Stack>
    </form>
  );
}

function Shown({ words, onWritten }: { words: string; onWritten: () => void }) {
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus(), []);
  return (
    <>
      <div className="kit-sheet">
        <h3 tabIndex={-1} ref={head}>
          Recovery words of {location.host}
        </h3>
        <ol className="kit">
          {words.split(" ").map((word, n) => (
            <li key={n}>{word}</li>
          ))}
        </ol>
        <p className="soft">
          Made for {location.host} on {new Date().toLocaleDateString(undefined, { dateStyle: "long" })}. With these words and a place that holds a backup:{" "}
          <code className="mono">allod restore --from PLACE --recovery-key-file FILE</code>. Whoever has both has everything.
        </p>
      </div>
      <Group mt="md" className="no-print">
        <Button onClick={onWritten}>I have written them down</Button>
        <Button variant="default" onClick={() => window.print()}>
          Print them
        </Button>
      </Group>
    </>
  );
}

interface TypedBackProps {
  onBack: (() => void) | undefined;
  /** Shows the words again, where they are still known. */
  again: (() => void) | undefined;
  onKept: () => void;
}

function TypedBack({ onBack, again, onKept }: TypedBackProps) {
  const client = useQueryClient();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  const count = text.trim() === "" ? 0 : text.trim().split(/\s+/).length;
  const confirm = useAct({
    act: (words: string) => done(api.POST("/api/v1/recovery/confirm", { body: { words } })),
    done: () => "These are the words. You can come back by them.",
    refresh: [["audit"]],
    after: (standing) => {
      client.setQueryData(recovery.queryKey, standing);
      onKept();
    },
    quiet: true,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    // What was typed stays, and one goes on in it.
    confirm.mutate(text.trim().toLowerCase().split(/\s+/).join(" "), { onError: () => field.current?.focus() });
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={560}>
        <Text>Type the {WORDS} words from your paper, in their order. So you know that it can be read.</Text>
        {confirm.error !== null && <Problem error={confirm.error} />}
        <Textarea
          ref={field}
          label="Your words"
          description={`${count} of ${WORDS} words`}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          error={confirm.error !== null}
          autoFocus
          required
        />
        <Group>
          <Button type="submit" loading={confirm.isPending} disabled={count === 0}>
            Compare them
          </Button>
          {again !== undefined && (
            <Button variant="default" onClick={again}>
              Look at them again
            </Button>
          )}
          {onBack !== undefined && (
            <Button variant="default" onClick={onBack}>
              Not now
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}
