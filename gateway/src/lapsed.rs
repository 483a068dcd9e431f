//! What has ended by itself. Policy gives nothing for it any more; here it is also forgotten.

use policy::PolicyError;
use policy::facts::Thing;

use crate::app::App;
use crate::directory::{Act, Actor, DirectoryError, LinkRow};
use crate::grants::{IssueError, revoke};
use crate::node::Node as _;

/// Rows that are forgotten at a time.
const MOST: u64 = 1_000;

/// Why lapsed rows are still there.
#[derive(Debug, thiserror::Error)]
pub enum LapsedError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl App {
    /// Forgets shares, memberships and links that have lapsed.
    pub async fn forget_lapsed(&self) -> Result<(), LapsedError> {
        for link in self.directory.lapsed_links(self.now(), MOST).await? {
            // One that cannot be forgotten keeps no other from it.
            if let Err(error) = self.forget_link(&link).await {
                tracing::warn!(link = %link.grant, %error, "a lapsed link was not forgotten");
            }
        }
        self.directory.forget_offers(self.now()).await?;
        // As of before the lock: what is renewed meanwhile ends later than this.
        let now = self.now();
        let _alone = self.sharing.lock().await;
        let shares = self.directory.lapsed_assignments(now, MOST).await?;
        let memberships = self.directory.lapsed_memberships(now, MOST).await?;
        let mut gone: Vec<_> = shares.iter().flat_map(|share| share.begun().0).collect();
        gone.extend(memberships.iter().map(|one| Thing::Group(one.group).to(one.role.word(), one.party, one.until)));
        if gone.is_empty() {
            return Ok(());
        }
        // They count nowhere any more, also where they are not forgotten yet.
        let _ = self.policy.write(Vec::new(), gone).await?;
        for share in &shares {
            self.directory.remove_assignment(share.id).await?;
        }
        for one in &memberships {
            self.directory.remove_membership(one).await?;
        }
        Ok(())
    }

    /// Takes back a grant to a link: its record, its row and what policy has of it go.
    async fn forget_link(&self, link: &LinkRow) -> Result<(), IssueError> {
        let records = self.grants(link.space).await?;
        match records.iter().find(|record| record.grant.id == link.grant) {
            Some(record) => {
                let grant = &record.grant;
                let act = Act::new(Actor::Node);
                revoke(self, (grant.grantor, grant.space, grant.holder, grant.id), &act).await.map(drop)
            }
            None => Ok(self.directory.end_grant(link.grant).await?),
        }
    }
}
