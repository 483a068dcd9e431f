import { Modal, Stack } from "@mantine/core";
import { type Answer, api, done } from "../../api/client";
import { RelativeTime } from "../../components/RelativeTime";
import { Secret } from "../../components/Secret";

/** A link by which somebody sets their own password. */
export interface Invitation {
  name: string;
  link: string;
  expires: string;
}

/** Makes one; that from before counts no more. */
export async function inviteOf(name: string): Promise<Answer<Invitation>> {
  const { data, requestId } = await done(api.POST("/api/v1/users/{name}/invite", { params: { path: { name } } }));
  return { data: { name, ...data }, requestId };
}

/** Shows a link, once. */
export function InvitationDialog({ invitation, onClose }: { invitation: Invitation | null; onClose: () => void }) {
  return (
    <Modal opened={invitation !== null} onClose={onClose} title={`A link for ${invitation?.name ?? ""}`} size="lg">
      <Stack>
        <Secret
          label="Address"
          value={invitation?.link ?? ""}
          hint="It is told here and nowhere else: copy it now, and give it to them and nobody else. Whoever opens it first chooses the password."
        />
        {invitation !== null && (
          <p>
            It counts once, and ends <RelativeTime at={invitation.expires} />. Until it is used nothing changes; then whatever they were signed in with ends.
          </p>
        )}
      </Stack>
    </Modal>
  );
}
