import { Button, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Ask } from "../../components/Ask";
import { Loaded, Problem } from "../../components/Loaded";
import { Empty, Page } from "../../components/Page";
import { useAct } from "../../components/useAct";
import { collections } from "../data/queries";
import { spaces } from "../session/queries";
import { filedIn, foldersOf } from "./queries";

/** Documents that are kept together, so that they are shared together. */
export function Folders() {
  const search = useSearch({ from: "/shell/folders" });
  const navigate = useNavigate({ from: "/folders" });
  const all = useQuery(spaces);
  const space = search.space ?? all.data?.find((one) => one.personal)?.id ?? "";
  const folders = useQuery(foldersOf(space));
  const [adding, setAdding] = useState(false);
  const button = <Button onClick={() => setAdding(true)}>New folder</Button>;
  return (
    <Page title="Folders" lead="Documents of a collection that you keep together. Who gets a folder gets what lies in it, now and later." action={button}>
      <div className="card">
        <div className="fields">
          <Select
            label="Space"
            data={(all.data ?? []).map((one) => ({ value: one.id, label: one.name }))}
            value={space}
            onChange={(value) => void navigate({ search: { space: value ?? undefined } })}
          />
        </div>
      </div>
      <Loaded query={folders}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No folder yet" action={button}>
              Put documents into one, and share the folder instead of each of them.
            </Empty>
          ) : (
            list.map((folder) => <Folder key={folder.folder} folder={folder} />)
          )
        }
      </Loaded>
      <Modal opened={adding} onClose={() => setAdding(false)} title="New folder">
        <NewFolder space={space} onClose={() => setAdding(false)} />
      </Modal>
    </Page>
  );
}

function NewFolder({ space, onClose }: { space: string; onClose: () => void }) {
  const kinds = useQuery(collections(space));
  const [collection, setCollection] = useState<string | null>(null);
  const make = useAct({
    act: (body: Schemas["NewFolder"]) => done(api.POST("/api/v1/folders", { body })),
    done: ({ name }) => `The folder “${name}” is made.`,
    refresh: [["folders"]],
    after: onClose,
    quiet: true,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    make.mutate({ space, collection: collection ?? "", name: String(new FormData(event.currentTarget).get("name")) });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {make.error !== null && <Problem error={make.error} />}
        <TextInput name="name" label="Name" placeholder="Loans" required data-autofocus />
        <Select label="Of the documents of" data={(kinds.data ?? []).map((kind) => kind.name)} value={collection} onChange={setCollection} required />
        <div>
          <Button type="submit" loading={make.isPending} disabled={collection === null}>
            Make the folder
          </Button>
        </div>
      </Stack>
    </form>
  );
}

function Folder({ folder }: { folder: Schemas["FolderView"] }) {
  const id = folder.folder ?? "";
  const [asking, setAsking] = useState(false);
  const [after, setAfter] = useState<string[]>([]);
  const filed = useQuery(filedIn(id, after.at(-1)));
  const remove = useAct({
    act: () => done(api.DELETE("/api/v1/folders/{id}", { params: { path: { id } } })),
    done: () => `The folder “${folder.name}” is gone; its documents are where they were.`,
    refresh: [["folders"], ["shares"]],
    after: () => setAsking(false),
  });
  const file = useAct({
    act: (document: string) => done(api.POST("/api/v1/folders/{id}/documents", { params: { path: { id } }, body: { documents: [document] } })),
    done: () => "It lies in the folder.",
    refresh: [["filed", id]],
  });
  const unfile = useAct({
    act: (document: string) => done(api.DELETE("/api/v1/folders/{id}/documents/{document}", { params: { path: { id, document } } })),
    done: () => "It is out of the folder.",
    refresh: [["filed", id]],
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    file.mutate(String(new FormData(event.currentTarget).get("document")).trim());
    event.currentTarget.reset();
  };
  return (
    <section className="card" aria-label={folder.name}>
      <div className="page-head">
        <h2 className="card-title">
          {folder.name} <span className="soft">of {folder.collection ?? "a collection"}</span>
        </h2>
        <Button variant="default" size="xs" onClick={() => setAsking(true)}>
          Remove the folder
        </Button>
      </div>
      <Loaded query={filed} lines={2}>
        {({ documents, next }) => (
          <>
            {documents.length === 0 && <p className="soft">Nothing lies in it.</p>}
            <ul className="lately">
              {documents.map((document) => (
                <li key={document}>
                  <Link to="/data" search={{ space: folder.space, collection: folder.collection ?? undefined, doc: document }} className="plain-link mono">
                    {document}
                  </Link>
                  <Button variant="subtle" color="red" size="compact-sm" onClick={() => unfile.mutate(document)} loading={unfile.isPending}>
                    Take out
                  </Button>
                </li>
              ))}
            </ul>
            {next && (
              <Button variant="default" size="xs" onClick={() => setAfter([...after, next])}>
                More
              </Button>
            )}
          </>
        )}
      </Loaded>
      <form onSubmit={submit} className="fields">
        <TextInput name="document" label="Put a document in" placeholder="Its id, as the data browser shows it" required />
        <Button type="submit" variant="light" loading={file.isPending}>
          Put it in
        </Button>
      </form>
      <Ask
        opened={asking}
        title={`Remove ${folder.name}?`}
        act="Remove the folder"
        busy={remove.isPending}
        onAct={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        Who saw its documents by this folder sees them no more. The documents stay.
      </Ask>
    </section>
  );
}
