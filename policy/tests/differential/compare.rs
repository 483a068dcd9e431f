//! One world, both sides, every answer laid beside the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use policy_core::{Check, EVERYONE, LookupResources, LookupSubjects, Object, Schema, SchemaFault, Subject, Tuple};
use tonic::Code;

use crate::answer::{Answer, Entries, Entry, Fault, Truth, implied, merged};
use crate::dice::Dice;
use crate::grow::questions::{Measure, Questions, ids, questions};
use crate::grow::relationships::misfits;
use crate::grow::spoil::spoiled;
use crate::ours::Ours;
use crate::spicedb::Store;
use crate::tally::{Subject as Of, Tally, Verdict};
use crate::world::World;

/// A subject as a lookup tells it: its id, the answer, and who is excepted.
type Shape = (String, Truth, Vec<(String, Truth)>);

/// What the two sides do not agree on.
#[derive(Debug, Clone)]
pub enum Question {
    Schema(String),
    /// Another schema over the same relationships.
    Change(String),
    Relationship(Tuple),
    Check(Check),
    /// Whether the resource is among the answers.
    Resource(LookupResources, String),
    /// Whether the subject is among the answers.
    Subject(LookupSubjects, String),
}

impl Question {
    /// The check that it comes down to.
    pub fn check(&self) -> Option<Check> {
        match self {
            Question::Schema(_) | Question::Change(_) | Question::Relationship(_) => None,
            Question::Check(check) => Some(check.clone()),
            Question::Resource(lookup, id) => Some(Check {
                resource: Object::new(&lookup.kind, id),
                permission: lookup.permission.clone(),
                subject: lookup.subject.clone(),
                context: lookup.context.clone(),
            }),
            Question::Subject(lookup, id) => Some(Check {
                resource: lookup.resource.clone(),
                permission: lookup.permission.clone(),
                subject: Subject { object: Object::new(&lookup.kind, id), relation: lookup.relation.clone() },
                context: lookup.context.clone(),
            }),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Mismatch {
    pub seed: u64,
    pub world: World,
    pub question: Question,
    pub theirs: String,
    pub ours: String,
}

pub struct Comparison<'a> {
    pub store: &'a Store,
    pub seed: u64,
    pub now: i64,
    pub world: World,
    pub tally: Tally,
    pub mismatches: Vec<Mismatch>,
}

/// How often SpiceDB is given the same schema again before its answer counts as the only one it has.
const WRITTEN_AGAIN: usize = 100;

/// How much of each kind is asked.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub measure: Measure,
    pub misfits: usize,
    pub spoiled: usize,
    pub changed: usize,
}

/// Whether a text is a schema: the kind of mistake, with what was said of it.
pub type Acceptance = Result<(), (Option<SchemaFault>, String)>;

pub async fn accepts(store: &Store, text: &str) -> Acceptance {
    store.write_schema(text).await.map_err(|status| {
        let fault = match status.code() {
            Code::InvalidArgument => Some(SchemaFault::Syntax),
            Code::FailedPrecondition => Some(SchemaFault::Types),
            // A circle of permissions has a code of its own.
            Code::Unknown => Some(SchemaFault::Cycle),
            _ => None,
        };
        (fault, status.message().to_owned())
    })
}

/// How an answer of SpiceDB and ours stand to each other. A look-up goes its own way, whose length is its own.
pub fn judge(world: &World, lookup: bool, theirs: &Answer, ours: &Answer) -> Verdict {
    let errors = [theirs, ours].map(|answer| match answer {
        Answer::Error(fault) => Some(fault),
        _ => None,
    });
    match errors {
        _ if theirs == ours => Verdict::Equal,
        [None, None] => Verdict::Mismatch,
        // Which of two errors is met first is nobody's promise.
        [Some(a), Some(b)] if a.hangs_on_order() && b.hangs_on_order() => Verdict::Undetermined,
        [Some(fault), None] | [None, Some(fault)]
            if ((world.circles || lookup && world.chain) && matches!(fault, Fault::Depth | Fault::Slow))
                || (world.faults && *fault == Fault::Caveat) =>
        {
            Verdict::Undetermined
        }
        // A no outweighs a part that is too deep: SpiceDB waits for what stands before `-`, and takes whichever is ready
        // first of `&`.
        [Some(Fault::Depth), None] if world.chain && *ours == Answer::No && world.schema.takes_away() => {
            Verdict::Undetermined
        }
        _ => Verdict::Mismatch,
    }
}

/// Whether a refusal is about a relationship with everyone of a type, in the way of a form that does not allow it.
fn takes_everyone_for_one(said: &str) -> bool {
    let parts = || {
        let (form, rest) = said.split_once("cannot remove allowed type `")?.1.split_once('`')?;
        Some((form, rest.split_once("a relationship exists with it: ")?.1))
    };
    parts().is_some_and(|(form, by)| !form.contains(":*") && by.contains(":*"))
}

/// As [`judge`], of what two look-ups imply of one id.
fn judge_truth(world: &World, theirs: &Result<Truth, Fault>, ours: &Result<Truth, Fault>) -> Verdict {
    let answer = |truth: &Result<Truth, Fault>| match truth {
        Ok(Truth::Yes) => Answer::Yes,
        Ok(Truth::No) => Answer::No,
        Ok(Truth::Maybe) => Answer::Conditional(BTreeSet::new()),
        Err(fault) => Answer::Error(fault.clone()),
    };
    judge(world, true, &answer(theirs), &answer(ours))
}

impl Comparison<'_> {
    pub async fn run(&mut self, dice: &mut Dice, extent: Extent) {
        self.tally.worlds += 1;
        for _ in 0..extent.spoiled {
            let text = spoiled(dice, &self.world.schema);
            self.schema(&text, "spoiled").await;
        }
        let extent = if self.world.lone { Extent { misfits: 1, changed: 0, ..extent } } else { extent };
        let text = self.world.schema.text();
        let Some(mut ours) = self.schema(&text, "grown").await else { return };
        for tuple in &self.world.relationships {
            if let Err(error) = ours.tuples.put(tuple) {
                self.tally.add(Of::Relationship, Verdict::Mismatch);
                self.mismatch(Question::Relationship(tuple.clone()), "?", error);
                return;
            }
        }
        if let Err(status) = self.store.write(&self.world.relationships).await {
            self.tally.add(Of::Relationship, Verdict::Mismatch);
            let tuple = self.world.relationships[0].clone();
            self.mismatch(Question::Relationship(tuple), status, "all are accepted");
            return;
        }
        let questions = questions(dice, &self.world, extent.measure);
        self.ask(&ours, &questions).await;
        for tuple in misfits(dice, &self.world, self.now, extent.misfits) {
            self.misfit(&mut ours, tuple).await;
        }
        for _ in 0..extent.changed {
            let text = spoiled(dice, &self.world.schema);
            if !self.change(&mut ours, &text).await {
                return;
            }
        }
    }

