//! Shares for somebody of another tenant, or for nobody: both answer alike, and count from the moment
//! that the person comes for them, by a request to the space. Until then nothing tells whether there is somebody.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use gateway_people::realm::Realm as _;
use policy::facts::{Party, Resource};
use policy_core::{AssignmentId, CollectionId, SpaceId, Timestamp, UserId};
use serde::Serialize;
use serde_json::{Value, json};

use super::leaving::{collection_of, manages_by};
use super::pending::Pending;
use super::place::Described;
use super::shares::{NewShare, ShareId, ShareView, give};
use super::{ApiError, PartyView, Sharer, Turn, invalid};
use crate::access::Newcomers;
use crate::app::App;
use crate::directory::notices::{About, NoticeKind, Telling};
use crate::directory::{Assignment, Directory, Offer, Offered, Role, name_of};
use crate::grants::rfc3339;
use crate::node::NodeError;

pub(super) const PENDING: &str = "Nobody of this name is in your tenant, or known to you. If there is somebody of this \
                                  name elsewhere on this node, it is theirs as soon as they come for it; else it lapses \
                                  after 30 days.";

/// Whom nobody is: ids are drawn.
const NOBODY: UserId = UserId::from_bytes([0; 16]);

/// The person of a name, if the one who asks may know of them: who is of their tenant, has something of theirs or of a
/// collection that they manage, or is in a group that they manage. Each of these they are told anyway.
pub(super) async fn known(app: &App, by: &Sharer, name: &str) -> Result<Option<UserId>, ApiError> {
    let found = app.directory.user_named(name).await?;
    if let Some(user) = &found
        && (user.tenant == by.principal.tenant || user.id == by.user())
    {
        return Ok(Some(user.id));
    }
    // From here on the same is asked for somebody whom the one who asks may not know of and for nobody: no answer takes
    // longer for the one, or for all that they have of others.
    let id = found.as_ref().map_or(NOBODY, |user| user.id);
    let parties = app.directory.parties_of(id, app.now()).await?;
    let own = app.directory.assignments_to(&[Party::User(by.user())]).await?;
    let told = own.iter().filter(|one| manages_by(&one.relation) && one.lives(app.now()));
    let told: BTreeSet<_> = told.filter_map(|one| Some((one.space, collection_managed(one.resource)?))).collect();
    let mine = app.vault.space_ids(by.user());
    let mut spaces: Vec<SpaceId> = mine.iter().copied().chain(told.iter().map(|(space, _)| *space)).collect();
    spaces.sort();
    spaces.dedup();
    let theirs = app.directory.assignments_between(&parties, by.user(), &spaces).await?;
    let is_told = |one: &Assignment| match collection_of(one.resource) {
        Some(collection) => told.contains(&(one.space, collection)),
        None => told.iter().any(|(space, _)| *space == one.space),
    };
    let is_mine = |one: &Assignment| one.giver == by.user() || app.vault.owner_of(one.space) == Some(by.user());
    let shared = theirs.iter().any(|one| is_mine(one) || is_told(one));
    let managed = app.directory.memberships_of(Party::User(by.user())).await?;
    let managed = managed.iter().filter(|one| one.role == Role::Manager).map(|one| Party::Group(one.group));
    let managed: BTreeSet<Party> = managed.collect();
    let own = app.directory.memberships_of(Party::User(id)).await?;
    let within = own.iter().any(|one| managed.contains(&Party::Group(one.group)));
    let known = shared || within || parties.iter().any(|party| managed.contains(party));
    Ok(found.filter(|_| known).map(|user| user.id))
}

/// The collection that who manages a resource manages whole: they are told who sees it.
fn collection_managed(resource: Resource) -> Option<CollectionId> {
    if let Resource::Collection(id) = resource { Some(id) } else { None }
}

/// The name of somebody whom the one who asks does not know.
pub(super) async fn elsewhere(app: &App, by: &Sharer, name: &str) -> Result<Option<String>, ApiError> {
    let small = name_of(name)?;
    Ok(if known(app, by, &small).await?.is_some() { None } else { Some(small) })
}

/// A request as it is kept: its end is an instant, not counted from when it is taken up.
pub(super) fn body(request: &impl Serialize, until: Option<Timestamp>) -> Result<String, ApiError> {
    let mut body = serde_json::to_value(request).map_err(|error| invalid(error.to_string()))?;
    body["until"] = json!(until.map(rfc3339));
    Ok(body.to_string())
}

