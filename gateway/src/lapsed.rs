//! What has ended by itself. Policy gives nothing for it any more; here it is also forgotten.

use policy::PolicyError;
use policy::facts::Thing;

use crate::app::App;
use crate::directory::DirectoryError;
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
    /// Forgets shares and memberships that have lapsed.
    pub async fn forget_lapsed(&self) -> Result<(), LapsedError> {
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
        self.policy.write(Vec::new(), gone).await?;
        for share in &shares {
            self.directory.remove_assignment(share.id).await?;
        }
        for one in &memberships {
            self.directory.remove_membership(one).await?;
        }
        Ok(())
    }
}
