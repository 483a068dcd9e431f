//! Who may add to a place and take from it: whoever's word is in the object `lock`.
//!
//! The holder writes it anew all the time, each time on the condition that nobody else has (`If-Match`). Whoever comes
//! looks at it: if it changes, somebody is at work; if it does not for as long as a lease lasts, its holder is gone, and
//! it is taken over on the same condition. No clock is compared with another machine's.
//!
//! Of a server that knows no conditions the object is read before it is written. Two that come in the same moment both
//! get it then; what they write has other names, and neither overwrites the other's, but a pruning might take away what
//! the other rests on. So that is said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use object_store::{Error as ObjectError, PutMode, UpdateVersion};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use vault_backup::{Hold, PlaceError};

use crate::objects::{Objects, knows_no_conditions};

/// The object's name in the place.
pub(crate) const LOCK: &str = "lock";
/// For how long the word of a holder counts who is not heard of.
pub(crate) const LEASE: Duration = Duration::from_secs(45);
/// A lock's object is no longer.
const MAX_LOCK_BYTES: u64 = 1_024;

/// See the module.
pub(crate) struct Lease {
    held: Arc<Held>,
    runtime: Handle,
    renewing: AbortHandle,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.held.objects.name).finish()
    }
}

struct Held {
    objects: Arc<Objects>,
    /// Ours alone, and in every word that we write.
    token: String,
    lease: Duration,
    /// Whether the server keeps to conditions.
    conditions: bool,
    state: tokio::sync::Mutex<State>,
    /// Somebody else has it.
    lost: Mutex<bool>,
}

struct State {
    n: u64,
    tag: Option<String>,
    renewed: Instant,
}

fn word(token: &str, n: u64) -> Bytes {
    format!("{token} {n}\n").into()
}

fn update(tag: Option<String>) -> PutMode {
    PutMode::Update(UpdateVersion { e_tag: tag, version: None })
}

impl Lease {
    /// Takes the lock. Blocks: as long as a lease lasts, if somebody left theirs behind.
    pub(crate) fn take(objects: Arc<Objects>, runtime: Handle, lease: Duration) -> Result<Self, PlaceError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| PlaceError::Unreachable {
            place: objects.name.clone(),
            problem: "the system gives no randomness".to_owned(),
        })?;
        let token = HEXLOWER.encode(&random);
        let (tag, conditions) = runtime.block_on(taken(&objects, &token, lease))?;
        let state = State { n: 1, tag, renewed: Instant::now() };
        let held = Arc::new(Held {
            objects,
            token,
            lease,
            conditions,
            state: tokio::sync::Mutex::new(state),
            lost: Mutex::new(false),
        });
        let renewing = runtime.spawn(renew(Arc::clone(&held))).abort_handle();
        Ok(Lease { held, runtime, renewing })
    }
}

