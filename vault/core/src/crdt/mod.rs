//! Documents as a pure fold of their commits: any order, any duplication, the same state.
//!
//! - A document is deleted if every one of its heads is: a delete that saw an edit wins over it, one
//!   that is concurrent with an edit loses, and an undelete is an edit.
//! - A register keeps the writes that no other write of the field has seen; the largest by (hlc,
//!   device, CID) is its value, the others are its conflicts.
//! - What was written under a definition of another kind (a register's values, a counter's totals) stays beside the
//!   value until a write of the kind that is read has seen it.
//! - A counter keeps the totals of each device by highest `seq`. Integers are summed in 128 bits and
//!   clamped to 64 on reading, floats are summed in the order of device ids.

mod encode;
#[cfg(test)]
mod tests;

use cid::Cid;
use hashbrown::{HashMap, HashSet};
use policy_core::{DeviceId, FieldId, Scalar};

use crate::document::{Delta, DocumentCommit, FieldDelta, Hlc, Status};
use crate::schema::Reading;
use crate::value::Value;

pub use encode::{decode_commit, encode_commit};

/// The state of one document.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DocumentState {
    /// The smallest CID of its root commits, and that commit's salt; `None` before a root arrived.
    pub root: Option<(Cid, [u8; 16])>,
    /// The commits that no other commit names as a parent, sorted.
    pub heads: Vec<Cid>,
    /// The largest height of a commit.
    pub height: u64,
    /// Whether the newest of what was said of it is that it is deleted.
    pub deleted: bool,
    /// Sorted by field id.
    fields: Vec<(FieldId, FieldState)>,
}

/// What the commits of a document say of one field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldState {
    /// The writes that no other has seen, the winner first, then descending.
    pub writes: Vec<Write>,
    /// Sorted by device.
    ints: Vec<IntTotal>,
    /// Sorted by device.
    floats: Vec<FloatTotal>,
    /// Which kinds have seen every integer step.
    ints_seen: Kinds,
    /// Which kinds have seen every float step.
    floats_seen: Kinds,
}

/// Kinds of writes to one field, of which a definition reads one: a set of [`SETS`], [`INTS`] and [`FLOATS`].
type Kinds = u8;
const SETS: Kinds = 1;
const INTS: Kinds = 2;
const FLOATS: Kinds = 4;

fn kind_of(delta: &Delta) -> Kinds {
    match delta {
        Delta::Set(_) => SETS,
        Delta::IntCounter { .. } => INTS,
        Delta::FloatCounter { .. } => FLOATS,
    }
}

fn kind_read(reading: Reading) -> Kinds {
    match reading {
        Reading::Register => SETS,
        Reading::IntCounter => INTS,
        Reading::FloatCounter => FLOATS,
    }
}

