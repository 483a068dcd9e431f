const SENTENCES: Record<string, string> = {
  "app.registered": "An app was registered",
  "consent.opened": "An app asked for access",
  "field_rule.removed": "A field rule was removed",
  "field_rule.set": "A field was hidden or sealed",
  "folder.created": "A folder was made",
  "folder.filed": "Documents were put into a folder",
  "folder.removed": "A folder was removed",
  "folder.unfiled": "A document was taken out of a folder",
  "grant.arrived": "A grant that was made on another device arrived",
  "grant.created": "An app got access",
  "grant.revoked": "An app lost its access",
  "group.created": "A group was made",
  "group.member_added": "Somebody joined a group",
  "group.member_removed": "Somebody left a group",
  "group.removed": "A group was removed",
  "link.created": "A link was made",
  "link.removed": "A link was removed",
  "node.set_up": "This node was set up",
  "password.changed": "The password was changed",
  "quota.set": "A quota was set",
  "refresh_token.reused": "A used token of an app came again, and its access was ended",
  "session.confirmed": "The password was given again",
  "session.created": "Signed in",
  "session.ended_everywhere": "Signed out everywhere",
  "share.ended": "A share ended",
  "share.given": "Something was shared",
  "tenant.created": "A tenant was made",
  "user.created": "The account was made",
};

/** What an act of the audit was, in words; one that is not known yet by its own name. */
export function sentence(action: string): string {
  return SENTENCES[action] ?? action.replaceAll(/[._]/g, " ");
}
