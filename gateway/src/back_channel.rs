//! Tells apps that somebody signed out (OpenID Connect Back-Channel Logout 1.0).
//!
//! An app that cannot be reached is told again a few times within a minute or so, and then no more: what it was told by
//! this node it asks for anew anyway. What waits is in memory, and there is room for so many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::outbound::Outbound;

/// Apps that wait to be told.
const MAX_WAITING_APPS: usize = 256;
/// And of them for one address: an app that is slow takes no room of others.
const MAX_WAITING_OF_ADDRESS: usize = 8;
/// How long before each try.
const TRIES: [Duration; 4] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

/// Who tells.
#[derive(Debug, Clone)]
pub struct BackChannel {
    outbound: Outbound,
    waiting: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<String, usize>>>,
}

/// Room for one to be told.
struct Slot {
    uri: String,
    by_address: Arc<Mutex<HashMap<String, usize>>>,
    _whole: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut all = self.by_address.lock();
        match all.get_mut(&self.uri) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(all.remove(&self.uri)),
        }
    }
}

impl BackChannel {
    /// Tells what `outbound` reaches.
    pub fn new(outbound: Outbound) -> Self {
        BackChannel { outbound, waiting: Arc::new(Semaphore::new(MAX_WAITING_APPS)), by_address: Arc::default() }
    }

    fn place(&self, uri: &str) -> Option<Slot> {
        let whole = Arc::clone(&self.waiting).try_acquire_owned().ok()?;
        let mut all = self.by_address.lock();
        let count = all.entry(uri.to_owned()).or_default();
        if *count >= MAX_WAITING_OF_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Slot { uri: uri.to_owned(), by_address: Arc::clone(&self.by_address), _whole: whole })
    }

    /// Tells an app, in its own time.
    pub fn tell(&self, uri: String, logout_token: &str) {
        let Some(place) = self.place(&uri) else {
            tracing::warn!("an app is not told of a sign-out: too many wait to be told");
            return;
        };
        let form = url::form_urlencoded::Serializer::new(String::new());
        let (body, outbound) = ({ form }.append_pair("logout_token", logout_token).finish(), self.outbound.clone());
        tokio::spawn(async move {
            let _place = place;
            for before in TRIES {
                tokio::time::sleep(before).await;
                let request = http::Request::post(&uri)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.clone().into_bytes());
                let Ok(request) = request else { return };
                match outbound.send(request).await {
                    // It was told: what it makes of it is its own affair.
                    Ok(answer) if !answer.status().is_server_error() => return,
                    Ok(answer) => tracing::info!(status = %answer.status(), "an app could not be told of a sign-out"),
                    Err(error) => tracing::info!(%error, "an app could not be told of a sign-out"),
                }
            }
            tracing::warn!("an app was not told of a sign-out");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_app_takes_no_room_of_others() {
        let channel = BackChannel::new(Outbound::new(sync::Reach::default()));
        let mut slow: Vec<_> =
            (0..MAX_WAITING_OF_ADDRESS).map(|_| channel.place("https://slow.example/").expect("room")).collect();
        assert!(channel.place("https://slow.example/").is_none());
        assert!(channel.place("https://other.example/").is_some(), "control");
        slow.pop();
        assert!(channel.place("https://slow.example/").is_some());
        slow.clear();
        assert!(channel.by_address.lock().is_empty());
    }
}
