//! Single values: keys of the node, its owner, the setup secret.

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, Set};

use super::secret::random;
use super::tables::setting;
use super::{Directory, DirectoryError, Secret, SecretHash};

const SETUP: &str = "setup";
/// How long a set-up link is good.
pub const SETUP_SECONDS: i64 = 30 * 60;

pub(super) async fn get(db: &impl ConnectionTrait, name: &str) -> Result<Option<String>, DirectoryError> {
    Ok(setting::Entity::find_by_id(name).one(db).await?.map(|row| row.value))
}

pub(super) async fn set(db: &impl ConnectionTrait, name: &str, value: String) -> Result<(), DirectoryError> {
    let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value) };
    let clash = OnConflict::column(setting::Column::Name).update_column(setting::Column::Value).to_owned();
    setting::Entity::insert(row).on_conflict(clash).exec_without_returning(db).await?;
    Ok(())
}

/// A key of 32 bytes, drawn at first use. Of two processes that draw at once the first wins.
pub(super) async fn key(db: &DatabaseConnection, name: &str) -> Result<[u8; 32], DirectoryError> {
    if get(db, name).await?.is_none() {
        let value = data_encoding::HEXLOWER.encode(&random::<32>());
        let row = setting::ActiveModel { name: Set(name.to_owned()), value: Set(value) };
        let clash = OnConflict::column(setting::Column::Name).do_nothing().to_owned();
        setting::Entity::insert(row).on_conflict(clash).exec_without_returning(db).await?;
    }
    let text = get(db, name).await?.unwrap_or_default();
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap_or_default();
    bytes.try_into().map_err(|_| DirectoryError::Damaged("dir_setting"))
}

/// Names the owner and ends the setup: the secret is gone.
pub(super) async fn name_owner(db: &impl ConnectionTrait, owner: UserId) -> Result<(), DirectoryError> {
    set(db, "owner", owner.to_string()).await?;
    setting::Entity::delete_many().filter(setting::Column::Name.eq(SETUP)).exec(db).await?;
    Ok(())
}

impl Directory {
    /// A fresh setup secret, good for [`SETUP_SECONDS`], which replaces any before it; `None` if the node is set up. Whoever
    /// sets the node up at this moment is waited for.
    pub async fn begin_setup(&self, now: Timestamp) -> Result<Option<Secret>, DirectoryError> {
        let _alone = self.setting_up().await;
        if self.owner().is_some() {
            return Ok(None);
        }
        let secret = Secret::draw();
        let until = now.0 + SETUP_SECONDS * 1_000_000;
        set(&self.db, SETUP, format!("{}:{until}", data_encoding::HEXLOWER.encode(&secret.hash().0))).await?;
        Ok(Some(secret))
    }

    /// Whether `text` is the present setup secret, and still good.
    pub async fn is_setup_secret(&self, text: &str, now: Timestamp) -> Result<bool, DirectoryError> {
        if self.owner().is_some() {
            return Ok(false);
        }
        let stored = get(&self.db, SETUP).await?.unwrap_or_default();
        // One of before they lapsed has no time behind it, and is not good any more.
        let Some((hash, until)) = stored.split_once(':') else { return Ok(false) };
        let hash: Option<[u8; 32]> =
            data_encoding::HEXLOWER.decode(hash.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let same = hash.is_some_and(|hash| SecretHash(hash).matches(&SecretHash::of(text)));
        Ok(same && until.parse().is_ok_and(|until: i64| now.0 < until))
    }

    /// Held by whoever sets the node up.
    pub async fn setting_up(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.setup.lock().await
    }
}
