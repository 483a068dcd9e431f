//! One request: what it asks, checked against masks and definitions, becomes sealed commits.

use std::sync::Arc;

use cid::Cid;
use policy_core::{CollectionId, DocId, Entry, FieldId, Mask, Permits, Scalar, Timestamp, Verb, Write};
use rand::RngExt;
use rand::rngs::ThreadRng;
use vault_core::build::{DocumentDraft, SealError, SealedFrame, TxnBuilder};
use vault_core::change::{Action, ChangeRequest, NewDocument, Target};
use vault_core::crdt::FieldState;
use vault_core::document::{Author, Delta, DocumentCommit, Status};
use vault_core::limits::MAX_VALUE;
use vault_core::query::Filter;
use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType, Schema};
use vault_core::tags::{EpochId, LaneTag};
use vault_core::value::Value;

use super::WriteError;
use super::scope::{entry_for, sees_all, sees_field, set, unique_sets, value_of};
use crate::space::{Core, Space};
use crate::view::{CHANGED_MAX, LoadedDocument, ReadError, Sink, Text, ViewError};

/// The answer (a row of the changes, by key), the frames to store, and how many commits they hold: `most` at most.
pub fn run(
    space: &Space,
    core: &mut Core,
    control: Vec<EpochId>,
    permits: &Permits<Write>,
    request: &ChangeRequest,
    (now, most): (Timestamp, usize),
) -> Result<(Vec<u8>, Vec<SealedFrame>, usize), WriteError> {
    let schema = space.schema();
    let mut rng = rand::rng();
    let chains = std::mem::take(&mut core.chains);
    let held = |lane: LaneTag| chains.get(&lane).copied();
    let keys = Arc::clone(&core.keys);
    let txn = TxnBuilder::new(&keys, space.account.device.id, space.account.user, control, &held, &mut rng);
    let app = match &permits.caller().app {
        None => None,
        Some(app) => Some((app.holder.client().ok_or(WriteError::Forbidden)?, app.grant)),
    };
    let author = Author { user: permits.caller().user, app };
    let mut work = Work { space, core, schema: &schema, permits, author, now, rng: rand::rng(), txn, count: 0, most };
    let answer = work.all(request);
    let (count, txn) = (work.count, work.txn);
    let result = answer.map(|answer| (answer, txn.finish(&space.account.device.signer), count));
    core.chains = chains;
    result
}

struct Work<'a> {
    space: &'a Space,
    core: &'a mut Core,
    schema: &'a Schema,
    permits: &'a Permits<Write>,
    author: Author,
    now: Timestamp,
    rng: ThreadRng,
    txn: TxnBuilder<'a>,
    count: usize,
    /// Commits that are made of it here.
    most: usize,
}

