import { SegmentedControl, Select, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../api/client";
import { groups } from "../features/groups/queries";

/** Somebody on this node: a person by their name, or a group. */
export type Party = { kind: "user"; name: string } | { kind: "group"; id: string };

/** As requests name them. */
export function named(party: Party): Schemas["PartyName"] {
  return party.kind === "user" ? { user: party.name } : { group: party.id };
}

/** Who is meant, for a reader. */
export function partyName(party: Schemas["PartyView"] | null | undefined): string {
  if (!party) return "nobody";
  if ("group" in party) return party.name ? `the group ${party.name}` : "a group";
  return party.user ?? "somebody on another node";
}

/** Chooses a person or a group. */
export function PartyFields({ party, onChange }: { party: Party; onChange: (party: Party) => void }) {
  const all = useQuery(groups);
  return (
    <>
      <SegmentedControl
        aria-label="A person or a group"
        data={[
          { value: "user", label: "A person" },
          { value: "group", label: "A group" },
        ]}
        value={party.kind}
        onChange={(kind) => onChange(kind === "user" ? { kind: "user", name: "" } : { kind: "group", id: all.data?.[0]?.group ?? "" })}
      />
      {party.kind === "user" ? (
        <TextInput
          label="Their name"
          description="As they sign in on this node"
          value={party.name}
          autoCapitalize="none"
          required
          onChange={(event) => onChange({ kind: "user", name: event.currentTarget.value.trim() })}
        />
      ) : (
        <Select
          label="Group"
          data={(all.data ?? []).map((one) => ({ value: one.group, label: one.name }))}
          value={party.id === "" ? null : party.id}
          placeholder="None yet"
          required
          onChange={(id) => onChange({ kind: "group", id: id ?? "" })}
        />
      )}
    </>
  );
}
