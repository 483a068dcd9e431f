//! The seam behind which a policy engine answers: the embedded evaluator, or SpiceDB.

use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Context, Grant, GrantId, Timestamp};

/// Moved by every change that can alter a decision: tuples, grants, catalogue, sessions, tokens.
/// Equal epochs mean equal answers (up to expiry, which decisions carry themselves).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The present epoch, shared by the engine (which moves it), the gate and the vault.
#[derive(Debug, Default)]
pub struct EpochClock(AtomicU64);

impl EpochClock {
    /// The epoch at this moment.
    pub fn now(&self) -> Epoch {
        Epoch(self.0.load(Ordering::SeqCst))
    }
    /// Called after the change is visible to checks and before it is acknowledged.
    pub fn advance(&self) -> Epoch {
        Epoch(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

/// An object of the relationship schema: `kind:id`. Ids are internal hex ids, never names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The definition in the schema.
    pub kind: String,
    /// Its id, unique within its kind.
    pub id: String,
}

impl Object {
    /// An object of this kind and id.
    pub fn new(kind: &str, id: impl fmt::Display) -> Self {
        Object { kind: kind.to_owned(), id: id.to_string() }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// Who a check is about: an object, or the members of a relation of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The object itself, or whose members are meant.
    pub object: Object,
    /// The relation or permission whose members are meant; `None`: the object itself.
    pub relation: Option<String>,
}

impl Subject {
    /// The object of this kind and id.
    pub fn object(kind: &str, id: impl fmt::Display) -> Self {
        Subject { object: Object::new(kind, id), relation: None }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.relation {
            None => self.object.fmt(f),
            Some(relation) => write!(f, "{}#{relation}", self.object),
        }
    }
}

/// May `subject` do `permission` on `resource`?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// On what.
    pub resource: Object,
    /// A permission, or a relation, of its kind.
    pub permission: String,
    /// Who.
    pub subject: Subject,
    /// What the request knows; caveats read it.
    pub context: Context,
}

impl Check {
    /// A check without context.
    pub fn new(resource: Object, permission: &str, subject: Subject) -> Self {
        Check { resource, permission: permission.to_owned(), subject, context: Context::new() }
    }
}

/// `resource#permission@subject`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}@{}", self.resource, self.permission, self.subject)
    }
}

/// Which resources of a kind may the subject do this on?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupResources {
    /// Of what kind they are.
    pub kind: String,
    /// A permission, or a relation, of that kind.
    pub permission: String,
    /// Who may.
    pub subject: Subject,
    /// What the request knows; caveats read it.
    pub context: Context,
}

/// Which subjects of a kind may do this on the resource?
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupSubjects {
    /// On what.
    pub resource: Object,
    /// A permission, or a relation, of its kind.
    pub permission: String,
    /// Of what kind the subjects are.
    pub kind: String,
    /// Subjects that stand for the members of this relation; `None`: objects.
    pub relation: Option<String>,
    /// What the request knows; caveats read it.
    pub context: Context,
}

/// What an engine knows of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permissionship {
    /// Allowed.
    Yes,
    /// Not allowed.
    No,
    /// A caveat lacks context. Treated as a refusal everywhere.
    Conditional,
}

/// An answer, and the earliest instant at which a row it rests on lapses (denials too: an expiring
/// row on the right of `-` turns no into yes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub permissionship: Permissionship,
    /// What a conditional answer lacks: names of caveats' parameters, sorted, without doubles.
    pub missing: Vec<String>,
    /// When a row that the answer rests on lapses; `None`: it stays as it is until the epoch moves.
    pub valid_until: Option<Timestamp>,
}

impl Decision {
    /// Whether it is allowed, and nothing is missing for that.
    pub fn allowed(&self) -> bool {
        self.permissionship == Permissionship::Yes
    }
}

/// One answer of a lookup: never [`Permissionship::No`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Of the resource, or of the subject; `*` is everyone.
    pub id: String,
    /// Whether surely, or under a condition.
    pub permissionship: Permissionship,
    /// As in [`Decision::missing`].
    pub missing: Vec<String>,
}

/// What a lookup found, sorted by id, and the earliest instant at which a row that it rests on lapses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lookup {
    /// Without doubles.
    pub found: Vec<Found>,
    /// When a row that it rests on lapses.
    pub valid_until: Option<Timestamp>,
}

/// One subject of a lookup; of everyone (`*`) those are named who are not, or perhaps not, meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSubject {
    /// The subject.
    pub found: Found,
    /// Sorted by id; with [`Permissionship::Yes`] surely excluded, with `Conditional` perhaps.
    pub excluded: Vec<Found>,
}

/// The engine could not decide: the caller refuses, with `reason` as the code it reports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy engine unavailable: {reason}")]
pub struct EngineUnavailable {
    /// A stable word for why.
    pub reason: String,
}

/// A policy engine. Every answer of one `check` call comes from one snapshot.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The clock that this engine moves.
    fn clock(&self) -> &Arc<EpochClock>;

    /// Whether the clock tells of every change, also of those that others make. While it does not, no answer is kept.
    fn is_fresh(&self) -> bool {
        true
    }

    /// Answers in the order of `checks`.
    async fn check(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable>;

    /// Every resource that is asked for, none left out.
    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable>;

    /// The terms of a grant; `None` if it never was or is revoked.
    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable>;
}
