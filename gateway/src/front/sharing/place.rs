//! What a request about sharing is about, from the names in it to ids and back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use actix_web::HttpRequest;
use policy::facts::{Party, Thing};
use policy_core::{CollectionId, SpaceId, UserId};
use serde_json::{Value, json};
use vault_core::schema::Schema;

use super::{ApiError, Sharer, forbidden, shown_party};
use crate::app::App;
use crate::front::data::space_of;

/// A space, or a collection of it, that the person sees.
pub(super) struct Place {
    pub(super) space: SpaceId,
    pub(super) schema: Arc<Schema>,
    pub(super) collection: Option<CollectionId>,
}

impl Place {
    /// The space that the body names, else the one that the request is about anyhow; of it the collection that
    /// is named. What the person does not see is not there.
    pub(super) async fn find(
        app: &App,
        by: &Sharer,
        req: &HttpRequest,
        space: Option<&str>,
        collection: Option<&str>,
    ) -> Result<Place, ApiError> {
        let space = match space {
            Some(named) => named.trim().parse().map_err(|_| ApiError::not_found())?,
            None => space_of(app, &by.principal, req).await?,
        };
        let (catalogue, permits) = app.read_permits(&by.principal.caller, space).await?;
        let collection = match collection {
            None => None,
            Some(name) => {
                let found = catalogue.schema.collection_named(name).map(|collection| collection.id);
                let seen = found.filter(|id| permits.mask(*id).is_some());
                Some(seen.ok_or_else(ApiError::not_found)?)
            }
        };
        Ok(Place { space, schema: catalogue.schema, collection })
    }

    fn thing(&self) -> Thing {
        self.collection.map_or(Thing::Space(self.space), Thing::Collection)
    }

    /// What is meant, if the person manages it.
    pub(super) async fn managed(&self, app: &App, by: &Sharer) -> Result<Thing, ApiError> {
        let thing = self.thing();
        if app.may(by.user(), thing, "manage").await? {
            return Ok(thing);
        }
        Err(forbidden("Only who manages this may say who shares it."))
    }
}

/// Names of ids, looked up once a request.
#[derive(Default)]
pub(super) struct Names {
    /// `None`: the space cannot be opened.
    spaces: HashMap<SpaceId, Option<(String, Arc<Schema>)>>,
    parties: HashMap<Party, Value>,
}

impl Names {
    async fn space(&mut self, app: &App, space: SpaceId) -> Option<&(String, Arc<Schema>)> {
        let known = match self.spaces.entry(space) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(match (app.vault.policy(space).await, app.vault.schema(space).await) {
                    (Ok(policy), Ok(schema)) => Some((policy.name.clone(), schema)),
                    _ => None,
                })
            }
        };
        known.as_ref()
    }

    /// Says in `shown` what a thing of a space is.
    pub(super) async fn describe(
        &mut self,
        app: &App,
        space: SpaceId,
        thing: Thing,
        shown: &mut Value,
    ) -> Result<(), ApiError> {
        let known = self.space(app, space).await;
        shown["space_name"] = json!(known.map(|(name, _)| name));
        let collection = |id: CollectionId| known.and_then(|(_, schema)| Some(&schema.collection(id)?.name));
        match thing {
            Thing::Space(_) | Thing::Group(_) => {}
            Thing::Collection(id) => shown["collection"] = json!(collection(id)),
            Thing::Folder(id, folder) => {
                shown["collection"] = json!(collection(id));
                shown["folder"] = json!(folder);
            }
            Thing::Document(id, document) => {
                shown["collection"] = json!(collection(id));
                shown["document"] = json!(document);
            }
            Thing::Field(id, field) => {
                shown["collection"] = json!(collection(id));
                let field = known.and_then(|(_, schema)| Some(&schema.collection(id)?.field(field)?.name));
                shown["field"] = json!(field);
            }
        }
        Ok(())
    }

    pub(super) async fn party(&mut self, app: &App, party: Party) -> Result<Value, ApiError> {
        if let Some(known) = self.parties.get(&party) {
            return Ok(known.clone());
        }
        let shown = shown_party(app, party).await?;
        self.parties.insert(party, shown.clone());
        Ok(shown)
    }

    /// A user's name.
    pub(super) async fn user(&mut self, app: &App, user: UserId) -> Result<Value, ApiError> {
        Ok(self.party(app, Party::User(user)).await?["user"].clone())
    }
}
