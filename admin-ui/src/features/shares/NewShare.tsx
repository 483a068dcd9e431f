import { Button, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { type Schemas, api, done } from "../../api/client";
import { Problem } from "../../components/Loaded";
import { type Party, PartyFields, named } from "../../components/PartyFields";
import { UntilSelect } from "../../components/Until";
import { useAct } from "../../components/useAct";
import { collections } from "../data/queries";
import { foldersOf } from "../folders/queries";
import { spaces } from "../session/queries";

const ROLES = [
  { value: "viewer", label: "They may see it" },
  { value: "editor", label: "They may change it" },
  { value: "owner", label: "They may change it and share it on" },
  { value: "blocked", label: "They may not, whatever else they got" },
];

/** Shares a space, a collection or a document with a person or a group. */
export function NewShare({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Share something">
      <Form onClose={onClose} />
    </Modal>
  );
}

function Form({ onClose }: { onClose: () => void }) {
  const all = useQuery(spaces);
  const [chosen, setChosen] = useState<string | null>(null);
  const [collection, setCollection] = useState("");
  const [document, setDocument] = useState("");
  const [party, setParty] = useState<Party>({ kind: "user", name: "" });
  const [role, setRole] = useState("viewer");
  const [until, setUntil] = useState("");
  const space = chosen ?? all.data?.find((one) => one.personal)?.id ?? "";
  const kinds = useQuery(collections(space));
  const folders = useQuery(foldersOf(space));
  const [folder, setFolder] = useState("");
  const share = useAct({
    act: (body: Schemas["NewShare"]) => done(api.POST("/api/v1/shares", { body })),
    done: () => "It is shared.",
    refresh: [["shares"], ["audit"]],
    after: onClose,
    quiet: true,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    share.mutate({
      space,
      ...(collection !== "" && folder === "" && { collection }),
      ...(document !== "" && { document }),
      ...(folder !== "" && { folder }),
      ...(until !== "" && { until }),
      with: named(party),
      role,
    });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {share.error !== null && <Problem error={share.error} />}
        <PartyFields party={party} onChange={setParty} />
        <Select
          label="Space"
          data={(all.data ?? []).map((one) => ({ value: one.id, label: one.name }))}
          value={space}
          onChange={(value) => {
            setChosen(value);
            setCollection("");
          }}
        />
        <Select
          label="What of it"
          data={[{ value: "", label: "All of it" }, ...(kinds.data ?? []).map((kind) => ({ value: kind.name, label: kind.name }))]}
          value={collection}
          onChange={(value) => {
            setCollection(value ?? "");
            setFolder("");
            setDocument("");
          }}
        />
        {(folders.data ?? []).some((one) => one.collection === collection) && (
          <Select
            label="One folder only"
            data={[
              { value: "", label: "All of the collection" },
              ...(folders.data ?? []).filter((one) => one.collection === collection).map((one) => ({ value: one.folder ?? "", label: one.name })),
            ]}
            value={folder}
            onChange={(value) => setFolder(value ?? "")}
          />
        )}
        {collection !== "" && folder === "" && (
          <TextInput
            label="One document only"
            description="Its id, as the data browser shows it; empty: all of the collection"
            value={document}
            onChange={(event) => setDocument(event.currentTarget.value.trim())}
          />
        )}
        <Select label="As" data={ROLES} value={role} onChange={(value) => setRole(value ?? "viewer")} />
        <UntilSelect value={until} onChange={setUntil} />
        <div>
          <Button type="submit" loading={share.isPending}>
            Share
          </Button>
        </div>
      </Stack>
    </form>
  );
}
