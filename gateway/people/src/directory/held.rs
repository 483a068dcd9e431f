//! To what a token is held within its grant, as it is kept beside the token: in the bytes in which a space has grants.

use policy_core::{Grant, Narrowing, Timestamp};
use sha2::{Digest, Sha256};
use vault_core::control::{AppDescription, GrantRecord, PolicyEntry, decode_policy, encode_policy};

/// How the entries of a part of a grant are kept.
pub(super) fn kept(part: Grant) -> Vec<u8> {
    let app = AppDescription { name: String::new(), uri: None, redirect_uris: Vec::new() };
    encode_policy(&PolicyEntry::Grant(GrantRecord { grant: part, app, created: Timestamp(0) }))
}

/// To what a token is held, by what is kept beside it; `None`: that is damaged.
pub(super) fn narrowing(kept: &[u8]) -> Option<Narrowing> {
    match decode_policy(kept).ok()? {
        PolicyEntry::Grant(record) => Some(Narrowing::new(Sha256::digest(kept).into(), record.grant.entries)),
        PolicyEntry::Space { .. } | PolicyEntry::Revoke(_) => None,
    }
}
