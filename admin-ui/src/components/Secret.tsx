import { Button, CopyButton, Group, TextInput } from "@mantine/core";

/** Something that is told once: shown whole, and copied by a button. */
export function Secret({ label, value, hint }: { label: string; value: string; hint?: string }) {
  return (
    <Group align="flex-end" gap="xs" wrap="nowrap">
      <TextInput
        label={label}
        description={hint}
        value={value}
        readOnly
        style={{ flex: 1, minWidth: 0 }}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        onFocus={(event) => event.currentTarget.select()}
      />
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Button variant="default" onClick={copy} aria-live="polite">
            {copied ? "Copied" : "Copy"}
          </Button>
        )}
      </CopyButton>
    </Group>
  );
}

/** An id, short; whole on hover. */
export function ShortId({ id }: { id: string }) {
  return (
    <span className="mono" title={id}>
      {id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id}
    </span>
  );
}
