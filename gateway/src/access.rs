//! From a caller and a space to permits: the one way to the vault.

use std::sync::Arc;

use actix_web::http::StatusCode;
use policy::facts::Thing;
use policy_core::{
    Caller, Check, CollectionId, CollectionResource, Engine as _, MOST_DOCUMENTS, Permits, Read, Refusal, Resources,
    SpaceId, Subject, UserId, Write,
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
    #[error("The node cannot decide at this moment ({0}); try again.")]
    Unavailable(String),
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
            AccessError::TooManyDocuments => ApiError::new(StatusCode::FORBIDDEN, "limit_documents", error.to_string())
                .hint("Ask for the whole collection, or for fewer documents of it."),
        }
    }
}

impl From<Refusal> for AccessError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => AccessError::NotFound,
            Refusal::TooManyDocuments => AccessError::TooManyDocuments,
            Refusal::Unavailable(reason) => AccessError::Unavailable(reason),
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
        let permits = self.gate.read(caller, &catalogue.resources, self.now()).await?;
        Ok((catalogue, permits))
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
        let permits = self.gate.write(caller, &catalogue.resources, self.now()).await?;
        Ok((catalogue, permits))
    }

    /// Whether a person has a permission on a thing.
    pub async fn may(&self, user: UserId, thing: Thing, permission: &str) -> Result<bool, AccessError> {
        let check = Check::new(thing.object(), permission, Subject::object("user", user));
        let answers = self.policy.check(&[check], self.now()).await;
        let answers = answers.map_err(|error| AccessError::Unavailable(error.reason))?;
        Ok(answers.first().is_some_and(policy_core::Decision::allowed))
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
            tracing::error!(%error, "a space could not be made known to SpiceDB");
            AccessError::Unavailable("policy is not ready".into())
        })?;
        let catalogue = Catalogue { schema, resources };
        self.catalogues.write().insert(space, catalogue.clone());
        Ok(catalogue)
    }
}
