//! How much of each kind a person may have. The operator sets it, for everybody or for one person.
//!
//! What is counted is counted while its person's turn is held ([`Directory::making`]), so that two requests at
//! once do not both find the last place free; nobody waits for another person's.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::UserId;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::tables::{assignment, group, link, setting};
use super::{Directory, DirectoryError, settings};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaKind {
    /// Spaces that a person owns, the personal one counted.
    Spaces,
    /// Groups that a person made and that are there.
    Groups,
    /// Shares and field rules that a person gave and that have not ended.
    Shares,
    /// Links that a person made and that are not removed.
    Links,
    /// Invitation codes of a person that wait for a device.
    Codes,
    /// App passwords of a person.
    AppPasswords,
    /// Blind replicas of a person.
    Replicas,
    /// Collections in one space; its owner's quota counts.
    Collections,
    /// Folders in the spaces of a person, whoever made them.
    Folders,
    /// Documents in folders in the spaces of a person, each as often as it lies in one.
    Filings,
}

impl QuotaKind {
    pub const ALL: [QuotaKind; 10] = [
        QuotaKind::Spaces,
        QuotaKind::Groups,
        QuotaKind::Shares,
        QuotaKind::Links,
        QuotaKind::Codes,
        QuotaKind::AppPasswords,
        QuotaKind::Replicas,
        QuotaKind::Collections,
        QuotaKind::Folders,
        QuotaKind::Filings,
    ];

    /// The word in routes, on the command line and in settings.
    pub const fn word(self) -> &'static str {
        match self {
            QuotaKind::Spaces => "spaces",
            QuotaKind::Groups => "groups",
            QuotaKind::Shares => "shares",
            QuotaKind::Links => "links",
            QuotaKind::Codes => "codes",
            QuotaKind::AppPasswords => "app_passwords",
            QuotaKind::Replicas => "replicas",
            QuotaKind::Collections => "collections",
            QuotaKind::Folders => "folders",
            QuotaKind::Filings => "filings",
        }
    }

    pub fn of_word(word: &str) -> Option<QuotaKind> {
        QuotaKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What holds where the operator has said nothing.
    pub const fn default(self) -> u64 {
        match self {
            QuotaKind::Spaces => 32,
            QuotaKind::Groups => 64,
            QuotaKind::Shares => 1_000,
            QuotaKind::Links => 256,
            QuotaKind::Codes => 4,
            QuotaKind::AppPasswords => 32,
            QuotaKind::Replicas => 8,
            QuotaKind::Collections => 200,
            QuotaKind::Folders => 256,
            QuotaKind::Filings => 10_000,
        }
    }

    /// What a sentence calls so many of them.
    pub const fn things(self) -> &'static str {
        match self {
            QuotaKind::Codes => "waiting invitation codes",
            QuotaKind::AppPasswords => "app passwords",
            QuotaKind::Shares => "shares and field rules",
            QuotaKind::Collections => "collections in a space",
            QuotaKind::Filings => "documents in folders",
            other => other.word(),
        }
    }

    fn setting(self, user: Option<UserId>) -> String {
        match user {
            None => format!("quota.{}", self.word()),
            Some(user) => format!("quota.{}.{user}", self.word()),
        }
    }
}

/// Who makes something that is counted, person by person.
#[derive(Debug, Default)]
pub(super) struct Making(Mutex<HashMap<UserId, Arc<tokio::sync::Mutex<()>>>>);

/// The turn of one person to make something that is counted. Dropped when it is made and counts.
#[derive(Debug)]
pub struct Maker {
    pub user: UserId,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

/// The largest quota that may be set: what is counted is listed.
pub const MAX_QUOTA: u64 = 100_000;

impl Directory {
    /// Waits until nothing else of this person is being made.
    pub async fn making(&self, user: UserId) -> Maker {
        let turn = {
            let mut all = self.making.0.lock();
            if all.len() > 1_024 {
                all.retain(|_, turn| Arc::strong_count(turn) > 1);
            }
            Arc::clone(all.entry(user).or_default())
        };
        Maker { user, _turn: turn.lock_owned().await }
    }

    /// How many of a kind a person may have.
    pub async fn quota(&self, kind: QuotaKind, user: UserId) -> Result<u64, DirectoryError> {
        let of = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        if let Some(own) = of(settings::get(&self.db, &kind.setting(Some(user))).await?) {
            return Ok(own);
        }
        Ok(of(settings::get(&self.db, &kind.setting(None)).await?).unwrap_or(kind.default()))
    }

