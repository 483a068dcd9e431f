//! Groups of people, and groups in them. Policy enforces what is here; these rows say who made it so.

use std::collections::{BTreeSet, HashMap};

use policy::facts::Party;
use policy_core::{GroupId, TenantId, Timestamp, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set, TransactionTrait};

use super::tables::{group, membership};
use super::{Directory, DirectoryError, id};

/// Groups that may lie in one another, the outermost and the innermost counted.
pub const MAX_NESTED_GROUPS: usize = 20;
/// Members and managers of one group.
pub const MAX_MEMBERS: u64 = 5_000;
/// Ids in one statement.
const IDS: usize = 500;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub tenant: TenantId,
    pub name: String,
    pub created: Timestamp,
}

/// What somebody is in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Manager,
    Member,
}

impl Role {
    /// The word in routes, and the relation in policy.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Manager => "manager",
            Role::Member => "member",
        }
    }
    fn of_word(word: &str) -> Option<Role> {
        [Role::Manager, Role::Member].into_iter().find(|role| role.word() == word)
    }
}

/// One member or manager of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    pub group: GroupId,
    pub role: Role,
    pub party: Party,
    /// `None`: until removed.
    pub until: Option<Timestamp>,
    /// Who put them in; `None`: that is not known any more.
    pub giver: Option<UserId>,
}

/// How a party stands in rows.
pub(super) fn stored(party: Party) -> (&'static str, Vec<u8>) {
    match party {
        Party::User(id) => ("user", id.as_bytes().to_vec()),
        Party::Group(id) => ("group", id.as_bytes().to_vec()),
    }
}

/// The party of a row of `table`.
pub(super) fn party(kind: &str, bytes: &[u8], table: &'static str) -> Result<Party, DirectoryError> {
    match kind {
        "user" => Ok(Party::User(id(bytes, UserId::from_bytes, table)?)),
        "group" => Ok(Party::Group(id(bytes, GroupId::from_bytes, table)?)),
        _ => Err(DirectoryError::Damaged(table)),
    }
}

impl TryFrom<group::Model> for Group {
    type Error = DirectoryError;
    fn try_from(row: group::Model) -> Result<Self, DirectoryError> {
        Ok(Group {
            id: id(&row.id, GroupId::from_bytes, "dir_group")?,
            tenant: id(&row.tenant, TenantId::from_bytes, "dir_group")?,
            name: row.name,
            created: Timestamp(row.created),
        })
    }
}

impl TryFrom<membership::Model> for Membership {
    type Error = DirectoryError;
    fn try_from(row: membership::Model) -> Result<Self, DirectoryError> {
        const TABLE: &str = "dir_membership";
        Ok(Membership {
            group: id(&row.group_id, GroupId::from_bytes, TABLE)?,
            role: Role::of_word(&row.role).ok_or(DirectoryError::Damaged(TABLE))?,
            party: party(&row.kind, &row.party, TABLE)?,
            until: row.until.map(Timestamp),
            giver: row.giver.map(|giver| id(&giver, UserId::from_bytes, TABLE)).transpose()?,
        })
    }
}

/// The longest way from `start` along `next`, in groups, `start` counted; more than [`MAX_NESTED_GROUPS`] is all the same.
fn longest(start: GroupId, next: &HashMap<GroupId, Vec<GroupId>>) -> usize {
    let mut level = BTreeSet::from([start]);
    for length in 0..=MAX_NESTED_GROUPS {
        if level.is_empty() {
            return length;
        }
        level = level.iter().flat_map(|group| next.get(group).into_iter().flatten().copied()).collect();
    }
    MAX_NESTED_GROUPS + 1
}

/// Every group that `start` leads to along `next`, `start` among them.
fn reached(start: impl IntoIterator<Item = GroupId>, next: &HashMap<GroupId, Vec<GroupId>>) -> BTreeSet<GroupId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<GroupId> = start.into_iter().collect();
    while let Some(group) = open.pop() {
        if found.insert(group) {
            open.extend(next.get(&group).into_iter().flatten());
        }
    }
    found
}

impl Directory {
    /// Notes a new group and its first manager.
    pub async fn add_group(&self, new: &Group, manager: UserId) -> Result<(), DirectoryError> {
        let txn = self.db.begin().await?;
        let row = group::ActiveModel {
            id: Set(new.id.as_bytes().to_vec()),
            tenant: Set(new.tenant.as_bytes().to_vec()),
            name: Set(new.name.clone()),
            created: Set(new.created.0),
            maker: Set(Some(manager.as_bytes().to_vec())),
        };
        group::Entity::insert(row).exec_without_returning(&txn).await?;
        let party = Party::User(manager);
        let first = Membership { group: new.id, role: Role::Manager, party, until: None, giver: Some(manager) };
        membership::Entity::insert(row_of(&first, new.created)).exec_without_returning(&txn).await?;
        Ok(txn.commit().await?)
    }

