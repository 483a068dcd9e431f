//! The node's own relationships as a relationship service: what SpiceDB's clients see of a live node.
//!
//! Reads answer from the same snapshots as the gate. Writes go the way of all writes: circles and deep nesting are
//! refused, what the node keeps itself is left alone, and each is in the audit with who asked for it.

use std::sync::Arc;

use async_trait::async_trait;
use policy_core::{
    Check, Context, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object, Timestamp, Traced,
    Tuple, Tuples, Update, document_of,
};

use super::exceptions::is_edge;
use super::{Embedded, Inner, no_circle};
use crate::store::Change;
use crate::timeline::to_delete;
use crate::{
    Answers, Consistency, Delete, Deleted, Delivery, Events, Page, PolicyError, Reason, RelationshipService,
    ServiceError, Token, WatchRequest, Window, Write, filter, timeline,
};

/// What follows from the node's own facts, the catalogue or grants; the empty list stands for every relation.
const KEPT: [(&str, &[&str]); 6] = [
    ("tenant", &["owner", "member"]),
    ("space", &["tenant", "owner"]),
    ("grant", &[]),
    ("collection", &["space", "grant", "exceptional"]),
    ("field", &["collection", "sealed", "grant"]),
    ("document", &["collection"]),
];

/// The service, for one caller.
pub struct EmbeddedService {
    engine: Arc<Embedded>,
    /// As the audit names the caller.
    actor: String,
}

impl EmbeddedService {
    pub fn new(engine: Arc<Embedded>, actor: &str) -> Self {
        EmbeddedService { engine, actor: actor.to_owned() }
    }

    /// The present point.
    pub(crate) fn head(&self) -> Result<Token, ServiceError> {
        self.engine.inner.timeline.read_schema().map(|(_, token)| token)
    }

    fn by(&self, metadata: Context) -> Context {
        let mut by = Context::from_iter([("actor".to_owned(), self.actor.as_str().into())]);
        if !metadata.is_empty() {
            by.insert("metadata".to_owned(), metadata.into());
        }
        by
    }

    /// Changes relationships by what `decide` makes of those that are there.
    async fn change<T: Send + 'static>(
        &self,
        metadata: Context,
        decide: impl FnOnce(&Tuples, Timestamp) -> Result<(Vec<Update>, T), ServiceError> + Send + 'static,
    ) -> Result<(Token, T), ServiceError> {
        let by = self.by(metadata);
        let work = |inner: Arc<Inner>| async move {
            let mut writer = inner.writer().await?;
            let now = inner.timeline.now();
            let head = inner.timeline.head();
            let (changed, decided) = match decide(&head.tuples, now) {
                Ok(decided) => decided,
                Err(error) => return Ok(Err(error)),
            };
            let mut next = head.tuples;
            let (mut put, mut remove) = (Vec::new(), Vec::new());
            for update in changed {
                if let Some(error) = kept(update.tuple()) {
                    return Ok(Err(error));
                }
                match update {
                    Update::Create(tuple) | Update::Touch(tuple) => {
                        if let Some(error) = no_document(&tuple) {
                            return Ok(Err(error));
                        }
                        if let Err(PolicyError::Conflict(message)) = no_circle(&next, &tuple) {
                            return Ok(Err(ServiceError::new(Reason::InvalidArgument, message)));
                        }
                        next.put(&tuple)?;
                        put.push(tuple);
                    }
                    Update::Delete(tuple) => remove.push(tuple),
                }
            }
            let change = Change { action: "write_relationships", put, remove, metadata: by, ..Change::default() };
            let put = inner.apply(&mut writer, change, |_| {}).await?;
            let token = inner.timeline.head().token;
            drop(writer);
            match inner.deliver(put).await {
                Delivery::Done => Ok(Ok((token, decided))),
                Delivery::Pending(why) => Err(PolicyError::Undelivered(why)),
            }
        };
        self.engine.run(work).await.map_err(ServiceError::from)?
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let inner = Arc::clone(&self.engine.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|error| Err(ServiceError::new(Reason::Internal, error.to_string())))
    }
}

/// Why a relationship is not for clients to change.
fn kept(tuple: &Tuple) -> Option<ServiceError> {
    let (kind, relation) = (&tuple.resource.kind, &tuple.relation);
    let kept = KEPT.iter().any(|(definition, relations)| {
        definition == kind && (relations.is_empty() || relations.contains(&relation.as_str()))
    });
    kept.then(|| {
        let message = format!("`{kind}#{relation}` is kept by the node itself; use its own commands to change it");
        ServiceError::new(Reason::ReadOnly, message)
    })
}