    /// What everybody may have, or one person.
    pub async fn quotas(&self, user: Option<UserId>) -> Result<Vec<(QuotaKind, u64)>, DirectoryError> {
        let mut all = Vec::new();
        for kind in QuotaKind::ALL {
            let most = match user {
                Some(user) => self.quota(kind, user).await?,
                None => {
                    let set = settings::get(&self.db, &kind.setting(None)).await?;
                    set.and_then(|text| text.parse().ok()).unwrap_or(kind.default())
                }
            };
            all.push((kind, most));
        }
        Ok(all)
    }

    /// Sets what everybody may have, or one person; `None`: as if nothing had been set.
    pub async fn set_quota(
        &self,
        kind: QuotaKind,
        user: Option<UserId>,
        most: Option<u64>,
    ) -> Result<(), DirectoryError> {
        let name = kind.setting(user);
        match most {
            Some(most) if most > MAX_QUOTA => Err(DirectoryError::Unfit("A quota is at most 100,000.")),
            Some(most) => settings::set(&self.db, &name, most.to_string()).await,
            None => {
                setting::Entity::delete_many().filter(setting::Column::Name.eq(name)).exec(&self.db).await?;
                Ok(())
            }
        }
    }

    /// Refuses `more` beside the `held` that are there, if the person may not have so many.
    pub async fn room(&self, maker: &Maker, kind: QuotaKind, held: u64, more: u64) -> Result<(), DirectoryError> {
        let most = self.quota(kind, maker.user).await?;
        if held.saturating_add(more) > most { Err(DirectoryError::Quota { kind, most }) } else { Ok(()) }
    }

    /// As [`Directory::room`] for one more of what the directory itself holds.
    pub async fn room_for_one(&self, maker: &Maker, kind: QuotaKind) -> Result<(), DirectoryError> {
        let user = maker.user.as_bytes().to_vec();
        let held = match kind {
            QuotaKind::Groups => group::Entity::find().filter(group::Column::Maker.eq(user)).count(&self.db).await?,
            QuotaKind::Shares => {
                assignment::Entity::find().filter(assignment::Column::Giver.eq(user)).count(&self.db).await?
            }
            QuotaKind::Links => link::Entity::find().filter(link::Column::User.eq(user)).count(&self.db).await?,
            QuotaKind::AppPasswords => self.count_app_passwords(maker.user).await?,
            QuotaKind::Spaces
            | QuotaKind::Codes
            | QuotaKind::Replicas
            | QuotaKind::Collections
            | QuotaKind::Folders
            | QuotaKind::Filings => 0,
        };
        self.room(maker, kind, held, 1).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn a_persons_own_quota_goes_before_everybodys_and_that_before_the_default() {
        for directory in on_each_backend().await {
            let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
            let kind = QuotaKind::Spaces;
            assert_eq!(directory.quota(kind, alice).await.unwrap(), 32);
            directory.set_quota(kind, None, Some(3)).await.unwrap();
            directory.set_quota(kind, Some(bob), Some(5)).await.unwrap();
            assert_eq!(directory.quota(kind, alice).await.unwrap(), 3);
            assert_eq!(directory.quota(kind, bob).await.unwrap(), 5);
            assert_eq!(directory.quota(QuotaKind::Groups, bob).await.unwrap(), 64, "another kind");
            assert!(directory.set_quota(kind, None, Some(MAX_QUOTA + 1)).await.is_err());
            let maker = directory.making(bob).await;
            assert!(directory.room(&maker, kind, 4, 1).await.is_ok(), "control");
            let refused = directory.room(&maker, kind, 5, 1).await;
            assert!(matches!(refused, Err(DirectoryError::Quota { most: 5, .. })), "{refused:?}");
            assert!(directory.room(&maker, kind, 4, 2).await.is_err());
            directory.set_quota(kind, Some(bob), None).await.unwrap();
            directory.set_quota(kind, None, None).await.unwrap();
            assert_eq!(directory.quota(kind, bob).await.unwrap(), 32);
        }
    }

    #[tokio::test]
    async fn one_person_makes_one_thing_at_a_time_and_waits_for_nobody_else() {
        let directory = super::super::in_memory().await;
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let held = directory.making(alice).await;
        let mut second = Box::pin(directory.making(alice));
        assert!(futures::poll!(&mut second).is_pending());
        directory.making(bob).await;
        drop(held);
        second.await;
    }
}