/// One write of a register.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The reading of the writer's clock, as it counts.
    pub hlc: Hlc,
    /// Who wrote it.
    pub device: DeviceId,
    /// The commit that it stands in.
    pub cid: Cid,
    /// What was written.
    pub value: Value,
    /// Counters whose steps have seen it.
    seen: Kinds,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct IntTotal {
    device: DeviceId,
    seq: u64,
    plus: i128,
    minus: i128,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct FloatTotal {
    device: DeviceId,
    seq: u64,
    total: f64,
}

impl Write {
    /// By which writes are ordered.
    pub fn rank(&self) -> (Hlc, DeviceId, Cid) {
        (self.hlc, self.device, self.cid)
    }
}

impl FieldState {
    /// The value under a definition that reads the field so: of the winning write, or the sum of a counter.
    pub fn value(&self, reading: Reading) -> Value {
        match reading {
            Reading::Register => self.writes.first().map_or(Value::NULL, |write| write.value.clone()),
            Reading::IntCounter if self.ints.is_empty() => Value::NULL,
            Reading::IntCounter => {
                let sum = self.ints.iter().fold(0i128, |sum, t| sum.saturating_add(t.plus.saturating_sub(t.minus)));
                Value::Scalar(Scalar::Int(sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
            }
            Reading::FloatCounter if self.floats.is_empty() => Value::NULL,
            Reading::FloatCounter => {
                let sum: f64 = self.floats.iter().map(|t| t.total).sum();
                Value::Scalar(Scalar::Float(sum.clamp(f64::MIN, f64::MAX)))
            }
        }
    }

    /// The sum of the integers of all devices, which may lie beyond what a value holds: merges do not fail.
    pub fn int_sum(&self) -> i128 {
        self.ints.iter().fold(0i128, |sum, t| sum.saturating_add(t.plus.saturating_sub(t.minus)))
    }

    /// The sum of the floats of all devices.
    pub fn float_sum(&self) -> f64 {
        self.floats.iter().map(|t| t.total).sum()
    }

    /// The value of this counter after one more step.
    pub fn after_step(&self, step: &Scalar) -> Value {
        match step {
            Scalar::Int(step) if self.floats.is_empty() => {
                let sum = self.ints.iter().fold(0i128, |sum, t| sum.saturating_add(t.plus.saturating_sub(t.minus)));
                let sum = sum.saturating_add((*step).into());
                Value::Scalar(Scalar::Int(sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
            }
            Scalar::Int(_) | Scalar::Float(_) => {
                let step = match step {
                    Scalar::Int(step) => *step as f64,
                    Scalar::Float(step) => *step,
                    _ => 0.0,
                };
                let sum = self.floats.iter().map(|t| t.total).sum::<f64>() + step;
                Value::Scalar(Scalar::Float(sum.clamp(f64::MIN, f64::MAX)))
            }
            other => Value::Scalar(other.clone()),
        }
    }

    /// The concurrent writes that lost, largest first.
    pub fn conflicts(&self) -> &[Write] {
        self.writes.get(1..).unwrap_or_default()
    }

    /// What else commits say of the field and its value does not tell, nulls left out: the writes that lost, and all
    /// that was written under a definition of another kind and that no write of this kind has seen. With the write's
    /// CID; a counter has none.
    pub fn beside(&self, reading: Reading) -> Vec<(Option<Cid>, Value)> {
        let kind = kind_read(reading);
        let lost = match reading {
            Reading::Register => self.conflicts(),
            _ => &self.writes[..],
        };
        let lost = lost.iter().filter(|write| write.seen & kind == 0);
        let mut all: Vec<(Option<Cid>, Value)> = lost.map(|write| (Some(write.cid), write.value.clone())).collect();
        for (counter, seen) in [(Reading::IntCounter, self.ints_seen), (Reading::FloatCounter, self.floats_seen)] {
            if counter != reading && seen & kind == 0 {
                all.push((None, self.value(counter)));
            }
        }
        all.retain(|(cid, value)| !value.is_null() || (reading == Reading::Register && cid.is_some()));
        all
    }

    /// This device's integer totals so far (of increments, of decrements).
    pub fn int_totals(&self, device: DeviceId) -> (i128, i128) {
        self.ints.iter().find(|t| t.device == device).map_or((0, 0), |t| (t.plus, t.minus))
    }

    /// This device's float total so far.
    pub fn float_total(&self, device: DeviceId) -> f64 {
        self.floats.iter().find(|t| t.device == device).map_or(0.0, |t| t.total)
    }

    /// A write of `kind` has seen all that there is of the others; nobody has seen it.
    fn see(&mut self, kind: Kinds) {
        self.writes.iter_mut().for_each(|write| write.seen |= kind & !SETS);
        let seen = |own: Kinds, seen: Kinds, none: bool| match (kind == own, none) {
            (true, _) | (_, true) => 0,
            (false, false) => seen | kind,
        };
        self.ints_seen = seen(INTS, self.ints_seen, self.ints.is_empty());
        self.floats_seen = seen(FLOATS, self.floats_seen, self.floats.is_empty());
    }

    fn count_int(&mut self, new: IntTotal) {
        match self.ints.binary_search_by_key(&new.device, |t| t.device) {
            Err(at) => self.ints.insert(at, new),
            Ok(at) => {
                let old = &mut self.ints[at];
                if (new.seq, new.plus, new.minus) > (old.seq, old.plus, old.minus) {
                    *old = new;
                }
            }
        }
    }

    fn count_float(&mut self, new: FloatTotal) {
        match self.floats.binary_search_by_key(&new.device, |t| t.device) {
            Err(at) => self.floats.insert(at, new),
            Ok(at) => {
                let old = &mut self.floats[at];
                if new.seq.cmp(&old.seq).then(new.total.total_cmp(&old.total)).is_gt() {
                    *old = new;
                }
            }
        }
    }
}

impl DocumentState {
    /// Folds a set of commits of one document. Duplicates count once; parents that are not among the
    /// commits are as if they were not named.
    pub fn fold<'a>(commits: impl IntoIterator<Item = &'a DocumentCommit>) -> DocumentState {
        let graph = Graph::new(commits);
        let mut state = DocumentState::default();
        let mut writes: HashMap<FieldId, Vec<usize>> = HashMap::new();
        let mut steps: HashMap<FieldId, Vec<(usize, Kinds)>> = HashMap::new();
        for (i, commit) in graph.commits.iter().enumerate() {
            state.take_root(commit);
            state.height = state.height.max(commit.height);
            for delta in last_deltas(commit) {
                match delta.delta {
                    Delta::Set(_) => writes.entry(delta.field).or_default().push(i),
                    _ => {
                        state.count(commit, delta);
                        steps.entry(delta.field).or_default().push((i, kind_of(&delta.delta)));
                    }
                }
            }
        }
        let heads = graph.heads();
        state.heads = heads.iter().map(|&i| graph.commits[i].cid).collect();
        state.heads.sort_unstable();
        state.deleted = !heads.is_empty() && heads.iter().all(|&i| graph.deleted_at(i));
        for (field, of) in &steps {
            let sets = writes.get(field).map(Vec::as_slice).unwrap_or_default();
            let of_kind = |kind| of.iter().filter(|(_, of)| *of == kind).map(|(i, _)| *i).collect::<Vec<usize>>();
            let (ints, floats) = (of_kind(INTS), of_kind(FLOATS));
            let seen = |steps: &[usize]| -> Kinds {
                let by = |kind: Kinds, others: &[usize]| {
                    let below = if others.is_empty() { HashSet::new() } else { graph.below(others) };
                    if !steps.is_empty() && steps.iter().all(|i| below.contains(i)) { kind } else { 0 }
                };
                by(SETS, sets) | by(INTS, &ints) | by(FLOATS, &floats)
            };
            let (ints_seen, floats_seen) = (seen(&ints) & !INTS, seen(&floats) & !FLOATS);
            let state = state.field_mut(*field);
            (state.ints_seen, state.floats_seen) = (ints_seen, floats_seen);
        }
        for (field, of) in writes {
            let seen = if of.len() > 1 { graph.below(&of) } else { HashSet::new() };
            let steps = steps.get(&field).map(Vec::as_slice).unwrap_or_default();
            let below = |kind| {
                let steps: Vec<usize> = steps.iter().filter(|(_, of)| *of == kind).map(|(i, _)| *i).collect();
                if steps.is_empty() { HashSet::new() } else { graph.below(&steps) }
            };
            let by = [(INTS, below(INTS)), (FLOATS, below(FLOATS))];
            let kept = of.into_iter().filter(|i| !seen.contains(i));
            let written = |i: usize| {
                let seen = by.iter().filter(|(_, below)| below.contains(&i)).fold(0, |all, (kind, _)| all | kind);
                write_of(graph.commits[i], field).map(|write| Write { seen, ..write })
            };
            let mut kept: Vec<Write> = kept.filter_map(written).collect();
            kept.sort_unstable_by_key(|write| std::cmp::Reverse(write.rank()));
            state.field_mut(field).writes = kept;
        }
        state
    }

    /// Applies a commit that saw everything so far: its parents are exactly the heads. Returns false,
    /// and changes nothing, if they are not; fold the whole history then.
    pub fn apply_linear(&mut self, commit: &DocumentCommit) -> bool {
        let mut parents = commit.parents.clone();
        parents.sort_unstable();
        parents.dedup();
        if parents != self.heads || parents.contains(&commit.cid) {
            return false;
        }
        self.take_root(commit);
        self.height = self.height.max(commit.height);
        self.heads = vec![commit.cid];
        if let Some(deleted) = says_deleted(commit) {
            self.deleted = deleted;
        }
        for delta in last_deltas(commit) {
            let kind = kind_of(&delta.delta);
            match kind {
                SETS => self.field_mut(delta.field).writes = Vec::from_iter(write_of(commit, delta.field)),
                _ => self.count(commit, delta),
            }
            self.field_mut(delta.field).see(kind);
        }
        true
    }

    /// The fields that were ever written, by id.
    pub fn fields(&self) -> impl Iterator<Item = (FieldId, &FieldState)> {
        self.fields.iter().map(|(id, field)| (*id, field))
    }

    /// The state of a field; `None`: it was never written.
    pub fn field(&self, id: FieldId) -> Option<&FieldState> {
        self.fields.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| &self.fields[at].1)
    }

    /// The value of a field under a definition that reads it so; null if it was never written.
    pub fn value(&self, id: FieldId, reading: Reading) -> Value {
        self.field(id).map_or(Value::NULL, |field| field.value(reading))
    }

    fn field_mut(&mut self, id: FieldId) -> &mut FieldState {
        let at = match self.fields.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => at,
            Err(at) => {
                self.fields.insert(at, (id, FieldState::default()));
                at
            }
        };
        &mut self.fields[at].1
    }

    fn take_root(&mut self, commit: &DocumentCommit) {
        if let Some(salt) = commit.salt.filter(|_| commit.cid == commit.root)
            && self.root.is_none_or(|(cid, _)| commit.cid < cid)
        {
            self.root = Some((commit.cid, salt));
        }
    }

    fn count(&mut self, commit: &DocumentCommit, delta: &FieldDelta) {
        let (device, seq) = (commit.device, commit.seq);
        match delta.delta {
            Delta::IntCounter { plus, minus } => {
                self.field_mut(delta.field).count_int(IntTotal { device, seq, plus, minus });
            }
            Delta::FloatCounter { total } => {
                self.field_mut(delta.field).count_float(FloatTotal { device, seq, total });
            }
            Delta::Set(_) => {}
        }
    }
}

/// What a commit says of the document's being deleted; `None`: as its parents had it.
fn says_deleted(commit: &DocumentCommit) -> Option<bool> {
    match commit.status {
        Some(Status::Deleted) => Some(true),
        Some(Status::Undeleted) => Some(false),
        None => (!commit.deltas.is_empty()).then_some(false),
    }
}

/// The deltas of a commit; of several of one field, the last.
fn last_deltas(commit: &DocumentCommit) -> impl Iterator<Item = &FieldDelta> {
    let later = |i: usize, field| commit.deltas[i + 1..].iter().any(|d| d.field == field);
    commit.deltas.iter().enumerate().filter(move |(i, d)| !later(*i, d.field)).map(|(_, d)| d)
}

fn write_of(commit: &DocumentCommit, field: FieldId) -> Option<Write> {
    commit.deltas.iter().rev().find(|d| d.field == field).and_then(|delta| match &delta.delta {
        Delta::Set(value) => {
            Some(Write { hlc: commit.hlc, device: commit.device, cid: commit.cid, value: value.clone(), seen: 0 })
        }
        _ => None,
    })
}

/// The commits of a document once each, and who names whom as a parent.
struct Graph<'a> {
    commits: Vec<&'a DocumentCommit>,
    parents: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(of: impl IntoIterator<Item = &'a DocumentCommit>) -> Self {
        let mut index: HashMap<Cid, usize> = HashMap::new();
        let mut commits = Vec::new();
        for commit in of {
            index.entry(commit.cid).or_insert_with(|| {
                commits.push(commit);
                commits.len() - 1
            });
        }
        let known = |commit: &&DocumentCommit| commit.parents.iter().filter_map(|p| index.get(p).copied()).collect();
        let parents = commits.iter().map(known).collect();
        Graph { commits, parents }
    }

    fn heads(&self) -> Vec<usize> {
        let mut named = vec![false; self.commits.len()];
        for &parent in self.parents.iter().flatten() {
            named[parent] = true;
        }
        (0..self.commits.len()).filter(|&i| !named[i]).collect()
    }

    /// Everything that is an ancestor of any of `of`.
    fn below(&self, of: &[usize]) -> HashSet<usize> {
        let mut seen = HashSet::new();
        let mut open: Vec<usize> = of.iter().flat_map(|&i| self.parents[i].iter().copied()).collect();
        while let Some(i) = open.pop() {
            if seen.insert(i) {
                open.extend(&self.parents[i]);
            }
        }
        seen
    }

    /// Whether the document is deleted as commit `i` has it. A commit that says nothing of it (it only
    /// merges) has what its parents have: deleted if all of them are.
    fn deleted_at(&self, i: usize) -> bool {
        let mut open = vec![i];
        let mut seen = HashSet::new();
        while let Some(i) = open.pop() {
            if !seen.insert(i) {
                continue;
            }
            match says_deleted(self.commits[i]) {
                Some(true) => {}
                Some(false) => return false,
                None if self.parents[i].is_empty() => return false,
                None => open.extend(&self.parents[i]),
            }
        }
        true
    }
}