    /// Whether SpiceDB v1.54 answers the same text now so, now so: in which order it looks at relations hangs on a map,
    /// and what it found of one it takes for all that have its name.
    async fn wavers(&mut self, text: &str, accepted: bool) -> bool {
        for _ in 0..WRITTEN_AGAIN {
            if accepts(self.store, text).await.is_ok() != accepted {
                self.tally.note("SpiceDB now accepts, now refuses the same schema");
                return true;
            }
        }
        false
    }

    /// Whether both let a schema take the place of one that has relationships, or both refuse it. False if the two may
    /// have different schemas now.
    async fn change(&mut self, ours: &mut Ours, text: &str) -> bool {
        let theirs = accepts(self.store, text).await;
        let mut orphans = false;
        let own = match Schema::parse(text) {
            Err(error) => Err(error.to_string()),
            Ok(schema) => ours.tuples.with_schema(Arc::new(schema), ours.now).map_err(|in_use| {
                orphans = ours.hold_only_under_caveats(&in_use);
                in_use.to_string()
            }),
        };
        let verdict = match (&theirs, &own) {
            (Ok(()), Ok(_)) | (Err(_), Err(_)) => Verdict::Equal,
            (Ok(()), Err(_)) if orphans => {
                self.tally.note("SpiceDB takes a relation away that has relationships, all under caveats");
                Verdict::SelfContradiction
            }
            (Err((_, said)), Ok(_)) if takes_everyone_for_one(said) => {
                self.tally.note("SpiceDB keeps a type for the sake of a relationship with everyone of it");
                Verdict::SelfContradiction
            }
            _ if self.wavers(text, theirs.is_ok()).await => Verdict::SelfContradiction,
            _ => Verdict::Mismatch,
        };
        self.tally.note(format!("changed schemas: {}", if theirs.is_ok() { "accepted" } else { "refused" }));
        self.tally.add(Of::Schema, verdict);
        let said = |error: Option<String>| error.unwrap_or_else(|| "accepted".to_owned());
        let (theirs, words) = (said(theirs.err().map(|error| error.1)), said(own.as_ref().err().cloned()));
        if verdict == Verdict::Mismatch {
            self.mismatch(Question::Change(text.to_owned()), theirs, words);
        } else if verdict == Verdict::Equal && !theirs.contains(&words) {
            self.tally.note("changed schemas: refused in other words");
            self.show(&format!("{theirs:?} for {words:?}"));
        }
        if let (Ok(tuples), Verdict::Equal) = (own, verdict) {
            ours.tuples = tuples;
        }
        verdict == Verdict::Equal
    }