impl Work<'_> {
    fn all(&mut self, request: &ChangeRequest) -> Result<Vec<u8>, WriteError> {
        let mut answer = Text::default();
        answer.begin_row();
        for change in &request.changes {
            let collection = self.schema.collection(change.collection).ok_or(WriteError::Forbidden)?;
            let mask = self.permits.mask(change.collection).ok_or(WriteError::Forbidden)?.clone();
            let touched = match &change.action {
                Action::Add(documents) => {
                    let mut ids = Vec::with_capacity(documents.len());
                    for document in documents {
                        ids.push(self.add(collection, &mask, document)?);
                    }
                    ids
                }
                Action::Update { target, fields, expect_heads } => {
                    let ids = self.select(collection.id, target, Verb::Update, false)?;
                    self.update_all(collection, &mask, ids, fields, expect_heads.as_deref())?
                }
                Action::Upsert { filter, add, update } => {
                    let ids = self.matching(collection.id, filter)?;
                    if ids.is_empty() {
                        vec![self.add(collection, &mask, add)?]
                    } else {
                        self.update_all(collection, &mask, ids, update, None)?
                    }
                }
                Action::Delete { target, expect_heads } => {
                    let ids = self.select(collection.id, target, Verb::Delete, false)?;
                    self.mark_all(collection, ids, Status::Deleted, expect_heads.as_deref())?
                }
                Action::Restore { target, expect_heads } => {
                    self.may_set_unique(collection, &mask)?;
                    let ids = self.select(collection.id, target, Verb::Delete, true)?;
                    self.mark_all(collection, ids, Status::Undeleted, expect_heads.as_deref())?
                }
            };
            answer.key(&change.key);
            let view = &self.core.view;
            view.answer(self.permits, self.schema, collection.id, &touched, &change.items, &mut answer)?;
            if answer.size() > CHANGED_MAX {
                return Err(ViewError::from(ReadError::Bytes(CHANGED_MAX)).into());
            }
        }
        answer.end_row();
        Ok(answer.into_bytes())
    }

    fn select(
        &self,
        collection: CollectionId,
        target: &Target,
        verb: Verb,
        deleted: bool,
    ) -> Result<Vec<DocId>, WriteError> {
        let ids = target.doc_ids.as_deref();
        Ok(self.core.view.select_ids(self.permits, collection, ids, target.filter.as_ref(), verb, deleted)?)
    }

    fn matching(&self, collection: CollectionId, filter: &Filter) -> Result<Vec<DocId>, WriteError> {
        Ok(self.core.view.select_ids(self.permits, collection, None, Some(filter), Verb::Update, false)?)
    }

    fn tick(&mut self) -> vault_core::document::Hlc {
        self.core.hlc = self.core.hlc.tick(self.now);
        self.core.hlc
    }

    fn add(&mut self, collection: &Collection, mask: &Mask, new: &NewDocument) -> Result<DocId, WriteError> {
        let named: Vec<FieldId> = new.fields.iter().map(|(id, _)| *id).collect();
        let (entry, values) = entry_for(mask, Verb::Create, &named, None, |entry| {
            let mut values = new.fields.clone();
            for field in collection.fields.iter().filter(|field| field.is_stored()) {
                if value_of(&values, field.id).is_none() {
                    let demanded = entry.predicate.equal_to(field.id).filter(|_| !entry.holds(field.id));
                    if let Some(scalar) = demanded {
                        values.push((field.id, Value::Scalar(scalar.clone())));
                    } else if let Some(default) = &field.default {
                        values.push((field.id, default.clone()));
                    }
                }
            }
            values
        })?;
        for field in collection.fields.iter().filter(|field| field.not_null()) {
            if value_of(&values, field.id).is_none_or(Value::is_null) {
                return Err(WriteError::NotNull { field: entry.holds(field.id).then(|| field.name.clone()) });
            }
        }
        self.check_values(collection, &values)?;
        self.may_set(collection, mask, &values, &named, None)?;
        let hlc = self.tick();
        let doc = match new.doc_id {
            None => hlc.document_id(self.rng.random()),
            Some(id) => {
                let free = self.permits.caller().app.is_none() || mask_is_whole(mask);
                if !free {
                    return Err(WriteError::Forbidden);
                }
                if self.core.view.load(collection.id, id)?.is_some() {
                    return Err(WriteError::NotUnique { field: "_docID".into() });
                }
                id
            }
        };
        let mut deltas = Vec::with_capacity(values.len());
        for (id, value) in values {
            let Some(field) = collection.field(id) else { continue };
            if !value.is_null() {
                deltas.push((id, delta(field, value, None, self.space.account.device.id, true)?));
            }
        }
        let draft = DocumentDraft {
            collection: collection.id,
            doc,
            root: None,
            parents: Vec::new(),
            height: 0,
            hlc,
            author: self.author,
            status: None,
            deltas,
        };
        self.push(collection, draft)?;
        Ok(doc)
    }

    fn update_all(
        &mut self,
        collection: &Collection,
        mask: &Mask,
        ids: Vec<DocId>,
        fields: &[(FieldId, Value)],
        expect_heads: Option<&[Cid]>,
    ) -> Result<Vec<DocId>, WriteError> {
        self.check_values(collection, fields)?;
        let named: Vec<FieldId> = fields.iter().map(|(id, _)| *id).collect();
        let expected = expect_heads.map(sorted);
        for doc in &ids {
            self.core.view.in_time()?;
            let Some(loaded) = self.core.view.load(collection.id, *doc)? else { continue };
            self.check_heads(collection, *doc, expected.as_deref())?;
            let (entry, after) = entry_for(mask, Verb::Update, &named, Some((*doc, &loaded.values)), |_| {
                let mut after = loaded.values.clone();
                for (id, value) in fields {
                    // Of a counter what it comes to stand at, not the step that is asked for.
                    let stands = collection.field(*id).map(|field| stands_at(field, value, &loaded));
                    set(&mut after, *id, stands.unwrap_or_else(|| value.clone()));
                }
                after
            })?;
            for (id, value) in fields {
                let field = collection.field(*id).ok_or(WriteError::Forbidden)?;
                if value.is_null() && field.not_null() {
                    return Err(WriteError::NotNull { field: entry.holds(*id).then(|| field.name.clone()) });
                }
            }
            self.may_set(collection, mask, &after, &named, Some((*doc, &loaded.values)))?;
            let mut deltas = Vec::with_capacity(fields.len());
            for (id, value) in fields {
                let field = collection.field(*id).ok_or(WriteError::Forbidden)?;
                let seen = sees_field(mask, *id, *doc, &loaded.values);
                deltas.push((*id, delta(field, value.clone(), Some(&loaded), self.space.account.device.id, seen)?));
            }
            let draft = self.successor(collection.id, *doc, &loaded, None, deltas);
            self.push(collection, draft)?;
        }
        Ok(ids)
    }

    fn mark_all(
        &mut self,
        collection: &Collection,
        ids: Vec<DocId>,
        status: Status,
        expect_heads: Option<&[Cid]>,
    ) -> Result<Vec<DocId>, WriteError> {
        let expected = expect_heads.map(sorted);
        for doc in &ids {
            self.core.view.in_time()?;
            let Some(loaded) = self.core.view.load(collection.id, *doc)? else { continue };
            self.check_heads(collection, *doc, expected.as_deref())?;
            if status == Status::Undeleted {
                self.check_not_null(collection, &loaded)?;
            }
            let draft = self.successor(collection.id, *doc, &loaded, Some(status), Vec::new());
            self.push(collection, draft)?;
        }
        Ok(ids)
    }

    /// Refuses to change a document that somebody changed meanwhile, as far as the caller sees its history: what is
    /// expected is sorted.
    fn check_heads(&self, collection: &Collection, doc: DocId, expected: Option<&[Cid]>) -> Result<(), WriteError> {
        let Some(expected) = expected else { return Ok(()) };
        let heads = self.core.view.visible_heads(self.permits, collection.id, doc)?;
        if expected == heads { Ok(()) } else { Err(WriteError::Conflict) }
    }

    fn successor(
        &mut self,
        collection: CollectionId,
        doc: DocId,
        loaded: &LoadedDocument,
        status: Option<Status>,
        deltas: Vec<(FieldId, Delta)>,
    ) -> DocumentDraft {
        let hlc = self.tick();
        DocumentDraft {
            collection,
            doc,
            root: loaded.state.root,
            parents: loaded.state.heads.clone(),
            height: loaded.state.height,
            hlc,
            author: self.author,
            status,
            deltas,
        }
    }

    fn push(&mut self, collection: &Collection, draft: DocumentDraft) -> Result<(), WriteError> {
        if self.count >= self.most {
            return Err(WriteError::TooManyRows);
        }
        let commit = self.txn.push(draft, &mut self.rng).map_err(|error| match error {
            SealError::ValueTooLarge(id) => WriteError::ValueTooLarge { field: name_of(collection, id) },
            SealError::TooManyRows => WriteError::TooManyRows,
            SealError::Unknown | SealError::EntryTooLarge => WriteError::Forbidden,
        })?;
        self.core.view.apply(&commit)?;
        self.count += 1;
        self.check_unique(collection, &commit)
    }

    /// Every road by which a document comes alive or changes ends here, with the document as the commit has made
    /// it: counters, defaults and what the other documents of the same request have taken are in it.
    fn check_unique(&self, collection: &Collection, commit: &DocumentCommit) -> Result<(), WriteError> {
        let lives_anew = commit.status == Some(Status::Undeleted);
        for fields in unique_sets(collection) {
            let touched = lives_anew || commit.deltas.iter().any(|delta| fields.contains(&delta.field));
            if touched && self.core.view.collides(collection.id, commit.doc, &fields)? {
                let names: Vec<_> = fields.iter().map(|field| name_of(collection, *field)).collect();
                return Err(WriteError::NotUnique { field: names.join(", ") });
            }
        }
        Ok(())
    }

    /// What comes alive again has what its definition demands; a merge may have left it without.
    fn check_not_null(&self, collection: &Collection, loaded: &LoadedDocument) -> Result<(), WriteError> {
        for field in collection.fields.iter().filter(|field| field.not_null()) {
            if value_of(&loaded.values, field.id).is_none() {
                let mask = self.permits.mask(collection.id).ok_or(WriteError::Forbidden)?;
                let shown = mask.shows(field.id, Verb::Read);
                return Err(WriteError::NotNull { field: shown.then(|| field.name.clone()) });
            }
        }
        Ok(())
    }

    fn check_values(&self, collection: &Collection, values: &[(FieldId, Value)]) -> Result<(), WriteError> {
        for (id, value) in values {
            let field = collection.field(*id).ok_or(WriteError::Forbidden)?;
            let length = match value {
                Value::Scalar(Scalar::String(text)) => text.len(),
                Value::Scalar(Scalar::Blob(bytes)) => bytes.len(),
                Value::Scalar(_) => 8,
                Value::List(elements) => {
                    if field.size.is_some_and(|size| size as usize != elements.len()) {
                        let reason = "the list does not have the length that its definition demands";
                        return Err(WriteError::InvalidInput { field: field.name.clone(), reason });
                    }
                    let size = |element: &Scalar| match element {
                        Scalar::String(text) => text.len(),
                        Scalar::Blob(bytes) => bytes.len(),
                        _ => 8,
                    };
                    elements.iter().map(|element| size(element) + 4).sum()
                }
                Value::Json(json) => json.to_string().len(),
            };
            if length > MAX_VALUE {
                return Err(WriteError::ValueTooLarge { field: field.name.clone() });
            }
        }
        Ok(())
    }

    /// Refuses before any look-up whoever could learn from it what others hold.
    fn may_set(
        &self,
        collection: &Collection,
        mask: &Mask,
        values: &[(FieldId, Value)],
        named: &[FieldId],
        before: Option<(DocId, &[(FieldId, Value)])>,
    ) -> Result<(), WriteError> {
        for fields in unique_sets(collection) {
            if before.is_some() && !fields.iter().any(|field| named.contains(field)) {
                continue;
            }
            // What is not given is what the document holds. Whoever does not see that learns nothing of it, not even
            // whether it is null.
            let unseen = |field: &FieldId| {
                let (doc, before) = before?;
                let shown = sees_field(mask, *field, doc, before);
                (!named.contains(field) && !shown).then_some(())
            };
            if fields.iter().any(|field| unseen(field).is_some()) {
                return Err(WriteError::Forbidden);
            }
            if fields.iter().any(|field| value_of(values, *field).is_none_or(Value::is_null)) {
                continue;
            }
            if !sees_all(mask, &fields) {
                return Err(WriteError::Forbidden);
            }
        }
        Ok(())
    }

    /// As [`Work::may_set`], for whoever sets all that a document held before.
    fn may_set_unique(&self, collection: &Collection, mask: &Mask) -> Result<(), WriteError> {
        let all = unique_sets(collection).iter().all(|fields| sees_all(mask, fields));
        if all { Ok(()) } else { Err(WriteError::Forbidden) }
    }
}

