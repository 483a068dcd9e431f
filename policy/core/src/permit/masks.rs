//! How masks follow from the answers of the engine.

use std::sync::Arc;

use super::cache::{Known, Verdict};
use super::half::UserHalf;
use super::singled::{Singled, Wanted};
use crate::{
    Caller, Check, CollectionId, CollectionResource, Decision, DocId, Documents, FieldId, Grant, GrantEntry, GrantId,
    Mask, Narrowed, Object, Permissionship, SpaceId, Subject, Timestamp, Verb, Verbs,
};

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

/// The collection and the document that a policy object is of, if it is one of a document.
pub fn document_of(object: &Object) -> Option<(CollectionId, DocId)> {
    if object.kind == "document" { document_parts(&object.id) } else { None }
}

/// The same of the id of such an object. In another spelling it is another object, and of no document: what is said of
/// it must not be taken for something said of the document, here and not there.
pub(super) fn document_parts(id: &str) -> Option<(CollectionId, DocId)> {
    let (collection, document) = id.split_once('|')?;
    let (collection, document) = (collection.parse().ok()?, document.parse().ok()?);
    (document_object(collection, document).id == id).then_some((collection, document))
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
    /// Policy has not heard of the grant: its entries give what they say.
    previewed: bool,
    collections: Vec<About<'a>>,
}

/// What is asked of one collection.
pub(super) struct About<'a> {
    pub(super) collection: &'a CollectionResource,
    /// Where its checks begin: `view`, `edit` and `exceptional` of the collection, then three for each field.
    /// `None`: no entry of the grant reaches it.
    first: Option<usize>,
    /// Where the further checks of its fields begin, two for each: what single documents of it show.
    further: Option<usize>,
}

impl About<'_> {
    pub(super) fn views(&self) -> usize {
        self.first.unwrap_or(usize::MAX)
    }
    pub(super) fn edits(&self) -> usize {
        self.views().saturating_add(1)
    }
    fn exceptional(&self) -> usize {
        self.views().saturating_add(2)
    }
    /// `view`, `view_sealed` and `edit` of its field `i`.
    pub(super) fn field(&self, i: usize) -> usize {
        self.views().saturating_add(3 + 3 * i)
    }
    /// Whether its field `i` is open to the collection at all; behind it, whether it is hidden from the person.
    pub(super) fn open(&self, i: usize) -> usize {
        self.further.map_or(usize::MAX, |further| further + 2 * i)
    }
}

impl<'a> Questions<'a> {
    /// The questions about the space itself.
    pub(super) fn new(caller: &'a Caller, grant: Option<&'a Grant>, space: SpaceId) -> Self {
        Questions::of(caller, grant, None, space)
    }

    /// The questions about the space of a grant, of which the caller has a part.
    pub(super) fn within(caller: &'a Caller, narrowed: &'a Narrowed) -> Self {
        let grant = &narrowed.grant;
        Questions::of(caller, Some(grant), Some(&narrowed.numbers), grant.space)
    }

    /// `numbers`: which entries of the grant, as policy knows it, those of `grant` lie in, if not each in its own.
    fn of(caller: &'a Caller, grant: Option<&'a Grant>, numbers: Option<&[usize]>, space: SpaceId) -> Self {
        let mut questions = Questions {
            caller,
            grant,
            checks: Vec::new(),
            view: 0,
            manage: None,
            entries: Vec::new(),
            previewed: false,
            collections: Vec::new(),
        };
        questions.view = questions.ask_user(Object::new("space", space), "view");
        if caller.app.is_none() {
            questions.manage = Some(questions.ask_user(Object::new("space", space), "manage"));
        }
        for (n, entry) in grant.into_iter().flat_map(|grant| grant.entries.iter().enumerate()) {
            let mut asked = Vec::new();
            if let (Some(app), Some(grant)) = (&caller.app, grant) {
                let number = numbers.map_or(n, |numbers| numbers[n]);
                for verb in entry.verbs.iter() {
                    let holder = app.holder.subject();
                    asked.push((verb, questions.ask(grant_object(grant.id, number), verb.word(), holder)));
                }
            }
            questions.entries.push(asked);
        }
        questions
    }

    /// The questions about the space of a grant that is not given yet, by whoever would act under it.
    pub(super) fn foreseeing(caller: &'a Caller, grant: &'a Grant) -> Self {
        let mut questions = Questions {
            caller,
            grant: Some(grant),
            checks: Vec::new(),
            view: 0,
            manage: None,
            entries: vec![Vec::new(); grant.entries.len()],
            previewed: true,
            collections: Vec::new(),
        };
        questions.view = questions.ask_user(Object::new("space", grant.space), "view");
        questions
    }

    /// Adds what must be known of one collection.
    pub(super) fn about(&mut self, collection: &'a CollectionResource) {
        let reached = self.grant.is_none_or(|grant| {
            grant.entries.iter().any(|entry| entry.scopes.iter().any(|scope| scope.collection == collection.id))
        });
        let first = reached.then(|| {
            let object = Object::new("collection", collection.id);
            let first = self.ask_user(object.clone(), "view");
            self.ask_user(object.clone(), "edit");
            self.ask_user(object, "exceptional");
            for &field in collection.fields.iter() {
                for permission in ["view", "view_sealed", "edit"] {
                    self.ask_user(field_object(collection.id, field), permission);
                }
            }
            first
        });
        self.collections.push(About { collection, first, further: None });
    }

