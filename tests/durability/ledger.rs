//! What was asked of the node, what it acknowledged, and hence what may be there afterwards.
//!
//! A key (a note, a link) goes through states. What was acknowledged before the cut must be there, or something that was
//! asked for after it: a request without an answer may have been done or not.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Notes of these keys are written by who looks, and no part of the ledger.
pub const PROBE: &str = "probe/";

/// What a key is to become: a text, or nothing.
#[derive(Debug, Clone)]
struct Step {
    text: Option<String>,
    /// Where the journal was when the answer had come.
    told: Option<u64>,
}

#[derive(Debug, Default)]
struct Pages {
    keys: BTreeMap<String, Vec<Step>>,
    /// Keys that one request made: all of them are there, or none.
    together: Vec<Vec<String>>,
    /// Refusals by code.
    refused: BTreeMap<String, usize>,
    /// What should never be answered.
    odd: Vec<String>,
    /// What was asked and had no answer, and why.
    unanswered: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
    journal: Option<PathBuf>,
    told: AtomicUsize,
}

/// What was found amiss.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Acknowledged, and not there.
    pub lost: Vec<String>,
    /// There, and never asked for; or there in part.
    pub wrong: Vec<String>,
}

impl Verdict {
    pub fn faults(&self) -> Vec<String> {
        let lost = self.lost.iter().map(|key| format!("lost: {key}"));
        lost.chain(self.wrong.iter().map(|what| format!("wrong: {what}"))).collect()
    }
}

impl Ledger {
    /// `journal`: its length orders acknowledgements among what is written.
    pub fn new(journal: Option<PathBuf>) -> Ledger {
        Ledger { journal, ..Ledger::default() }
    }

