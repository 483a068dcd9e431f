//! Rights that people gave one another, and rules for fields. Policy enforces the relationship that each of
//! these rows is about; the row says who made it so, when, and in which space.

use std::collections::BTreeSet;

use policy::facts::{Party, Resource};
use policy_core::{AssignmentId, CollectionId, DocId, FieldId, FolderId, GroupId, SpaceId, Timestamp, Tuple, UserId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::groups::{party, stored};
use super::tables::assignment::{self, Column, Entity};
use super::{Directory, DirectoryError, id};

const TABLE: &str = "dir_assignment";
/// Assignments in one space.
const MAX_PER_SPACE: u64 = 100_000;
/// Ids in one statement.
const IDS: usize = 500;

/// Somebody stands in a relation to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub id: AssignmentId,
    pub space: SpaceId,
    pub resource: Resource,
    /// As in the relationship schema.
    pub relation: String,
    /// `None`: it is about nobody in particular, as the sealing of a field.
    pub party: Option<Party>,
    pub until: Option<Timestamp>,
    pub giver: UserId,
    pub created: Timestamp,
}

impl Assignment {
    /// What its beginning changes in policy: relationships to put, and to remove.
    pub fn begun(&self) -> (Vec<Tuple>, Vec<Tuple>) {
        match (self.party, self.resource) {
            (Some(party), resource) => (vec![resource.to(self.relationship(), party, self.until)], Vec::new()),
            (None, Resource::Field(collection, field)) => {
                (vec![Resource::sealed(collection, field)], vec![Resource::open(collection, field)])
            }
            (None, _) => (Vec::new(), Vec::new()),
        }
    }

    /// The relation of policy. What somebody keeps from themselves is another than what others keep from them.
    fn relationship(&self) -> &str {
        if self.relation == "hidden" && self.is_of_oneself() { "declined" } else { &self.relation }
    }

    /// Whether somebody made it so for themselves.
    pub fn is_of_oneself(&self) -> bool {
        self.party == Some(Party::User(self.giver))
    }

    /// What its end changes in policy.
    pub fn ended(&self) -> (Vec<Tuple>, Vec<Tuple>) {
        let (put, remove) = self.begun();
        (remove, put)
    }

