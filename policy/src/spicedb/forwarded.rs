//! The relationships of a node, for clients of SpiceDB's API, where SpiceDB answers.

use std::sync::Arc;

use async_trait::async_trait;
use policy_core::{
    Check, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object, Traced, Tuple,
};

use super::SpiceDb;
use super::outbox::Outbox;
use crate::service::{
    Answers, Consistency, Delete, Deleted, Events, Page, RelationshipService, ServiceError, Token, WatchRequest,
    Window, Write,
};
use crate::{EmbeddedService, Reason};

/// Changes go the way of the node, which keeps the relationships and tells what changes; questions go to SpiceDB, when
/// it has seen every change. Tokens are those of the node.
pub struct Forwarded {
    own: EmbeddedService,
    answering: Arc<SpiceDb>,
    outbox: Arc<Outbox>,
}

impl Forwarded {
    pub fn new(own: EmbeddedService, answering: Arc<SpiceDb>, outbox: Arc<Outbox>) -> Self {
        Forwarded { own, answering, outbox }
    }

    /// The node's present point, which SpiceDB has seen. Points of the past are not asked about.
    async fn settled(&self, at: &Consistency) -> Result<Token, ServiceError> {
        if matches!(at, Consistency::Exactly(_)) {
            let message = "where SpiceDB answers, a node answers by the present only; ask SpiceDB itself";
            return Err(ServiceError::new(Reason::SnapshotExpired, message));
        }
        let undelivered = |error: super::OutboxError| ServiceError::new(Reason::Unavailable, error.to_string());
        self.outbox.deliver().await.map_err(undelivered)?;
        self.own.head()
    }
}

#[async_trait]
impl RelationshipService for Forwarded {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        self.own.read_schema().await
    }

    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError> {
        self.own.write_schema(schema).await
    }

    async fn write(&self, write: Write) -> Result<Token, ServiceError> {
        self.own.write(write).await
    }

    async fn delete(&self, delete: Delete) -> Result<Deleted, ServiceError> {
        self.own.delete(delete).await
    }

    async fn create(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        self.own.create(tuples).await
    }

    async fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        self.own.read(filter, window, at).await
    }

    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        let head = self.settled(at).await?;
        let answers = self.answering.check(checks, &Consistency::Full).await?;
        Ok(Answers { at: head, ..answers })
    }

    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        let head = self.settled(at).await?;
        let (traced, _) = self.answering.trace(check, &Consistency::Full).await?;
        Ok((traced, head))
    }

    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        let head = self.settled(at).await?;
        let page = self.answering.lookup_resources(lookup, window, &Consistency::Full).await?;
        Ok(Page { at: head, ..page })
    }

    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        let head = self.settled(at).await?;
        let page = self.answering.lookup_subjects(lookup, &Consistency::Full).await?;
        Ok(Page { at: head, ..page })
    }

    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let head = self.settled(at).await?;
        let (expanded, _) = self.answering.expand(resource, permission, &Consistency::Full).await?;
        Ok((expanded, head))
    }

    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        self.own.watch(request).await
    }
}
