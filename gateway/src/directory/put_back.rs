//! A node that was restored from a backup: what was issued before is void, and what was given out sleeps until its owner
//! confirms it.

use std::sync::atomic::{AtomicI64, Ordering};

use policy_core::Timestamp;
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, TransactionTrait};

use super::credentials::CredentialKind;
use super::tables::{assignment, code, credential, grant, link, refresh, setting, token};
use super::{Directory, DirectoryError, settings};

const ASLEEP: &str = "asleep";
/// When it does not sleep.
const AWAKE: i64 = i64::MIN;

/// Since when the node sleeps, in memory.
#[derive(Debug)]
pub(super) struct Asleep(AtomicI64);

impl Asleep {
    pub(super) async fn read(db: &DatabaseConnection) -> Result<Asleep, DirectoryError> {
        let since = match settings::get(db, ASLEEP).await? {
            Some(text) => text.parse().map_err(|_| DirectoryError::Damaged("dir_setting"))?,
            None => AWAKE,
        };
        Ok(Asleep(AtomicI64::new(since)))
    }
}

/// How much sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub grants: u64,
    pub links: u64,
    pub shares: u64,
}

impl Directory {
    /// Voids every session, token, code and invite, and lets what was given out sleep.
    pub async fn put_back(&self, now: Timestamp) -> Result<(), DirectoryError> {
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // Tokens of links are their secrets: they sleep.
            let issued =
                Condition::any().add(token::Column::GrantId.is_null()).add(token::Column::Client.is_not_null());
            token::Entity::delete_many().filter(issued).exec(&txn).await?;
            refresh::Entity::delete_many().exec(&txn).await?;
            code::Entity::delete_many().exec(&txn).await?;
            // One that was used since the backup would be good again.
            let invites = credential::Column::Kind.eq(CredentialKind::Invite.word());
            credential::Entity::delete_many().filter(invites).exec(&txn).await?;
            settings::set(&txn, ASLEEP, now.0.to_string()).await?;
            Ok(txn.commit().await?)
        })
        .await?;
        self.asleep.0.store(now.0, Ordering::Release);
        Ok(())
    }

    /// Since when apps, links and what is shared sleep; `None`: they do not.
    pub fn asleep_since(&self) -> Option<Timestamp> {
        Some(self.asleep.0.load(Ordering::Acquire)).filter(|since| *since != AWAKE).map(Timestamp)
    }

    /// How much there is that sleeps, or would.
    pub async fn held(&self) -> Result<Held, DirectoryError> {
        Ok(Held {
            grants: grant::Entity::find().count(&self.db).await?,
            links: link::Entity::find().count(&self.db).await?,
            shares: assignment::Entity::find().count(&self.db).await?,
        })
    }

    /// Wakes what sleeps.
    pub async fn wake(&self) -> Result<(), DirectoryError> {
        setting::Entity::delete_by_id(ASLEEP.to_owned()).exec(&self.db).await?;
        self.asleep.0.store(AWAKE, Ordering::Release);
        Ok(())
    }
}
