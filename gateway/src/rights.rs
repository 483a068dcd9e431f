//! Changes of rights that were broken off.
//!
//! A right is in two places: the row that says who gave it, and the relationship that policy enforces. What is being
//! changed is noted first, and crossed out when both say the same; what is still noted at a start is gone on with. What
//! was given is given, what was taken away stays taken away.

use std::fmt;
use std::str::FromStr;

use policy::facts::{Party, Resource};
use policy_core::{AssignmentId, GroupId, Tuple};
use serde_json::json;

use crate::app::App;
use crate::directory::{Actor, Assignment, DirectoryError, Membership, Role};
use crate::node::{Node as _, NodeError};
use crate::turns::Turn;

/// Before a change that is being made.
const CHANGING: &str = "changing ";
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
    Policy(#[from] policy::PolicyError),
}

/// What is being changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A right begins, or gets another end.
    Begins(AssignmentId),
    Ends(AssignmentId),
    /// Somebody comes into a group, or leaves it: as what, and who.
    Joins(GroupId, String),
    Leaves(GroupId, String),
    GroupEnds(GroupId),
}

/// How somebody is in a group.
fn place(one: &Membership) -> String {
    format!("{} {}", one.role.word(), one.party.subject())
}

impl Change {
    pub(crate) fn joins(one: &Membership) -> Change {
        Change::Joins(one.group, place(one))
    }

    pub(crate) fn leaves(one: &Membership) -> Change {
        Change::Leaves(one.group, place(one))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Begins(id) => write!(f, "begins {id}"),
            Change::Ends(id) => write!(f, "ends {id}"),
            Change::Joins(group, place) => write!(f, "joins {group} {place}"),
            Change::Leaves(group, place) => write!(f, "leaves {group} {place}"),
            Change::GroupEnds(group) => write!(f, "group-ends {group}"),
        }
    }
}

impl FromStr for Change {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (what, of) = text.split_once(' ').ok_or(())?;
        let member = || {
            let (group, place) = of.split_once(' ').ok_or(())?;
            Ok((group.parse().map_err(drop)?, place.to_owned()))
        };
        match what {
            "begins" => Ok(Change::Begins(of.parse().map_err(drop)?)),
            "ends" => Ok(Change::Ends(of.parse().map_err(drop)?)),
            "joins" => member().map(|(group, place)| Change::Joins(group, place)),
            "leaves" => member().map(|(group, place)| Change::Leaves(group, place)),
            "group-ends" => Ok(Change::GroupEnds(of.parse().map_err(drop)?)),
            _ => Err(()),
        }
    }
}

/// The relationship of a membership.
pub(crate) fn tuple(one: &Membership) -> Tuple {
    Resource::Group(one.group).to(one.role.word(), one.party, one.until)
}

impl App {
    /// Notes what is about to be changed.
    pub(crate) async fn begin_change(&self, change: &Change) -> Result<(), NodeError> {
        let noted = self.vault.accounts().set(&format!("{CHANGING}{change}"), "").await;
        noted.map_err(|error| NodeError::Failed(error.to_string()))
    }

    /// It is changed, or not at all.
    pub(crate) async fn end_change(&self, change: &Change) -> Result<(), NodeError> {
        let crossed_out = self.vault.accounts().unset(&format!("{CHANGING}{change}")).await;
        crossed_out.map_err(|error| NodeError::Failed(error.to_string()))
    }

    /// Goes on with the changes of rights that were broken off.
    pub async fn finish_rights(&self) -> Result<(), UnfinishedRights> {
        for text in self.vault.accounts().settings_under(CHANGING).await? {
            if let Ok(change) = text.parse::<Change>() {
                self.finish(&change).await?;
                self.end_change(&change).await?;
            }
        }
        Ok(())
    }

    /// What is changed at this moment has its turn: when that is over, both places say the same, and nothing is left to do.
    async fn finish(&self, change: &Change) -> Result<(), UnfinishedRights> {
        match change {
            Change::Begins(id) | Change::Ends(id) => {
                let Some(right) = self.directory.assignment(*id).await? else { return Ok(()) };
                let _alone = self.sharing.of([Turn::Space(right.space)]).await;
                let Some(right) = self.directory.assignment(*id).await? else { return Ok(()) };
                let begins = matches!(change, Change::Begins(_));
                if begins && !right.lives(self.now()) {
                    // It is forgotten as any that has lapsed.
                    return Ok(());
                }
                let (put, remove) = if begins { right.begun() } else { right.ended() };
                let _ = self.policy.write(put, remove).await?;
                if !begins {
                    self.directory.remove_assignment(right.id).await?;
                }
                self.note_finished(&right, if begins { "share.given" } else { "share.ended" }).await
            }
            Change::Joins(group, of) | Change::Leaves(group, of) => {
                let _alone = self.sharing.of([Turn::Group(*group)]).await;
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
                let _alone = self.sharing.of([Turn::Group(*group)]).await;
                let (gone, given) = self.rests_on_group(*group).await?;
                for some in gone.chunks(CHANGES) {
                    let _ = self.policy.write(Vec::new(), some.to_vec()).await?;
                }
                for one in &given {
                    self.directory.remove_assignment(one.id).await?;
                }
                Ok(self.directory.remove_group(*group).await?)
            }
        }
    }

    /// What ends with a group: its relationships, the managers last, and the rights that were given to it.
    pub(crate) async fn rests_on_group(&self, group: GroupId) -> Result<(Vec<Tuple>, Vec<Assignment>), DirectoryError> {
        let mut gone: Vec<Tuple> =
            self.directory.memberships_of(Party::Group(group)).await?.iter().map(tuple).collect();
        let given = self.directory.assignments_to(&[Party::Group(group)]).await?;
        gone.extend(given.iter().flat_map(|one| one.begun().0));
        let mut members = self.directory.memberships(group).await?;
        members.sort_by_key(|one| one.role == Role::Manager);
        gone.extend(members.iter().map(tuple));
        Ok((gone, given))
    }

    /// Whoever gave or took it has had no answer: what became of it is in the audit of whose space it is in.
    async fn note_finished(&self, right: &Assignment, action: &str) -> Result<(), UnfinishedRights> {
        let Some(owner) = self.vault.owner_of(right.space) else { return Ok(()) };
        let detail = json!({ "id": right.id, "space": right.space, "relation": right.relation, "finished": true });
        Ok(self.directory.audit(owner, Actor::Node, action, detail, self.now()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_noted() {
        let (right, group) = (AssignmentId::from_bytes([1; 16]), GroupId::from_bytes([2; 16]));
        let party = Party::User(policy_core::UserId::from_bytes([3; 16]));
        let one = Membership { group, role: Role::Manager, party, until: None, giver: None };
        let changes = [
            Change::Begins(right),
            Change::Ends(right),
            Change::joins(&one),
            Change::leaves(&one),
            Change::GroupEnds(group),
        ];
        for change in changes {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for wrong in ["", "begins", "begins x", "joins x member", "other 1"] {
            assert_eq!(wrong.parse::<Change>(), Err(()));
        }
    }
}