/// Notes an offer.
pub(super) async fn offer(app: &App, by: &Sharer, what: Offered, name: String) -> Result<Offer, ApiError> {
    let id = Directory::new_assignment_id();
    let mut offer = Offer { id, what, name, giver: by.user(), created: app.now() };
    offer.id = app.directory.add_offer(&offer).await?.0;
    tell(app, &offer);
    Ok(offer)
}

/// Tells whoever has the name, if somebody has: beside the request, whose answer takes as long for nobody.
fn tell(app: &App, offer: &Offer) {
    let (directory, name, now) = (Arc::clone(&app.directory), offer.name.clone(), app.now());
    let about = About::Person(offer.giver);
    tokio::spawn(async move {
        let told = match directory.user_named(&name).await {
            Ok(Some(user)) => directory.tell(Telling { user: user.id, kind: NoticeKind::ShareGot, about }, now).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::error!(%error, "somebody was not told of an offer");
        }
    });
}

/// An offer of a share that the person made.
pub(super) async fn own(app: &App, user: UserId, id: &str) -> Result<Option<Offer>, ApiError> {
    let Ok(id) = id.parse::<AssignmentId>() else { return Ok(None) };
    let offer = app.directory.offer(id).await?;
    Ok(offer.filter(|offer| offer.giver == user))
}

/// An offer of a share, in the shape of a share.
pub(super) async fn offer_view(app: &App, offer: &Offer) -> Result<ShareView, ApiError> {
    let Offered::Share(space, body) = &offer.what;
    let said: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |key: &str| said[key].as_str().map(str::to_owned);
    let on = Described {
        collection: text("collection").map(Some),
        folder: text("folder").and_then(|id| id.parse().ok()),
        document: text("document").and_then(|id| id.parse().ok()),
        ..Described::default()
    };
    Ok(ShareView {
        id: ShareId::Share { share: offer.id },
        space: *space,
        role: text("role").unwrap_or_default(),
        created: rfc3339(offer.created),
        on,
        with: Some(PartyView::User { user: Some(offer.name.clone()) }),
        by: app.directory.user(offer.giver).await?.map(|user| user.name),
        by_removed: app.directory.is_removed(offer.giver),
        until: text("until"),
        pending: Pending::until_taken_up(PENDING),
    })
}

/// What a person is offered and has not come for.
pub(super) async fn received(app: &App, user: UserId) -> Result<Vec<Offer>, ApiError> {
    let Some(user) = app.directory.user(user).await? else { return Ok(Vec::new()) };
    Ok(app.directory.offers_to(&user.name).await?)
}

#[async_trait]
impl Newcomers for App {
    /// Begins what a person is offered in a space, now that they have come for it. Whether that was anything.
    async fn comes(&self, user: UserId, space: SpaceId) -> bool {
        // Whoever changes rights at this moment may be the one who asks: they ask again.
        let Some(_alone) = self.sharing.now(Turn::Space(space)) else { return false };
        let taken = async {
            self.finish_in(&BTreeSet::from([Turn::Space(space)])).await.map_err(NodeError::from)?;
            self.take_up_alone(user, space).await
        };
        taken.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what somebody is offered could not be given");
            false
        })
    }
}

impl App {
    async fn take_up_alone(&self, user: UserId, space: SpaceId) -> Result<bool, ApiError> {
        let Some(person) = self.directory.user(user).await? else { return Ok(false) };
        let offers = self.directory.offers_in(&person.name, Some(space)).await?;
        if offers.is_empty() {
            return Ok(false);
        }
        let mut taken = false;
        for offer in offers {
            let done = match &offer.what {
                Offered::Share(of, body) if *of == space => self.give_offered(&offer, body, user).await,
                Offered::Share(..) => continue,
            };
            match done {
                Ok(()) => taken = true,
                // Tried again when policy answers.
                Err(error) if error.status.is_server_error() => return Err(error),
                // Who offered it may do so no more.
                Err(error) => tracing::info!(%error, offer = %offer.id, "an offer does not hold any more"),
            }
            self.directory.remove_offer(offer.id).await?;
        }
        Ok(taken)
    }

    async fn offerer(&self, offer: &Offer) -> Result<Sharer, ApiError> {
        let giver = self.directory.user(offer.giver).await?.ok_or_else(ApiError::not_found)?;
        Ok(Sharer::again(giver.id, giver.tenant))
    }

    async fn give_offered(&self, offer: &Offer, body: &str, user: UserId) -> Result<(), ApiError> {
        let by = self.offerer(offer).await?;
        let new: NewShare = serde_json::from_str(body).map_err(|_| ApiError::not_found())?;
        give(self, &by, &new, Some((offer.id, user))).await.map(drop)
    }
}
