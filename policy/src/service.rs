//! The relationship service: what SpiceDB's API offers, behind one trait for every engine that offers it.
//!
//! An engine behaves as SpiceDB does: circles can be stored, and a check that goes too deep fails when it is asked. What
//! Allod refuses beyond that, it refuses before it comes here.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use policy_core::{
    Check, CheckError, Context, Decision, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects,
    Object, Precondition, Traced, Tuple, Update,
};

/// A point in the history of one store, opaque to clients. Tokens of another store are known as such.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token(pub String);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How fresh an answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Consistency {
    MinimizeLatency,
    AtLeast(Token),
    Exactly(Token),
    #[default]
    Full,
}

/// A place in a list, opaque to clients, bound to the request that it came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(pub String);

/// At most `limit` after `after`; without a limit, all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Window {
    pub limit: Option<u32>,
    pub after: Option<Cursor>,
}

/// Items, each with the cursor after it, and the point at which they were read.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<(T, Option<Cursor>)>,
    pub at: Token,
}

/// Answers in the order of the questions.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    pub decisions: Vec<Result<Decision, CheckError>>,
    pub at: Token,
}

/// A write of relationships: all of it, in one transaction, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Write {
    pub updates: Vec<Update>,
    pub preconditions: Vec<Precondition>,
    /// Goes into the audit and comes back from the watch.
    pub metadata: Context,
}

/// A deletion of whatever a filter selects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delete {
    pub filter: Filter,
    pub preconditions: Vec<Precondition>,
    pub limit: Option<u32>,
    /// If more are selected than `limit`: delete that many, instead of failing.
    pub partial: bool,
    pub metadata: Context,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    pub count: u64,
    /// Whether nothing that the filter selects is left; not known, so false, where the limit was reached.
    pub complete: bool,
    pub at: Token,
}

/// One committed transaction, as the watch tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// `Touch` and `Delete` only, in no particular order; what changed nothing is not here.
    pub updates: Vec<Update>,
    pub metadata: Context,
    pub schema_changed: bool,
    /// No change: everything up to `through` has been told.
    pub checkpoint: bool,
    pub through: Token,
}

/// What a watch is about; empty lists mean everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WatchRequest {
    pub kinds: Vec<String>,
    pub filters: Vec<Filter>,
    /// Begins after this point, else now.
    pub after: Option<Token>,
    pub schema: bool,
    pub checkpoints: bool,
}

/// The events of a watch, oldest first. Ends with an error when the reader is too slow.
pub type Events = futures::stream::BoxStream<'static, Result<Event, ServiceError>>;

/// A store of relationships under a schema, and the questions it answers.
#[async_trait]
pub trait RelationshipService: Send + Sync {
    /// The schema as its engine prints it.
    ///
    /// # Errors
    /// [`Reason::NoSchema`] if none was written.
    async fn read_schema(&self) -> Result<(String, Token), ServiceError>;
    /// Takes the place of the schema.
    ///
    /// # Errors
    /// If it is wrong, or if relationships exist that it does not allow.
    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError>;

    async fn write(&self, write: Write) -> Result<Token, ServiceError>;
    async fn delete(&self, delete: Delete) -> Result<Deleted, ServiceError>;
    /// Creates many relationships, all of them in one transaction, or none. An engine that has no other way than a write
    /// takes no more than [`MAX_UPDATES`].
    async fn create(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        let updates = tuples.into_iter().map(Update::Create).collect();
        self.write(Write { updates, ..Write::default() }).await.map(drop)
    }
    /// Puts many relationships, not in one transaction: after an error some of them are there.
    async fn import(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        import_by_writes(self, tuples).await
    }
    async fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError>;

    /// All answers come from one snapshot.
    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError>;
    /// One answer and how it came about.
    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError>;
    /// In a stable order, each id once.
    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError>;
    /// In a stable order, each id once, everyone (`*`) last.
    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError>;
    /// One step of how a permission or relation follows.
    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError>;

    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError>;
}

/// How many updates one write may hold.
pub const MAX_UPDATES: usize = 1_000;

pub(crate) async fn import_by_writes<S: RelationshipService + ?Sized>(
    service: &S,
    tuples: Vec<Tuple>,
) -> Result<(), ServiceError> {
    let mut updates = tuples.into_iter().map(Update::Touch).peekable();
    while updates.peek().is_some() {
        let updates = updates.by_ref().take(MAX_UPDATES).collect();
        service.write(Write { updates, ..Write::default() }).await?;
    }
    Ok(())
}

/// A request that was not carried out. Engines agree on the reason, not on the wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ServiceError {
    pub reason: Reason,
    pub message: String,
    /// What the reason is about, by the names that SpiceDB gives in its error details.
    pub metadata: BTreeMap<String, String>,
}

impl ServiceError {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        ServiceError { reason, message: message.into(), metadata: BTreeMap::new() }
    }
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }
}

/// Why, in SpiceDB's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The request itself is malformed: an id, a limit, a filter.
    InvalidArgument,
    /// A filter that selects nothing in particular, or contradicts itself.
    InvalidFilter,
    SchemaParse,
    SchemaType,
    /// Relationships exist that the new schema does not allow.
    SchemaInUse,
    NoSchema,
    UnknownDefinition,
    UnknownRelationOrPermission,
    UnknownCaveat,
    CannotUpdatePermission,
    InvalidSubjectType,
    WildcardNotAllowed,
    CaveatParameterType,
    CaveatEvaluation,
    UpdatesOnSameRelationship,
    TooManyUpdates,
    TooManyPreconditions,
    PreconditionFailed,
    AlreadyExists,
    TooManyForTransactionalDelete,
    MaximumDepthExceeded,
    /// The answer would be larger than the engine tells.
    TooLarge,
    InvalidCursor,
    InvalidToken,
    /// The point is no longer kept.
    SnapshotExpired,
    ReadOnly,
    /// A writer of elsewhere was faster; again.
    Conflict,
    /// The watcher read too slowly.
    TooSlow,
    /// The engine cannot be reached or did not answer in time.
    Unavailable,
    Unauthenticated,
    Internal,
}
