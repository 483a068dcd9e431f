//! A node that was restored from a backup: what was issued before is void, and what was given out sleeps until its owner
//! confirms it.

use std::sync::atomic::{AtomicI64, Ordering};

use policy_core::Timestamp;
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait,
    TransactionTrait,
};

use super::credentials::CredentialKind;
use super::tables::{
    app, assignment, code, credential, grant, link, pushed, refresh, setting, sign_in, token, waiting,
};
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
pub struct SleepingCounts {
    pub grants: u64,
    pub links: u64,
    pub shares: u64,
}

impl Directory {
    /// Voids every session, token, code, request and invite, and lets what was given out sleep.
    pub async fn put_back(&self, now: Timestamp) -> Result<(), DirectoryError> {
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // Tokens of links are their secrets: they sleep.
            let issued =
                Condition::any().add(token::Column::GrantId.is_null()).add(token::Column::Client.is_not_null());
            token::Entity::delete_many().filter(issued).exec(&txn).await?;
            refresh::Entity::delete_many().exec(&txn).await?;
            code::Entity::delete_many().exec(&txn).await?;
            waiting::Entity::delete_many().exec(&txn).await?;
            pushed::Entity::delete_many().exec(&txn).await?;
            // What was taken back since the backup would be back: the person is asked again.
            sign_in::Entity::delete_many().exec(&txn).await?;
            // An invite that was used since the backup would be good again; so would an app password that was removed.
            let void = [CredentialKind::Invite, CredentialKind::AppPassword].map(CredentialKind::word);
            let void = credential::Column::Kind.is_in(void);
            credential::Entity::delete_many().filter(void).exec(&txn).await?;
            // What was to be told then was told, or is over; codes of then are none; and an address that was taken out since
            // would be written to again.
            super::mail::forget(&txn).await?;
            // A request that was declined since would wait again.
            super::requests::forget_waiting(&txn).await?;
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
    pub async fn held(&self) -> Result<SleepingCounts, DirectoryError> {
        let apps = app::Entity::find().select_only().column(app::Column::Id).into_query();
        Ok(SleepingCounts {
            // Those of app passwords do not wake: what opened them is void.
            grants: grant::Entity::find().filter(grant::Column::Client.in_subquery(apps)).count(&self.db).await?,
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