/// Why a relationship of a document can be of none.
fn no_document(tuple: &Tuple) -> Option<ServiceError> {
    let wrong = tuple.resource.kind == "document" && document_of(&tuple.resource).is_none();
    wrong.then(|| {
        let message = "a document is named by the ids of its collection and of itself, 32 digits each from 0-9 and a-f, \
                       as COLLECTION|DOCUMENT";
        ServiceError::new(Reason::InvalidArgument, message)
    })
}

impl From<PolicyError> for ServiceError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::Schema(error) => error.into(),
            PolicyError::SchemaInUse(error) => error.into(),
            PolicyError::Tuple(error) => error.into(),
            PolicyError::Platform(_) => ServiceError::new(Reason::ReadOnly, error.to_string()),
            PolicyError::Conflict(message) => ServiceError::new(Reason::InvalidArgument, message),
            PolicyError::Revoked(_) => ServiceError::new(Reason::InvalidArgument, error.to_string()),
            PolicyError::Undelivered(_) => ServiceError::new(Reason::Unavailable, error.to_string()),
            PolicyError::Storage(_) | PolicyError::Damaged(_) => {
                tracing::error!(%error, "policy could not be changed");
                ServiceError::new(Reason::Unavailable, "the change could not be stored; try again")
            }
        }
    }
}

#[async_trait]
impl RelationshipService for EmbeddedService {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        self.engine.inner.timeline.read_schema()
    }

    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError> {
        self.engine.write_schema(schema, self.by(Context::new())).await?;
        Ok(self.engine.inner.timeline.head().token)
    }

    async fn write(&self, write: Write) -> Result<Token, ServiceError> {
        write.within_limits()?;
        let Write { updates, preconditions, metadata } = write;
        let decide = move |tuples: &Tuples, now| {
            filter::check_all(&preconditions, tuples.schema())?;
            Ok((tuples.clone().apply(&updates, &preconditions, now)?, ()))
        };
        self.change(metadata, decide).await.map(|(token, ())| token)
    }

    async fn create(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        let updates: Vec<Update> = tuples.into_iter().map(Update::Create).collect();
        let decide = move |tuples: &Tuples, now| Ok((timeline::create(&mut tuples.clone(), &updates, now)?, ()));
        self.change(Context::new(), decide).await.map(drop)
    }

    async fn delete(&self, delete: Delete) -> Result<Deleted, ServiceError> {
        delete.within_limits()?;
        let metadata = delete.metadata.clone();
        let decide = move |tuples: &Tuples, now| {
            // Who takes away all that a document has does not mean its edge, which goes with the last of it.
            let all = delete.filter.relation.is_none() && delete.filter.subject.is_none();
            let (found, complete) = to_delete(tuples, &delete, now, |tuple| !(all && is_edge(tuple)))?;
            let count = found.len() as u64;
            Ok((tuples.clone().apply(&found, &[], now)?, (count, complete)))
        };
        let (at, (count, complete)) = self.change(metadata, decide).await?;
        Ok(Deleted { count, complete, at })
    }

    async fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        let (filter, window, at) = (filter.clone(), window.clone(), at.clone());
        self.ask(move |inner| inner.timeline.read(&filter, &window, &at)).await
    }

    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        let (checks, at) = (checks.to_vec(), at.clone());
        self.ask(move |inner| inner.timeline.check(&checks, &at)).await
    }

    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        let (check, at) = (check.clone(), at.clone());
        self.ask(move |inner| inner.timeline.trace(&check, &at)).await
    }

    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        let (lookup, window, at) = (lookup.clone(), window.clone(), at.clone());
        self.ask(move |inner| inner.timeline.lookup_resources(&lookup, &window, &at)).await
    }

    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        let (lookup, at) = (lookup.clone(), at.clone());
        self.ask(move |inner| inner.timeline.lookup_subjects(&lookup, &at)).await
    }

    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let (resource, permission, at) = (resource.clone(), permission.to_owned(), at.clone());
        self.ask(move |inner| inner.timeline.expand(&resource, &permission, &at)).await
    }

    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        self.engine.inner.timeline.watch(request)
    }
}