    /// Which lists of single documents matter, by the answers so far; `None`: no collection has any.
    pub(super) fn wanted(&self, answers: &[Decision]) -> Option<Wanted> {
        let answers = Answers(answers);
        let mut wanted = Wanted::default();
        for about in self.collections.iter().filter(|about| answers.allowed(about.exceptional())) {
            let (views, edits) = (answers.allowed(about.views()), answers.allowed(about.edits()));
            wanted.collections.insert(about.collection.id);
            wanted.viewed |= !views;
            wanted.edited |= !edits;
            wanted.blocked |= views || edits;
        }
        (!wanted.collections.is_empty()).then_some(wanted)
    }

    /// The checks that follow from single documents: what of their fields shows to whom the collection does not.
    /// Their answers belong behind those of the first checks.
    pub(super) fn about_fields(&mut self, answers: &[Decision], singled: &Singled) -> Vec<Check> {
        let answers = Answers(answers);
        let mut checks = Vec::new();
        let user = Subject::object("user", self.caller.user);
        for about in &mut self.collections {
            let (id, exceptional) = (about.collection.id, answers.allowed(about.exceptional()));
            let some = |documents: Documents| matches!(&documents, Documents::Only(_)) && !documents.is_none();
            let parts = exceptional
                && (some(singled.viewed(id, answers.allowed(about.views())))
                    || some(singled.edited(id, answers.allowed(about.edits()))));
            if !parts {
                continue;
            }
            about.further = Some(self.checks.len() + checks.len());
            for &field in about.collection.fields.iter() {
                let object = field_object(id, field);
                checks.push(Check::new(object.clone(), "collection", Subject::object("collection", id)));
                checks.push(Check::new(object, "kept", user.clone()));
            }
        }
        checks
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

    /// What the answers say; `answers` has one decision for each check, in order, the further ones last.
    pub(super) fn conclude(&self, answers: &[Decision], singled: &Singled, now: Timestamp) -> (Verdict, Vec<Known>) {
        let answers = Answers(answers);
        let mut until = None;
        let verbs: Vec<Verbs> = match self.grant {
            None => Vec::new(),
            Some(grant) => grant
                .entries
                .iter()
                .zip(&self.entries)
                .map(|(entry, asked)| {
                    let said = entry_verbs(entry, asked, answers, now, &mut until);
                    if self.previewed && lives(entry, now) { entry.verbs } else { said }
                })
                .collect(),
        };
        let from_grant = until;
        let viewed = answers.yes(self.view, &mut until);
        let manages = self.manage.is_some_and(|at| answers.yes(at, &mut until));
        let reached = self.grant.is_none() || verbs.iter().any(|verbs| !verbs.is_empty());
        let known = self
            .collections
            .iter()
            .map(|about| {
                let mut until = from_grant;
                let half = about.first.map(|_| {
                    let exceptional = answers.yes(about.exceptional(), &mut until);
                    UserHalf::new(about, exceptional.then_some(singled), answers, &mut until)
                });
                let entries = match (half, self.grant) {
                    (None, _) => Vec::new(),
                    (Some(half), None) => half.entries(),
                    (Some(half), Some(grant)) => half.narrowed(about.collection.id, grant, &verbs),
                };
                let mask = (!entries.is_empty()).then(|| Arc::new(Mask { entries, valid_until: until }));
                Known { mask, valid_until: until }
            })
            .collect();
        (Verdict { sees: viewed && reached, manages, valid_until: until }, known)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Answers<'a>(&'a [Decision]);

impl Answers<'_> {
    /// Whether the check at `at` is allowed.
    fn allowed(self, at: usize) -> bool {
        self.0.get(at).is_some_and(Decision::allowed)
    }
    /// Whether the check at `at` is surely refused. Lowers `until` as [`Answers::yes`].
    pub(super) fn no(self, at: usize, until: &mut Option<Timestamp>) -> bool {
        let Some(decision) = self.0.get(at) else { return false };
        *until = earliest(*until, decision.valid_until);
        decision.permissionship == Permissionship::No
    }
    /// Whether the check at `at` is allowed. Lowers `until` to the expiry that the answer rests on.
    pub(super) fn yes(self, at: usize, until: &mut Option<Timestamp>) -> bool {
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

fn lives(entry: &GrantEntry, now: Timestamp) -> bool {
    entry.until.is_none_or(|end| end > now)
}

fn entry_verbs(
    entry: &GrantEntry,
    asked: &[(Verb, usize)],
    answers: Answers<'_>,
    now: Timestamp,
    until: &mut Option<Timestamp>,
) -> Verbs {
    if !lives(entry, now) {
        return Verbs::NONE;
    }
    *until = earliest(*until, entry.until);
    asked.iter().filter(|&&(_, at)| answers.yes(at, until)).map(|&(verb, _)| verb).collect()
}