    /// What is no mismatch, but worth a look.
    fn show(&self, what: &str) {
        if std::env::var_os("VERBOSE").is_some() {
            eprintln!("seed {}: {what}", self.seed);
        }
    }

    fn mismatch(&mut self, question: Question, theirs: impl ToString, ours: impl ToString) {
        let (theirs, ours) = (theirs.to_string(), ours.to_string());
        self.mismatches.push(Mismatch { seed: self.seed, world: self.world.clone(), question, theirs, ours });
    }

    /// Whether both accept the text, or both refuse it.
    pub async fn schema(&mut self, text: &str, kind: &str) -> Option<Ours> {
        // A schema before this one would forbid some changes.
        let cleared = self.store.clear().await.is_ok();
        let theirs = accepts(self.store, text).await;
        let ours = Schema::parse(text);
        debug_assert!(cleared);
        match (&theirs, &ours) {
            (Ok(()), Ok(_)) => self.tally.note(format!("schemas {kind}: accepted by both")),
            (Err(_), Err(_)) => self.tally.note(format!("schemas {kind}: refused by both")),
            _ if self.wavers(text, theirs.is_ok()).await => {
                self.tally.add(Of::Schema, Verdict::SelfContradiction);
                return None;
            }
            _ => {
                self.tally.add(Of::Schema, Verdict::Mismatch);
                let said = |error: Option<String>| error.unwrap_or_else(|| "accepted".to_owned());
                let theirs = said(theirs.err().map(|error| error.1));
                self.mismatch(Question::Schema(text.to_owned()), theirs, said(ours.err().map(|e| e.to_string())));
                return None;
            }
        }
        self.tally.add(Of::Schema, Verdict::Equal);
        if let (Err((fault, said)), Err(ours)) = (&theirs, &ours) {
            let kind = if *fault == Some(ours.fault) { "the same" } else { "another" };
            self.tally.note(format!("refused schemas: {kind} kind of mistake"));
            let said = said.strip_prefix("parse error in `schema`, ").unwrap_or(said);
            let same = said == ours.to_string() || said == ours.message;
            self.tally.note(format!("refused schemas: {} words", if same { "the same" } else { "other" }));
            if !same {
                self.show(&format!("{said:?} for {:?}", ours.to_string()));
            }
        }
        ours.ok().map(|schema| Ours::new(schema, self.now))
    }

    /// Whether both accept the relationship, or both refuse it.
    pub async fn misfit(&mut self, ours: &mut Ours, tuple: Tuple) {
        let theirs = self.store.write(std::slice::from_ref(&tuple)).await;
        let own = ours.tuples.put(&tuple);
        let verdict = match (&theirs, &own) {
            (Ok(()), Ok(_)) | (Err(_), Err(_)) => Verdict::Equal,
            (Ok(()), Err(_)) if self.world.takes_end_for_caveat(&tuple) => Verdict::SelfContradiction,
            _ => Verdict::Mismatch,
        };
        self.tally.note(format!("odd relationships: {}", if theirs.is_ok() { "accepted" } else { "refused" }));
        self.tally.add(Of::Relationship, verdict);
        if verdict == Verdict::SelfContradiction {
            self.tally.note("SpiceDB takes an end for the caveat `expiration`");
            // Only one side has it now; what comes after is about what both have.
            if let Err(status) = self.store.remove(&tuple).await {
                self.mismatch(Question::Relationship(tuple), status, "it can be removed");
            }
        } else if verdict == Verdict::Mismatch {
            let said = |error: Option<String>| error.unwrap_or_else(|| "accepted".to_owned());
            let theirs = said(theirs.err().map(|status| status.to_string()));
            self.mismatch(Question::Relationship(tuple), theirs, said(own.err().map(|error| error.to_string())));
        }
    }

