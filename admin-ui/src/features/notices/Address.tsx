import { Button, Group, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { RelativeTime } from "../../components/RelativeTime";
import { useAct } from "../../components/useAct";
import { type Address as Standing, address } from "./queries";

const REFRESH = [["notices", "address"]];

/** Where the person is written to. */
export function Address() {
  const standing = useQuery(address);
  return (
    <section className="card" aria-labelledby="address">
      <h2 id="address">By e-mail</h2>
      <Loaded query={standing} lines={2}>
        {(is) => (is.sends ? <Settled is={is} /> : <p className="soft">This node sends no letters. Whoever runs it can name a server for them (`mail` in its settings).</p>)}
      </Loaded>
    </section>
  );
}

function Settled({ is }: { is: Standing }) {
  const [other, setOther] = useState(false);
  const [asking, setAsking] = useState(false);
  const remove = useAct({
    act: () => done(api.DELETE("/api/v1/notices/address")),
    done: () => "Nothing more is sent; the address is told so.",
    refresh: REFRESH,
    after: () => setAsking(false),
  });
  return (
    <>
      <p>
        {is.address ? (
          <>
            You are written to at <bdi className="mono">{is.address}</bdi>. A letter says that something is to be seen, and nothing more.
          </>
        ) : (
          "You are not written to. With an address you hear of things when you are not here; a letter says that something is to be seen, and nothing more."
        )}
      </p>
      {is.wished && is.until && <Code wished={is.wished} until={is.until} />}
      {is.address && !other && (
        <Group gap="xs">
          <Button variant="default" onClick={() => setOther(true)}>
            Use another address
          </Button>
          <Button variant="light" color="red" onClick={() => setAsking(true)}>
            Write to me no more
          </Button>
        </Group>
      )}
      {(!is.address || other) && <Wish again={is.wished !== null && is.wished !== undefined} onSent={() => setOther(false)} />}
      <Ask opened={asking} title="Write to you no more?" act="Write to me no more" busy={remove.isPending} onAct={() => remove.mutate()} onClose={() => setAsking(false)}>
        You hear of another password, or of somebody else in your account, only when you look here.
      </Ask>
    </>
  );
}

function Wish({ again, onSent }: { again: boolean; onSent: () => void }) {
  const wish = useAct({
    act: (wished: string) => done(api.PUT("/api/v1/notices/address", { body: { address: wished } })),
    done: ({ wished }) => (wished ? `A code is on its way to ${wished}.` : "That is your address already."),
    refresh: REFRESH,
    after: onSent,
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    wish.mutate(String(new FormData(event.currentTarget).get("address")).trim());
  };
  return (
    <form onSubmit={submit}>
      {wish.error !== null && <Problem error={wish.error} />}
      <Group align="flex-end" gap="xs">
        <TextInput name="address" type="email" label={again ? "Or another address" : "Your address"} autoComplete="email" required maxLength={254} />
        <Button type="submit" variant={again ? "default" : "filled"} loading={wish.isPending}>
          Send a code
        </Button>
      </Group>
    </form>
  );
}

function Code({ wished, until }: { wished: string; until: string }) {
  const verify = useAct({
    act: (code: string) => done(api.POST("/api/v1/notices/address/verify", { body: { code } })),
    done: () => `You are written to at ${wished} from now on.`,
    refresh: REFRESH,
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    verify.mutate(String(new FormData(event.currentTarget).get("code")));
  };
  return (
    <form onSubmit={submit}>
      {verify.error !== null && <Problem error={verify.error} />}
      <Group align="flex-end" gap="xs" mb="md">
        <TextInput
          name="code"
          label={`The code that ${wished} was sent`}
          description={
            <>
              It ends <RelativeTime at={until} />.
            </>
          }
          inputMode="numeric"
          autoComplete="one-time-code"
          required
          maxLength={20}
        />
        <Button type="submit" loading={verify.isPending}>
          That is it
        </Button>
      </Group>
    </form>
  );
}
