//! The documents in which apps describe themselves (OAuth Client ID Metadata Document), fetched when somebody is sent here
//! by one.
//!
//! Whoever opens a link makes this node call an address that the link names. So nobody is let do it often: not from one
//! network, not to one host, not altogether; and what is read is small, of one form, and kept for a while. What a call met
//! with is told to nobody but the operator: whatever went wrong, the answer is the same, and comes after the same time, so
//! that it tells nothing of the network in which this node stands.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gateway_people::grants::client_document::{ClientDocument, DocumentUrl};
use http::header::{ACCEPT, AGE, CACHE_CONTROL, CONTENT_TYPE};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::outbound::Outbound;

/// The longest document, in bytes.
const MAX_DOCUMENT_BYTES: usize = 16 * 1_024;
/// How long a call takes at most, and how long it takes until somebody is told that it came to nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// Documents that are kept, and of them of one host.
const KEPT: NonZeroUsize = NonZeroUsize::new(512).expect("more than none");
const KEPT_OF_HOST: usize = 8;
/// How long one is kept at least: somebody signs in and consents meanwhile; how long if it does not say; and at most.
const LEAST: Duration = Duration::from_secs(60);
const UNSAID: Duration = Duration::from_secs(300);
const MOST: Duration = Duration::from_secs(3_600);
/// Calls within a [`MINUTE`]: for one network, to one host, and altogether.
const CALLS_OF_NETWORK: u32 = 10;
const CALLS_TO_HOST: u32 = 30;
const CALLS: u32 = 120;
const MINUTE: Duration = Duration::from_secs(60);
/// Networks and hosts whose calls are counted.
const COUNTED: NonZeroUsize = NonZeroUsize::new(4_096).expect("more than none");

/// Why there is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The operator does not let apps describe themselves.
    #[error("apps do not describe themselves here")]
    Off,
    #[error("too many apps are being looked up; try again in a minute")]
    Busy,
    /// Whatever went wrong.
    #[error("the address leads to no description of an app")]
    Unusable,
}

/// What reads documents, and keeps them.
#[derive(Debug, Default)]
pub struct ClientDocuments {
    /// `None`: it is off.
    outbound: Option<Outbound>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    documents: LruCache<DocumentUrl, (Instant, Arc<ClientDocument>)>,
    networks: LruCache<String, Window>,
    hosts: LruCache<String, Window>,
    all: Window,
}

/// Calls since an instant.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    calls: u32,
}

impl Window {
    fn new(now: Instant) -> Window {
        Window { since: now, calls: 0 }
    }

    fn has_room(&mut self, most: u32, now: Instant) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            *self = Window::new(now);
        }
        self.calls < most
    }
}

impl Kept {
    fn new(now: Instant) -> Kept {
        Kept {
            documents: LruCache::new(KEPT),
            networks: LruCache::new(COUNTED),
            hosts: LruCache::new(COUNTED),
            all: Window::new(now),
        }
    }

    fn fresh(&mut self, url: &DocumentUrl, now: Instant) -> Option<Arc<ClientDocument>> {
        let (until, document) = self.documents.get(url)?;
        if *until > now {
            return Some(Arc::clone(document));
        }
        self.documents.pop(url);
        None
    }

    /// Counts a call; false: there was no room for it, and nothing is counted.
    fn may_call(&mut self, host: &str, from: &str, now: Instant) -> bool {
        let network = self.networks.get_or_insert_mut(from.to_owned(), || Window::new(now));
        let to = self.hosts.get_or_insert_mut(host.to_owned(), || Window::new(now));
        let room =
            network.has_room(CALLS_OF_NETWORK, now) && to.has_room(CALLS_TO_HOST, now) && self.all.has_room(CALLS, now);
        if room {
            [network, to, &mut self.all].into_iter().for_each(|window| window.calls += 1);
        }
        room
    }

    /// Keeps a document: of a host that has as many as it may, the one that was asked for longest ago goes.
    fn keep(&mut self, url: &DocumentUrl, until: Instant, document: Arc<ClientDocument>) {
        let of_host: Vec<DocumentUrl> = self
            .documents
            .iter()
            .map(|(known, _)| known)
            .filter(|known| known.server() == url.server())
            .cloned()
            .collect();
        if of_host.len() >= KEPT_OF_HOST
            && let Some(oldest) = of_host.last()
        {
            self.documents.pop(oldest);
        }
        self.documents.put(url.clone(), (until, document));
    }
}

impl ClientDocuments {
    /// By what `outbound` reaches.
    pub fn new(outbound: Outbound) -> Self {
        ClientDocuments { outbound: Some(outbound.bounded(MAX_DOCUMENT_BYTES, PATIENCE)), kept: Mutex::default() }
    }

