//! Tenants and users.

use std::sync::Arc;

use policy_core::{SpaceId, TenantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set, SqlErr, TransactionTrait,
};

use super::credentials::{self, CredentialKind};
use super::names::{look_alike, name_of};
use super::passwords::fit;
use super::tables::{credential, tenant, user};
use super::turns::Asker;
use super::{Directory, DirectoryError, id, to_its_end};

/// A household or firm on the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    /// Since when all of its people are suspended.
    pub suspended: Option<Timestamp>,
}

/// Where people are whose tenant is known at another node: this one is a device of theirs.
pub const ELSEWHERE: TenantId = TenantId::from_bytes([0; 16]);

/// A person with an account here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub tenant: TenantId,
    /// Their personal space.
    pub space: SpaceId,
    /// Counts what ended everything that proved a sign-in: changes of the password, signing out everywhere, suspensions.
    pub since: i64,
    pub created: Timestamp,
    /// Since when they are suspended.
    pub suspended: Option<Timestamp>,
}

pub(super) fn taken(name: &str) -> impl FnOnce(DbErr) -> DirectoryError + '_ {
    move |error| match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => DirectoryError::Taken(name.to_owned()),
        _ => DirectoryError::Database(error),
    }
}

impl Tenant {
    /// Whether its people are out.
    pub fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }
}

/// Waits for whoever closes the tenant; false: nobody comes into it any more.
async fn is_open(db: &impl ConnectionTrait, id: TenantId) -> Result<bool, DirectoryError> {
    let same = tenant::Entity::update_many()
        .col_expr(tenant::Column::Created, Expr::col(tenant::Column::Created))
        .filter(tenant::Column::Id.eq(id.as_bytes().to_vec()))
        .filter(tenant::Column::Suspended.is_null())
        .filter(tenant::Column::Removing.is_null());
    Ok(same.exec(db).await?.rows_affected == 1)
}

impl TryFrom<tenant::Model> for Tenant {
    type Error = DirectoryError;
    fn try_from(row: tenant::Model) -> Result<Self, DirectoryError> {
        let id = id(&row.id, TenantId::from_bytes, "dir_tenant")?;
        Ok(Tenant { id, name: row.name, suspended: row.suspended.map(Timestamp) })
    }
}

impl TryFrom<user::Model> for User {
    type Error = DirectoryError;
    fn try_from(row: user::Model) -> Result<Self, DirectoryError> {
        Ok(User {
            id: id(&row.id, UserId::from_bytes, "dir_user")?,
            name: row.name,
            tenant: id(&row.tenant, TenantId::from_bytes, "dir_user")?,
            space: id(&row.space, SpaceId::from_bytes, "dir_user")?,
            since: row.browsers,
            created: Timestamp(row.created),
            suspended: row.suspended.map(Timestamp),
        })
    }
}

impl Directory {
    /// Makes a tenant. Names are unique on a node.
    pub async fn add_tenant(&self, name: &str, now: Timestamp) -> Result<Tenant, DirectoryError> {
        let tenant = Tenant { id: Directory::new_tenant_id(), name: name_of(name)?, suspended: None };
        let row = tenant::ActiveModel {
            id: Set(tenant.id.as_bytes().to_vec()),
            name: Set(tenant.name.clone()),
            created: Set(now.0),
            suspended: Set(None),
            removing: Set(None),
        };
        tenant::Entity::insert(row).exec_without_returning(&self.db).await.map_err(taken(&tenant.name))?;
        Ok(tenant)
    }

    pub async fn tenant_named(&self, name: &str) -> Result<Option<Tenant>, DirectoryError> {
        let Ok(name) = name_of(name) else { return Ok(None) };
        let row = tenant::Entity::find().filter(tenant::Column::Name.eq(name)).one(&self.db).await?;
        row.map(Tenant::try_from).transpose()
    }

    /// All tenants, by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, DirectoryError> {
        let here = tenant::Entity::find().filter(tenant::Column::Removing.is_null());
        let rows = here.order_by_asc(tenant::Column::Name).all(&self.db).await?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// What a new user would be refused for, before anything is made: name or password unfit, name taken.
    pub async fn can_add_user(&self, name: &str, password: Option<&str>) -> Result<(), DirectoryError> {
        let name = name_of(name)?;
        password.map_or(Ok(()), |password| fit(password, &name))?;
        if self.user_named(&name).await?.is_some() {
            return Err(DirectoryError::Taken(name));
        }
        self.unlike_others(&name).await
    }

