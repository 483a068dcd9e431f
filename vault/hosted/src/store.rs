//! A place at another node, as the files of a place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::{Method, StatusCode};
use vault_backup::{Found, Hold, PlaceError, Sending, Store};

use crate::address::HostedAddress;
use crate::client::{Ask, Client};
use crate::hold::{Held, LEASE};
use crate::name::ObjectName;
use crate::settings::HostedSettings;
use crate::taken::MAX_OBJECTS;
use crate::wire::{Listed, PAGE};

const OBJECT: &str = "/object";
const BYTES: &str = "application/octet-stream";

/// A place at another node, which takes twice as many requests at once as are sent. What it does it does on a thread of
/// its own, and nothing waits for it but who asks.
pub struct HostedStore {
    client: Arc<Client>,
    sending: Sending,
    lease: Duration,
}

impl std::fmt::Debug for HostedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HostedStore").field(&self.client.name).finish()
    }
}

impl HostedStore {
    /// The place of this address. Nothing is asked yet.
    ///
    /// # Errors
    /// [`PlaceError::Refused`] if the address may not be called.
    pub fn new(address: &HostedAddress, settings: &HostedSettings) -> Result<Self, PlaceError> {
        let client = Arc::new(Client::new(address, settings)?);
        let sending = Sending::to(address.to_string(), "allod-place")?;
        Ok(HostedStore { client, sending, lease: LEASE })
    }

    /// For how long a lock counts whose holder is not heard of any more: for tests.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }
}

async fn put(client: &Client, path: &str, bytes: Bytes, holder: Option<&str>) -> Result<(), PlaceError> {
    let query = [("name", path)];
    let ask = Ask { body: Some((BYTES, bytes)), holder, ..Ask::new(Method::PUT, OBJECT, &query) };
    client.done(ask).await.map(drop)
}

/// Adds a page of a list to what has come of it; behind which name it goes on, if it does. `None`: no node lists so. Whoever
/// keeps the place may be anybody: what a list costs is bounded here, and it ends.
fn add_page(all: &mut Vec<Found>, dir: &str, page: Listed) -> Option<Option<String>> {
    let came = page.objects.len();
    if came > PAGE || (all.len() + came) as u64 > MAX_OBJECTS {
        return None;
    }
    for object in page.objects {
        let follows = all.last().is_none_or(|last| last.path < object.name);
        let below = object.name.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
        if !follows || !below || object.name.parse::<ObjectName>().is_err() {
            return None;
        }
        all.push(Found { path: object.name, bytes: object.bytes });
    }
    match page.next {
        None => Some(None),
        Some(next) => (came > 0 && all.last().is_some_and(|last| last.path == next)).then_some(Some(next)),
    }
}

impl Store for HostedStore {
    fn name(&self) -> String {
        self.client.name.clone()
    }

    fn prepare(&self, known: &[&str]) -> Result<(), PlaceError> {
        // The other node keeps nothing else there; that it does keep this place is to be seen.
        known.iter().try_for_each(|dir| {
            let query = [("under", *dir)];
            self.sending.wait(self.client.read::<Listed>(Ask::new(Method::GET, "/objects", &query))).map(drop)
        })
    }

    fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PlaceError> {
        let query = [("name", path)];
        let body = Some((BYTES, Bytes::copy_from_slice(bytes)));
        self.sending.wait(async {
            let ask = Ask { body, only_new: true, ..Ask::new(Method::PUT, OBJECT, &query) };
            let answer = self.client.ask(ask).await?;
            match answer.status {
                status if status.is_success() => Ok(true),
                StatusCode::PRECONDITION_FAILED => Ok(false),
                _ => Err(self.client.failed(&answer).await),
            }
        })
    }

    fn write(&self, path: &str, bytes: Vec<u8>, held: Option<&dyn Hold>) -> Result<(), PlaceError> {
        let (client, path) = (Arc::clone(&self.client), path.to_owned());
        let holder = held.and_then(Hold::word).map(str::to_owned);
        self.sending.send(async move { put(&client, &path, bytes.into(), holder.as_deref()).await })
    }

