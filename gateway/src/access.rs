//! From a caller and a space to permits: the one way to the vault.

use std::sync::Arc;

use actix_web::http::StatusCode;
use policy::Reason;
use policy::facts::Thing;
use policy_core::{
    Caller, Check, CollectionId, CollectionResource, Decision, LookupResources, MOST_DOCUMENTS, Object, Permits, Read,
    Refusal, Resources, SpaceId, Subject, UserId, Write,
};
use vault_core::schema::Schema;

use crate::app::App;
use crate::front::error::ApiError;
use crate::node::Node as _;

/// What a space holds, as policy names it. Made once a version of its definitions.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub schema: Arc<Schema>,
    pub resources: Arc<Resources>,
}

/// The resources of a space.
pub fn resources(space: SpaceId, schema: &Schema) -> Resources {
    let collections = schema
        .collections
        .iter()
        .map(|collection| CollectionResource {
            id: collection.id,
            fields: collection.fields.iter().map(|field| field.id).collect(),
        })
        .collect();
    Resources { space, schema: schema.version, collections }
}

/// Why a request does not reach a space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Foreign and unknown spaces answer alike.
    #[error("There is no such space.")]
    NotFound,
    #[error("The node cannot do this at this moment ({0}); try again.")]
    Unavailable(String),
    /// Policy gives no answer, and without one nothing is allowed; the engine's word for why.
    #[error("Policy cannot decide this now: {}.", crate::engine::sentence(.0).0)]
    Policy(String),
    #[error("The node tells at most {MOST_DOCUMENTS} single documents of a collection apart for one person.")]
    TooManyDocuments,
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => ApiError::not_found(),
            AccessError::Unavailable(_) => {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
            }
            AccessError::Policy(ref reason) => policy_unavailable(reason),
            AccessError::TooManyDocuments => ApiError::new(StatusCode::FORBIDDEN, "limit_documents", error.to_string())
                .hint("Ask for the whole collection, or for fewer documents of it."),
        }
    }
}

/// What a route answers where policy gives no answer.
pub fn policy_unavailable(reason: &str) -> ApiError {
    let error = AccessError::Policy(reason.to_owned());
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "policy_unavailable", error.to_string())
        .hint(crate::engine::sentence(reason).1)
}

impl From<policy_core::EngineUnavailable> for AccessError {
    fn from(error: policy_core::EngineUnavailable) -> Self {
        AccessError::Policy(error.reason)
    }
}

impl From<Refusal> for AccessError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => AccessError::NotFound,
            Refusal::TooManyDocuments => AccessError::TooManyDocuments,
            Refusal::Unavailable(reason) => AccessError::Policy(reason),
        }
    }
}

impl App {
    /// Permits to read, and the definitions that they were minted for.
    pub async fn read_permits(
        &self,
        caller: &Caller,
        space: SpaceId,
    ) -> Result<(Catalogue, Permits<Read>), AccessError> {
        let catalogue = self.catalogue(space).await?;
        let mut permits = self.gate.read(caller, &catalogue.resources, self.now()).await;
        if matches!(permits, Err(Refusal::Denied)) && self.comes_for_something(caller, space).await {
            permits = self.gate.read(caller, &catalogue.resources, self.now()).await;
        }
        Ok((catalogue, permits?))
    }

    /// Whether somebody who sees nothing of a space has been offered something of it, and has it now.
    async fn comes_for_something(&self, caller: &Caller, space: SpaceId) -> bool {
        // What is taken up is checked by the permits of whoever offered it: this leads here again, once.
        caller.app.is_none() && self.take_up(caller.user, space).await
    }

    /// As [`App::read_permits`], to these collections alone.
    pub async fn read_permits_to(
        &self,
        caller: &Caller,
        space: SpaceId,
        collections: &[CollectionId],
    ) -> Result<(Catalogue, Permits<Read>), AccessError> {
        let catalogue = self.catalogue(space).await?;
        let all = &catalogue.resources;
        let collections = all.collections.iter().filter(|one| collections.contains(&one.id)).cloned().collect();
        let resources = Resources { space, schema: all.schema, collections };
        let permits = self.gate.read(caller, &resources, self.now()).await?;
        Ok((catalogue, permits))
    }

