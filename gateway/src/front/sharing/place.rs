//! What a request about sharing is about, from the names in it to ids and back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use policy::facts::{Party, Resource};
use policy_core::{Check, CollectionId, DocId, FolderId, SpaceId, Subject, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use vault::view::{Cell, Row};
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::Schema;

use super::rows::rows;
use super::{ApiError, PartyView, Sharer, forbidden, invalid, party_view};
use crate::access::AccessError;
use crate::app::App;
use crate::directory::Folder;
use crate::front::data::space_of;
use crate::front::described::Id;

/// The names in a request; what is left out is `None`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct ResourcePath<'a> {
    pub(super) space: Option<&'a str>,
    pub(super) collection: Option<&'a str>,
    pub(super) folder: Option<&'a str>,
    pub(super) document: Option<&'a str>,
    /// Whether the document may be deleted: it can come back.
    pub(super) deleted: bool,
}

/// Something that the person sees: a space, or a part of it.
pub(super) struct VisibleResource {
    pub(super) space: SpaceId,
    pub(super) schema: Arc<Schema>,
    pub(super) collection: Option<CollectionId>,
    pub(super) resource: Resource,
}

impl VisibleResource {
    /// What is meant: in the space that the body names, else in the one that the request is about anyhow. What the
    /// person does not see is not there.
    pub(super) async fn find(
        app: &App,
        by: &Sharer,
        req: &HttpRequest,
        path: ResourcePath<'_>,
    ) -> Result<VisibleResource, ApiError> {
        let space = match path.space {
            Some(named) => named.trim().parse().map_err(|_| ApiError::not_found())?,
            None => space_of(app, &by.principal, req).await?,
        };
        VisibleResource::within(app, by, space, path).await
    }

    /// As [`VisibleResource::find`], in this space.
    pub(super) async fn within(
        app: &App,
        by: &Sharer,
        space: SpaceId,
        path: ResourcePath<'_>,
    ) -> Result<VisibleResource, ApiError> {
        let (catalogue, permits) = app.access.read_permits(&by.principal.caller, space).await?;
        let schema = catalogue.schema;
        let mut collection = match path.collection {
            None => None,
            Some(name) => {
                let found = schema.collection_named(name).map(|collection| collection.id);
                let seen = found.filter(|id| permits.mask(*id).is_some());
                Some(seen.ok_or_else(|| no("collection", name))?)
            }
        };
        let resource = match (path.folder, path.document, collection) {
            (None, None, None) => Resource::Space(space),
            (None, None, Some(id)) => Resource::Collection(id),
            (Some(folder), None, _) => {
                let folder = known_folder(app, by.user(), folder).await?;
                if folder.space != space || collection.is_some_and(|id| id != folder.collection) {
                    return Err(no_folder());
                }
                collection = Some(folder.collection);
                Resource::Folder(folder.collection, folder.id)
            }
            (None, Some(document), Some(id)) => {
                let none = || no("document", document);
                let document = document.parse().map_err(|_| none())?;
                match visible_documents(app, by, space, id, (&[document], path.deleted)).await?[..] {
                    [document] => Resource::Document(id, document),
                    _ => return Err(none()),
                }
            }
            (None, Some(_), None) => return Err(invalid("Name the collection of the document.")),
            (Some(_), Some(_), _) => return Err(invalid("Name a folder or a document.")),
        };
        Ok(VisibleResource { space, schema, collection, resource })
    }

    /// What is meant, if the person manages it.
    pub(super) async fn managed(&self, app: &App, by: &Sharer) -> Result<Resource, ApiError> {
        if manages(app, by.user(), self.resource).await? {
            return Ok(self.resource);
        }
        Err(forbidden("Only who manages this may say who shares it."))
    }
}

/// What is not there, or not the person's to see: the two answer alike.
pub(super) fn no(what: &str, name: &str) -> ApiError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("There is no {what} `{name}`."))
}

fn no_folder() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is no folder of this id.")
}

/// Whether a person manages a resource: by itself, or by the collection that it lies in.
pub(super) async fn manages(app: &App, user: UserId, resource: Resource) -> Result<bool, ApiError> {
    Ok(manage_all(app, user, &[resource]).await? == [true])
}

/// As [`manages`], of many resources at once.
pub(super) async fn manage_all(app: &App, user: UserId, resources: &[Resource]) -> Result<Vec<bool>, AccessError> {
    let subject = Subject::object("user", user);
    let mut checks = Vec::with_capacity(2 * resources.len());
    for resource in resources {
        // Of a field only the collection is managed; of a document, the collection knows where the document does not.
        let (own, around) = match *resource {
            Resource::Field(collection, _) => (Resource::Collection(collection), Resource::Collection(collection)),
            Resource::Document(collection, _) => (*resource, Resource::Collection(collection)),
            other => (other, other),
        };
        checks.extend([own, around].map(|resource| Check::new(resource.object(), "manage", subject.clone())));
    }
    let answers = app.access.allowed(&checks).await?;
    Ok(answers.chunks(2).map(|pair| pair.contains(&true)).collect())
}