    pub async fn group(&self, group: GroupId) -> Result<Option<Group>, DirectoryError> {
        let row = group::Entity::find_by_id(group.as_bytes().to_vec()).one(&self.db).await?;
        row.map(Group::try_from).transpose()
    }

    /// These groups, by name.
    pub async fn groups(&self, ids: &[GroupId]) -> Result<Vec<Group>, DirectoryError> {
        let mut all = Vec::with_capacity(ids.len());
        for ids in ids.chunks(IDS) {
            let ids = ids.iter().map(|id| id.as_bytes().to_vec());
            for row in group::Entity::find().filter(group::Column::Id.is_in(ids)).all(&self.db).await? {
                all.push(Group::try_from(row)?);
            }
        }
        all.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(all)
    }

    /// The members and managers of a group, lapsed ones included.
    pub async fn memberships(&self, group: GroupId) -> Result<Vec<Membership>, DirectoryError> {
        let rows = membership::Entity::find()
            .filter(membership::Column::GroupId.eq(group.as_bytes().to_vec()))
            .order_by_asc(membership::Column::Role)
            .order_by_asc(membership::Column::Kind)
            .order_by_asc(membership::Column::Party)
            .all(&self.db)
            .await?;
        rows.into_iter().map(Membership::try_from).collect()
    }

    /// What a party is in groups by rows of its own, lapsed ones included.
    pub async fn memberships_of(&self, party: Party) -> Result<Vec<Membership>, DirectoryError> {
        let (kind, bytes) = stored(party);
        let rows = membership::Entity::find()
            .filter(membership::Column::Kind.eq(kind))
            .filter(membership::Column::Party.eq(bytes))
            .all(&self.db)
            .await?;
        rows.into_iter().map(Membership::try_from).collect()
    }

