//! The accounts of this node: one device each, its secrets sealed under the node key.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64;
use parking_lot::RwLock;
use policy_core::{DeviceId, SpaceId, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryFilter,
    Statement, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use vault_core::identity::{DeviceSecret, Signer};
use zeroize::Zeroizing;

use crate::keyring::{NodeKey, UnsealError};
use crate::tables::{self, Migrator};
use crate::turn::Turn;

/// An account and this node's device of it.
#[derive(Debug, Clone)]
pub struct Account {
    pub user: UserId,
    /// The device by which this node writes.
    pub device: Arc<DeviceSecret>,
    /// Its devices before, which write no more.
    pub former: Vec<Arc<DeviceSecret>>,
    /// The account was made here, not joined.
    pub made_here: bool,
}

impl Account {
    /// All devices that this node is or was.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceSecret> + Clone {
        std::iter::once(&self.device).chain(&self.former).map(|device| &**device)
    }

    pub fn is_own(&self, device: DeviceId) -> bool {
        self.devices().any(|own| own.id == device)
    }
}

/// How often the write-ahead log is emptied at most, if somebody reads in it each time.
const SCRUBS: usize = 50;

/// The setting that holds the device by which an account is being joined.
fn joining(user: UserId) -> String {
    format!("joining {user}")
}

