//! The relationships that a node keeps.

use std::sync::Arc;

use policy_core::{
    CollectionId, CollectionResource, Context, DocId, EngineUnavailable, Grant, GrantId, Object, SpaceId, TenantId,
    Timestamp, Tuple, UserId,
};

use crate::{AuditRow, Delivery, Embedded, EmbeddedService, NamedSubjects, PolicyError};

/// What changes relationships, and what the operator reads of them. It has no answer to any question of policy: those
/// go to the [`Explainer`](crate::Explainer) of the process, which may be another engine.
#[derive(Clone)]
pub struct Relationships(Arc<Embedded>);

impl Relationships {
    pub fn new(engine: Arc<Embedded>) -> Self {
        Relationships(engine)
    }

    /// As [`Embedded::declare_tenant`].
    ///
    /// # Errors
    /// As there.
    pub async fn declare_tenant(&self, tenant: TenantId, owner: Option<UserId>) -> Result<(), PolicyError> {
        self.0.declare_tenant(tenant, owner).await
    }

    /// As [`Embedded::add_member`].
    ///
    /// # Errors
    /// As there.
    pub async fn add_member(&self, tenant: TenantId, user: UserId) -> Result<(), PolicyError> {
        self.0.add_member(tenant, user).await
    }

    /// As [`Embedded::declare_space`].
    ///
    /// # Errors
    /// As there.
    pub async fn declare_space(&self, space: SpaceId, tenant: TenantId, owner: UserId) -> Result<(), PolicyError> {
        self.0.declare_space(space, tenant, owner).await
    }

    /// As [`Embedded::declare_collections`].
    pub fn declare_collections(&self, space: SpaceId, collections: &[CollectionResource]) {
        self.0.declare_collections(space, collections);
    }

    /// As [`Embedded::settle`].
    ///
    /// # Errors
    /// As there.
    pub async fn settle(&self) -> Result<(), PolicyError> {
        self.0.settle().await
    }

    /// As [`Embedded::write`].
    ///
    /// # Errors
    /// As there.
    pub async fn write(&self, put: Vec<Tuple>, remove: Vec<Tuple>) -> Result<Delivery, PolicyError> {
        self.0.written(put, remove, Context::new()).await
    }

    /// As [`Embedded::write_by`].
    ///
    /// # Errors
    /// As there.
    pub async fn write_by(&self, put: Vec<Tuple>, remove: Vec<Tuple>, by: Context) -> Result<Delivery, PolicyError> {
        self.0.written(put, remove, by).await
    }

    /// As [`Embedded::put_grant`].
    ///
    /// # Errors
    /// As there.
    pub async fn put_grant(&self, grant: Arc<Grant>, by: Context) -> Result<Delivery, PolicyError> {
        self.0.granted(grant, by).await
    }

    /// As [`Embedded::revoke_grant`].
    ///
    /// # Errors
    /// As there.
    pub async fn revoke_grant(&self, id: GrantId, by: Context) -> Result<Delivery, PolicyError> {
        self.0.revoked(id, by).await.map(|(_, delivery)| delivery)
    }

    /// As [`Embedded::is_revoked`].
    pub fn is_revoked(&self, id: GrantId) -> bool {
        self.0.is_revoked(id)
    }

    /// As [`Embedded::named`]: candidates. Whether one of them has anything is for the engine to say.
    ///
    /// # Errors
    /// As there.
    pub async fn named(
        &self,
        collection: CollectionId,
        document: Option<DocId>,
        now: Timestamp,
    ) -> Result<NamedSubjects, EngineUnavailable> {
        self.0.named(collection, document, now).await
    }

    /// As [`Embedded::resting_on`].
    pub fn resting_on(&self, objects: &[Object]) -> Vec<Tuple> {
        self.0.resting_on(objects)
    }

    /// As [`Embedded::advance_epoch`].
    pub fn advance_epoch(&self) {
        self.0.advance_epoch();
    }

    /// As [`Embedded::audit`].
    ///
    /// # Errors
    /// As there.
    pub async fn audit(&self, after: i64, limit: usize) -> Result<Vec<AuditRow>, PolicyError> {
        self.0.audit(after, limit).await
    }

    /// As [`Embedded::schema`].
    pub fn schema(&self) -> String {
        self.0.schema()
    }

    /// As [`Embedded::try_schema`].
    ///
    /// # Errors
    /// As there.
    pub fn try_schema(&self, text: &str) -> Result<(), PolicyError> {
        self.0.try_schema(text)
    }

    /// As [`Embedded::write_schema`].
    ///
    /// # Errors
    /// As there.
    pub async fn write_schema(&self, text: &str, by: Context) -> Result<bool, PolicyError> {
        self.0.write_schema(text, by).await
    }

    /// What is stored, for whoever moves it to another engine.
    pub fn stored(&self, actor: &str) -> EmbeddedService {
        EmbeddedService::new(Arc::clone(&self.0), actor)
    }
}
