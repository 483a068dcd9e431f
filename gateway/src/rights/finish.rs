//! What becomes of a change of rights that was broken off.

use std::collections::BTreeSet;

use gateway_people::realm::Realm as _;
use policy::PolicyError;
use policy::facts::{Party, Resource};
use policy_core::{GrantId, GroupId, SpaceId, Tuple};
use serde_json::json;

use super::{CHANGING, Change, place, tuple};
use crate::app::App;
use crate::directory::{Act, Actor, Assignment, DirectoryError, Folder, Membership, Role};
use crate::grants::{IssueError, revoke_in_turn};
use crate::node::{Node as _, NodeError};
use crate::turns::{Turn, Turned};

/// Relationships in one change of policy.
const CHANGES: usize = 5_000;

/// Why what was broken off cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum UnfinishedRights {
    #[error(transparent)]
    Accounts(#[from] vault::accounts::AccountsError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Grant(#[from] IssueError),
}

impl From<UnfinishedRights> for NodeError {
    fn from(error: UnfinishedRights) -> Self {
        match error {
            UnfinishedRights::Node(error) | UnfinishedRights::Grant(IssueError::Node(error)) => error,
            UnfinishedRights::Policy(error) => NodeError::Unavailable(error.to_string()),
            error => NodeError::Failed(error.to_string()),
        }
    }
}

impl App {
    /// Waits for these turns to change rights in. What was broken off in them is made whole first, and what cannot be is
    /// an error: what is done later would else be undone by what was asked for before.
    pub(crate) async fn turns(&self, turns: impl IntoIterator<Item = Turn>) -> Result<Turned, NodeError> {
        let turns: BTreeSet<Turn> = turns.into_iter().collect();
        let alone = self.sharing.of(turns.iter().copied()).await;
        self.finish_in(&turns).await?;
        Ok(alone)
    }