/// Puts our word where none, or a dead one, is. Its tag, and whether the server keeps to conditions.
async fn taken(objects: &Objects, token: &str, lease: Duration) -> Result<(Option<String>, bool), PlaceError> {
    let failed = |error| objects.failed(LOCK, error);
    let in_use = || PlaceError::InUse(objects.name.clone());
    let mut conditions = true;
    for _ in 0..3 {
        match objects.put(LOCK, word(token, 0), PutMode::Create).await {
            Ok(tag) => {
                // A server that takes it twice does not know what was asked of it.
                return match objects.put(LOCK, word(token, 1), PutMode::Create).await {
                    Err(ObjectError::AlreadyExists { .. }) => Ok((tag, true)),
                    Ok(tag) => Ok((tag, false)),
                    Err(error) => Err(failed(error)),
                };
            }
            Err(ObjectError::AlreadyExists { .. }) => {}
            Err(error) if knows_no_conditions(&error) => conditions = false,
            Err(error) => return Err(failed(error)),
        }
        let seen = match objects.tag(LOCK).await {
            Ok(seen) => Some(seen),
            Err(ObjectError::NotFound { .. }) => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(seen) = seen {
            // A request that was sent twice finds what it wrote itself.
            let (found, tag) = objects.get(LOCK, MAX_LOCK_BYTES).await?;
            if found.starts_with(token.as_bytes()) {
                return Ok((tag, conditions));
            }
            if !stands_still(objects, &seen, lease).await? {
                return Err(in_use());
            }
            if conditions {
                return match objects.put(LOCK, word(token, 1), update(seen)).await {
                    Ok(tag) => Ok((tag, true)),
                    Err(ObjectError::Precondition { .. }) => Err(in_use()),
                    Err(error) => Err(failed(error)),
                };
            }
        }
        if !conditions {
            return Ok((objects.put(LOCK, word(token, 1), PutMode::Overwrite).await.map_err(failed)?, false));
        }
    }
    Err(in_use())
}

/// Whether nobody writes the object for as long as a lease lasts.
async fn stands_still(objects: &Objects, seen: &Option<String>, lease: Duration) -> Result<bool, PlaceError> {
    let since = Instant::now();
    while since.elapsed() < lease {
        tokio::time::sleep(lease / 9).await;
        match objects.tag(LOCK).await {
            Ok(tag) if tag == *seen => {}
            // It was written, or let go: somebody is there.
            Ok(_) | Err(ObjectError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(objects.failed(LOCK, error)),
        }
    }
    Ok(true)
}

async fn renew(held: Arc<Held>) {
    loop {
        tokio::time::sleep(held.lease / 3).await;
        // What cannot be asked now is asked again; when it matters, `check` asks.
        let _ = held.write().await;
    }
}

impl Held {
    fn taken(&self) -> PlaceError {
        *self.lost.lock() = true;
        PlaceError::InUse(self.objects.name.clone())
    }

    async fn write(&self) -> Result<(), PlaceError> {
        let mut state = self.state.lock().await;
        if *self.lost.lock() {
            return Err(self.taken());
        }
        let word = word(&self.token, state.n + 1);
        if !self.conditions {
            match self.objects.get(LOCK, MAX_LOCK_BYTES).await {
                Ok((found, _)) if found.starts_with(self.token.as_bytes()) => {}
                Ok(_) | Err(PlaceError::Lost(_)) => return Err(self.taken()),
                Err(error) => return Err(error),
            }
        }
        let mode = if self.conditions { update(state.tag.clone()) } else { PutMode::Overwrite };
        let tag = match self.objects.put(LOCK, word.clone(), mode).await {
            Ok(tag) => tag,
            Err(ObjectError::Precondition { .. }) => match self.objects.get(LOCK, MAX_LOCK_BYTES).await {
                // The answer to what we wrote was lost, and it was sent again.
                Ok((found, tag)) if found == word => tag,
                Ok(_) | Err(PlaceError::Lost(_)) => return Err(self.taken()),
                Err(error) => return Err(error),
            },
            Err(error) => return Err(self.objects.failed(LOCK, error)),
        };
        *state = State { n: state.n + 1, tag, renewed: Instant::now() };
        Ok(())
    }
}

impl Hold for Lease {
    fn check(&self) -> Result<(), PlaceError> {
        self.runtime.block_on(self.held.write())
    }

    fn caution(&self) -> Option<String> {
        let text = "the server knows no conditional writes: see to it that no other node or copy backs up to this place at \
                    the same time";
        (!self.held.conditions).then(|| text.to_owned())
    }

    fn release(self: Box<Self>) {
        self.renewing.abort();
        self.runtime.block_on(let_go(Arc::clone(&self.held)));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
        // Nothing is waited for here. Where it is not let go, it lapses.
        self.runtime.spawn(let_go(Arc::clone(&self.held)));
    }
}

async fn let_go(held: Arc<Held>) {
    let state = held.state.lock().await;
    let ours = {
        let mut lost = held.lost.lock();
        // Later than that somebody else may have taken it over.
        !std::mem::replace(&mut *lost, true) && state.renewed.elapsed() < held.lease / 2
    };
    if ours {
        let _ = tokio::time::timeout(Duration::from_secs(10), held.objects.delete(LOCK)).await;
    }
}
