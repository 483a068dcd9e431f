//! A disk that is full, read-only, slow or broken, too few files, a clock that jumps: what is refused is refused by a
//! code, what was acknowledged is there, and the node goes on afterwards.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Client, Node};
use serde_json::Value;

use crate::dice::Dice;
use crate::figures::Figure;
use crate::ledger::{Ledger, Verdict};
use crate::scene::{Scene, Word};
use crate::seen;
use crate::work::Work;

const EIO: i64 = 5;
const ENOSPC: i64 = 28;
const EROFS: i64 = 30;
const YEAR: i64 = 365 * 86_400;
/// So much is acknowledged in each round before the trouble begins, and wished for in it.
const BEFORE: usize = 10;
const DURING: usize = 60;

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Full,
    ReadOnly,
    Broken,
    Slow,
    FewFiles,
    YearAhead,
    YearBehind,
}

impl Trouble {
    pub const ALL: [(Trouble, &'static str); 7] = [
        (Trouble::Full, "disk full"),
        (Trouble::ReadOnly, "disk read-only"),
        (Trouble::Broken, "syncs fail"),
        (Trouble::Slow, "disk slow"),
        (Trouble::FewFiles, "too few files"),
        (Trouble::YearAhead, "clock a year ahead"),
        (Trouble::YearBehind, "clock a year behind"),
    ];

    /// Begins: after so many writes, where it is one of those that count.
    fn begin(self, scene: &Scene, node: &Node, after: i64) -> Result<()> {
        match self {
            Trouble::Full | Trouble::ReadOnly => {
                scene.tell(Word::WritesLeft, after)?;
                scene.tell(Word::FailWith, if self == Trouble::Full { ENOSPC } else { EROFS })
            }
            Trouble::Broken => {
                scene.tell(Word::SyncsLeft, after)?;
                scene.tell(Word::SyncError, EIO)
            }
            Trouble::Slow => scene.tell(Word::SyncDelay, 100_000),
            Trouble::FewFiles => limit(node, std::fs::read_dir(format!("/proc/{}/fd", node.pid()))?.count()),
            Trouble::YearAhead => scene.tell(Word::Clock, YEAR),
            Trouble::YearBehind => scene.tell(Word::Clock, -YEAR),
        }
    }

    /// Whether writes must be refused while it lasts.
    fn refuses(self) -> bool {
        matches!(self, Trouble::Full | Trouble::ReadOnly | Trouble::Broken)
    }
}

/// So many files may be open.
fn limit(node: &Node, files: usize) -> Result<()> {
    let pid = node.pid().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).output();
    let done = done.context("no prlimit (util-linux)")?;
    ensure!(done.status.success(), "prlimit: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// So many rounds of each kind, the trouble at another point in each.
pub async fn run(trouble: Trouble, name: &str, rounds: usize, seed: u64) -> Result<Figure> {
    let scene = Scene::set(None).await?;
    let mut figure = Figure::new(name, "rounds");
    let mut dice = Dice::new(seed, 4);
    let ledger = Arc::new(Ledger::new(None));
    let mut goes_on = 0;
    for round in 0..rounds {
        let mut node = scene.serve(None)?;
        let client = node.operator()?;
        let work = Work::begin(&client, &ledger, &format!("{round:04}/"), dice.next());
        work.until(BEFORE).await?;
        // Every point comes in turn, and then any.
        let after = if round < rounds / 2 { round } else { dice.below(200) } as i64;
        trouble.begin(&scene, &node, after)?;
        let begun = work.told();
        let calm =
            async { if trouble.refuses() { work.until(usize::MAX).await } else { work.until(begun + DURING).await } };
        let ended = tokio::time::timeout(Duration::from_secs(50), calm).await;
        work.end().await;
        let mut verdict = Verdict::default();
        if ended.is_err() {
            verdict.wrong.push("the node neither wrote nor refused".into());
        }
        if trouble.refuses() {
            refuses(&client, &mut verdict).await;
        }
        if ledger.refusals().contains_key("internal") {
            let said = node.said();
            let why = said.lines().filter(|line| line.contains("a request failed")).collect::<Vec<_>>().join("\n");
            verdict.wrong.push(format!("a refusal that does not say why: {why}"));
        }
        // The node is there all the time, and says what it does not do.
        verdict.wrong.extend(ledger.take_unanswered().into_iter().map(|what| format!("no answer to {what}")));
        scene.calm()?;
        if trouble == Trouble::FewFiles {
            limit(&node, 1_024)?;
        }
        // It goes on by itself, or says that it must be started again.
        let on = async {
            seen::writes(&node, &format!("{round}/by-itself")).await?;
            seen::look(&node, &ledger, "").await
        };
        let found = match on.await {
            Ok(found) => {
                goes_on += 1;
                found
            }
            Err(error) => {
                // Without a file to open the log may have failed: it then says so and waits for a new start, as on a full disk.
                if !trouble.refuses() && trouble != Trouble::FewFiles {
                    verdict.wrong.push(format!("it does not go on: {error:#}"));
                }
                let said = client.get("/readyz").await.map(|answer| answer.status);
                if !matches!(said, Ok(503)) {
                    verdict.wrong.push(format!("it does not write, and /readyz says {said:?}"));
                }
                node.kill_in_place()?;
                node = scene.serve(None)?;
                seen::writes(&node, &format!("{round}/started-again")).await?;
                seen::look(&node, &ledger, "").await?
            }
        };
        if node.said().contains("panicked") {
            verdict.wrong.push(node.said());
        }
        let judged = ledger.judge(&found, 0, "");
        verdict.lost.extend(judged.lost);
        verdict.wrong.extend(judged.wrong);
        node.stop()?;
        figure.tried += 1;
        figure.add(&verdict, &format!("seed {seed}, round {round}, after {after}"));
        if figure.lost + figure.wrong > 0 {
            break;
        }
        ledger.settle(&found, "");
    }
    figure.acknowledged = ledger.told();
    let refusals: Vec<_> = ledger.refusals().iter().map(|(code, times)| format!("{code} {times} times")).collect();
    let refusals = if refusals.is_empty() { "nothing".to_owned() } else { refusals.join(", ") };
    figure.note = format!("refused: {refusals}; {goes_on} of {} went on without a new start", figure.tried);
    Ok(figure)
}

/// A write is refused, by a code that says what it is.
async fn refuses(client: &Client, verdict: &mut Verdict) {
    let add = "mutation { add_Note(input: {key: \"probe/refused\", text: \"x\"}) { _docID } }";
    match client.try_graphql(add, Value::Null).await {
        Ok(answer) if answer.codes() == ["unavailable"] => {}
        Ok(answer) => {
            verdict.wrong.push(format!("a write that cannot be done says: {} {}", answer.status, answer.text))
        }
        Err(error) => verdict.wrong.push(format!("a write that cannot be done gets no answer: {error:#}")),
    }
}
