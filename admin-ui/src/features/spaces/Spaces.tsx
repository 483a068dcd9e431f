import { Badge, Button, Modal, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, done } from "../../api/client";
import { Loaded, Problem } from "../../components/Loaded";
import { Page } from "../../components/Page";
import { useAct } from "../../components/useAct";
import { collections } from "../data/queries";
import { spaces } from "../session/queries";

/** The person's spaces, and those of others of which something is shared with them. */
export function Spaces() {
  const all = useQuery(spaces);
  const [adding, setAdding] = useState(false);
  return (
    <Page
      title="Spaces"
      lead="A space is a set of collections with its own keys and its own history. Each person has a personal one; others keep things apart, such as a household or a project."
      action={<Button onClick={() => setAdding(true)}>New space</Button>}
    >
      <Loaded query={all}>
        {(list) => (
          <div className="cards">
            {list.map((space) => (
              <section className="card" key={space.id} aria-label={space.name}>
                <h2>
                  <Link to="/data" search={{ space: space.id }}>
                    {space.name}
                  </Link>
                </h2>
                <p>
                  <Badge color={space.role === "owner" ? "teal" : "blue"}>{space.personal ? "personal" : space.role}</Badge>{" "}
                  {space.owner !== undefined && (
                    <span className="soft">
                      {space.whole === true ? "all of it" : "a part"}, shared by {space.owner ?? "somebody on another node"}
                    </span>
                  )}
                </p>
                <Kinds space={space.id} />
              </section>
            ))}
          </div>
        )}
      </Loaded>
      <NewSpace opened={adding} onClose={() => setAdding(false)} />
    </Page>
  );
}

function Kinds({ space }: { space: string }) {
  const kinds = useQuery(collections(space));
  return (
    <Loaded query={kinds} lines={1}>
      {(list) =>
        list.length === 0 ? (
          <span className="soft">
            No collections yet. <Link to="/schema" search={{ space }}>Define one</Link>
          </span>
        ) : (
          <span>
            {list.map((kind, n) => (
              <span key={kind.id}>
                {n > 0 && ", "}
                <Link to="/data" search={{ space, collection: kind.name }}>
                  {kind.name}
                </Link>
              </span>
            ))}
          </span>
        )
      }
    </Loaded>
  );
}

function NewSpace({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const make = useAct({
    act: (name: string) => done(api.POST("/api/v1/spaces", { body: { name } })),
    done: ({ name }) => `The space “${name}” is made.`,
    refresh: [["spaces"]],
    after: onClose,
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    make.mutate(String(new FormData(event.currentTarget).get("name")));
  };
  return (
    <Modal opened={opened} onClose={onClose} title="New space">
      <form onSubmit={submit}>
        {make.error !== null && <Problem error={make.error} />}
        <TextInput name="name" label="Name" placeholder="Household" maxLength={200} required data-autofocus mb="md" />
        <Button type="submit" loading={make.isPending}>
          Make the space
        </Button>
      </form>
    </Modal>
  );
}
