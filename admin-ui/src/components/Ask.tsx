import { Button, Group, Modal, Text, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";

interface Props {
  opened: boolean;
  title: string;
  /** What follows from it. */
  children: ReactNode;
  /** The act, as its button says it. */
  act: string;
  busy?: boolean;
  /** Red where something is taken away. */
  color?: "red" | "teal";
  /** What has to be typed before it can be done: for what does not come back. */
  typed?: string;
  onAct: () => void;
  onClose: () => void;
}

/** Asks before something is taken away. */
export function Ask({ opened, title, children, act, busy = false, color = "red", typed, onAct, onClose }: Props) {
  const [text, setText] = useState("");
  const close = () => {
    setText("");
    onClose();
  };
  return (
    <Modal opened={opened} onClose={close} title={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setText("");
          onAct();
        }}
      >
        <Text component="div" mb="md">
          {children}
        </Text>
        {typed !== undefined && (
          <TextInput
            mb="md"
            label={`Type “${typed}” to go on`}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            data-autofocus
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" color={color} loading={busy} disabled={typed !== undefined && text !== typed}>
            {act}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
