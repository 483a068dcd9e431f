//! Eight writers at once: notes are added (several a request, now and then a large one), changed and deleted, links made
//! and taken back. Every request and every answer goes into the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::{Answer, Client};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::dice::Dice;
use crate::ledger::Ledger;

pub const SCHEMA: &str = "type Note { key: String @index text: String }";
pub const WRITERS: u64 = 8;
/// A writer that is refused so often in a row goes home.
const REFUSALS: usize = 3;
const LINKS: usize = 6;

pub struct Work {
    ledger: Arc<Ledger>,
    begun_with: usize,
    ended: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Work {
    /// `life`: what the keys of these writers begin with.
    pub fn begin(client: &Client, ledger: &Arc<Ledger>, life: &str, seed: u64) -> Work {
        let ended = Arc::new(AtomicBool::new(false));
        let tasks = (0..WRITERS).map(|writer| {
            let writer = Writer {
                client: client.clone(),
                ledger: Arc::clone(ledger),
                prefix: format!("{life}{writer}/"),
                dice: Dice::new(seed, 100 + writer),
                mine: Vec::new(),
                links: if writer == 0 { LINKS } else { 0 },
                ended: Arc::clone(&ended),
            };
            tokio::spawn(writer.write())
        });
        Work {
            ledger: Arc::clone(ledger),
            begun_with: ledger.told(),
            ended: Arc::clone(&ended),
            tasks: tasks.collect(),
        }
    }

    /// How much was acknowledged since they began.
    pub fn told(&self) -> usize {
        self.ledger.told() - self.begun_with
    }

    /// Until so much was acknowledged, or all have gone home.
    pub async fn until(&self, told: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.told() < told && !self.tasks.iter().all(JoinHandle::is_finished) {
            ensure!(Instant::now() < deadline, "only {} writes were acknowledged in a minute", self.told());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// They end after the request that each is at.
    pub async fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

struct Writer {
    client: Client,
    ledger: Arc<Ledger>,
    prefix: String,
    dice: Dice,
    /// Its notes that were acknowledged.
    mine: Vec<String>,
    /// So many links are still to be made.
    links: usize,
    ended: Arc<AtomicBool>,
}

/// What came of a request.
enum Came {
    Done,
    Refused,
    /// The node is gone.
    Nothing,
}

impl Writer {
    async fn write(mut self) {
        let mut refused = 0;
        for n in 0.. {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let came = match self.dice.below(100) {
                0..12 if !self.mine.is_empty() => self.change(n).await,
                12..20 if !self.mine.is_empty() => self.delete().await,
                20..40 if self.links > 0 => self.link().await,
                _ => self.add(n).await,
            };
            match came {
                Came::Done => refused = 0,
                Came::Refused if refused < REFUSALS => refused += 1,
                _ => return,
            }
        }
    }

    fn text(&mut self, key: &str, n: usize) -> String {
        let repeats = match self.dice.below(100) {
            0..2 => 20_000,
            2..20 => 200,
            _ => 1 + self.dice.below(20),
        };
        format!("{key} in round {n}, ").repeat(repeats.min(400_000 / (key.len() + 16)))
    }

    async fn add(&mut self, n: usize) -> Came {
        let count = 1 + self.dice.below(6);
        let mut all = Vec::new();
        for i in 0..count {
            let key = format!("{}{n}/{i}", self.prefix);
            all.push((key.clone(), Some(self.text(&key, n))));
        }
        let items: Vec<Value> = all.iter().map(|(key, text)| json!({ "key": key, "text": text })).collect();
        let add = "mutation($i: [NoteMutationInputArg!]!) { add_Note(input: $i) { _docID } }";
        self.ask(add, json!({ "i": items }), "add_Note", all).await
    }

    async fn change(&mut self, n: usize) -> Came {
        let key = self.dice.one_of(&self.mine).clone();
        let text = self.text(&key, n);
        let change =
            "mutation($k: String, $t: String) { update_Note(filter: {key: {_eq: $k}}, input: {text: $t}) { _docID } }";
        self.ask(change, json!({ "k": key, "t": text }), "update_Note", vec![(key, Some(text))]).await
    }

    async fn delete(&mut self) -> Came {
        let at = self.dice.below(self.mine.len());
        let key = self.mine.swap_remove(at);
        let delete = "mutation($k: String) { delete_Note(filter: {key: {_eq: $k}}) { _docID } }";
        self.ask(delete, json!({ "k": key }), "delete_Note", vec![(key, None)]).await
    }

    async fn ask(&mut self, query: &str, variables: Value, field: &str, all: Vec<(String, Option<String>)>) -> Came {
        self.ledger.ask(&all);
        let answer = match self.client.try_graphql(query, variables).await {
            Ok(answer) => answer,
            Err(error) => return self.unanswered(&all[0].0, &error),
        };
        let Some(done) = answer.json["data"][field].as_array().filter(|_| answer.codes().is_empty()) else {
            return self.refused(&answer);
        };
        if done.len() != all.len() {
            self.ledger.odd(format!("{field} of {} did {} of {}", all[0].0, done.len(), all.len()));
        }
        for (key, text) in &all {
            if text.is_some() && !self.mine.contains(key) {
                self.mine.push(key.clone());
            }
        }
        self.ledger.tell(all.into_iter().map(|(key, _)| key));
        Came::Done
    }

    /// Makes a link, and takes it back half of the times.
    async fn link(&mut self) -> Came {
        let what = json!({ "collection": "Note", "fields": ["key"] });
        let made = match self.client.post("/api/v1/links", &what).await {
            Ok(made) => made,
            Err(error) => return self.unanswered("a link", &error),
        };
        let (Some(id), Some(token)) = (made.json["link"].as_str(), made.json["token"].as_str()) else {
            return self.refused(&made);
        };
        self.links -= 1;
        let key = format!("link/{id}");
        self.ledger.ask(&[(key.clone(), Some(token.to_owned()))]);
        self.ledger.tell([key.clone()]);
        if self.dice.happens(50) {
            self.ledger.ask(&[(key.clone(), None)]);
            let gone = match self.client.delete(&format!("/api/v1/links/{id}")).await {
                Ok(gone) => gone,
                Err(error) => return self.unanswered(&key, &error),
            };
            if gone.status != 204 {
                return self.refused(&gone);
            }
            self.ledger.tell([key]);
        }
        Came::Done
    }

    fn unanswered(&self, what: &str, error: &anyhow::Error) -> Came {
        self.ledger.unanswered(format!("{what}: {error:#}"));
        Came::Nothing
    }

    fn refused(&self, answer: &Answer) -> Came {
        let graphql = answer.codes().first().map(|code| (*code).to_owned());
        let problem = answer.json["code"].as_str().map(str::to_owned);
        match graphql.or(problem) {
            Some(code) => self.ledger.refuse(&code),
            None => self.ledger.odd(format!("a refusal without a code: {} {}", answer.status, answer.text)),
        }
        Came::Refused
    }
}
