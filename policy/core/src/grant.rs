//! A grant as it is enforced: what one person allowed one app.

use crate::{ClientId, CollectionId, FieldId, GrantId, Predicate, SpaceId, Timestamp, UserId, Verbs};

/// One consent. The same structure is shown to the person, stored in the space's control lane and
/// enforced by [`crate::Gate`]; a token only names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub id: GrantId,
    pub grantor: UserId,
    pub client: ClientId,
    pub space: SpaceId,
    /// Evaluated one by one, never merged: entry `n` is the policy object `grant:<id>/<n>`.
    pub entries: Vec<GrantEntry>,
}

/// One element of the grant's list.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantEntry {
    pub verbs: Verbs,
    /// One scope for each collection that the entry names.
    pub scopes: Vec<GrantScope>,
    /// Shown to the person, enforced by nobody: why the app asked.
    pub purpose: Option<String>,
    /// `None`: until revoked.
    pub until: Option<Timestamp>,
}

/// The part of one entry that lies in one collection.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantScope {
    pub collection: CollectionId,
    /// Sorted, no doubles.
    pub fields: Vec<FieldId>,
    pub predicate: Predicate,
}