    /// Permits to write, and the definitions that they were minted for.
    pub async fn write_permits(
        &self,
        caller: &Caller,
        space: SpaceId,
    ) -> Result<(Catalogue, Permits<Write>), AccessError> {
        let catalogue = self.catalogue(space).await?;
        let mut permits = self.gate.write(caller, &catalogue.resources, self.now()).await;
        if matches!(permits, Err(Refusal::Denied)) && self.comes_for_something(caller, space).await {
            permits = self.gate.write(caller, &catalogue.resources, self.now()).await;
        }
        Ok((catalogue, permits?))
    }

    /// Whether a person has a permission on a thing.
    pub async fn may(&self, user: UserId, thing: Thing, permission: &str) -> Result<bool, AccessError> {
        Ok(self.allowed(&[Check::new(thing.object(), permission, Subject::object("user", user))]).await? == [true])
    }

    /// Which of these checks are allowed, in their order.
    pub async fn allowed(&self, checks: &[Check]) -> Result<Vec<bool>, AccessError> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.engine.check(checks, self.now()).await?;
        if answers.len() != checks.len() {
            return Err(AccessError::Policy("unanswered".to_owned()));
        }
        Ok(answers.iter().map(Decision::allowed).collect())
    }

    /// The relationships by which a check is allowed; `None`: it is not, or has no answer.
    pub async fn path(&self, check: &Check) -> Result<Option<Vec<String>>, AccessError> {
        let traced = match self.engine.trace(check).await {
            Ok((traced, _)) => traced,
            Err(error) => {
                let down = matches!(error.reason, Reason::Unavailable | Reason::Unauthenticated | Reason::Internal);
                tracing::warn!(%check, %error, "a check has no answer");
                return if down { Err(AccessError::Policy(unanswered(&error))) } else { Ok(None) };
            }
        };
        let allowed = traced.permissionship == policy_core::Permissionship::Yes;
        Ok(allowed.then(|| traced.path().into_iter().map(policy_core::Tuple::to_text).collect()))
    }

    /// Every object of a kind on which a subject surely has a permission.
    pub async fn objects(&self, kind: &str, permission: &str, subject: &Subject) -> Result<Vec<Object>, AccessError> {
        let lookup = LookupResources {
            kind: kind.to_owned(),
            permission: permission.to_owned(),
            subject: subject.clone(),
            context: policy_core::Context::new(),
        };
        let found = self.engine.lookup_resources(&lookup, self.now()).await?.found.into_iter();
        let sure = found.filter(|one| one.permissionship == policy_core::Permissionship::Yes);
        Ok(sure.map(|one| Object::new(kind, one.id)).collect())
    }

    /// The catalogue of a space, made known to policy.
    pub async fn catalogue(&self, space: SpaceId) -> Result<Catalogue, AccessError> {
        let not_here = |error: vault::VaultError| {
            if error.is_not_found() {
                AccessError::NotFound
            } else {
                tracing::error!(%error, "a space could not be opened");
                AccessError::Unavailable("the space cannot be opened".into())
            }
        };
        let schema = self.vault.schema(space).await.map_err(not_here)?;
        if let Some(known) = self.catalogues.read().get(&space)
            && known.resources.schema == schema.version
        {
            return Ok(known.clone());
        }
        self.project(space).await.map_err(|error| {
            tracing::error!(%error, "a space could not be made known to policy");
            AccessError::Unavailable("policy is not ready".into())
        })?;
        let resources = Arc::new(resources(space, &schema));
        self.policy.declare_collections(space, &resources.collections);
        self.policy.settle().await.map_err(|error| {
            tracing::warn!(%error, "a space could not be made known to SpiceDB");
            AccessError::Policy("spicedb_unavailable".into())
        })?;
        let catalogue = Catalogue { schema, resources };
        self.catalogues.write().insert(space, catalogue.clone());
        Ok(catalogue)
    }
}

/// The word for why an engine gave no answer.
pub fn unanswered(error: &policy::ServiceError) -> String {
    match error.reason {
        _ if error.message == "revocation_pending" => "revocation_pending",
        Reason::Unavailable => "spicedb_unavailable",
        Reason::Unauthenticated => "spicedb_refuses_the_key",
        _ => "unanswered",
    }
    .to_owned()
}
