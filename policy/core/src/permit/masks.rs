//! How masks follow from the answers of the engine.

use std::sync::Arc;

use super::cache::{Known, Verdict};
use crate::{
    Caller, Check, CollectionId, CollectionResource, Decision, DocId, Entry, FieldId, Grant, GrantEntry, GrantId,
    GrantScope, Mask, Object, Predicate, SpaceId, Subject, Timestamp, Verb, Verbs,
};

const SEES: [Verb; 3] = [Verb::Read, Verb::Search, Verb::History];
const PUTS: [Verb; 2] = [Verb::Create, Verb::Update];

/// The policy object of entry `n` of a grant.
pub fn grant_object(grant: GrantId, n: usize) -> Object {
    Object::new("grant", format_args!("{grant}/{n}"))
}

/// The policy object of a field of a collection.
pub fn field_object(collection: CollectionId, field: FieldId) -> Object {
    Object::new("field", format_args!("{collection}|{field}"))
}

/// The policy object of a document. Its collection is part of it: who makes a document may choose its id,
/// so the id alone names nothing.
pub fn document_object(collection: CollectionId, document: DocId) -> Object {
    Object::new("document", format_args!("{collection}|{:032x}", u128::from_be_bytes(*document.as_bytes())))
}

/// Every check of one request, to be answered by one call of the engine from one snapshot.
pub(super) struct Questions<'a> {
    caller: &'a Caller,
    /// The grant of the app that asks; already known to be the caller's own and of this space.
    grant: Option<&'a Grant>,
    checks: Vec<Check>,
    view: usize,
    manage: Option<usize>,
    /// For each entry of the grant: its verbs and where they were asked.
    entries: Vec<Vec<(Verb, usize)>>,
    /// Each collection and where its checks begin; `None`: no entry of the grant reaches it.
    collections: Vec<(&'a CollectionResource, Option<usize>)>,
}

impl<'a> Questions<'a> {
    /// The questions about the space itself.
    pub(super) fn new(caller: &'a Caller, grant: Option<&'a Grant>, space: SpaceId) -> Self {
        let mut questions = Questions {
            caller,
            grant,
            checks: Vec::new(),
            view: 0,
            manage: None,
            entries: Vec::new(),
            collections: Vec::new(),
        };
        questions.view = questions.ask_user(Object::new("space", space), "view");
        if caller.app.is_none() {
            questions.manage = Some(questions.ask_user(Object::new("space", space), "manage"));
        }
        for (n, entry) in grant.into_iter().flat_map(|grant| grant.entries.iter().enumerate()) {
            let mut asked = Vec::new();
            if let (Some(app), Some(grant)) = (caller.app, grant) {
                for verb in entry.verbs.iter() {
                    let client = Subject::object("client", app.client);
                    asked.push((verb, questions.ask(grant_object(grant.id, n), verb.word(), client)));
                }
            }
            questions.entries.push(asked);
        }
        questions
    }

    /// Adds what must be known of one collection.
    pub(super) fn about(&mut self, collection: &'a CollectionResource) {
        let reached = self.grant.is_none_or(|grant| {
            grant.entries.iter().any(|entry| entry.scopes.iter().any(|scope| scope.collection == collection.id))
        });
        let first = reached.then(|| {
            let first = self.ask_user(Object::new("collection", collection.id), "view");
            self.ask_user(Object::new("collection", collection.id), "edit");
            for &field in collection.fields.iter() {
                for permission in ["view", "view_sealed", "edit"] {
                    self.ask_user(field_object(collection.id, field), permission);
                }
            }
            first
        });
        self.collections.push((collection, first));
    }

    pub(super) fn checks(&self) -> &[Check] {
        &self.checks
    }

    fn ask(&mut self, resource: Object, permission: &str, subject: Subject) -> usize {
        self.checks.push(Check::new(resource, permission, subject));
        self.checks.len() - 1
    }

    fn ask_user(&mut self, resource: Object, permission: &str) -> usize {
        let subject = Subject::object("user", self.caller.user);
        self.ask(resource, permission, subject)
    }

    /// What the answers say; `answers` has one decision for each check, in order.
    pub(super) fn conclude(&self, answers: &[Decision], now: Timestamp) -> (Verdict, Vec<Known>) {
        let answers = Answers(answers);
        let mut until = None;
        let verbs: Vec<Verbs> = match self.grant {
            None => Vec::new(),
            Some(grant) => grant
                .entries
                .iter()
                .zip(&self.entries)
                .map(|(entry, asked)| entry_verbs(entry, asked, answers, now, &mut until))
                .collect(),
        };
        let from_grant = until;
        let viewed = answers.yes(self.view, &mut until);
        let manages = self.manage.is_some_and(|at| answers.yes(at, &mut until));
        let reached = self.grant.is_none() || verbs.iter().any(|verbs| !verbs.is_empty());
        let known = self
            .collections
            .iter()
            .map(|&(collection, first)| {
                let mut until = from_grant;
                let entries = match first.map(|first| UserHalf::new(collection, first, answers, &mut until)) {
                    None => Vec::new(),
                    Some(half) => match self.grant {
                        None => half.entries(),
                        Some(grant) => half.narrowed(collection.id, grant, &verbs),
                    },
                };
                let mask = (!entries.is_empty()).then(|| Arc::new(Mask { entries, valid_until: until }));
                Known { mask, valid_until: until }
            })
            .collect();
        (Verdict { sees: viewed && reached, manages, valid_until: until }, known)
    }
}