/// Why the keys of this node cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    #[error("the node database failed: {0}")]
    Database(#[from] DbErr),
    #[error("{0}: put the node key back from your backup")]
    Key(#[from] UnsealError),
    #[error("a row of the node database is unreadable")]
    Unreadable,
    #[error("the node database is in use, and still holds what was deleted")]
    Busy,
}

/// The accounts, and the keys of views. They change in a turn of the log, which they go with: what is on disk and what
/// is known of it change together, whoever goes away.
pub struct Accounts {
    db: DatabaseConnection,
    key: NodeKey,
    accounts: RwLock<HashMap<UserId, Account>>,
    transport: Zeroizing<[u8; 32]>,
}

/// How a view was left.
#[derive(Debug, Clone)]
pub struct ViewRecord {
    pub key: Zeroizing<[u8; 32]>,
    /// It was written out and synced before it was closed.
    pub clean: bool,
    /// The boot of the machine in which it was last open.
    pub boot: String,
}

fn place(kind: &str, id: &[u8]) -> Vec<u8> {
    [kind.as_bytes(), b"\0", id].concat()
}

impl Accounts {
    /// Runs the vault's own migrations, reads all accounts, and makes the transport key at first use.
    pub async fn open(db: DatabaseConnection, key: NodeKey) -> Result<Self, AccountsError> {
        Migrator::up(&db, None).await?;
        let mut accounts = HashMap::new();
        for row in tables::account::Entity::find().all(&db).await? {
            let user = UserId::from_slice(&row.user).ok_or(AccountsError::Unreadable)?;
            let secret = key.unseal(&place("device", &row.user), &row.device_secret)?;
            let device = Arc::new(DeviceSecret::decode(&secret).map_err(|_| AccountsError::Unreadable)?);
            accounts.insert(user, Account { user, device, former: Vec::new(), made_here: row.root_secret.is_some() });
        }
        for row in tables::former::Entity::find().all(&db).await? {
            let user = UserId::from_slice(&row.user).ok_or(AccountsError::Unreadable)?;
            let secret = key.unseal(&place("device", &row.user), &row.device_secret)?;
            let device = Arc::new(DeviceSecret::decode(&secret).map_err(|_| AccountsError::Unreadable)?);
            accounts.get_mut(&user).ok_or(AccountsError::Unreadable)?.former.push(device);
        }
        let transport = match tables::node::Entity::find_by_id(1).one(&db).await? {
            Some(row) => {
                let seed = key.unseal(&place("transport", b"1"), &row.transport)?;
                Zeroizing::new(seed[..].try_into().map_err(|_| AccountsError::Unreadable)?)
            }
            None => {
                let mut seed = Zeroizing::new([0u8; 32]);
                getrandom::fill(&mut *seed).map_err(|_| AccountsError::Unreadable)?;
                let row = tables::node::ActiveModel {
                    id: Set(1),
                    transport: Set(key.seal(&place("transport", b"1"), &*seed)),
                };
                tables::node::Entity::insert(row).exec_without_returning(&db).await?;
                seed
            }
        };
        Ok(Accounts { db, key, accounts: RwLock::new(accounts), transport })
    }

    /// The seed of this node's transport key.
    pub fn transport_seed(&self) -> [u8; 32] {
        *self.transport
    }

    /// The node key, for what is put away of the node.
    pub(crate) fn node_key(&self) -> NodeKey {
        self.key.clone()
    }

    /// Keeps a secret of the node, sealed under its key, under a name that has none yet, and a setting beside it. False:
    /// it has one, which stays.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn keep_first_secret(
        &self,
        name: &str,
        secret: &[u8],
        (beside, value): (&str, &str),
    ) -> Result<bool, AccountsError> {
        let sealed = BASE64.encode(&self.key.seal(&place("secret", name.as_bytes()), secret));
        let row = tables::setting::ActiveModel { name: Set(name.to_owned()), value: Set(sealed) };
        let clash = OnConflict::column(tables::setting::Column::Name).do_nothing().to_owned();
        let txn = self.db.begin().await?;
        let kept = tables::setting::Entity::insert(row).on_conflict(clash).exec_without_returning(&txn).await?;
        if kept == 0 {
            txn.rollback().await?;
            return Ok(false);
        }
        set(&txn, beside, value).await?;
        txn.commit().await?;
        Ok(true)
    }

    /// A secret that was kept.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, AccountsError> {
        let Some(kept) = self.setting(name).await? else { return Ok(None) };
        let sealed = BASE64.decode(kept.as_bytes()).map_err(|_| AccountsError::Unreadable)?;
        Ok(Some(self.key.unseal(&place("secret", name.as_bytes()), &sealed)?))
    }

    pub fn get(&self, user: UserId) -> Option<Account> {
        self.accounts.read().get(&user).cloned()
    }

    pub fn users(&self) -> Vec<UserId> {
        let mut users: Vec<_> = self.accounts.read().keys().copied().collect();
        users.sort();
        users
    }

    /// Lets `device` take the place of the one by which this node writes for `user`.
    pub(crate) async fn replace(&self, _turn: &Turn, user: UserId, device: DeviceSecret) -> Result<(), AccountsError> {
        let mut account = self.get(user).ok_or(AccountsError::Unreadable)?;
        let place = place("device", user.as_bytes());
        let before = tables::former::ActiveModel {
            device: Set(account.device.id.as_bytes().to_vec()),
            user: Set(user.as_bytes().to_vec()),
            device_secret: Set(self.key.seal(&place, &account.device.encode())),
        };
        let now = tables::account::ActiveModel {
            user: Set(user.as_bytes().to_vec()),
            device_secret: Set(self.key.seal(&place, &device.encode())),
            ..Default::default()
        };
        let txn = self.db.begin().await?;
        tables::former::Entity::insert(before).exec_without_returning(&txn).await?;
        tables::account::Entity::update(now).exec(&txn).await?;
        txn.commit().await?;
        let before = std::mem::replace(&mut account.device, Arc::new(device));
        account.former.push(before);
        self.accounts.write().insert(user, account);
        Ok(())
    }

    /// The account that a device of this node, now or before, belongs to.
    pub fn owning(&self, device: DeviceId) -> Option<Account> {
        self.accounts.read().values().find(|account| account.is_own(device)).cloned()
    }

    /// The account that a device of this node belongs to.
    pub fn of_device(&self, device: DeviceId) -> Option<Account> {
        self.accounts.read().values().find(|account| account.device.id == device).cloned()
    }

    /// The device by which this node joins an account: the same at every try, so that one that was broken off goes on.
    pub async fn joining(&self, user: UserId) -> Result<DeviceSecret, AccountsError> {
        let (name, place) = (joining(user), place("device", user.as_bytes()));
        if let Some(kept) = self.setting(&name).await? {
            let sealed = BASE64.decode(kept.as_bytes()).map_err(|_| AccountsError::Unreadable)?;
            let secret = self.key.unseal(&place, &sealed)?;
            return DeviceSecret::decode(&secret).map_err(|_| AccountsError::Unreadable);
        }
        let device = DeviceSecret::random(&mut rand::rng());
        self.set(&name, &BASE64.encode(&self.key.seal(&place, &device.encode()))).await?;
        Ok(device)
    }

    /// Keeps an account. `root`: its root key, where it was made here.
    pub(crate) async fn add(
        &self,
        _turn: &Turn,
        user: UserId,
        device: DeviceSecret,
        root: Option<&Signer>,
    ) -> Result<(), AccountsError> {
        let made_here = root.is_some();
        let row = tables::account::ActiveModel {
            user: Set(user.as_bytes().to_vec()),
            device_secret: Set(self.key.seal(&place("device", user.as_bytes()), &device.encode())),
            root_secret: Set(root.map(|root| self.key.seal(&place("root", user.as_bytes()), &*root.seed()))),
        };
        let txn = self.db.begin().await?;
        tables::account::Entity::insert(row).exec_without_returning(&txn).await?;
        tables::setting::Entity::delete_by_id(joining(user)).exec(&txn).await?;
        txn.commit().await?;
        self.accounts.write().insert(user, Account { user, device: Arc::new(device), former: Vec::new(), made_here });
        Ok(())
    }

    /// Forgets the keys of an account that no log knows.
    pub(crate) async fn forget(&self, _turn: &Turn, user: UserId) -> Result<(), AccountsError> {
        tables::account::Entity::delete_by_id(user.as_bytes().to_vec()).exec(&self.db).await?;
        self.accounts.write().remove(&user);
        Ok(())
    }

    /// Destroys every secret of an account that is kept here. Again is no change.
    pub(crate) async fn destroy(&self, _turn: &Turn, user: UserId) -> Result<(), AccountsError> {
        let own = user.as_bytes().to_vec();
        let txn = self.db.begin().await?;
        tables::account::Entity::delete_by_id(own.clone()).exec(&txn).await?;
        tables::former::Entity::delete_many().filter(tables::former::Column::User.eq(own)).exec(&txn).await?;
        tables::setting::Entity::delete_by_id(joining(user)).exec(&txn).await?;
        txn.commit().await?;
        self.accounts.write().remove(&user);
        Ok(())
    }

    /// Destroys the key of a view.
    pub(crate) async fn destroy_view(&self, space: SpaceId) -> Result<(), AccountsError> {
        tables::view::Entity::delete_by_id(space.as_bytes().to_vec()).exec(&self.db).await?;
        Ok(())
    }

    /// Sees to it that the files of the database hold nothing any more of what was deleted in it: SQLite overwrites that
    /// in its pages (`secure_delete`), and the pages of before lie in its write-ahead log until that is emptied.
    pub(crate) async fn scrub(&self) -> Result<(), AccountsError> {
        if self.db.get_database_backend() != DbBackend::Sqlite {
            return Ok(());
        }
        for _ in 0..SCRUBS {
            let empty = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
            let row = self.db.query_one_raw(empty).await?;
            let busy = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or(0);
            if busy == 0 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Err(AccountsError::Busy)
    }

    /// The record of a view; made, with a random key, at first use.
    pub async fn view(&self, space: SpaceId) -> Result<ViewRecord, AccountsError> {
        let id = space.as_bytes().to_vec();
        if let Some(row) = tables::view::Entity::find_by_id(id.clone()).one(&self.db).await? {
            let key = self.key.unseal(&place("view", space.as_bytes()), &row.key)?;
            let key = Zeroizing::new(key[..].try_into().map_err(|_| AccountsError::Unreadable)?);
            return Ok(ViewRecord { key, clean: row.clean, boot: row.boot });
        }
        let mut key = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut *key).map_err(|_| AccountsError::Unreadable)?;
        let row = tables::view::ActiveModel {
            space: Set(id),
            key: Set(self.key.seal(&place("view", space.as_bytes()), &*key)),
            clean: Set(false),
            boot: Set(String::new()),
        };
        tables::view::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(ViewRecord { key, clean: false, boot: String::new() })
    }

    /// The records of all views.
    pub(crate) async fn views(&self) -> Result<Vec<(SpaceId, ViewRecord)>, AccountsError> {
        let mut all = Vec::new();
        for row in tables::view::Entity::find().all(&self.db).await? {
            let space = SpaceId::from_slice(&row.space).ok_or(AccountsError::Unreadable)?;
            let key = self.key.unseal(&place("view", space.as_bytes()), &row.key)?;
            let key = Zeroizing::new(key[..].try_into().map_err(|_| AccountsError::Unreadable)?);
            all.push((space, ViewRecord { key, clean: row.clean, boot: row.boot }));
        }
        Ok(all)
    }

    /// Notes how a view is left.
    pub async fn mark_view(&self, space: SpaceId, clean: bool, boot: &str) -> Result<(), AccountsError> {
        let row = tables::view::ActiveModel {
            space: Set(space.as_bytes().to_vec()),
            clean: Set(clean),
            boot: Set(boot.to_owned()),
            ..Default::default()
        };
        tables::view::Entity::update(row).exec(&self.db).await?;
        Ok(())
    }

    /// Keeps a small setting of this node (a port, say).
    pub async fn set(&self, name: &str, value: &str) -> Result<(), AccountsError> {
        Ok(set(&self.db, name, value).await?)
    }

    /// Forgets a setting.
    pub async fn unset(&self, name: &str) -> Result<(), AccountsError> {
        tables::setting::Entity::delete_by_id(name.to_owned()).exec(&self.db).await?;
        Ok(())
    }

    /// What follows `prefix` in the names of settings that begin with it.
    pub async fn settings_under(&self, prefix: &str) -> Result<Vec<String>, AccountsError> {
        let found = tables::setting::Entity::find().filter(tables::setting::Column::Name.starts_with(prefix));
        let names = found.all(&self.db).await?.into_iter().map(|row| row.name);
        Ok(names.filter_map(|name| name.strip_prefix(prefix).map(str::to_owned)).collect())
    }

    pub async fn setting(&self, name: &str) -> Result<Option<String>, AccountsError> {
        Ok(tables::setting::Entity::find_by_id(name.to_owned()).one(&self.db).await?.map(|row| row.value))
    }
}

async fn set(db: &impl ConnectionTrait, name: &str, value: &str) -> Result<(), DbErr> {
    let row = tables::setting::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    let replace =
        OnConflict::column(tables::setting::Column::Name).update_column(tables::setting::Column::Value).to_owned();
    tables::setting::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}
