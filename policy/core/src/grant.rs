//! A grant as it is enforced: what one person allowed one app, or whoever has a link; and to what one token is held within it.

use std::hash::{Hash, Hasher};

use crate::{
    ClientId, CollectionId, DocId, FieldId, GrantId, LinkId, Predicate, SpaceId, Subject, Timestamp, UserId, Verb,
    Verbs,
};

/// The most entries that are left of a grant; what is beyond is not given.
const MAX_ENTRIES: usize = 64;

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

/// A part of a grant to which a token is held. It gives nothing by itself, and nothing beyond the grant as that is when it is
/// asked about: a grant that is held to less later holds it to less too.
#[derive(Debug, Clone)]
pub struct Narrowing {
    id: [u8; 32],
    entries: Vec<GrantEntry>,
}

/// Two are the same if they are called the same.
impl PartialEq for Narrowing {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Narrowing {}

impl Hash for Narrowing {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// What is left of a grant.
#[derive(Debug, Clone, PartialEq)]
pub struct Narrowed {
    /// Each entry lies within one of the grant's.
    pub grant: Grant,
    /// In which of them: what policy says of that one counts.
    pub(crate) numbers: Vec<usize>,
}

impl Narrowing {
    /// `id` is that of the content, a digest of it: equal ones give the same.
    pub fn new(id: [u8; 32], entries: Vec<GrantEntry>) -> Self {
        Narrowing { id, entries }
    }

    /// What it is called: a digest of its content.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// What is left of `grant`: of each entry here what it has in common with each of the grant's.
    pub fn of(&self, grant: &Grant) -> Narrowed {
        let (mut entries, mut numbers): (Vec<GrantEntry>, Vec<usize>) = (Vec::new(), Vec::new());
        for asked in &self.entries {
            for (number, given) in grant.entries.iter().enumerate() {
                let Some(entry) = common(asked, given) else { continue };
                let known = entries.iter().zip(&numbers).any(|(known, of)| *of == number && *known == entry);
                if !known && entries.len() < MAX_ENTRIES {
                    entries.push(entry);
                    numbers.push(number);
                }
            }
        }
        Narrowed { grant: Grant { entries, ..grant.clone() }, numbers }
    }
}

/// What two entries both give; `None`: nothing.
fn common(asked: &GrantEntry, given: &GrantEntry) -> Option<GrantEntry> {
    let verbs: Verbs = given.verbs.iter().filter(|verb| asked.verbs.has(*verb)).collect();
    let reads = given.verbs.has(Verb::Read);
    let scopes: Vec<GrantScope> = given
        .scopes
        .iter()
        .flat_map(|given| asked.scopes.iter().filter_map(|asked| common_scope(asked, given, reads)))
        .collect();
    let until = match (asked.until, given.until) {
        (Some(asked), Some(given)) => Some(asked.min(given)),
        (asked, given) => asked.or(given),
    };
    let some = !verbs.is_empty() && !scopes.is_empty();
    some.then(|| GrantEntry { verbs, scopes, purpose: given.purpose.clone(), until })
}

/// `reads`: whether the fields of `given` are read. A condition that the grant does not have asks about a value, and what shows
/// answers it: so it is on what is read anyway, of the very documents.
fn common_scope(asked: &GrantScope, given: &GrantScope, reads: bool) -> Option<GrantScope> {
    let fields: Vec<_> = given.fields.iter().filter(|field| asked.fields.contains(field)).copied().collect();
    if asked.collection != given.collection || fields.is_empty() {
        return None;
    }
    let mut conditions = given.predicate.conditions.clone();
    for condition in &asked.predicate.conditions {
        if conditions.contains(condition) {
            continue;
        }
        if !reads || !given.fields.contains(&condition.field) {
            return None;
        }
        conditions.push(condition.clone());
    }
    let documents = match (&asked.documents, &given.documents) {
        (Some(asked), Some(given)) => Some(given.iter().filter(|doc| asked.contains(doc)).copied().collect::<Vec<_>>()),
        (asked, given) => asked.as_ref().or(given.as_ref()).cloned(),
    };
    if documents.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let rows_per_day = match (asked.rows_per_day, given.rows_per_day) {
        (Some(asked), Some(given)) => Some(asked.min(given)),
        (asked, given) => asked.or(given),
    };
    Some(GrantScope {
        collection: given.collection,
        fields,
        predicate: Predicate { conditions },
        documents,
        rows_per_day,
    })
}
