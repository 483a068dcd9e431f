//! The lock of a place at another node, as whoever backs up has it: taken, renewed all the time, let go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use vault_backup::{Hold, PlaceError};

use crate::client::{Ask, Client, random_word};
use crate::wire::{LockAsked, LockDo, LockStanding};

/// For how long the word of a holder counts who is not heard of.
pub(crate) const LEASE: Duration = Duration::from_secs(45);

pub(crate) struct Held {
    asking: Arc<Asking>,
    runtime: Handle,
    renewing: AbortHandle,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Held").field(&self.asking.client.name).finish()
    }
}

struct Asking {
    client: Arc<Client>,
    holder: String,
    lease: Duration,
}

impl Asking {
    async fn ask(&self, what: LockDo) -> Result<LockStanding, PlaceError> {
        let asked = LockAsked { what, holder: self.holder.clone(), lease_ms: self.lease.as_millis() as u64 };
        let body = serde_json::to_vec(&asked).map_err(|_| self.client.strange())?;
        let ask = Ask { body: Some(("application/json", body.into())), ..Ask::new(Method::PUT, "/lock", &[]) };
        self.client.read(ask).await
    }

    fn in_use(&self) -> PlaceError {
        PlaceError::InUse(self.client.name.clone())
    }

    async fn check(&self) -> Result<(), PlaceError> {
        if self.ask(LockDo::Renew).await?.holds { Ok(()) } else { Err(self.in_use()) }
    }

    /// Takes it; waits for one that was left behind, and not for one whose holder is heard of.
    async fn take(&self) -> Result<(), PlaceError> {
        let (begun, mut seen) = (Instant::now(), None);
        loop {
            let standing = self.ask(LockDo::Take).await?;
            if standing.holds {
                return Ok(());
            }
            // Who sees it taken anew, or renewed, sees somebody at work.
            if seen.is_some_and(|seen| seen != standing.renewals) || begun.elapsed() > 2 * LEASE {
                return Err(self.in_use());
            }
            seen = Some(standing.renewals);
            let pause = Duration::from_millis(standing.lapses_in_ms.saturating_add(5)).min(self.lease / 9);
            tokio::time::sleep(pause).await;
        }
    }
}

impl Held {
    /// Blocks.
    pub(crate) fn take(client: Arc<Client>, runtime: Handle, lease: Duration) -> Result<Self, PlaceError> {
        let holder = random_word(&client.name)?;
        let asking = Arc::new(Asking { client, holder, lease });
        runtime.block_on(asking.take())?;
        let renewed = Arc::clone(&asking);
        let renewing = async move {
            loop {
                tokio::time::sleep(renewed.lease / 9).await;
                // What cannot be asked now is asked again; when it matters, `check` asks.
                let _ = renewed.ask(LockDo::Renew).await;
            }
        };
        let renewing = runtime.spawn(renewing).abort_handle();
        Ok(Held { asking, runtime, renewing })
    }
}

async fn let_go(asking: Arc<Asking>) {
    // Where it is not heard, the lock lapses.
    let _ = tokio::time::timeout(Duration::from_secs(10), asking.ask(LockDo::Release)).await;
}

impl Hold for Held {
    fn check(&self) -> Result<(), PlaceError> {
        self.runtime.block_on(self.asking.check())
    }

    fn word(&self) -> Option<&str> {
        Some(&self.asking.holder)
    }

    fn release(self: Box<Self>) {
        self.renewing.abort();
        self.runtime.block_on(let_go(Arc::clone(&self.asking)));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
        self.runtime.spawn(let_go(Arc::clone(&self.asking)));
    }
}
