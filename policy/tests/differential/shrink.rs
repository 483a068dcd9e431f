//! Cuts a world down to what a disagreement needs.

use std::sync::Arc;

use policy_core::{Context, Schema};

use crate::answer::{Answer, Fault, Truth, implied};
use crate::compare::{Mismatch, Question, accepts, judge};
use crate::ours::Ours;
use crate::spicedb::Store;
use crate::world::{Body, Chain, Operand, World};

/// How many smaller worlds are tried.
const TRIES: usize = 1_500;

pub struct Shrinker<'a> {
    pub store: &'a Store,
    pub now: i64,
    tries: usize,
}

impl<'a> Shrinker<'a> {
    pub fn new(store: &'a Store, now: i64) -> Self {
        Shrinker { store, now, tries: 0 }
    }

    pub async fn shrink(&mut self, mismatch: Mismatch) -> Mismatch {
        if let Question::Schema(text) = &mismatch.question {
            let text = self.text(text.clone()).await;
            let (theirs, ours) = (accepts(self.store, &text).await, Schema::parse(&text));
            let theirs = theirs.map_or_else(|(_, said)| said, |()| "accepted".to_owned());
            let ours = ours.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
            return Mismatch { question: Question::Schema(text), theirs, ours, ..mismatch };
        }
        let mut best = mismatch;
        loop {
            let before = size(&best);
            for step in STEPS {
                best = self.step(best, *step).await;
            }
            if size(&best) >= before || self.tries >= TRIES {
                return best;
            }
        }
    }

    /// Tries every place at which a step applies, keeping what still disagrees.
    async fn step(&mut self, mut best: Mismatch, step: Step) -> Mismatch {
        let mut at = 0;
        while self.tries < TRIES {
            let mut smaller = best.clone();
            if !step(&mut smaller, at) {
                return best;
            }
            self.tries += 1;
            match self.disagreement(&smaller).await {
                Some((theirs, ours)) => best = Mismatch { theirs, ours, ..smaller },
                None => at += 1,
            }
        }
        best
    }

    /// What both sides answer, if they still disagree.
    async fn disagreement(&self, mismatch: &Mismatch) -> Option<(String, String)> {
        let Mismatch { world, question, .. } = mismatch;
        let text = world.schema.text();
        let mut ours = Ours::new(Schema::parse(&text).ok()?, self.now);
        self.store.clear().await.ok()?;
        accepts(self.store, &text).await.ok()?;
        for tuple in &world.relationships {
            ours.tuples.put(tuple).ok()?;
        }
        if !world.relationships.is_empty() {
            self.store.write(&world.relationships).await.ok()?;
        }
        match question {
            Question::Schema(_) => None,
            Question::Change(text) => {
                let theirs = accepts(self.store, text).await.map_err(|(_, said)| said);
                let own = ours.tuples.with_schema(Arc::new(Schema::parse(text).ok()?), ours.now).map(|_| ());
                (theirs.is_ok() != own.is_ok()).then(|| (format!("{theirs:?}"), format!("{own:?}")))
            }
            Question::Relationship(tuple) => {
                let (theirs, own) = (self.store.write(std::slice::from_ref(tuple)).await, ours.tuples.put(tuple));
                (theirs.is_ok() != own.is_ok()).then(|| (format!("{theirs:?}"), format!("{own:?}")))
            }
            Question::Check(check) => {
                let (theirs, own) = (self.store.check(check).await, ours.check(check));
                differ(world, false, &theirs, &own)
            }
            Question::Resource(lookup, id) => {
                let theirs = self.store.lookup_resources(lookup).await.map(|entries| implied(&entries, id));
                let own = ours.lookup_resources(lookup).map(|entries| implied(&entries, id));
                self.contradicted(question, &own).await?;
                differ(world, true, &as_answer(theirs), &as_answer(own))
            }
            Question::Subject(lookup, id) => {
                let theirs = self.store.lookup_subjects(lookup).await.map(|entries| implied(&entries, id));
                let own = ours.lookup_subjects(lookup).map(|entries| implied(&entries, id));
                self.contradicted(question, &own).await?;
                differ(world, true, &as_answer(theirs), &as_answer(own))
            }
        }
    }

    /// Whether SpiceDB's own check speaks against what our look-up says too.
    async fn contradicted(&self, question: &Question, own: &Result<Truth, Fault>) -> Option<()> {
        let single = self.store.check(&question.check()?).await;
        (single.truth().map(Ok).as_ref() != Some(own)).then_some(())
    }

    /// Of a schema on which acceptance differs: lines, then tokens, as many as can go.
    async fn text(&mut self, mut text: String) -> String {
        for by_line in [true, false, true] {
            let split = |text: &str| -> Vec<String> {
                if by_line {
                    text.split_inclusive('\n').map(str::to_owned).collect()
                } else {
                    text.split_inclusive([' ', '\n', '|', '+', '&', '-', '(', ')', ',']).map(str::to_owned).collect()
                }
            };
            let mut at = 0;
            while self.tries < TRIES {
                let mut parts = split(&text);
                if at >= parts.len() {
                    break;
                }
                parts.remove(at);
                let smaller = parts.concat();
                self.tries += 1;
                let _ = self.store.clear().await;
                if accepts(self.store, &smaller).await.is_ok() == Schema::parse(&smaller).is_ok() {
                    at += 1;
                } else {
                    text = smaller;
                }
            }
        }
        text
    }
}