    fn settle(&self) -> Result<(), PlaceError> {
        self.sending.settle()
    }

    fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, PlaceError> {
        let query = [("name", path)];
        self.sending.wait(async {
            let ask = Ask { most, ..Ask::new(Method::GET, OBJECT, &query) };
            let answer = self.client.ask(ask).await.map_err(|error| match error {
                PlaceError::Damaged { problem, .. } => PlaceError::Damaged { path: self.name_of(path), problem },
                other => other,
            })?;
            match answer.status {
                StatusCode::OK => Ok(answer.body),
                _ if self.client.is_absent(&answer) => Err(PlaceError::Lost(self.name_of(path))),
                _ => Err(self.client.failed(&answer).await),
            }
        })
    }

    fn list(&self, dir: &str) -> Result<Vec<Found>, PlaceError> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let query = [("under", dir), ("after", &after)];
            let page: Listed = self.sending.wait(self.client.read(Ask::new(Method::GET, "/objects", &query)))?;
            match add_page(&mut all, dir, page) {
                Some(Some(next)) => after = next,
                Some(None) => return Ok(all),
                None => return Err(self.client.strange()),
            }
        }
    }

    fn remove(&self, paths: &[String], held: &dyn Hold) -> Result<(), PlaceError> {
        // What cannot be an object is not there.
        let objects = paths.iter().filter(|path| path.parse::<ObjectName>().is_ok());
        let removed = futures::stream::iter(objects).map(|path| async move {
            let query = [("name", path.as_str())];
            let ask = Ask { holder: held.word(), ..Ask::new(Method::DELETE, OBJECT, &query) };
            self.client.done(ask).await.map(drop)
        });
        self.sending.wait(removed.buffer_unordered(Sending::AT_ONCE).try_collect())
    }

    fn lock(&self) -> Result<Box<dyn Hold>, PlaceError> {
        Ok(Box::new(Held::take(Arc::clone(&self.client), self.sending.handle().clone(), self.lease)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ListedObject;

    fn page(names: &[&str], next: Option<&str>) -> Listed {
        let objects = names.iter().map(|name| ListedObject { name: (*name).to_owned(), bytes: Some(1) }).collect();
        Listed { objects, next: next.map(str::to_owned) }
    }

    #[test]
    fn a_list_that_no_node_would_make_is_not_followed() {
        let mut all = Vec::new();
        assert_eq!(
            add_page(&mut all, "data", page(&["data/00/a", "data/00/b"], Some("data/00/b"))),
            Some(Some("data/00/b".into()))
        );
        assert_eq!(add_page(&mut all, "data", page(&["data/01/a"], None)), Some(None));
        assert_eq!(all.len(), 3, "control");
        for (names, next) in [
            (&[][..], Some("data/ff/a")),
            (&["data/02/a"], Some("data/02/b")),
            (&["data/02/a"], Some("data/01/a")),
            (&["data/02/b", "data/02/a"], None),
            (&["data/02/a", "data/02/a"], None),
            (&["data/01/a"], None),
            (&["data/00/z"], None),
            (&["tested/a"], None),
            (&["data/02/../../../x"], None),
            (&["data/zz/a"], None),
            (&["datax/02/a"], None),
        ] {
            assert_eq!(add_page(&mut all.clone(), "data", page(names, next)), None, "{names:?} {next:?}");
        }
        let many: Vec<String> = (0..=PAGE).map(|n| format!("data/03/{n:06}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(add_page(&mut all.clone(), "data", page(&many, None)), None);
        assert_eq!(add_page(&mut all.clone(), "data", page(&many[1..], None)), Some(None), "control");
        let mut full = vec![Found { path: "data/00/a".to_owned(), bytes: Some(1) }; MAX_OBJECTS as usize];
        assert_eq!(add_page(&mut full, "data", page(&["data/03/a"], None)), None);
    }
}
