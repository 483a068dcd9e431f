//! What a person may do in one collection, and what of it an app may.

use std::sync::Arc;

use super::masks::{About, Answers, earliest};
use super::singled::Singled;
use crate::{CollectionId, Documents, Entry, FieldId, Grant, GrantScope, Timestamp, Verb, Verbs};

const SEES: [Verb; 3] = [Verb::Read, Verb::Search, Verb::History];
const PUTS: [Verb; 2] = [Verb::Create, Verb::Update];

/// What the person may do in one collection: see some fields of some documents, and put some of some.
pub(super) struct UserHalf {
    /// Sorted; empty where nothing of the collection may be viewed.
    view: Vec<FieldId>,
    seen: Documents,
    /// Sorted; empty where nothing of the collection may be edited.
    edit: Vec<FieldId>,
    edited: Documents,
}

impl UserHalf {
    /// `singled`: single documents, if the collection has any that stand out.
    pub(super) fn new(
        about: &About<'_>,
        singled: Option<&Singled>,
        answers: Answers<'_>,
        until: &mut Option<Timestamp>,
    ) -> Self {
        let id = about.collection.id;
        let (views, edits) = (answers.yes(about.views(), until), answers.yes(about.edits(), until));
        let part = |whole: bool| if whole { Documents::All } else { Documents::only(Vec::new()) };
        let (seen, edited) = match singled {
            None => (part(views), part(edits)),
            Some(singled) => {
                *until = earliest(*until, singled.valid_until);
                (singled.viewed(id, views), singled.edited(id, edits))
            }
        };
        let mut half = UserHalf { view: Vec::new(), seen, edit: Vec::new(), edited };
        for (i, &field) in about.collection.fields.iter().enumerate() {
            let at = about.field(i);
            // Where the collection does not show the field, a document may: all but what is sealed or hidden.
            let shown = answers.yes(about.open(i), until) & answers.no(about.open(i).saturating_add(1), until);
            // `|` and not `||`: each of them may be what ends first.
            let viewed = answers.yes(at, until) | answers.yes(at + 1, until) | (!views & shown);
            let put = answers.yes(at + 2, until) | (!edits & shown);
            if viewed && !half.seen.is_none() {
                half.view.push(field);
            }
            if put && !half.edited.is_none() {
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
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.within(Verbs::ALL, None)
    }

    /// The mask of an app: each entry of its grant by itself, within this half.
    pub(super) fn narrowed(&self, collection: CollectionId, grant: &Grant, verbs: &[Verbs]) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (entry, &verbs) in grant.entries.iter().zip(verbs) {
            for scope in entry.scopes.iter().filter(|scope| scope.collection == collection) {
                if self.sees_conditions(scope) {
                    entries.extend(self.within(verbs, Some(scope)));
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

    /// One entry if reading and writing reach the same, else two; none that gives nothing.
    fn within(&self, verbs: Verbs, scope: Option<&GrantScope>) -> Vec<Entry> {
        let named = scope.and_then(|scope| scope.documents.as_deref());
        let among = |documents: &Documents| named.map_or_else(|| documents.clone(), |named| documents.among(named));
        let (seen_in, edited_in) = (among(&self.seen), among(&self.edited));
        let cut = |fields: &[FieldId], documents: &Documents| -> Arc<[FieldId]> {
            let given = |field: &FieldId| scope.is_none_or(|scope| scope.fields.contains(field));
            fields.iter().copied().filter(|field| !documents.is_none() && given(field)).collect()
        };
        let (seen, put) = (cut(&self.view, &seen_in), cut(&self.edit, &edited_in));
        let of = |some: &[Verb], fields: &[FieldId]| -> Verbs {
            if fields.is_empty() { Verbs::NONE } else { some.iter().copied().collect::<Verbs>().and(verbs) }
        };
        let reading = of(&SEES, &seen);
        let mut writing = match edited_in {
            // Who edits single documents makes no new ones.
            Documents::Only(_) => of(&[Verb::Update], &put),
            Documents::All | Documents::Except(_) => of(&PUTS, &put),
        };
        if !edited_in.is_none() && verbs.has(Verb::Delete) {
            writing = writing.with(Verb::Delete);
        }
        let entry = |verbs, fields, documents: &Documents| Entry {
            verbs,
            fields,
            documents: documents.clone(),
            predicate: scope.map(|scope| scope.predicate.clone()).unwrap_or_default(),
        };
        match (reading.is_empty(), writing.is_empty()) {
            (true, true) => Vec::new(),
            (false, true) => vec![entry(reading, seen, &seen_in)],
            (true, false) => vec![entry(writing, put, &edited_in)],
            (false, false) if seen == put && seen_in == edited_in => {
                vec![entry(reading.iter().chain(writing.iter()).collect(), seen, &seen_in)]
            }
            (false, false) => vec![entry(reading, seen, &seen_in), entry(writing, put, &edited_in)],
        }
    }
}