    /// Whether apps may describe themselves.
    pub fn is_on(&self) -> bool {
        self.outbound.is_some()
    }

    /// The document at an address, for somebody who was sent here `from` a network.
    ///
    /// # Errors
    /// As [`DocumentError`] says.
    pub async fn of(&self, url: &DocumentUrl, from: &str) -> Result<Arc<ClientDocument>, DocumentError> {
        let outbound = self.outbound.as_ref().ok_or(DocumentError::Off)?;
        let began = Instant::now();
        {
            let mut kept = self.kept.lock();
            let kept = kept.get_or_insert_with(|| Kept::new(began));
            if let Some(document) = kept.fresh(url, began) {
                return Ok(document);
            }
            if !kept.may_call(url.server(), from, began) {
                return Err(DocumentError::Busy);
            }
        }
        match fetched(outbound, url).await {
            Ok((document, lasts)) => {
                let document = Arc::new(document);
                let mut kept = self.kept.lock();
                let kept = kept.get_or_insert_with(|| Kept::new(began));
                kept.keep(url, Instant::now() + lasts, Arc::clone(&document));
                Ok(document)
            }
            Err(why) => {
                // What the operator needs to know and nobody else: where to, and what came of it.
                tracing::info!(host = url.host(), why, "an app that describes itself was not read");
                tokio::time::sleep_until(began + PATIENCE).await;
                Err(DocumentError::Unusable)
            }
        }
    }
}

/// The document, and for how long it is good.
async fn fetched(outbound: &Outbound, url: &DocumentUrl) -> Result<(ClientDocument, Duration), String> {
    let request = http::Request::get(url.as_str()).header(ACCEPT, "application/json").body(Vec::new());
    let request = request.map_err(|error| error.to_string())?;
    let sent = tokio::time::timeout(PATIENCE, outbound.send(request)).await;
    let answer = sent.map_err(|_| "too many calls are open".to_owned())?.map_err(|error| error.to_string())?;
    // One that sends elsewhere too: what is at the address is meant, and nothing else.
    if answer.status() != http::StatusCode::OK {
        return Err(format!("it answered {}", answer.status().as_u16()));
    }
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
        return Err("it is no JSON by its type".to_owned());
    }
    let lasts = lasts(header(CACHE_CONTROL), header(AGE));
    let text = std::str::from_utf8(answer.body()).map_err(|_| "it is no UTF-8".to_owned())?;
    let document = ClientDocument::read(url, text).map_err(|error| error.to_string())?;
    Ok((document, lasts))
}

