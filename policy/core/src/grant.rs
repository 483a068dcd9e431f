//! A grant as it is enforced: what one person allowed one app, or whoever has a link.

use crate::{
    ClientId, CollectionId, DocId, FieldId, GrantId, LinkId, Predicate, SpaceId, Subject, Timestamp, UserId, Verbs,
};

/// Who acts under a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// An app.
    Client(ClientId),
    /// Whoever has the link. It reads and searches, and nothing else.
    Link(LinkId),
}

impl Holder {
    /// The app, if it is one.
    pub fn client(self) -> Option<ClientId> {
        if let Holder::Client(client) = self { Some(client) } else { None }
    }
    /// The holder as a subject of the schema.
    pub fn subject(self) -> Subject {
        match self {
            Holder::Client(id) => Subject::object("client", id),
            Holder::Link(id) => Subject::object("link", id),
        }
    }
}

/// One consent. The same structure is shown to the person, stored in the space's control lane and
/// enforced by [`crate::Gate`]; a token only names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Names it, in policy and in the space.
    pub id: GrantId,
    /// Whose access it narrows.
    pub grantor: UserId,
    /// Who may use it.
    pub holder: Holder,
    /// Where it holds; it holds in no other space.
    pub space: SpaceId,
    /// Evaluated one by one, never merged: entry `n` is the policy object `grant:<id>/<n>`.
    pub entries: Vec<GrantEntry>,
}

/// One element of the grant's list.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantEntry {
    /// What may be done.
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
    /// Documents of which collection.
    pub collection: CollectionId,
    /// Sorted, no doubles.
    pub fields: Vec<FieldId>,
    /// Which documents of it: those for which this is true.
    pub predicate: Predicate,
    /// And of those these alone: sorted, no doubles, not empty. `None`: all.
    pub documents: Option<Vec<DocId>>,
    /// So many rows of them are told in a day at most; above 0. `None`: as many as are asked for.
    pub rows_per_day: Option<u32>,
}

impl Grant {
    /// How many documents are named in all of it; one counts in each scope that names it.
    pub fn named_documents(&self) -> usize {
        let scopes = self.entries.iter().flat_map(|entry| &entry.scopes);
        scopes.filter_map(|scope| scope.documents.as_ref()).map(Vec::len).sum()
    }
}