    pub fn lives(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// Kind, collection and object of a resource.
fn place(resource: Resource) -> (&'static str, Vec<u8>, Vec<u8>) {
    match resource {
        Resource::Space(id) => ("space", Vec::new(), id.as_bytes().to_vec()),
        Resource::Collection(id) => ("collection", id.as_bytes().to_vec(), id.as_bytes().to_vec()),
        Resource::Folder(collection, id) => ("folder", collection.as_bytes().to_vec(), id.as_bytes().to_vec()),
        Resource::Document(collection, id) => ("document", collection.as_bytes().to_vec(), id.as_bytes().to_vec()),
        Resource::Field(collection, id) => ("field", collection.as_bytes().to_vec(), id.as_bytes().to_vec()),
        Resource::Group(id) => ("group", Vec::new(), id.as_bytes().to_vec()),
    }
}

fn resource(kind: &str, collection: &[u8], object: &[u8]) -> Result<Resource, DirectoryError> {
    let within = || id(collection, CollectionId::from_bytes, TABLE);
    Ok(match kind {
        "space" => Resource::Space(id(object, SpaceId::from_bytes, TABLE)?),
        "collection" => Resource::Collection(within()?),
        "folder" => Resource::Folder(within()?, id(object, FolderId::from_bytes, TABLE)?),
        "document" => Resource::Document(within()?, id(object, DocId::from_bytes, TABLE)?),
        "field" => Resource::Field(within()?, id(object, FieldId::from_bytes, TABLE)?),
        _ => return Err(DirectoryError::Damaged(TABLE)),
    })
}

impl TryFrom<assignment::Model> for Assignment {
    type Error = DirectoryError;
    fn try_from(row: assignment::Model) -> Result<Self, DirectoryError> {
        Ok(Assignment {
            id: id(&row.id, AssignmentId::from_bytes, TABLE)?,
            space: id(&row.space, SpaceId::from_bytes, TABLE)?,
            resource: resource(&row.kind, &row.collection, &row.object)?,
            relation: row.relation,
            party: if row.party_kind.is_empty() { None } else { Some(party(&row.party_kind, &row.party, TABLE)?) },
            until: row.until.map(Timestamp),
            giver: id(&row.giver, UserId::from_bytes, TABLE)?,
            created: Timestamp(row.created),
        })
    }
}

fn row_of(one: &Assignment) -> assignment::ActiveModel {
    let (kind, collection, object) = place(one.resource);
    let (party_kind, party) = one.party.map_or(("", Vec::new()), stored);
    assignment::ActiveModel {
        id: Set(one.id.as_bytes().to_vec()),
        space: Set(one.space.as_bytes().to_vec()),
        kind: Set(kind.to_owned()),
        collection: Set(collection),
        object: Set(object),
        relation: Set(one.relation.clone()),
        party_kind: Set(party_kind.to_owned()),
        party: Set(party),
        until: Set(one.until.map(|until| until.0)),
        giver: Set(one.giver.as_bytes().to_vec()),
        created: Set(one.created.0),
    }
}

fn all(rows: Vec<assignment::Model>) -> Result<Vec<Assignment>, DirectoryError> {
    rows.into_iter().map(Assignment::try_from).collect()
}

impl Directory {
    /// The assignment with this resource, relation and party, lapsed or not.
    pub async fn assignment_of(
        &self,
        resource: Resource,
        relation: &str,
        party: Option<Party>,
    ) -> Result<Option<Assignment>, DirectoryError> {
        let (kind, collection, object) = place(resource);
        let (party_kind, party) = party.map_or(("", Vec::new()), stored);
        let row = Entity::find()
            .filter(Column::Kind.eq(kind))
            .filter(Column::Collection.eq(collection))
            .filter(Column::Object.eq(object))
            .filter(Column::Relation.eq(relation))
            .filter(Column::PartyKind.eq(party_kind))
            .filter(Column::Party.eq(party))
            .one(&self.db)
            .await?;
        row.map(Assignment::try_from).transpose()
    }

    pub async fn assignment(&self, id: AssignmentId) -> Result<Option<Assignment>, DirectoryError> {
        let row = Entity::find_by_id(id.as_bytes().to_vec()).one(&self.db).await?;
        row.map(Assignment::try_from).transpose()
    }

    /// Notes a new assignment.
    pub async fn add_assignment(&self, new: &Assignment) -> Result<(), DirectoryError> {
        let here = Entity::find().filter(Column::Space.eq(new.space.as_bytes().to_vec()));
        if here.count(&self.db).await? >= MAX_PER_SPACE {
            return Err(DirectoryError::Unfit("A space holds at most 100,000 shares and rules."));
        }
        Entity::insert(row_of(new)).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Gives an assignment another end and giver.
    pub async fn renew_assignment(&self, renewed: &Assignment) -> Result<(), DirectoryError> {
        Entity::update(row_of(renewed)).exec(&self.db).await?;
        Ok(())
    }

    pub async fn remove_assignment(&self, id: AssignmentId) -> Result<(), DirectoryError> {
        Entity::delete_by_id(id.as_bytes().to_vec()).exec(&self.db).await?;
        Ok(())
    }

    /// The assignments in a space (of one collection, if it is named), oldest first.
    pub async fn assignments_in(
        &self,
        space: SpaceId,
        collection: Option<CollectionId>,
    ) -> Result<Vec<Assignment>, DirectoryError> {
        let mut find = Entity::find().filter(Column::Space.eq(space.as_bytes().to_vec()));
        if let Some(collection) = collection {
            find = find.filter(Column::Collection.eq(collection.as_bytes().to_vec()));
        }
        all(find.order_by_asc(Column::Created).all(&self.db).await?)
    }

    /// The assignments that a person made, oldest first.
    pub async fn assignments_by(&self, giver: UserId) -> Result<Vec<Assignment>, DirectoryError> {
        let find = Entity::find().filter(Column::Giver.eq(giver.as_bytes().to_vec()));
        all(find.order_by_asc(Column::Created).all(&self.db).await?)
    }

    /// The assignments to any of these parties, oldest first.
    pub async fn assignments_to(&self, parties: &[Party]) -> Result<Vec<Assignment>, DirectoryError> {
        let mut found = Vec::new();
        for parties in parties.chunks(IDS) {
            let mut any = Condition::any();
            for party in parties {
                let (kind, bytes) = stored(*party);
                any = any.add(Condition::all().add(Column::PartyKind.eq(kind)).add(Column::Party.eq(bytes)));
            }
            found.extend(all(Entity::find().filter(any).all(&self.db).await?)?);
        }
        found.sort_by_key(|one| (one.created, one.id));
        Ok(found)
    }

    /// Of the assignments to any of these parties those that `giver` made or that lie in these spaces. How many others the
    /// parties have hardly shows in the time that this takes.
    pub async fn assignments_between(
        &self,
        parties: &[Party],
        giver: UserId,
        spaces: &[SpaceId],
    ) -> Result<Vec<Assignment>, DirectoryError> {
        let within =
            spaces.chunks(IDS).map(|spaces| Column::Space.is_in(spaces.iter().map(|space| space.as_bytes().to_vec())));
        let given: Vec<_> = [Column::Giver.eq(giver.as_bytes().to_vec())].into_iter().chain(within).collect();
        let mut found: Vec<Assignment> = Vec::new();
        for parties in parties.chunks(IDS) {
            let any = parties.iter().fold(Condition::any(), |any, party| {
                let (kind, bytes) = stored(*party);
                any.add(Condition::all().add(Column::PartyKind.eq(kind)).add(Column::Party.eq(bytes)))
            });
            for given in &given {
                found.extend(all(Entity::find().filter(any.clone()).filter(given.clone()).all(&self.db).await?)?);
            }
        }
        found.sort_by_key(|one| (one.created, one.id));
        found.dedup();
        Ok(found)
    }

    /// A person and the groups that they are in at `now`.
    pub async fn parties_of(&self, user: UserId, now: Timestamp) -> Result<Vec<Party>, DirectoryError> {
        let groups: BTreeSet<GroupId> = self.groups_of(user, now).await?;
        Ok([Party::User(user)].into_iter().chain(groups.into_iter().map(Party::Group)).collect())
    }

    /// At most `most` assignments that lapsed before `now`.
    pub async fn lapsed_assignments(&self, now: Timestamp, most: u64) -> Result<Vec<Assignment>, DirectoryError> {
        all(Entity::find().filter(Column::Until.lte(now.0)).limit(most).all(&self.db).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn assignments_are_found_by_what_they_are_about_and_whom() {
        for directory in on_each_backend().await {
            let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
            let (space, books) = (SpaceId::from_bytes([3; 16]), CollectionId::from_bytes([4; 16]));
            let group = Party::Group(GroupId::from_bytes([2; 16]));
            let mut made = Vec::new();
            for (n, resource, party) in [
                (1, Resource::Space(space), Some(Party::User(bob))),
                (2, Resource::Collection(books), Some(Party::User(bob))),
                (3, Resource::Document(books, DocId::from_bytes([4; 16])), Some(group)),
                (4, Resource::Folder(books, FolderId::from_bytes([4; 16])), Some(group)),
                (5, Resource::Field(books, FieldId::from_bytes([4; 16])), None),
            ] {
                let one = Assignment {
                    id: AssignmentId::from_bytes([n; 16]),
                    space,
                    resource,
                    relation: "viewer".into(),
                    party,
                    until: (n == 2).then_some(Timestamp(9)),
                    giver: alice,
                    created: Timestamp(i64::from(n)),
                };
                directory.add_assignment(&one).await.unwrap();
                let twice = Assignment { id: AssignmentId::from_bytes([n + 100; 16]), ..one.clone() };
                assert!(directory.add_assignment(&twice).await.is_err(), "one identity, one row");
                assert_eq!(directory.assignment_of(resource, "viewer", party).await.unwrap(), Some(one.clone()));
                assert_eq!(directory.assignment_of(resource, "editor", party).await.unwrap(), None);
                made.push(one);
            }
            assert_eq!(directory.assignments_in(space, None).await.unwrap(), made);
            assert_eq!(directory.assignments_in(space, Some(books)).await.unwrap(), made[1..]);
            assert_eq!(directory.assignments_by(alice).await.unwrap(), made);
            assert_eq!(directory.assignments_to(&[Party::User(bob)]).await.unwrap(), made[..2]);
            assert_eq!(directory.assignments_to(&[group, Party::User(alice)]).await.unwrap(), made[2..4]);
            let (elsewhere, nobody) = (SpaceId::from_bytes([9; 16]), UserId::from_bytes([9; 16]));
            let between = async |giver, spaces: &[SpaceId]| {
                directory.assignments_between(&[group, Party::User(bob)], giver, spaces).await.unwrap()
            };
            assert_eq!(between(alice, &[]).await, made[..4]);
            assert_eq!(between(alice, &[space, elsewhere]).await, made[..4], "each once");
            assert_eq!(between(nobody, &[space]).await, made[..4]);
            assert_eq!(between(nobody, &[elsewhere]).await, []);
            assert_eq!(directory.lapsed_assignments(Timestamp(9), 10).await.unwrap(), made[1..2]);
            let later = Assignment { until: None, ..made[1].clone() };
            directory.renew_assignment(&later).await.unwrap();
            assert_eq!(directory.assignment(later.id).await.unwrap(), Some(later));
            directory.remove_assignment(made[0].id).await.unwrap();
            assert_eq!(directory.assignment(made[0].id).await.unwrap(), None);
        }
    }
}