    async fn ask(&mut self, ours: &Ours, questions: &Questions) {
        // Circles can keep SpiceDB busy for minutes: little at a time, and no more once it was slow.
        let mut store = self.store.clone();
        store.patience = Duration::from_secs(if self.world.circles { 2 } else { 60 });
        let at_once = if self.world.circles { 20 } else { 2_000 };
        for checks in questions.checks.chunks(at_once) {
            let theirs = store.check_bulk(checks).await;
            let own = ours.check_all(checks);
            let slow = theirs.contains(&Answer::Error(Fault::Slow));
            for ((check, theirs), ours) in checks.iter().zip(theirs).zip(own) {
                self.check(&store, check, theirs, ours).await;
            }
            if slow {
                self.tally.note("worlds with circles left early");
                return;
            }
        }
        for lookup in &questions.resources {
            let theirs = store.lookup_resources(lookup).await.map(merged);
            let own = ours.lookup_resources(lookup);
            if theirs == Err(Fault::Slow) {
                return;
            }
            self.resources(&store, ours, lookup, theirs, own).await;
        }
        for lookup in &questions.subjects {
            let theirs = store.lookup_subjects(lookup).await;
            let own = ours.lookup_subjects(lookup);
            if theirs == Err(Fault::Slow) {
                return;
            }
            self.subjects(&store, ours, lookup, theirs, own).await;
        }
    }

    async fn check(&mut self, store: &Store, check: &Check, mut theirs: Answer, ours: Answer) {
        let mut verdict = judge(&self.world, false, &theirs, &ours);
        if verdict == Verdict::Mismatch {
            theirs = store.check(check).await;
            if judge(&self.world, false, &theirs, &ours) != Verdict::Mismatch {
                verdict = Verdict::SelfContradiction;
                self.tally.note("bulk check of SpiceDB differs from its single check");
            }
        }
        let answer = match &theirs {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Conditional(_) => "conditional",
            Answer::Error(_) => "error",
        };
        self.tally.note(format!("{}: {answer}", if self.world.lone { "checks of lone caveats" } else { "checks" }));
        self.tally.add(Of::Check, verdict);
        if verdict == Verdict::Mismatch {
            self.mismatch(Question::Check(check.clone()), format!("{theirs:?}"), format!("{ours:?}"));
        }
    }

    async fn resources(&mut self, store: &Store, ours: &Ours, lookup: &LookupResources, a: Entries, b: Entries) {
        let mut all: BTreeSet<String> = ids(&self.world, &lookup.kind).into_iter().collect();
        all.extend([&a, &b].into_iter().flatten().flatten().map(|entry| entry.id.clone()));
        for id in all {
            let question = Question::Resource(lookup.clone(), id.clone());
            self.member(store, ours, Of::LookupResources, question, (&a, &b), &id).await;
        }
        if let (Ok(a), Ok(b)) = (&a, &b) {
            self.names("look-up of resources", a, b);
        }
    }

    async fn subjects(&mut self, store: &Store, ours: &Ours, lookup: &LookupSubjects, a: Entries, b: Entries) {
        let before = self.tally.count(Verdict::SelfContradiction);
        let mut all: BTreeSet<String> = ids(&self.world, &lookup.kind).into_iter().collect();
        let entries = || [&a, &b].into_iter().flatten().flatten();
        all.extend(entries().chain(entries().flat_map(|entry| &entry.excluded)).map(|entry| entry.id.clone()));
        for id in all.into_iter().filter(|id| id != EVERYONE) {
            let question = Question::Subject(lookup.clone(), id.clone());
            self.member(store, ours, Of::LookupSubjects, question, (&a, &b), &id).await;
        }
        let (Ok(a), Ok(b)) = (a, b) else { return };
        if self.tally.count(Verdict::SelfContradiction) != before {
            return;
        }
        let (a, b) = (merged(a), merged(b));
        let shape = |entries: &[Entry]| -> Vec<Shape> {
            let excluded = |entry: &Entry| entry.excluded.iter().map(|e| (e.id.clone(), e.truth)).collect();
            entries.iter().map(|entry| (entry.id.clone(), entry.truth, excluded(entry))).collect()
        };
        let same = shape(&a) == shape(&b);
        self.tally.note(format!("look-up of subjects: {} shape", if same { "same" } else { "another" }));
        if !same {
            self.show(&format!("{lookup:?}\n  theirs {a:?}\n  ours {b:?}"));
        }
        self.names("look-up of subjects", &a, &b);
    }