/// Whether a person may take away rights on a resource of a space: who manages it, and who owns the space also when policy
/// cannot be asked.
pub(super) async fn may_take(app: &App, user: UserId, space: SpaceId, resource: Resource) -> Result<bool, ApiError> {
    Ok(app.vault.owner_of(space) == Some(user) || manages(app, user, resource).await?)
}

/// A folder that the person views. Others answer as unknown.
pub(super) async fn known_folder(app: &App, user: UserId, id: &str) -> Result<Folder, ApiError> {
    let id: FolderId = id.parse().map_err(|_| no_folder())?;
    let folder = app.directory.folder(id).await?.ok_or_else(no_folder)?;
    // Before policy is asked: what its collection gives, policy knows once the space is known.
    app.access.catalogue(folder.space).await?;
    let seen = app.access.may(user, Resource::Folder(folder.collection, id), "view").await?;
    if seen { Ok(folder) } else { Err(no_folder()) }
}

/// Those of the documents that the person sees, deleted ones if `deleted`, ascending.
pub(super) async fn visible_documents(
    app: &App,
    by: &Sharer,
    space: SpaceId,
    collection: CollectionId,
    (documents, deleted): (&[DocId], bool),
) -> Result<Vec<DocId>, ApiError> {
    let select = Select {
        collection,
        args: SelectArgs { doc_ids: Some(documents.to_vec()), show_deleted: deleted, ..SelectArgs::default() },
        items: vec![Item { key: "id".into(), kind: ItemKind::DocId }],
    };
    let (rows, ()) = rows(app, &by.principal.caller, space, |_, _| Ok((select.clone(), ()))).await?;
    let id = |row: &Row| if let Some((_, Cell::Document(id))) = row.first() { Some(*id) } else { None };
    Ok(rows.unwrap_or_default().iter().filter_map(id).collect())
}

/// What a resource of a space is. A name is null where it cannot be told.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Described {
    pub(super) space_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) collection: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Id>)]
    pub(super) folder: Option<FolderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) document: Option<DocId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) field: Option<Option<String>>,
}

/// Names of ids, looked up once a request.
#[derive(Default)]
pub(super) struct Names {
    /// `None`: the space is not here, or cannot be opened.
    spaces: HashMap<SpaceId, Option<String>>,
    schemas: HashMap<SpaceId, Option<Arc<Schema>>>,
    parties: HashMap<Party, PartyView>,
}

impl Names {
    /// What a space is called; it need not be opened for that.
    async fn space(&mut self, app: &App, space: SpaceId) -> Option<&str> {
        let known = match self.spaces.entry(space) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let named = app.spaces.named_spaces(&[space]).await.ok().and_then(|mut named| named.pop());
                place.insert(named.map(|space| space.name))
            }
        };
        known.as_deref()
    }

    async fn schema(&mut self, app: &App, space: SpaceId) -> Option<Arc<Schema>> {
        match self.schemas.entry(space) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => place.insert(app.vault.schema(space).await.ok()).clone(),
        }
    }

    /// What a resource of a space is.
    pub(super) async fn describe(&mut self, app: &App, space: SpaceId, resource: Resource) -> Described {
        let space_name = self.space(app, space).await.map(str::to_owned);
        let mut described = Described { space_name, ..Described::default() };
        let id = match resource {
            Resource::Space(_) | Resource::Group(_) => return described,
            Resource::Collection(id) | Resource::Folder(id, _) | Resource::Document(id, _) | Resource::Field(id, _) => {
                id
            }
        };
        let known = self.schema(app, space).await;
        let collection = known.as_ref().and_then(|schema| schema.collection(id));
        described.collection = Some(collection.map(|collection| collection.name.clone()));
        match resource {
            Resource::Space(_) | Resource::Group(_) | Resource::Collection(_) => {}
            Resource::Folder(_, folder) => described.folder = Some(folder),
            Resource::Document(_, document) => described.document = Some(document),
            Resource::Field(_, field) => {
                let field = collection.and_then(|collection| collection.field(field));
                described.field = Some(field.map(|field| field.name.clone()));
            }
        }
        described
    }

    pub(super) async fn party(&mut self, app: &App, party: Party) -> Result<PartyView, ApiError> {
        if let Some(known) = self.parties.get(&party) {
            return Ok(known.clone());
        }
        let view = party_view(app, party).await?;
        self.parties.insert(party, view.clone());
        Ok(view)
    }

    /// A user's name.
    pub(super) async fn user(&mut self, app: &App, user: UserId) -> Result<Option<String>, ApiError> {
        match self.party(app, Party::User(user)).await? {
            PartyView::User { user } => Ok(user),
            PartyView::Group { .. } => Ok(None),
        }
    }
}