    /// Refuses a name that people would take for another's.
    async fn unlike_others(&self, name: &str) -> Result<(), DirectoryError> {
        match self.users().await?.iter().any(|user| user.name != name && look_alike(&user.name, name)) {
            true => Err(DirectoryError::Unfit("There is a name that looks the same in other letters; choose another.")),
            false => Ok(()),
        }
    }

    /// The tenant of a node that is being set up: one that a set-up left which was broken off, under the name that is
    /// wished now, or a new one.
    pub async fn setup_tenant(&self, name: &str, now: Timestamp) -> Result<Tenant, DirectoryError> {
        match self.tenants().await?.as_slice() {
            [left] if self.owner().is_none() => {
                let tenant = Tenant { id: left.id, name: name_of(name)?, suspended: None };
                let row = tenant::ActiveModel {
                    id: Set(tenant.id.as_bytes().to_vec()),
                    name: Set(tenant.name.clone()),
                    ..Default::default()
                };
                tenant::Entity::update(row).exec(&self.db).await?;
                Ok(tenant)
            }
            _ => match self.tenant_named(name).await? {
                Some(tenant) => Ok(tenant),
                None => self.add_tenant(name, now).await,
            },
        }
    }

    /// Adds the first user and makes them the owner, all at once; the setup secret is gone with it.
    pub async fn add_owner(
        &self,
        account: (UserId, SpaceId),
        name: &str,
        tenant: TenantId,
        password: &str,
        now: Timestamp,
    ) -> Result<User, DirectoryError> {
        let (added, mut row, password) = self.new_user(account, name, tenant, Some(password), now).await?;
        row.operator = Set(Some(now.0));
        let (db, owner, standings) = (self.db.clone(), Arc::clone(&self.owner), self.standings.clone());
        to_its_end(async move {
            let txn = db.begin().await?;
            user::Entity::insert(row).exec_without_returning(&txn).await.map_err(taken(&added.name))?;
            if let Some(password) = password {
                credential::Entity::insert(password).exec_without_returning(&txn).await?;
            }
            super::settings::name_owner(&txn, added.id).await?;
            txn.commit().await?;
            *owner.write() = Some(added.id);
            standings.named(added.id);
            Ok(added)
        })
        .await
    }

    /// Adds a user whose account and personal space exist. Without a password they sign in once they have set one.
    pub async fn add_user(
        &self,
        account: (UserId, SpaceId),
        name: &str,
        tenant: TenantId,
        password: Option<&str>,
        now: Timestamp,
    ) -> Result<User, DirectoryError> {
        let (added, row, password) = self.new_user(account, name, tenant, password, now).await?;
        let txn = self.db.begin().await?;
        if !is_open(&txn, tenant).await? {
            return Err(DirectoryError::Unfit("The tenant is suspended, or is not there any more."));
        }
        user::Entity::insert(row).exec_without_returning(&txn).await.map_err(taken(&added.name))?;
        if let Some(password) = password {
            credential::Entity::insert(password).exec_without_returning(&txn).await?;
        }
        txn.commit().await?;
        Ok(added)
    }

    pub(super) async fn new_user(
        &self,
        account: (UserId, SpaceId),
        name: &str,
        tenant: TenantId,
        password: Option<&str>,
        now: Timestamp,
    ) -> Result<(User, user::ActiveModel, Option<credential::ActiveModel>), DirectoryError> {
        let name = name_of(name)?;
        password.map_or(Ok(()), |password| fit(password, &name))?;
        self.unlike_others(&name).await?;
        let hash = match password {
            Some(password) => Some(self.passwords.hash(Asker::Operator, password).await?),
            None => None,
        };
        let (id, space) = account;
        let added = User { id, name, tenant, space, since: 0, created: now, suspended: None };
        let row = user::ActiveModel {
            id: Set(added.id.as_bytes().to_vec()),
            name: Set(added.name.clone()),
            tenant: Set(tenant.as_bytes().to_vec()),
            space: Set(added.space.as_bytes().to_vec()),
            created: Set(now.0),
            browsers: Set(0),
            operator: Set(None),
            suspended: Set(None),
            removing: Set(None),
        };
        let password = hash.map(|hash| credentials::row(added.id, CredentialKind::Password, hash, now));
        Ok((added, row, password))
    }

    pub async fn user_named(&self, name: &str) -> Result<Option<User>, DirectoryError> {
        self.user_row(name).await?.map(User::try_from).transpose()
    }

    pub async fn user(&self, user: UserId) -> Result<Option<User>, DirectoryError> {
        self.user_row_of(user).await?.map(User::try_from).transpose()
    }

