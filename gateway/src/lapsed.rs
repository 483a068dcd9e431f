//! What has ended by itself. Policy gives nothing for it any more; here it is also forgotten.

use std::collections::BTreeSet;

use gateway_people::realm::Realm as _;
use policy::PolicyError;
use policy::facts::Resource;
use policy_core::{GroupId, SpaceId, Timestamp};

use crate::app::App;
use crate::directory::{DirectoryError, Membership};
use crate::turns::Turn;

/// Rows that are forgotten at a time.
const BATCH_ROWS: u64 = 1_000;

/// Why lapsed rows are still there.
#[derive(Debug, thiserror::Error)]
pub enum LapsedError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl App {
    /// Forgets shares, memberships, links and app passwords that have lapsed.
    pub async fn forget_lapsed(&self) -> Result<(), LapsedError> {
        for link in self.directory.lapsed_links(self.now(), BATCH_ROWS).await? {
            // One that cannot be forgotten keeps no other from it.
            let _alone = self.sharing.of([Turn::Space(link.space)]).await;
            if let Err(error) = self.take_back(link.space, link.grant).await {
                tracing::warn!(link = %link.grant, %error, "a lapsed link was not forgotten");
            }
        }
        // What has lapsed, and what ended with the sessions of its person: nothing opens it any more.
        for (space, grant) in self.directory.ended_app_passwords(None, self.now(), BATCH_ROWS).await? {
            let _alone = self.sharing.of([Turn::Space(space)]).await;
            // One that is being made is there once its turn is over.
            if self.directory.ended_app_passwords(Some(grant), self.now(), 1).await?.is_empty() {
                continue;
            }
            if let Err(error) = self.take_back(space, grant).await {
                tracing::warn!(%grant, %error, "the grant of an app password that ended was not taken back");
            }
        }
        self.directory.forget_offers(self.now()).await?;
        let now = self.now();
        let shares = self.directory.lapsed_assignments(now, BATCH_ROWS).await?;
        let memberships = self.directory.lapsed_memberships(now, BATCH_ROWS).await?;
        for space in shares.iter().map(|one| one.space).collect::<BTreeSet<_>>() {
            self.forget_shares(space, now).await?;
        }
        for group in memberships.iter().map(|one| one.group).collect::<BTreeSet<_>>() {
            self.forget_members(group, now).await?;
        }
        Ok(())
    }

    async fn forget_shares(&self, space: SpaceId, now: Timestamp) -> Result<(), LapsedError> {
        let _alone = self.sharing.of([Turn::Space(space)]).await;
        // What was renewed meanwhile ends later.
        let mut lapsed = self.directory.assignments_in(space, None).await?;
        lapsed.retain(|one| one.until.is_some_and(|until| until <= now));
        lapsed.truncate(BATCH_ROWS as usize);
        // They count nowhere any more, also where they are not forgotten yet.
        let _ = self.policy.write(Vec::new(), lapsed.iter().flat_map(|one| one.begun().0).collect()).await?;
        for one in &lapsed {
            self.directory.remove_assignment(one.id).await?;
        }
        Ok(())
    }

    async fn forget_members(&self, group: GroupId, now: Timestamp) -> Result<(), LapsedError> {
        let _alone = self.sharing.of([Turn::Group(group)]).await;
        let mut lapsed = self.directory.memberships(group).await?;
        lapsed.retain(|one| one.until.is_some_and(|until| until <= now));
        lapsed.truncate(BATCH_ROWS as usize);
        let gone = |one: &Membership| Resource::Group(one.group).to(one.role.word(), one.party, one.until);
        let _ = self.policy.write(Vec::new(), lapsed.iter().map(gone).collect()).await?;
        for one in &lapsed {
            self.directory.remove_membership(one).await?;
        }
        Ok(())
    }
}