#[derive(Clone, Copy)]
struct Answers<'a>(&'a [Decision]);

impl Answers<'_> {
    /// Whether the check at `at` is allowed. Lowers `until` to the expiry that the answer rests on.
    fn yes(self, at: usize, until: &mut Option<Timestamp>) -> bool {
        let Some(decision) = self.0.get(at) else { return false };
        *until = earliest(*until, decision.valid_until);
        decision.allowed()
    }
}

/// The earlier of two expiries, where `None` never comes.
pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn entry_verbs(
    entry: &GrantEntry,
    asked: &[(Verb, usize)],
    answers: Answers<'_>,
    now: Timestamp,
    until: &mut Option<Timestamp>,
) -> Verbs {
    if entry.until.is_some_and(|end| end <= now) {
        return Verbs::NONE;
    }
    *until = earliest(*until, entry.until);
    asked.iter().filter(|&&(_, at)| answers.yes(at, until)).map(|&(verb, _)| verb).collect()
}

/// What the person may do in one collection.
struct UserHalf {
    /// Sorted; empty where the collection may not be viewed.
    view: Vec<FieldId>,
    /// Sorted; empty where the collection may not be edited.
    edit: Vec<FieldId>,
    /// Whether documents of the collection may be deleted.
    deletes: bool,
}

impl UserHalf {
    fn new(collection: &CollectionResource, first: usize, answers: Answers<'_>, until: &mut Option<Timestamp>) -> Self {
        let views = answers.yes(first, until);
        let deletes = answers.yes(first + 1, until);
        let mut half = UserHalf { view: Vec::new(), edit: Vec::new(), deletes };
        for (i, &field) in collection.fields.iter().enumerate() {
            let at = first + 2 + 3 * i;
            // `|` and not `||`: each of the three may be what ends first.
            let seen = answers.yes(at, until) | answers.yes(at + 1, until);
            let put = answers.yes(at + 2, until);
            if views && seen {
                half.view.push(field);
            }
            if deletes && put {
                half.edit.push(field);
            }
        }
        for fields in [&mut half.view, &mut half.edit] {
            fields.sort_unstable();
            fields.dedup();
        }
        half
    }

    /// The mask of the person in person.
    fn entries(&self) -> Vec<Entry> {
        self.within(Verbs::ALL, None, &Predicate::default())
    }

    /// The mask of an app: each entry of its grant by itself, within this half.
    fn narrowed(&self, collection: CollectionId, grant: &Grant, verbs: &[Verbs]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (entry, &verbs) in grant.entries.iter().zip(verbs) {
            for scope in entry.scopes.iter().filter(|scope| scope.collection == collection) {
                if self.sees_conditions(scope) {
                    entries.extend(self.within(verbs, Some(&scope.fields), &scope.predicate));
                }
            }
        }
        entries
    }

    /// Whether the person sees every field that the predicate of the scope compares. Else which
    /// documents the app finds would tell what they hold in a field that the person may not see.
    fn sees_conditions(&self, scope: &GrantScope) -> bool {
        scope.predicate.conditions.iter().all(|condition| self.view.binary_search(&condition.field).is_ok())
    }

    /// One entry if reading and writing reach the same fields, else two; none that gives nothing.
    fn within(&self, verbs: Verbs, scope: Option<&[FieldId]>, predicate: &Predicate) -> Vec<Entry> {
        let cut = |fields: &[FieldId]| -> Arc<[FieldId]> {
            fields.iter().copied().filter(|field| scope.is_none_or(|scope| scope.contains(field))).collect()
        };
        let (seen, put) = (cut(&self.view), cut(&self.edit));
        let of = |some: &[Verb], fields: &[FieldId]| -> Verbs {
            if fields.is_empty() { Verbs::NONE } else { some.iter().copied().collect::<Verbs>().and(verbs) }
        };
        let reading = of(&SEES, &seen);
        let mut writing = of(&PUTS, &put);
        if self.deletes && verbs.has(Verb::Delete) {
            writing = writing.with(Verb::Delete);
        }
        let entry = |verbs, fields| Entry { verbs, fields, predicate: predicate.clone() };
        match (reading.is_empty(), writing.is_empty()) {
            (true, true) => Vec::new(),
            (false, true) => vec![entry(reading, seen)],
            (true, false) => vec![entry(writing, put)],
            (false, false) if seen == put => vec![entry(reading.iter().chain(writing.iter()).collect(), seen)],
            (false, false) => vec![entry(reading, seen), entry(writing, put)],
        }
    }
}
