import { Button, Notification } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { asRefused } from "../api/problem";

interface Toast {
  id: number;
  kind: "done" | "failed";
  text: string;
  hint: string;
  requestId: string;
  /** Takes it back. */
  undo: (() => void) | undefined;
}

const SHOWN_MS = 7_000;
let toasts: Toast[] = [];
let count = 0;
const listeners = new Set<() => void>();

function change(next: Toast[]): void {
  toasts = next;
  listeners.forEach((tell) => tell());
}

function dismiss(id: number): void {
  change(toasts.filter((toast) => toast.id !== id));
}

/** Says that something was done; it goes by itself, later where it can be taken back. */
export function say(text: string, requestId = "", hint = "", undo?: () => void): void {
  const toast: Toast = { id: ++count, kind: "done", text, hint, requestId, undo };
  change([...toasts.slice(-3), toast]);
  setTimeout(() => dismiss(toast.id), undo === undefined ? SHOWN_MS : 2 * SHOWN_MS);
}

/** Says that something failed, and what to do; it stays until it is closed. */
export function complain(error: unknown): void {
  const refused = asRefused(error);
  const { message: text, hint, requestId } = refused;
  change([...toasts.slice(-3), { id: ++count, kind: "failed", text, hint, requestId, undo: undefined }]);
}

function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

/** What was said lately, in a corner. */
export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <Notification
          key={toast.id}
          color={toast.kind === "done" ? "teal" : "red"}
          title={toast.text}
          withBorder
          onClose={() => dismiss(toast.id)}
          closeButtonProps={{ "aria-label": "Close this message" }}
        >
          {toast.hint}
          {toast.undo !== undefined && (
            <div>
              <Button
                variant="default"
                size="compact-sm"
                onClick={() => {
                  dismiss(toast.id);
                  toast.undo?.();
                }}
              >
                Undo
              </Button>
            </div>
          )}
          {toast.requestId !== "" && (
            <div>
              Request <span className="mono">{toast.requestId}</span>
            </div>
          )}
        </Notification>
      ))}
    </div>
  );
}