fn as_answer(truth: Result<Truth, Fault>) -> Answer {
    match truth {
        Ok(Truth::Yes) => Answer::Yes,
        Ok(Truth::No) => Answer::No,
        Ok(Truth::Maybe) => Answer::Conditional(Default::default()),
        Err(fault) => Answer::Error(fault),
    }
}

fn differ(world: &World, lookup: bool, theirs: &Answer, ours: &Answer) -> Option<(String, String)> {
    let verdict = judge(world, lookup, theirs, ours);
    (verdict == crate::tally::Verdict::Mismatch).then(|| (format!("{theirs:?}"), format!("{ours:?}")))
}

fn size(mismatch: &Mismatch) -> usize {
    let world = &mismatch.world;
    let contexts =
        world.relationships.iter().filter_map(|tuple| tuple.caveat.as_ref()).map(|caveat| caveat.context.len());
    world.schema.text().len()
        + 10 * world.relationships.len()
        + contexts.sum::<usize>()
        + context(mismatch).map_or(0, Context::len)
}

fn context(mismatch: &Mismatch) -> Option<&Context> {
    match &mismatch.question {
        Question::Check(check) => Some(&check.context),
        Question::Resource(lookup, _) => Some(&lookup.context),
        Question::Subject(lookup, _) => Some(&lookup.context),
        Question::Schema(_) | Question::Change(_) | Question::Relationship(_) => None,
    }
}

/// Makes a world smaller at its `at`-th place; false if there is none.
type Step = fn(&mut Mismatch, usize) -> bool;

const STEPS: &[Step] = &[
    |m, _| !std::mem::take(&mut m.world.schema.looks).is_plain(),
    |m, at| remove(&mut m.world.relationships, at),
    |m, at| remove(&mut m.world.schema.definitions, at),
    |m, at| nth(&mut m.world.schema.definitions, at, |definition| &mut definition.members),
    |m, at| remove(&mut m.world.schema.caveats, at),
    |m, at| remove(&mut m.world.schema.partials, at),
    |m, at| remove(&mut m.world.schema.uses, at),
    forms,
    chains,
    |m, at| {
        let with = m.world.relationships.iter_mut().filter_map(|tuple| tuple.caveat.as_mut());
        drop_key(with.map(|caveat| &mut caveat.context), at)
    },
    |m, at| match &mut m.question {
        Question::Check(check) => drop_key(std::iter::once(&mut check.context), at),
        Question::Resource(lookup, _) => drop_key(std::iter::once(&mut lookup.context), at),
        Question::Subject(lookup, _) => drop_key(std::iter::once(&mut lookup.context), at),
        Question::Schema(_) | Question::Change(_) | Question::Relationship(_) => false,
    },
];

fn remove<T>(list: &mut Vec<T>, at: usize) -> bool {
    at < list.len() && {
        list.remove(at);
        true
    }
}

/// Removes the `at`-th of all items of inner lists.
fn nth<T, U>(list: &mut [T], mut at: usize, inner: impl Fn(&mut T) -> &mut Vec<U>) -> bool {
    for one in list {
        let items = inner(one);
        if at < items.len() {
            items.remove(at);
            return true;
        }
        at -= items.len();
    }
    false
}

fn drop_key<'a>(contexts: impl Iterator<Item = &'a mut Context>, mut at: usize) -> bool {
    for context in contexts {
        if let Some(key) = context.keys().nth(at).cloned() {
            context.remove(&key);
            return true;
        }
        at -= context.len();
    }
    false
}

fn forms(mismatch: &mut Mismatch, mut at: usize) -> bool {
    for definition in &mut mismatch.world.schema.definitions {
        for member in &mut definition.members {
            if let Body::Relation(forms) = &mut member.body {
                if at < forms.len() {
                    forms.remove(at);
                    return true;
                }
                at -= forms.len();
            }
        }
    }
    false
}

fn chains(mismatch: &mut Mismatch, at: usize) -> bool {
    let mut at = at;
    for definition in &mut mismatch.world.schema.definitions {
        for member in &mut definition.members {
            if let Body::Permission { chain, annotation } = &mut member.body {
                if !annotation.is_empty() {
                    if at == 0 {
                        annotation.clear();
                        return true;
                    }
                    at -= 1;
                }
                if cut(chain, &mut at) {
                    return true;
                }
            }
        }
    }
    false
}

/// Takes an operand away, or opens a group, at the `at`-th place of a chain.
fn cut(chain: &mut Chain, at: &mut usize) -> bool {
    for index in 0..chain.rest.len() {
        if *at == 0 {
            chain.rest.remove(index);
            return true;
        }
        *at -= 1;
    }
    if !chain.rest.is_empty() {
        if *at == 0 {
            chain.first = chain.rest.remove(0).1;
            return true;
        }
        *at -= 1;
    }
    if let (Operand::Group(inner), true) = (&chain.first, chain.rest.is_empty()) {
        if *at == 0 {
            *chain = (**inner).clone();
            return true;
        }
        *at -= 1;
    }
    let operands = std::iter::once(&mut chain.first).chain(chain.rest.iter_mut().map(|(_, operand)| operand));
    for operand in operands {
        if let Operand::Group(inner) = operand {
            if inner.rest.is_empty() {
                if *at == 0 {
                    *operand = inner.first.clone();
                    return true;
                }
                *at -= 1;
            } else if cut(inner, at) {
                return true;
            }
        }
    }
    false
}
