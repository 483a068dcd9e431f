import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { collections } from "../features/data/queries";
import { spaces } from "../features/session/queries";

interface Asked {
  space?: string | undefined;
  collection?: string | undefined;
}

/** The space and the collection that are meant: those that are asked for, else the personal space and its first collection. */
export function useWhere(asked: Asked) {
  const all = useQuery(spaces);
  const space = asked.space ?? all.data?.find((one) => one.personal)?.id ?? all.data?.[0]?.id ?? "";
  const kinds = useQuery(collections(space));
  const collection = asked.collection ?? kinds.data?.[0]?.name ?? "";
  return { all, space, kinds, collection };
}

interface Props {
  where: ReturnType<typeof useWhere>;
  /** Only among the person's own spaces. */
  own?: boolean;
  onChange: (next: Asked) => void;
}

/** Chooses a space and a collection in it. Another space has other collections: the choice of one goes with it. */
export function WhereFields({ where, own = false, onChange }: Props) {
  const { all, space, kinds, collection } = where;
  return (
    <>
      <Select
        label="Space"
        data={(all.data ?? []).filter((one) => !own || one.role === "owner").map((one) => ({ value: one.id, label: one.name }))}
        value={space}
        onChange={(value) => onChange({ space: value ?? undefined })}
      />
      <Select
        label="Collection"
        data={(kinds.data ?? []).map((kind) => kind.name)}
        value={collection === "" ? null : collection}
        placeholder="None yet"
        searchable
        onChange={(value) => onChange({ space, collection: value ?? undefined })}
      />
    </>
  );
}