    /// Notes a membership, or gives one that is there this end.
    pub async fn put_membership(&self, put: &Membership, now: Timestamp) -> Result<(), DirectoryError> {
        let of_group = membership::Column::GroupId.eq(put.group.as_bytes().to_vec());
        if membership::Entity::find().filter(of_group).count(&self.db).await? >= MAX_MEMBERS {
            return Err(DirectoryError::Unfit("A group has at most 5,000 members; put groups into it."));
        }
        let known = OnConflict::columns([
            membership::Column::GroupId,
            membership::Column::Role,
            membership::Column::Kind,
            membership::Column::Party,
        ])
        .update_columns([membership::Column::Until, membership::Column::Giver])
        .to_owned();
        let row = row_of(put, now);
        membership::Entity::insert(row).on_conflict(known).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// Whether it was there.
    pub async fn remove_membership(&self, gone: &Membership) -> Result<bool, DirectoryError> {
        let (kind, bytes) = stored(gone.party);
        let key = (gone.group.as_bytes().to_vec(), gone.role.word().to_owned(), kind.to_owned(), bytes);
        Ok(membership::Entity::delete_by_id(key).exec(&self.db).await?.rows_affected > 0)
    }

    /// At most `most` memberships that lapsed before `now`.
    pub async fn lapsed_memberships(&self, now: Timestamp, most: u64) -> Result<Vec<Membership>, DirectoryError> {
        let lapsed = membership::Entity::find().filter(membership::Column::Until.lte(now.0)).limit(most);
        lapsed.all(&self.db).await?.into_iter().map(Membership::try_from).collect()
    }

    /// Forgets a group, its members and what it was a member of.
    pub async fn remove_group(&self, group: GroupId) -> Result<(), DirectoryError> {
        let bytes = group.as_bytes().to_vec();
        let txn = self.db.begin().await?;
        membership::Entity::delete_many().filter(membership::Column::GroupId.eq(bytes.clone())).exec(&txn).await?;
        membership::Entity::delete_many()
            .filter(membership::Column::Kind.eq("group"))
            .filter(membership::Column::Party.eq(bytes.clone()))
            .exec(&txn)
            .await?;
        group::Entity::delete_by_id(bytes).exec(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// Whether `outer` may take `inner` in: how deep groups would then lie in one another. `None`: they
    /// would lie in a circle.
    pub async fn nested(&self, outer: GroupId, inner: GroupId) -> Result<Option<usize>, DirectoryError> {
        let (mut within, mut around) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (outer, inner) in self.nestings().await? {
            within.entry(outer).or_default().push(inner);
            around.entry(inner).or_default().push(outer);
        }
        if reached([inner], &within).contains(&outer) {
            return Ok(None);
        }
        Ok(Some(longest(outer, &around) + longest(inner, &within)))
    }

    /// The groups that a person is in at `now`, by whatever way.
    pub async fn groups_of(&self, user: UserId, now: Timestamp) -> Result<BTreeSet<GroupId>, DirectoryError> {
        let own = self.memberships_of(Party::User(user)).await?;
        let lives = |one: &Membership| one.role == Role::Member && one.until.is_none_or(|until| until > now);
        let own: Vec<GroupId> = own.iter().filter(|one| lives(one)).map(|one| one.group).collect();
        if own.is_empty() {
            return Ok(BTreeSet::new());
        }
        Ok(reached(own, &self.nested_in().await?))
    }

    /// A group, and the groups that it lies in, by whatever way.
    pub async fn groups_around(&self, group: GroupId) -> Result<BTreeSet<GroupId>, DirectoryError> {
        Ok(reached([group], &self.nested_in().await?))
    }

    /// The groups in which each lies of itself.
    async fn nested_in(&self) -> Result<HashMap<GroupId, Vec<GroupId>>, DirectoryError> {
        let mut around = HashMap::<_, Vec<_>>::new();
        for (outer, inner) in self.nestings().await? {
            around.entry(inner).or_default().push(outer);
        }
        Ok(around)
    }

    /// Which group lies in which: (outer, inner).
    async fn nestings(&self) -> Result<Vec<(GroupId, GroupId)>, DirectoryError> {
        let rows = membership::Entity::find().filter(membership::Column::Kind.eq("group")).all(&self.db).await?;
        let pair = |row: membership::Model| -> Result<_, DirectoryError> {
            let outer = id(&row.group_id, GroupId::from_bytes, "dir_membership")?;
            Ok((outer, id(&row.party, GroupId::from_bytes, "dir_membership")?))
        };
        rows.into_iter().map(pair).collect()
    }
}

fn row_of(one: &Membership, created: Timestamp) -> membership::ActiveModel {
    let (kind, party) = stored(one.party);
    membership::ActiveModel {
        group_id: Set(one.group.as_bytes().to_vec()),
        role: Set(one.role.word().to_owned()),
        kind: Set(kind.to_owned()),
        party: Set(party),
        until: Set(one.until.map(|until| until.0)),
        created: Set(created.0),
        giver: Set(one.giver.map(|giver| giver.as_bytes().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    fn group_id(n: u8) -> GroupId {
        GroupId::from_bytes([n; 16])
    }

    #[tokio::test]
    async fn groups_nest_to_a_depth_and_never_in_a_circle() {
        for directory in on_each_backend().await {
            let (alice, now) = (UserId::from_bytes([200; 16]), Timestamp(5));
            let deep = u8::try_from(MAX_NESTED_GROUPS).unwrap();
            for n in 1..=deep + 1 {
                let group = Group {
                    id: group_id(n),
                    tenant: TenantId::from_bytes([1; 16]),
                    name: format!("group {n}"),
                    created: now,
                };
                directory.add_group(&group, alice).await.unwrap();
            }
            let into = |outer: u8, inner: u8| Membership {
                group: group_id(outer),
                role: Role::Member,
                party: Party::Group(group_id(inner)),
                until: None,
                giver: Some(alice),
            };
            assert_eq!(directory.nested(group_id(1), group_id(1)).await.unwrap(), None);
            for n in 1..deep {
                let depth = directory.nested(group_id(n), group_id(n + 1)).await.unwrap();
                assert_eq!(depth, Some(usize::from(n) + 1));
                directory.put_membership(&into(n, n + 1), now).await.unwrap();
            }
            assert_eq!(directory.nested(group_id(deep), group_id(1)).await.unwrap(), None, "a circle");
            assert_eq!(
                directory.nested(group_id(deep), group_id(deep + 1)).await.unwrap(),
                Some(MAX_NESTED_GROUPS + 1)
            );
            let bob = UserId::from_bytes([201; 16]);
            let own = Membership { party: Party::User(bob), until: Some(Timestamp(9)), ..into(deep, 0) };
            directory.put_membership(&own, now).await.unwrap();
            assert_eq!(directory.groups_of(bob, Timestamp(8)).await.unwrap().len(), MAX_NESTED_GROUPS);
            assert!(directory.groups_of(bob, Timestamp(9)).await.unwrap().is_empty(), "lapsed");
            assert!(directory.groups_of(alice, now).await.unwrap().is_empty(), "a manager is no member");
            directory.remove_group(group_id(2)).await.unwrap();
            assert_eq!(directory.groups_of(bob, Timestamp(8)).await.unwrap().len(), MAX_NESTED_GROUPS - 2);
            assert!(directory.remove_membership(&own).await.unwrap());
            assert!(!directory.remove_membership(&own).await.unwrap());
        }
    }
}
