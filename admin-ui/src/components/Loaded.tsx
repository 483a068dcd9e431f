import { Alert, Button, Skeleton, Stack } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { asRefused } from "../api/problem";

/** A refusal as a person reads it: the sentence, what to do, and the id for whoever looks into the log. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const { message, hint, requestId } = asRefused(error);
  return (
    <Alert color="red" role="alert" title={message}>
      {hint !== "" && <p>{hint}</p>}
      {requestId !== "" && (
        <p>
          Request <span className="mono">{requestId}</span>
        </p>
      )}
      {retry !== undefined && (
        <Button variant="default" size="xs" onClick={retry}>
          Try again
        </Button>
      )}
    </Alert>
  );
}

interface Props<T> {
  query: UseQueryResult<T>;
  /** Lines of the skeleton. */
  lines?: number;
  children: (data: T) => ReactNode;
}

/** What a query answered; before that its outline, and what went wrong if it did. */
export function Loaded<T>({ query, lines = 4, children }: Props<T>) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.isError) return <Problem error={query.error} retry={() => void query.refetch()} />;
  return (
    <Stack gap="sm" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} height={34} />
      ))}
    </Stack>
  );
}