    /// Whether conditional answers name the same as missing.
    fn names(&mut self, of: &str, a: &[Entry], b: &[Entry]) {
        for entry in a.iter().filter(|entry| entry.truth == Truth::Maybe) {
            if let Some(other) = b.iter().find(|other| other.id == entry.id && other.truth == Truth::Maybe) {
                let same = other.missing == entry.missing;
                self.tally.note(format!("{of}: {} names missing", if same { "the same" } else { "other" }));
                if !same {
                    self.show(&format!("{of}: missing {entry:?} for {other:?}"));
                }
            }
        }
    }

    /// Why a look-up of SpiceDB v1.54 may well contradict its own check.
    fn cause(&self, question: &Question, theirs: &Result<Truth, Fault>) -> &'static str {
        let text = self.world.schema.text();
        match question {
            Question::Resource(..) if theirs.is_err() => "`self` is where it starts",
            Question::Resource(lookup, _)
                if lookup.subject.relation.is_some() && self.everyone_of(&lookup.subject.object.kind) =>
            {
                "everyone means sets too"
            }
            Question::Resource(..) => "it knows a conditional part already and takes it for sure",
            Question::Subject(lookup, _) if lookup.relation.is_some() && self.everyone_of(&lookup.kind) => {
                "everyone means sets too"
            }
            _ if text.contains("self") => "`self` is of every kind",
            _ if text.contains(".all(") => "`.all` passes over subjects that lack it",
            _ => "how it calculates with everyone",
        }
    }

    /// Whether it is asked which sets have something that everyone of their kind may have: in a check that means the
    /// sets too, in a look-up of either side it does not, and SpiceDB finds some of them by mistake.
    fn everyone_of_sets(&self, question: &Question) -> bool {
        let Question::Subject(lookup, _) = question else { return false };
        lookup.relation.is_some() && self.everyone_of(&lookup.kind)
    }

    fn everyone_of(&self, kind: &str) -> bool {
        let of = |row: &Tuple| row.subject.object.kind == kind && row.subject.object.id == EVERYONE;
        self.world.relationships.iter().any(of)
    }

    /// One id of two look-ups.
    async fn member(
        &mut self,
        store: &Store,
        ours: &Ours,
        of: Of,
        question: Question,
        (a, b): (&Entries, &Entries),
        id: &str,
    ) {
        let truth = |entries: &Entries| entries.as_ref().map(|entries| implied(entries, id)).map_err(Fault::clone);
        let (theirs, own) = (truth(a), truth(b));
        let mut verdict = judge_truth(&self.world, &theirs, &own);
        if verdict == Verdict::Mismatch
            && let Some(check) = question.check()
        {
            let single = store.check(&check).await;
            let broken = matches!(&theirs, Err(Fault::Other(said)) if said.contains("BUG"));
            if broken || single.truth().map(Ok) == Some(own.clone()) {
                verdict = Verdict::SelfContradiction;
                self.tally.note(format!("{of:?} of SpiceDB contradicts its check: {}", self.cause(&question, &theirs)));
                self.show(&format!("{of:?} {theirs:?}, check {own:?}: {check} {:?}", check.context));
            } else if self.everyone_of_sets(&question) {
                verdict = Verdict::SelfContradiction;
                self.tally.note("look-up of sets that only everyone of their kind brings in");
            } else if ours.check(&check).truth().map(Ok) != Some(own.clone()) {
                self.tally.note(format!("{of:?} of ours contradicts its own check"));
            }
        }
        self.tally.add(of, verdict);
        if verdict == Verdict::Mismatch {
            self.mismatch(question, format!("{theirs:?}"), format!("{own:?}"));
        }
    }
}