    /// Goes on with what was broken off in these turns, which the caller has.
    pub(crate) async fn finish_in(&self, turns: &BTreeSet<Turn>) -> Result<(), UnfinishedRights> {
        for text in self.vault.accounts().settings_under(CHANGING).await? {
            let Some(change) = text.parse::<Change>().ok().filter(|change| turns.contains(&change.turn())) else {
                continue;
            };
            match self.go_on(&change).await {
                Ok(()) => self.end_change(&change).await?,
                // What policy will never take keeps nobody from taking it away.
                Err(UnfinishedRights::Policy(PolicyError::Conflict(reason))) => {
                    tracing::warn!(%change, reason, "a change of rights that was broken off is refused");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Forgets what was being changed where nothing is left to change, by whoever has the turn.
    pub(crate) async fn forget_changes(&self, of: Turn) -> Result<(), UnfinishedRights> {
        for text in self.vault.accounts().settings_under(CHANGING).await? {
            if let Some(change) = text.parse::<Change>().ok().filter(|change| change.turn() == of) {
                self.end_change(&change).await?;
            }
        }
        Ok(())
    }

    /// Goes on with the changes of rights that were broken off. One that cannot be gone on with keeps no other from it.
    pub async fn finish_rights(&self) -> Result<(), UnfinishedRights> {
        let mut failed = None;
        for text in self.vault.accounts().settings_under(CHANGING).await? {
            let Ok(change) = text.parse::<Change>() else { continue };
            if let Err(error) = self.finish(&change).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What is changed at this moment has its turn, and crosses itself out in it, made or refused: then nothing is left to
    /// do. The note of what is gone on with is crossed out before anybody else can note the like.
    async fn finish(&self, change: &Change) -> Result<(), UnfinishedRights> {
        let _alone = self.sharing.of([change.turn()]).await;
        if self.vault.accounts().setting(&format!("{CHANGING}{change}")).await?.is_some() {
            self.go_on(change).await?;
            self.end_change(change).await?;
        }
        Ok(())
    }

    /// Makes both places say the same. In the turn of the change, while it is noted.
    async fn go_on(&self, change: &Change) -> Result<(), UnfinishedRights> {
        match change {
            Change::Begins(_, id) | Change::Ends(_, id) => {
                let Some(right) = self.directory.assignment(*id).await? else { return Ok(()) };
                let begins = matches!(change, Change::Begins(..));
                if begins && !right.lives(self.now()) {
                    // It is forgotten as any that has lapsed.
                    return Ok(());
                }
                let (put, remove) = if begins { right.begun() } else { right.ended() };
                let _ = self.policy.write(put, remove).await?;
                if begins {
                    // What was promised under this id is given.
                    self.directory.remove_offer(right.id).await?;
                } else {
                    self.directory.remove_assignment(right.id).await?;
                }
                self.note_finished(&right, if begins { "share.given" } else { "share.ended" }).await
            }
            Change::Joins(group, of) | Change::Leaves(group, of) => {
                let members = self.directory.memberships(*group).await?;
                let Some(one) = members.iter().find(|one| place(one) == *of) else { return Ok(()) };
                if matches!(change, Change::Joins(..)) {
                    let _ = self.policy.write(vec![tuple(one)], Vec::new()).await?;
                } else {
                    let _ = self.policy.write(Vec::new(), vec![tuple(one)]).await?;
                    self.directory.remove_membership(one).await?;
                }
                Ok(())
            }
            Change::GroupEnds(group) => {
                let (gone, given) = self.rests_on_group(*group).await?;
                for some in gone.chunks(CHANGES) {
                    let _ = self.policy.write(Vec::new(), some.to_vec()).await?;
                }
                for one in &given {
                    self.directory.remove_assignment(one.id).await?;
                }
                Ok(self.directory.remove_group(*group).await?)
            }
            Change::Dismissed(group, user) => Ok(self.go_on_dismissing(*group, *user).await?),
            Change::Quits(quits) => Ok(self.go_on_quitting(quits).await?),
            Change::FolderBegins(_, id)
            | Change::FolderEnds(_, id)
            | Change::Files(_, id, _)
            | Change::Unfiles(_, id, _) => match self.directory.folder(*id).await? {
                Some(folder) => self.go_on_in_folder(change, &folder).await,
                None => Ok(()),
            },
            Change::Gives(space, grant) | Change::TakesBack(space, grant) => Ok(self.take_back(*space, *grant).await?),
            Change::Replaces(space, old, new) => self.go_on_replacing(*space, *old, *new).await,
        }
    }

    /// The one that has the row is the one that is opened; what has none is of use to nobody.
    async fn go_on_replacing(&self, space: SpaceId, old: GrantId, new: GrantId) -> Result<(), UnfinishedRights> {
        let rows = (self.directory.grant_row(old).await?, self.directory.grant_row(new).await?);
        let replaced = match &rows {
            (None, Some(row)) => Some(row),
            _ => None,
        };
        for (id, row) in [(old, &rows.0), (new, &rows.1)] {
            if row.is_none() {
                self.take_back(space, id).await?;
            }
        }
        if let Some(row) = replaced {
            // Whoever asked for it has had no answer.
            let detail = json!({ "grant": new, "before": old, "client_id": row.client, "finished": true });
            self.directory.audit(row.user, Actor::Node, "grant.replaced", detail, self.now()).await?;
        }
        Ok(())
    }

    async fn go_on_in_folder(&self, change: &Change, folder: &Folder) -> Result<(), UnfinishedRights> {
        match change {
            Change::FolderEnds(..) => {
                let (gone, shares) = self.rests_on_folder(folder).await?;
                for some in gone.chunks(CHANGES) {
                    let _ = self.policy.write(Vec::new(), some.to_vec()).await?;
                }
                for share in &shares {
                    self.directory.remove_assignment(share.id).await?;
                }
                self.directory.remove_folder(folder.id).await?;
            }
            Change::Unfiles(_, _, document) => {
                let gone = vec![Resource::filed(folder.collection, *document, folder.id)];
                let _ = self.policy.write(Vec::new(), gone).await?;
                self.directory.unfile(folder.id, *document).await?;
            }
            // It is there as its rows say, with what lies in it.
            _ => {
                let documents = self.directory.filed(folder.id, None, u64::MAX >> 1).await?;
                let mut there = Resource::folder(folder.collection, folder.id, folder.parent);
                there.extend(documents.iter().map(|one| Resource::filed(folder.collection, *one, folder.id)));
                for some in there.chunks(CHANGES) {
                    let _ = self.policy.write(some.to_vec(), Vec::new()).await?;
                }
            }
        }
        Ok(())
    }

    /// Takes a grant back, or removes a link, in the turn of its space: its record, its row, its tokens and what policy has of it go.
    pub(crate) async fn take_back(&self, space: SpaceId, id: GrantId) -> Result<(), IssueError> {
        let records = self.grants(space).await?;
        match records.iter().find(|record| record.grant.id == id) {
            Some(record) => {
                let grant = &record.grant;
                let act = Act::new(Actor::Node);
                revoke_in_turn(self, (grant.grantor, grant.space, grant.holder, grant.id), &act).await.map(drop)
            }
            None => Ok(self.directory.end_grant(id).await?),
        }
    }

    /// What ends with a group: its relationships, the managers last, and the rights that were given to it.
    pub(crate) async fn rests_on_group(&self, group: GroupId) -> Result<(Vec<Tuple>, Vec<Assignment>), DirectoryError> {
        let mut gone: Vec<Tuple> =
            self.directory.memberships_of(Party::Group(group)).await?.iter().map(tuple).collect();
        let given = self.directory.assignments_to(&[Party::Group(group)]).await?;
        gone.extend(given.iter().flat_map(|one| one.begun().0));
        let mut members: Vec<Membership> = self.directory.memberships(group).await?;
        members.sort_by_key(|one| one.role == Role::Manager);
        gone.extend(members.iter().map(tuple));
        Ok((gone, given))
    }

    /// What ends with a folder: its relationships, the folder itself last, and the rights on it.
    pub(crate) async fn rests_on_folder(
        &self,
        folder: &Folder,
    ) -> Result<(Vec<Tuple>, Vec<Assignment>), DirectoryError> {
        let resource = Resource::Folder(folder.collection, folder.id);
        let mut shares = self.directory.assignments_in(folder.space, Some(folder.collection)).await?;
        shares.retain(|share| share.resource == resource);
        let mut gone: Vec<Tuple> = shares.iter().flat_map(|share| share.begun().0).collect();
        let documents = self.directory.filed(folder.id, None, u64::MAX >> 1).await?;
        gone.extend(documents.iter().map(|document| Resource::filed(folder.collection, *document, folder.id)));
        gone.extend(Resource::folder(folder.collection, folder.id, folder.parent));
        Ok((gone, shares))
    }

    /// Whoever gave or took it has had no answer: what became of it is in the audit of whose space it is in.
    async fn note_finished(&self, right: &Assignment, action: &str) -> Result<(), UnfinishedRights> {
        let Some(owner) = self.vault.owner_of(right.space) else { return Ok(()) };
        let detail = json!({ "id": right.id, "space": right.space, "relation": right.relation, "finished": true });
        Ok(self.directory.audit(owner, Actor::Node, action, detail, self.now()).await?)
    }
}

#[cfg(test)]
mod tests;
