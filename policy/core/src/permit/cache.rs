//! Masks and verdicts as the gate remembers them.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{
    Caller, CollectionId, CollectionResource, Documents, Epoch, FieldId, Mask, Refusal, Resources, SchemaVersion,
    SharedCache, SpaceId, Timestamp, UserId,
};

/// What all answers that are remembered take together, in bytes. A person's count together with those of their apps and
/// links; the oldest of whoever has most go first.
pub(super) const ROOM: usize = 48 << 20;
/// What one takes beside the fields and the documents that it names.
pub(super) const EACH: usize = 1_024;

/// What one answer is about. The caller holds the grant, so no two grants ever share an answer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    caller: Caller,
    space: SpaceId,
    schema: SchemaVersion,
    /// `None`: the verdict on the space itself.
    collection: Option<CollectionId>,
}

/// What the caller is to the space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The whole space, though perhaps empty. Else only what has a mask.
    pub(super) sees: bool,
    pub(super) manages: bool,
    pub(super) valid_until: Option<Timestamp>,
}

/// The mask of one collection and how long it, or its absence, holds.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// `None`: the collection is not there for this caller.
    pub(super) mask: Option<Arc<Mask>>,
    pub(super) valid_until: Option<Timestamp>,
}

enum Answer {
    Space(Verdict),
    /// A mask and the fields that it was derived from: one schema version has one list, and a list
    /// that differs is not answered from here.
    Collection(Arc<[FieldId]>, Known),
    /// The collection has more single documents for this caller than are told apart.
    TooManyDocuments {
        valid_until: Option<Timestamp>,
    },
}

impl Answer {
    /// What it takes, in bytes.
    fn bytes(&self) -> usize {
        let Answer::Collection(_, Known { mask: Some(mask), .. }) = self else { return EACH };
        let of = |entry: &crate::Entry| {
            let documents = match &entry.documents {
                Documents::All => 0,
                Documents::Except(documents) | Documents::Only(documents) => documents.len(),
            };
            (entry.fields.len() + documents) * size_of::<FieldId>()
        };
        EACH + mask.entries.iter().map(of).sum::<usize>()
    }
}

pub(super) struct Cache(Mutex<Answers>);

struct Answers(SharedCache<UserId, Key, (Epoch, Answer)>);

impl Answers {
    fn put(&mut self, key: Key, epoch: Epoch, answer: Answer) {
        self.0.put(key.caller.user, key, answer.bytes(), (epoch, answer));
    }
}

impl Cache {
    pub(super) fn new() -> Self {
        Cache(Mutex::new(Answers(SharedCache::new(ROOM))))
    }

    /// The verdict, and what is known of each collection, as of `epoch`. `None` where it must be asked.
    ///
    /// # Errors
    /// [`Refusal::TooManyDocuments`] if that is what is known of a collection.
    pub(super) fn look_up(
        &self,
        caller: &Caller,
        resources: &Resources,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<(Option<Verdict>, Vec<Option<Known>>), Refusal> {
        let mut key =
            Key { caller: caller.clone(), space: resources.space, schema: resources.schema, collection: None };
        let holds = |until: Option<Timestamp>| until.is_none_or(|until| until > now);
        let answers = &mut self.0.lock().0;
        let verdict = match answers.get(&key) {
            Some((at, Answer::Space(verdict))) if *at == epoch && holds(verdict.valid_until) => Some(*verdict),
            _ => None,
        };
        let mut known = Vec::with_capacity(resources.collections.len());
        for collection in &resources.collections {
            key.collection = Some(collection.id);
            known.push(match answers.get(&key) {
                Some((at, Answer::Collection(fields, known)))
                    if *at == epoch && holds(known.valid_until) && same(fields, &collection.fields) =>
                {
                    Some(known.clone())
                }
                Some((at, Answer::TooManyDocuments { valid_until })) if *at == epoch && holds(*valid_until) => {
                    return Err(Refusal::TooManyDocuments);
                }
                _ => None,
            });
        }
        Ok((verdict, known))
    }

    /// Remembers that these collections were refused at `epoch`.
    pub(super) fn refuse(
        &self,
        caller: &Caller,
        resources: &Resources,
        epoch: Epoch,
        collections: &HashSet<CollectionId>,
        valid_until: Option<Timestamp>,
    ) {
        let (space, schema) = (resources.space, resources.schema);
        let mut answers = self.0.lock();
        for &collection in collections {
            let key = Key { caller: caller.clone(), space, schema, collection: Some(collection) };
            answers.put(key, epoch, Answer::TooManyDocuments { valid_until });
        }
    }

    /// Remembers what was asked at `epoch`.
    pub(super) fn keep<'a>(
        &self,
        caller: &Caller,
        resources: &Resources,
        epoch: Epoch,
        verdict: Verdict,
        known: impl Iterator<Item = (&'a CollectionResource, &'a Known)>,
    ) {
        let mut key =
            Key { caller: caller.clone(), space: resources.space, schema: resources.schema, collection: None };
        let mut answers = self.0.lock();
        answers.put(key.clone(), epoch, Answer::Space(verdict));
        for (collection, known) in known {
            key.collection = Some(collection.id);
            answers.put(key.clone(), epoch, Answer::Collection(Arc::clone(&collection.fields), known.clone()));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().0.len()
    }
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.lock().0.bytes()
    }
}

fn same(a: &Arc<[FieldId]>, b: &Arc<[FieldId]>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
