//! What is left to somebody who managed something and does so no more.
//!
//! Whoever manages a resource can share it with themselves, and with groups that they are in or manage. Such a right rests
//! on nobody else's word, so it goes with the management that it came from, unless whoever removes them keeps it.

use std::collections::BTreeSet;

use gateway_people::realm::Realm as _;
use policy::Delivery;
use policy::facts::{Party, Resource};
use policy_core::UserId;

use super::assign::end;
use super::place::{Names, manage_all};
use super::{ApiError, Sharer};
use crate::access::AccessError;
use crate::app::App;
use crate::directory::{Assignment, Role};
use crate::node::NodeError;
use crate::rights::Quits;

/// What became of it.
pub(super) struct Left {
    /// What they had given themselves, and have no more.
    taken: Vec<Assignment>,
    /// What they still reach.
    reaches: Vec<Assignment>,
    pub(super) delivery: Delivery,
}

impl Left {
    /// How each is shown: what was taken, and what they still reach.
    pub(super) async fn views<T>(
        &self,
        app: &App,
        show: impl AsyncFn(&App, &Assignment, &mut Names) -> Result<T, ApiError>,
    ) -> Result<(Vec<T>, Vec<T>), ApiError> {
        let mut names = Names::default();
        let (mut taken, mut reaches) = (Vec::new(), Vec::new());
        for (rights, out) in [(&self.taken, &mut taken), (&self.reaches, &mut reaches)] {
            for right in rights {
                out.push(show(app, right, &mut names).await?);
            }
        }
        Ok((taken, reaches))
    }
}

/// A person, the groups that they are in, and those that they manage: whom they can mean by themselves.
pub(super) async fn selves(app: &App, user: UserId) -> Result<BTreeSet<Party>, ApiError> {
    let mut parties: BTreeSet<Party> = app.directory.parties_of(user, app.now()).await?.into_iter().collect();
    let own = app.directory.memberships_of(Party::User(user)).await?;
    parties.extend(own.iter().filter(|one| one.role == Role::Manager).map(|one| Party::Group(one.group)));
    Ok(parties)
}

/// Whether a right of this relation lets somebody manage what it is on.
pub(super) fn manages_by(relation: &str) -> bool {
    relation == "owner"
}

pub(super) fn collection_of(resource: Resource) -> Option<policy_core::CollectionId> {
    match resource {
        Resource::Collection(id) | Resource::Folder(id, _) | Resource::Document(id, _) | Resource::Field(id, _) => {
            Some(id)
        }
        Resource::Space(_) | Resource::Group(_) => None,
    }
}

/// Who loses a share by which they manage, if they do by this one.
pub(super) fn quits(by: &Sharer, lost: &Assignment) -> Option<Quits> {
    let Some(Party::User(user)) = lost.party.filter(|_| manages_by(&lost.relation)) else { return None };
    let (by, collection) = (by.user(), collection_of(lost.resource));
    Some(Quits { share: lost.id, user, by, space: lost.space, collection })
}

impl App {
    /// Goes on where somebody's leaving was broken off.
    pub(crate) async fn go_on_quitting(&self, quits: &Quits) -> Result<(), NodeError> {
        let done = async {
            let by = Sharer::of_node(self, quits.by).await?;
            if let Some(lost) = self.directory.assignment(quits.share).await? {
                let _ = end(self, &by, "share.ended", &lost).await?;
            }
            leave(self, &by, quits, false).await.map(drop)
        };
        done.await.map_err(|error: ApiError| NodeError::Failed(error.to_string()))
    }
}

/// After somebody has lost a share by which they managed: takes what they had given themselves by it (unless `keep`), and
/// finds what they still reach, of what the one who asks manages.
pub(super) async fn leave(app: &App, by: &Sharer, lost: &Quits, keep: bool) -> Result<Left, ApiError> {
    let user = lost.user;
    let (selves, now) = (selves(app, user).await?, app.now());
    let of_space = app.directory.assignments_in(lost.space, None).await?;
    let theirs: Vec<Assignment> = of_space
        .into_iter()
        .filter(|one| one.id != lost.share && one.lives(now) && !matches!(one.relation.as_str(), "blocked" | "hidden"))
        .filter(|one| one.party.is_some_and(|party| selves.contains(&party)))
        .collect();
    let within = |one: &Assignment| lost.collection.is_none() || collection_of(one.resource) == lost.collection;
    let resources: Vec<Resource> = theirs.iter().map(|one| one.resource).collect();
    let owns = app.vault.owner_of(lost.space) == Some(by.user());
    let mine = if owns { vec![true; resources.len()] } else { manage_all(app, by.user(), &resources).await? };
    let mut left = Left { taken: Vec::new(), reaches: Vec::new(), delivery: Delivery::Done };
    let mut open = Vec::new();
    for (one, _) in theirs.into_iter().zip(mine).filter(|(_, mine)| *mine) {
        // First what lets them manage by their own word: by that they would seem to manage still.
        if one.giver == user && within(&one) && manages_by(&one.relation) && !keep {
            left.delivery = left.delivery.and(end(app, by, "share.ended", &one).await?);
            left.taken.push(one);
        } else {
            open.push(one);
        }
    }
    let resources: Vec<Resource> = open.iter().map(|one| one.resource).collect();
    let still = match manage_all(app, user, &resources).await {
        Ok(still) => still,
        // Nobody can say what they still manage: nothing, then.
        Err(AccessError::Policy(_)) => vec![false; resources.len()],
        Err(error) => return Err(error.into()),
    };
    for (one, still) in open.into_iter().zip(still) {
        if one.giver == user && within(&one) && !still && !keep {
            left.delivery = left.delivery.and(end(app, by, "share.ended", &one).await?);
            left.taken.push(one);
        } else {
            left.reaches.push(one);
        }
    }
    Ok(left)
}
