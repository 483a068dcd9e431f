//! Changes of rights that were broken off.
//!
//! A right is in two places: the row that says who gave it, and the relationship that policy enforces. What is being
//! changed is noted first, and crossed out when both say the same; what is still noted at a start is gone on with. What
//! was given is given, what was taken away stays taken away. Only a grant or a link whose token nobody was told yet is
//! taken back: it would be of use to nobody.

pub(crate) mod finish;

use std::fmt;
use std::str::{FromStr, SplitWhitespace};

use policy::facts::Resource;
use policy_core::{AssignmentId, CollectionId, DocId, FolderId, GrantId, GroupId, SpaceId, Tuple, UserId};

use crate::app::App;
use crate::directory::Membership;
use crate::node::NodeError;
use crate::turns::Turn;

/// Before a change that is being made.
const CHANGING: &str = "changing ";

/// What is being changed, and where: that alone says whose turn it is, before anything is written and after all is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A right begins, or gets another end.
    Begins(SpaceId, AssignmentId),
    Ends(SpaceId, AssignmentId),
    /// Somebody comes into a group, or leaves it: as what, and who.
    Joins(GroupId, String),
    Leaves(GroupId, String),
    GroupEnds(GroupId),
    /// Somebody manages a group no more: with that goes what they gave themselves by it.
    Dismissed(GroupId, UserId),
    /// Somebody loses a share by which they managed, and with it what they gave themselves by it.
    Quits(Quits),
    FolderBegins(SpaceId, FolderId),
    FolderEnds(SpaceId, FolderId),
    /// Documents come into a folder by this request; the rows say which. Another that succeeds says nothing of these.
    Files(SpaceId, FolderId, String),
    Unfiles(SpaceId, FolderId, DocId),
    /// A grant, or a link, and what opens it.
    Gives(SpaceId, GrantId),
    TakesBack(SpaceId, GrantId),
    /// A grant takes the place of the one named first.
    Replaces(SpaceId, GrantId, GrantId),
}

/// Who loses which share, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quits {
    pub(crate) share: AssignmentId,
    pub(crate) user: UserId,
    pub(crate) by: UserId,
    pub(crate) space: SpaceId,
    /// Where the share lies, unless it is of the whole space.
    pub(crate) collection: Option<CollectionId>,
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

    /// The turn in which it is made, gone on with and crossed out.
    fn turn(&self) -> Turn {
        match self {
            Change::Begins(space, _)
            | Change::Ends(space, _)
            | Change::Quits(Quits { space, .. })
            | Change::FolderBegins(space, _)
            | Change::FolderEnds(space, _)
            | Change::Files(space, ..)
            | Change::Unfiles(space, ..)
            | Change::Gives(space, _)
            | Change::TakesBack(space, _)
            | Change::Replaces(space, ..) => Turn::Space(*space),
            Change::Joins(group, _)
            | Change::Leaves(group, _)
            | Change::GroupEnds(group)
            | Change::Dismissed(group, _) => Turn::Group(*group),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Begins(space, id) => write!(f, "begins {space} {id}"),
            Change::Ends(space, id) => write!(f, "ends {space} {id}"),
            Change::Joins(group, place) => write!(f, "joins {group} {place}"),
            Change::Leaves(group, place) => write!(f, "leaves {group} {place}"),
            Change::GroupEnds(group) => write!(f, "group-ends {group}"),
            Change::Dismissed(group, user) => write!(f, "dismissed {group} {user}"),
            Change::Quits(Quits { share, user, by, space, collection }) => {
                write!(f, "quits {share} {user} {by} {space}")?;
                collection.map_or(Ok(()), |collection| write!(f, " {collection}"))
            }
            Change::FolderBegins(space, folder) => write!(f, "folder-begins {space} {folder}"),
            Change::FolderEnds(space, folder) => write!(f, "folder-ends {space} {folder}"),
            Change::Files(space, folder, request) => write!(f, "files {space} {folder} {request}"),
            Change::Unfiles(space, folder, document) => write!(f, "unfiles {space} {folder} {document}"),
            Change::Gives(space, grant) => write!(f, "gives {space} {grant}"),
            Change::TakesBack(space, grant) => write!(f, "takes-back {space} {grant}"),
            Change::Replaces(space, old, new) => write!(f, "replaces {space} {old} {new}"),
        }
    }
}

impl FromStr for Change {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split_whitespace();
        let of = &mut words;
        let change = match of.next().ok_or(())? {
            "begins" => Change::Begins(word(of)?, word(of)?),
            "ends" => Change::Ends(word(of)?, word(of)?),
            "joins" => Change::Joins(word(of)?, format!("{} {}", of.next().ok_or(())?, of.next().ok_or(())?)),
            "leaves" => Change::Leaves(word(of)?, format!("{} {}", of.next().ok_or(())?, of.next().ok_or(())?)),
            "group-ends" => Change::GroupEnds(word(of)?),
            "dismissed" => Change::Dismissed(word(of)?, word(of)?),
            "quits" => Change::Quits(Quits {
                share: word(of)?,
                user: word(of)?,
                by: word(of)?,
                space: word(of)?,
                collection: of.next().map(str::parse).transpose().map_err(drop)?,
            }),
            "folder-begins" => Change::FolderBegins(word(of)?, word(of)?),
            "folder-ends" => Change::FolderEnds(word(of)?, word(of)?),
            "files" => Change::Files(word(of)?, word(of)?, word(of)?),
            "unfiles" => Change::Unfiles(word(of)?, word(of)?, word(of)?),
            "gives" => Change::Gives(word(of)?, word(of)?),
            "takes-back" => Change::TakesBack(word(of)?, word(of)?),
            "replaces" => Change::Replaces(word(of)?, word(of)?, word(of)?),
            _ => return Err(()),
        };
        if words.next().is_none() { Ok(change) } else { Err(()) }
    }
}

/// The id that comes next.
fn word<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Result<T, ()> {
    words.next().ok_or(())?.parse().map_err(drop)
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
}

#[cfg(test)]
mod tests {
    use policy::facts::Party;

    use super::*;
    use crate::directory::Role;

    #[test]
    fn a_change_is_read_as_it_was_noted() {
        let (right, group) = (AssignmentId::from_bytes([1; 16]), GroupId::from_bytes([2; 16]));
        let user = UserId::from_bytes([3; 16]);
        let party = Party::User(user);
        let (folder, space) = (FolderId::from_bytes([4; 16]), SpaceId::from_bytes([5; 16]));
        let grant = GrantId::from_bytes([6; 16]);
        let quits = Quits { share: right, user, by: UserId::from_bytes([7; 16]), space, collection: None };
        let one = Membership { group, role: Role::Manager, party, until: None, giver: None };
        let changes = [
            Change::Begins(space, right),
            Change::Ends(space, right),
            Change::joins(&one),
            Change::leaves(&one),
            Change::GroupEnds(group),
            Change::Dismissed(group, user),
            Change::Quits(quits),
            Change::Quits(Quits { collection: Some(CollectionId::from_bytes([8; 16])), ..quits }),
            Change::FolderBegins(space, folder),
            Change::FolderEnds(space, folder),
            Change::Files(space, folder, "0a".to_owned()),
            Change::Unfiles(space, folder, DocId::from_bytes([9; 16])),
            Change::Gives(space, grant),
            Change::TakesBack(space, grant),
            Change::Replaces(space, grant, GrantId::from_bytes([7; 16])),
        ];
        for change in changes {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for wrong in ["", "begins", "begins x", "joins x member", "other 1", "group-ends", "quits x y z"] {
            assert_eq!(wrong.parse::<Change>(), Err(()));
        }
    }
}