    /// The tenant of a user; answered from memory once asked. A user stays in their tenant.
    pub async fn tenant_of(&self, user: UserId) -> Result<Option<TenantId>, DirectoryError> {
        if let Some(tenant) = self.tenant_of.read().get(&user) {
            return Ok(Some(*tenant));
        }
        let Some(found) = self.user(user).await? else { return Ok(None) };
        self.tenant_of.write().insert(user, found.tenant);
        Ok(Some(found.tenant))
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, DirectoryError> {
        let here = user::Entity::find().filter(user::Column::Removing.is_null());
        let rows = here.order_by_asc(user::Column::Name).all(&self.db).await?;
        rows.into_iter().map(User::try_from).collect()
    }

    pub(super) async fn user_row_of(&self, user: UserId) -> Result<Option<user::Model>, DirectoryError> {
        let row = user::Entity::find_by_id(user.as_bytes().to_vec()).one(&self.db).await?;
        Ok(row.filter(|row| row.removing.is_none()))
    }

    pub(super) async fn user_row(&self, name: &str) -> Result<Option<user::Model>, DirectoryError> {
        let Ok(name) = name_of(name) else { return Ok(None) };
        Ok(user::Entity::find().filter(user::Column::Name.eq(name)).one(&self.db).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sign_in::{Origin, Proof, Refused};
    use super::super::{SecretHash, on_each_backend};
    use super::*;

    #[tokio::test]
    async fn names_are_unique_whatever_their_case_and_passwords_are_checked() {
        for directory in on_each_backend().await {
            let now = Timestamp(5);
            let home = directory.add_tenant("Home", now).await.unwrap();
            assert!(matches!(directory.add_tenant("home", now).await, Err(DirectoryError::Taken(_))));
            assert_eq!(directory.tenant_named("HOME").await.unwrap(), Some(home.clone()));
            for bad in ["", " ", "a b", "<b>", "-a", "a\u{200b}", &"a".repeat(65)] {
                assert!(matches!(directory.add_tenant(bad, now).await, Err(DirectoryError::Unfit(_))), "{bad}");
            }
            let account = (UserId::from_bytes([1; 16]), SpaceId::from_bytes([2; 16]));
            assert!(directory.add_user(account, "alice", home.id, Some("short"), now).await.is_err());
            let alice = directory.add_user(account, "Alice", home.id, Some("a long password"), now).await.unwrap();
            assert_eq!(alice.name, "alice");
            let other = (UserId::from_bytes([3; 16]), SpaceId::from_bytes([4; 16]));
            let again = directory.add_user(other, "alice", home.id, Some("a long password"), now).await;
            assert!(matches!(again, Err(DirectoryError::Taken(_))));
            for (n, (name, fits)) in
                [("Ольга", true), ("асе", true), ("ace", false), ("山田", true)].into_iter().enumerate()
            {
                let n = u8::try_from(n).unwrap() + 10;
                let account = (UserId::from_bytes([n; 16]), SpaceId::from_bytes([n; 16]));
                let can = directory.can_add_user(name, Some("a long password")).await;
                let added = directory.add_user(account, name, home.id, Some("a long password"), now).await;
                assert_eq!((can.is_ok(), added.is_ok()), (fits, fits), "{name}: {added:?}");
            }
            assert_eq!(directory.user_named("ОЛЬГА").await.unwrap().unwrap().name, "ольга");
            let ip = Some([192, 0, 2, 1].into());
            let sign_in = async |name: &str, password: &str| {
                let from = Origin { address: ip, ..Origin::default() };
                let proof = Proof { password, code: None };
                directory.sign_in(name, proof, from, now).await.unwrap().ok().map(|signed| signed.user)
            };
            assert_eq!(sign_in("alice", "a long password").await.as_ref(), Some(&alice));
            assert_eq!(sign_in("alice", "a wrong password").await, None);
            assert_eq!(sign_in("nobody", "a long password").await, None);
            let session = SecretHash([7; 32]);
            let again = async |password| {
                let proof = Proof { password, code: None };
                directory.confirm(&alice, session, proof, ip, now).await.unwrap()
            };
            assert_eq!(again("a long password").await, Ok(()));
            assert_eq!(again("a wrong password").await, Err(Refused::Wrong));
            // It is told beside the request.
            let mut told = Vec::new();
            for _ in 0..500 {
                told = directory.audit_before(alice.id, None, 9).await.unwrap();
                if !told.is_empty() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert_eq!((told.len(), told[0].action.as_str()), (1, "sign_in.refused"), "{told:?}");
            assert_eq!(told[0].detail, serde_json::json!({"failures": 1, "from": "192.0.2.1"}));
            directory.tend(Timestamp(now.0 + 60_000_000)).await.unwrap();
            assert_eq!(
                directory.audit_before(alice.id, None, 9).await.unwrap()[0].detail["failures"],
                1,
                "the other one"
            );
        }
    }
}