/// Each once, as heads are compared.
fn sorted(heads: &[Cid]) -> Vec<Cid> {
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    heads.dedup();
    heads
}

fn name_of(collection: &Collection, id: FieldId) -> String {
    collection.field(id).map(|field| field.name.clone()).unwrap_or_default()
}

/// Only a caller with unrestricted scope may choose a document's id: others could probe for ids.
fn mask_is_whole(mask: &Mask) -> bool {
    let whole = |verb| mask.entries_with(verb).any(Entry::is_everything);
    whole(Verb::Create) && whole(Verb::Search)
}

/// The value that a field has after a write: of a register the value that is set, of a counter the sum with its step.
fn stands_at(field: &Field, written: &Value, loaded: &LoadedDocument) -> Value {
    let (Value::Scalar(step), true) = (written, field.merge != Merge::Lww) else { return written.clone() };
    loaded.state.field(field.id).map_or_else(|| written.clone(), |state| state.after_step(step))
}

/// The largest step of a float counter whose value the caller does not see.
const MAX_UNSEEN_STEP: f64 = 1e150;

/// The delta of a value: a register is set, a counter moves by the step that is given. Whoever does not see where a
/// counter stands (`seen`) is not told that it would go too far either: it then stands at the end of what there is.
fn delta(
    field: &Field,
    value: Value,
    loaded: Option<&LoadedDocument>,
    device: policy_core::DeviceId,
    seen: bool,
) -> Result<Delta, WriteError> {
    if field.merge == Merge::Lww {
        return Ok(Delta::Set(value));
    }
    let invalid = |reason| WriteError::InvalidInput { field: field.name.clone(), reason };
    let grows = field.merge == Merge::PCounter;
    let float = matches!(field.kind, FieldType::Scalar { of: ScalarType::Float32 | ScalarType::Float64, .. });
    match value {
        Value::Scalar(Scalar::Int(step)) if !float => {
            if grows && step < 0 {
                return Err(invalid("this counter only grows"));
            }
            let (plus, minus) =
                loaded.and_then(|loaded| loaded.state.field(field.id)).map_or((0, 0), |state| state.int_totals(device));
            let step = i128::from(step);
            let sum = loaded.and_then(|loaded| loaded.state.field(field.id)).map_or(0, FieldState::int_sum) + step;
            if seen && ((step > 0 && sum > i64::MAX.into()) || (step < 0 && sum < i64::MIN.into())) {
                return Err(invalid("the counter would stand beyond 64 bits"));
            }
            Ok(Delta::IntCounter { plus: plus + step.max(0), minus: minus + (-step).max(0) })
        }
        Value::Scalar(Scalar::Int(_) | Scalar::Float(_)) => {
            let step = match value {
                Value::Scalar(Scalar::Float(step)) => step,
                Value::Scalar(Scalar::Int(step)) => step as f64,
                _ => return Err(invalid("a counter moves by a number")),
            };
            if !step.is_finite() || (grows && step < 0.0) || (!seen && step.abs() > MAX_UNSEEN_STEP) {
                return Err(invalid("this counter does not take that step"));
            }
            let total =
                loaded.and_then(|loaded| loaded.state.field(field.id)).map_or(0.0, |state| state.float_total(device))
                    + step;
            let sum = loaded.and_then(|loaded| loaded.state.field(field.id)).map_or(0.0, FieldState::float_sum) + step;
            if seen && (!total.is_finite() || !sum.is_finite()) {
                return Err(invalid("the counter would stand beyond the range of floats"));
            }
            Ok(Delta::FloatCounter { total: total.clamp(f64::MIN, f64::MAX) })
        }
        _ => Err(invalid("a counter moves by a number, not by null")),
    }
}