    /// Where the journal is.
    fn now(&self) -> u64 {
        self.journal.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len())
    }

    /// These keys are asked to become this, by one request.
    pub fn ask(&self, all: &[(String, Option<String>)]) {
        let mut pages = self.pages.lock().expect("the ledger");
        let fresh = all.len() > 1 && all.iter().all(|(key, _)| !pages.keys.contains_key(key));
        if fresh {
            pages.together.push(all.iter().map(|(key, _)| key.clone()).collect());
        }
        for (key, text) in all {
            pages.keys.entry(key.clone()).or_default().push(Step { text: text.clone(), told: None });
        }
    }

    /// What was last asked of these keys was acknowledged.
    pub fn tell(&self, keys: impl IntoIterator<Item = String>) {
        let now = self.now();
        let mut pages = self.pages.lock().expect("the ledger");
        for key in keys {
            if let Some(step) = pages.keys.get_mut(&key).and_then(|steps| steps.last_mut()) {
                step.told = Some(now);
                self.told.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub fn refuse(&self, code: &str) {
        *self.pages.lock().expect("the ledger").refused.entry(code.to_owned()).or_default() += 1;
    }

    pub fn refusals(&self) -> BTreeMap<String, usize> {
        self.pages.lock().expect("the ledger").refused.clone()
    }

    /// A request had no answer: it may have been done, be done yet, or not.
    pub fn unanswered(&self, what: String) {
        self.pages.lock().expect("the ledger").unanswered.push(what);
    }

    /// What had no answer since this was last asked.
    pub fn take_unanswered(&self) -> Vec<String> {
        std::mem::take(&mut self.pages.lock().expect("the ledger").unanswered)
    }

    /// Something that should never be answered.
    pub fn odd(&self, what: String) {
        self.pages.lock().expect("the ledger").odd.push(what);
    }

    /// How many states were acknowledged, ever.
    pub fn told(&self) -> usize {
        self.told.load(Ordering::Relaxed)
    }

    /// Where the journal was at each acknowledgement.
    pub fn moments(&self) -> Vec<u64> {
        let pages = self.pages.lock().expect("the ledger");
        pages.keys.values().flatten().filter_map(|step| step.told).filter(|&at| at > 0).collect()
    }

    /// The tokens of links, by their keys, that have ever been made.
    pub fn links(&self) -> Vec<(String, String)> {
        let pages = self.pages.lock().expect("the ledger");
        let links = pages.keys.iter().filter(|(key, _)| key.starts_with("link/"));
        let token = |steps: &[Step]| steps.iter().find_map(|step| step.text.clone());
        links.filter_map(|(key, steps)| Some((key.clone(), token(steps)?))).collect()
    }

    /// Holds what was found against what was acknowledged when the journal was `at`. `of`: only keys that begin so were
    /// looked for.
    pub fn judge(&self, found: &BTreeMap<String, String>, at: u64, of: &str) -> Verdict {
        let pages = self.pages.lock().expect("the ledger");
        let mut verdict = Verdict { wrong: pages.odd.clone(), ..Verdict::default() };
        for (key, steps) in pages.keys.iter().filter(|(key, _)| key.starts_with(of) || key.starts_with("link/")) {
            let there = found.get(key);
            let last = steps.iter().rposition(|step| step.told.is_some_and(|told| told <= at));
            let is = |step: &Step| step.text.as_ref() == there;
            let may = match last {
                Some(last) => steps[last..].iter().any(is),
                None => there.is_none() || steps.iter().any(is),
            };
            match (may, there) {
                (true, _) => {}
                (false, Some(text)) if !steps.iter().any(is) => {
                    verdict.wrong.push(format!("{key} is {:?}", text.chars().take(80).collect::<String>()));
                }
                (false, there) => {
                    let told = last.and_then(|last| steps[last].told);
                    let state = if there.is_some() { "as it was before" } else { "gone" };
                    verdict.lost.push(format!("{key}, acknowledged at {told:?}, is {state}"));
                }
            }
        }
        for key in found.keys().filter(|key| !key.starts_with(PROBE) && !pages.keys.contains_key(*key)) {
            verdict.wrong.push(format!("{key} was never written"));
        }
        for batch in &pages.together {
            let whole = batch.iter().filter(|key| pages.keys.get(*key).is_some_and(|steps| steps.len() == 1));
            let (mut here, mut gone) = (0, 0);
            for key in whole.filter(|key| key.starts_with(of)) {
                if found.contains_key(key) { here += 1 } else { gone += 1 }
            }
            if here > 0 && gone > 0 {
                verdict.wrong.push(format!("{here} of {} notes of one request: {}", here + gone, batch[0]));
            }
        }
        verdict
    }

    /// What was found is how things stand from here on.
    pub fn settle(&self, found: &BTreeMap<String, String>, of: &str) {
        let mut pages = self.pages.lock().expect("the ledger");
        pages.keys.retain(|key, steps| {
            if key.starts_with(of) || key.starts_with("link/") {
                let Some(text) = found.get(key) else { return false };
                *steps = vec![Step { text: Some(text.clone()), told: Some(0) }];
            }
            true
        });
        pages.together.clear();
    }

    /// How many notes are there by the ledger, once it is settled.
    pub fn notes(&self) -> usize {
        let pages = self.pages.lock().expect("the ledger");
        pages.keys.keys().filter(|key| !key.starts_with("link/")).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn what_was_acknowledged_must_be_there_and_nothing_that_was_never_asked_for() {
        let ledger = Ledger::new(None);
        let some = |text: &str| Some(text.to_owned());
        ledger.ask(&[("a".into(), some("1"))]);
        assert!(ledger.judge(&found(&[]), 9, "").faults().is_empty(), "without an answer it need not be there");
        assert!(ledger.judge(&found(&[("a", "1")]), 9, "").faults().is_empty(), "and may be");
        ledger.tell(["a".to_owned()]);
        assert_eq!(ledger.judge(&found(&[]), 9, "").lost.len(), 1);
        assert_eq!(ledger.judge(&found(&[("a", "2")]), 9, "").wrong.len(), 1);
        ledger.ask(&[("a".into(), None)]);
        assert!(ledger.judge(&found(&[]), 9, "").faults().is_empty(), "it may have been deleted");
        ledger.tell(["a".to_owned()]);
        assert_eq!(ledger.judge(&found(&[("a", "1")]), 9, "").lost.len(), 1, "a deletion is lost as well");
        assert_eq!(ledger.judge(&found(&[("b", "1")]), 9, "").wrong.len(), 1);
    }

    #[test]
    fn a_request_is_there_whole_or_not_at_all() {
        let ledger = Ledger::new(None);
        ledger.ask(&[("a".into(), Some("1".into())), ("b".into(), Some("1".into()))]);
        assert_eq!(ledger.judge(&found(&[("a", "1")]), 9, "").wrong.len(), 1);
        assert!(ledger.judge(&found(&[("a", "1"), ("b", "1")]), 9, "").faults().is_empty());
        ledger.settle(&found(&[("a", "1"), ("b", "1")]), "");
        assert_eq!(ledger.judge(&found(&[("a", "1")]), 0, "").lost.len(), 1, "what was found counts from then on");
    }
}
