//! Lines on their way to whoever reads them: a few parts are made ahead, and no more.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use futures::Stream;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;
use vault::memory::Answers;

use crate::exporting::Pace;
use crate::front::error::ApiError;
use crate::front::intake::{READ_WITHIN, least_read};

/// How much is handed over at a time, and how many parts wait.
const PART: usize = 64 << 10;
const MAX_WAITING_PARTS: usize = 4;

/// Why it goes on no more.
pub enum Stopped {
    /// Nobody reads.
    NotRead,
    /// It may not be told, or the node cannot.
    Refused(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Stopped {
        Stopped::Refused(error)
    }
}

/// Where lines go.
pub struct Lines {
    to: Sender<Bytes>,
    part: Vec<u8>,
    count: u64,
    pace: Arc<Pace>,
    /// What is told may take of this: the fuller it is, the faster it is to be read.
    answers: Answers,
    /// How long its reader was waited for since it was last looked at, and what they took.
    waited: Duration,
    taken: usize,
    within: Duration,
}

impl Lines {
    /// With what comes out of it.
    pub fn new(pace: Arc<Pace>, answers: Answers) -> (Lines, impl Stream<Item = Bytes> + 'static) {
        let (to, mut from): (_, Receiver<Bytes>) = channel(MAX_WAITING_PARTS);
        let parts = futures::stream::poll_fn(move |cx| from.poll_recv(cx));
        let part = Vec::with_capacity(PART);
        (Lines { to, part, count: 0, pace, answers, waited: Duration::ZERO, taken: 0, within: READ_WITHIN }, parts)
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nobody reads any more, or goes away within this time.
    pub async fn unread_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.to.closed()).await.is_ok()
    }

    /// A line of one value under its name.
    pub async fn line(&mut self, name: &'static str, value: &impl Serialize) -> Result<(), Stopped> {
        self.begin(name, value);
        self.end(b"}\n").await
    }

    /// A line of an object under its name, to which `key` is added as it was read. However large that is, a part of it is
    /// copied at a time.
    pub async fn with(
        &mut self,
        name: &'static str,
        object: &impl Serialize,
        key: &'static str,
        read: &RawValue,
    ) -> Result<(), Stopped> {
        self.begin(name, object);
        // Its closing brace.
        self.part.pop();
        self.part.extend_from_slice(b",\"");
        self.part.extend_from_slice(key.as_bytes());
        self.part.extend_from_slice(b"\":");
        for piece in read.get().as_bytes().chunks(PART) {
            // A line stays one: outside of texts, where JSON has none, a break is a space.
            self.part.extend(piece.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
            if self.part.len() >= PART {
                self.flush().await?;
            }
        }
        self.end(b"}}\n").await
    }

    fn begin(&mut self, name: &'static str, value: &impl Serialize) {
        self.part.extend_from_slice(b"{\"");
        self.part.extend_from_slice(name.as_bytes());
        self.part.extend_from_slice(b"\":");
        // What a node says of itself is always JSON.
        let _ = serde_json::to_writer(&mut self.part, value);
    }

    async fn end(&mut self, with: &[u8]) -> Result<(), Stopped> {
        self.part.extend_from_slice(with);
        self.count += 1;
        if self.part.len() >= PART { self.flush().await } else { Ok(()) }
    }

    /// Hands over what has not been.
    pub async fn flush(&mut self) -> Result<(), Stopped> {
        let part = Bytes::from(std::mem::take(&mut self.part));
        if part.is_empty() {
            return Ok(());
        }
        loop {
            let began = Instant::now();
            self.pace.waits(began);
            let patience = self.within.saturating_sub(self.waited);
            let place = tokio::select! {
                place = tokio::time::timeout(patience, self.to.reserve()) => place,
                () = self.pace.given_way() => return Err(Stopped::NotRead),
            };
            let now = Instant::now();
            self.waited += now.saturating_duration_since(began);
            match place {
                Ok(Ok(place)) => {
                    self.pace.took(part.len(), now);
                    self.taken += part.len();
                    place.send(part);
                    return Ok(());
                }
                Ok(Err(_)) => return Err(Stopped::NotRead),
                Err(_) if self.taken < least_read(self.answers.large()) => return Err(Stopped::NotRead),
                Err(_) => {
                    self.pace.took(0, now);
                    (self.waited, self.taken) = (Duration::ZERO, 0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporting::Exporting;
    use futures::StreamExt as _;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn what_was_read_is_told_as_it_is_in_small_parts() {
        let (mut lines, parts) = Lines::new(Arc::default(), Answers::default());
        let long = format!("{{\"_docID\":\"a\",\n\"all\":[{}0.10]}}", "0,".repeat(3 * PART));
        let read: Box<RawValue> = serde_json::from_str(&long).unwrap();
        let told = async {
            let _ = lines.with("document", &json!({ "space": "s" }), "document", &read).await;
            let _ = lines.line("end", &json!({ "lines": lines.count() })).await;
            let _ = lines.flush().await;
            drop(lines);
        };
        let (parts, ()) = tokio::join!(parts.collect::<Vec<_>>(), told);
        assert!(parts.len() > 6 && parts.iter().all(|part| part.len() <= 2 * PART), "{} parts", parts.len());
        let text = String::from_utf8(parts.concat()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with(",0.10]}}}"), "numbers are as they were written");
        let first: Value = serde_json::from_str(lines[0]).unwrap();
        assert_eq!((&first["document"]["space"], &first["document"]["document"]["_docID"]), (&json!("s"), &json!("a")));
        assert_eq!(lines[1], r#"{"end":{"lines":1}}"#);
    }

    #[tokio::test]
    async fn it_is_known_when_nobody_reads_any_more() {
        let (lines, parts) = Lines::new(Arc::default(), Answers::default());
        assert!(!lines.unread_within(Duration::ZERO).await, "control");
        drop(parts);
        assert!(lines.unread_within(Duration::from_secs(60)).await);
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_told_no_more() {
        let told = async |each: Duration| {
            let (mut lines, mut parts) = Lines::new(Arc::default(), Answers::default());
            lines.within = Duration::from_millis(200);
            let reading = tokio::spawn(async move {
                while parts.next().await.is_some() {
                    tokio::time::sleep(each).await;
                }
            });
            let text = "x".repeat(PART);
            for n in 0..100 {
                if lines.line("line", &text).await.is_err() {
                    return n;
                }
            }
            reading.abort();
            100
        };
        assert_eq!(told(Duration::from_millis(2)).await, 100, "control");
        let few = told(Duration::from_millis(150)).await;
        assert!(few < 20, "{few}");
    }

    #[tokio::test]
    async fn who_gives_way_is_told_no_more() {
        let pace = Exporting::default();
        let now = Instant::now();
        let user = |n: u8| policy_core::UserId::from_bytes([n; 16]);
        let turns: Vec<_> = (0..4).map(|n| pace.begin(user(n), now).ok().unwrap()).collect();
        let (mut lines, _parts) = Lines::new(turns[0].pace(), Answers::default());
        for _ in 0..MAX_WAITING_PARTS {
            assert!(lines.line("line", &"x".repeat(PART)).await.is_ok(), "control");
        }
        let unread = tokio::spawn(async move { lines.line("line", &"x".repeat(PART)).await.is_err() });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!unread.is_finished());
        assert!(pace.begin(user(9), now + Duration::from_secs(60)).is_ok());
        assert!(unread.await.unwrap());
    }
}