/// For how long an answer is good (RFC 9111), within bounds.
fn lasts(cache_control: &str, age: &str) -> Duration {
    let said: HashMap<String, Option<u64>> = cache_control
        .split(',')
        .map(|one| {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').parse().ok())
        })
        .collect();
    if said.contains_key("no-store") || said.contains_key("no-cache") {
        return LEAST;
    }
    let Some(Some(seconds)) = said.get("max-age") else { return UNSAID };
    let seconds = seconds.saturating_sub(age.trim().parse().unwrap_or(0));
    Duration::from_secs(seconds).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn on(reach: &[&str]) -> ClientDocuments {
        ClientDocuments::new(Outbound::new(sync::Reach::new(reach.iter().map(|net| net.parse().unwrap()).collect())))
    }

    /// Answers every connection with what `answer` makes of the port; where, and how often it was asked.
    async fn server(answer: impl Fn(u16) -> String + Send + 'static) -> (u16, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4_096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer(port).as_bytes()).await;
            }
        });
        (port, asked)
    }

    fn at(port: u16, path: &str) -> DocumentUrl {
        DocumentUrl::parse(&format!("http://127.0.0.1:{port}/{path}")).unwrap()
    }

    fn good(port: u16, path: &str, headers: &str) -> String {
        let body = format!(
            "{{\"client_id\":\"http://127.0.0.1:{port}/{path}\",\"client_name\":\"Shelf\",\"redirect_uris\":[\"http://127.0.0.1/cb\"]}}"
        );
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn a_document_is_fetched_once_for_as_long_as_it_is_good_and_not_where_it_is_off() {
        let (port, asked) = server(|port| good(port, "a", "")).await;
        let documents = on(&["127.0.0.0/8"]);
        for _ in 0..3 {
            let read = documents.of(&at(port, "a"), "here").await.unwrap();
            assert_eq!(read.calls_itself.as_deref(), Some("Shelf"));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(ClientDocuments::default().of(&at(port, "a"), "here").await, Err(DocumentError::Off));
        // Control: what the operator does not allow is not called.
        assert_eq!(on(&[]).of(&at(port, "a"), "here").await, Err(DocumentError::Unusable));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn whatever_went_wrong_the_answer_is_the_same_after_the_same_time() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let (other, _) = server(|port| good(port, "other", "")).await;
        let (refuses, _) = server(|_| "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
        let (sends_on, _) = server(move |_| {
            format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{other}/other\r\ncontent-length: 0\r\n\r\n")
        })
        .await;
        let (html, _) = server(|port| good(port, "a", "").replace("application/json", "text/html")).await;
        let (large, _) = server(|port| good(port, "a", "").replace("Shelf", &"a".repeat(MAX_DOCUMENT_BYTES))).await;
        let (hangs, _) = server(|_| "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_owned()).await;
        let documents = Arc::new(on(&["127.0.0.0/8"]));
        let urls = [closed, other, refuses, sends_on, html, large, hangs].map(|port| at(port, "a"));
        let within = DocumentUrl::parse("https://10.0.0.1/client.json").unwrap();
        let nowhere = DocumentUrl::parse("https://nowhere.invalid/client.json").unwrap();
        let all = urls.into_iter().chain([within, nowhere]).map(|url| {
            let documents = Arc::clone(&documents);
            async move {
                let began = Instant::now();
                assert_eq!(documents.of(&url, "here").await, Err(DocumentError::Unusable), "{}", url.as_str());
                (url, began.elapsed())
            }
        });
        for (url, took) in futures::future::join_all(all).await {
            let late = took.checked_sub(PATIENCE).unwrap_or_else(|| panic!("{}: {took:?}", url.as_str()));
            assert!(late < Duration::from_secs(1), "{}: {took:?}", url.as_str());
        }
        assert!(documents.of(&at(other, "other"), "here").await.is_ok(), "control");
    }

    #[tokio::test]
    async fn nobody_makes_the_node_call_often_and_others_go_on() {
        let now = Instant::now();
        let mut kept = Kept::new(now);
        for _ in 0..CALLS_OF_NETWORK {
            assert!(kept.may_call("one.example", "here", now));
        }
        assert!(!kept.may_call("other.example", "here", now));
        assert!(kept.may_call("one.example", "there", now), "control: from elsewhere");
        for n in 0..CALLS_TO_HOST - CALLS_OF_NETWORK - 1 {
            assert!(kept.may_call("one.example", &format!("net {n}"), now));
        }
        assert!(!kept.may_call("one.example", "far", now));
        assert!(kept.may_call("other.example", "far", now), "control: elsewhere");
        for n in 0..CALLS - CALLS_TO_HOST - 1 {
            assert!(kept.may_call(&format!("{n}.example"), &format!("net {n}"), now), "{n}");
        }
        assert!(!kept.may_call("new.example", "new", now));
        assert!(kept.may_call("one.example", "here", now + MINUTE), "control: later");
    }

    #[tokio::test]
    async fn a_host_has_room_for_a_few_and_takes_none_of_others() {
        let now = Instant::now();
        let mut kept = Kept::new(now);
        let url = |host: &str, n: usize| DocumentUrl::parse(&format!("https://{host}/{n}")).unwrap();
        let document = |url: &DocumentUrl| {
            let text = format!("{{\"client_id\":\"{}\",\"redirect_uris\":[\"http://127.0.0.1/\"]}}", url.as_str());
            Arc::new(ClientDocument::read(url, &text).unwrap())
        };
        let mut keep = |url: DocumentUrl| kept.keep(&url, now + LEAST, document(&url));
        keep(url("other.example", 0));
        (0..100).for_each(|n| keep(url("many.example", n)));
        assert!(kept.fresh(&url("other.example", 0), now).is_some());
        assert!(kept.fresh(&url("many.example", 99), now).is_some());
        assert_eq!(kept.documents.len(), 1 + KEPT_OF_HOST);
        assert!(kept.fresh(&url("other.example", 0), now + LEAST).is_none(), "it has lapsed");
    }

    #[test]
    fn it_is_kept_as_it_says_within_bounds() {
        for (said, age, seconds) in [
            ("max-age=600", "", 600),
            ("public, MAX-AGE=\"600\"", "100", 500),
            ("max-age=1", "", 60),
            ("max-age=99999999", "", 3_600),
            ("no-store, max-age=600", "", 60),
            ("no-cache", "", 60),
            ("", "", 300),
            ("max-age=x", "", 300),
        ] {
            assert_eq!(lasts(said, age), Duration::from_secs(seconds), "{said}");
        }
    }
}
