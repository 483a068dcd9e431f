//! Queries to SQL, under the masks of a permit.
//!
//! The rule of entries holds everywhere: a row counts where the predicate of an entry with the needed
//! verb is true, and a field of it only where that of an entry that also holds the field is. Where the
//! rows of a statement are already known to satisfy one of those, the plain column stands; anywhere
//! else it is `CASE WHEN <predicates> THEN <column> END`.

mod aggregate;
mod filter;
mod order;
mod select;

use std::cell::RefCell;
use std::sync::Arc;

use hashbrown::HashMap;
use policy_core::{CollectionId, DocId, Documents, Entry, FieldId, Mask, Predicate, Verb};
use rusqlite::types::Value as Sql;
use vault_core::schema::{Collection, Schema};

use super::column::{Shape, column_name, shape, table_name};
use super::functions::Called;
use super::matching::Test;
use super::parameters::Parameters;
use super::predicate::predicate_sql;
use super::{Masks, ReadError};

pub(super) use aggregate::Around;
pub(super) use filter::MAX_BOUND_VALUES;
pub(super) use select::{ColumnKind, Constant, Frame, Link, Plan, root_aggregate};

/// So many conditions stand side by side; more become a tree.
const FLAT: usize = 8;
/// Conditions, columns, orders and values of lists in one root, which keeps its statements within SQLite's limits: 32,766
/// parameters and a depth of 1,000.
const PARTS: usize = 30_000;
/// Columns of one statement, and keys of one order: SQLite takes 2,000.
const COLUMNS: usize = 1_900;
/// A statement begins with a set of so many documents at most. With more, asking for each row is as fast in the worst
/// case and faster in all others (200,000 rows: a set of 1,000 lists in 2 ms instead of 50 ms, one of 100,000 in 140
/// ms instead of 77 ms, by an index in 90 ms instead of 0.1 ms).
const MAX_SET_DOCUMENTS: usize = 1_000;

pub(super) struct Compiler<'a> {
    pub(super) schema: &'a Schema,
    pub(super) masks: Masks<'a>,
    /// What SQL calls back for.
    pub(super) called: Called,
    aliases: usize,
    /// Tests of the conditions of entries: by collection, entry and condition.
    of_entries: HashMap<(CollectionId, usize, usize), usize>,
    /// Parts of statements so far.
    parts: usize,
    /// What the permit does not show is null instead of a refusal: for what a mutation answers.
    lenient: bool,
}

/// The rows of one table in a statement.
pub(super) struct Scope<'a> {
    pub(super) collection: &'a Collection,
    mask: Arc<Mask>,
    pub(super) alias: String,
    /// Its rows are found one by one, by an id or a relation: a set of documents is better asked for each than gone
    /// through.
    pub(super) looked_up: bool,
    /// Each of these sets of entries has one that covers every row of the statement.
    known: Vec<Vec<usize>>,
    /// The predicates of entries as SQL, by the place of the entry.
    predicates: RefCell<Vec<(usize, String)>>,
}

impl Scope<'_> {
    pub(super) fn table(&self) -> String {
        format!("{} {}", table_name(self.collection.id), self.alias)
    }
}

pub(super) fn all_of(conditions: &[String]) -> String {
    match conditions {
        [] => "1".to_owned(),
        few if few.len() <= FLAT => few.join(" AND "),
        many => balanced(many, " AND "),
    }
}

/// True where any of the conditions is.
fn any_of(conditions: &[String]) -> String {
    match conditions {
        [] => "0".to_owned(),
        many => balanced(many, " OR "),
    }
}

/// Joins conditions as a tree of little depth: a long list stays within SQLite's limit.
fn balanced(each: &[String], word: &str) -> String {
    match each {
        few if few.len() <= FLAT => format!("({})", few.join(word)),
        all => {
            let (left, right) = all.split_at(all.len() / 2);
            format!("({}{word}{})", balanced(left, word), balanced(right, word))
        }
    }
}

impl<'a> Compiler<'a> {
    pub(super) fn new(schema: &'a Schema, masks: Masks<'a>) -> Self {
        Compiler {
            schema,
            masks,
            called: Called::default(),
            aliases: 0,
            of_entries: HashMap::new(),
            parts: 0,
            lenient: false,
        }
    }

    pub(super) fn lenient(schema: &'a Schema, masks: Masks<'a>) -> Self {
        Compiler { lenient: true, ..Compiler::new(schema, masks) }
    }

    pub(super) fn scope(&mut self, collection: CollectionId) -> Result<Scope<'a>, ReadError> {
        let mask = (self.masks)(collection).ok_or(ReadError::Hidden)?;
        let collection = self.schema.collection(collection).ok_or(ReadError::Hidden)?;
        self.aliases += 1;
        Ok(Scope {
            collection,
            mask,
            alias: format!("t{}", self.aliases),
            looked_up: false,
            known: Vec::new(),
            predicates: RefCell::default(),
        })
    }

    /// Counts parts of statements, before they are made.
    fn spend(&mut self, parts: usize) -> Result<(), ReadError> {
        self.parts = self.parts.saturating_add(parts);
        if self.parts > PARTS { Err(ReadError::Wide) } else { Ok(()) }
    }

    /// Names a test for `allod_test`.
    fn test(&mut self, test: Test) -> usize {
        self.called.tests.push(test);
        self.called.tests.len() - 1
    }

    /// Restricts the statement to rows that an entry with `verb` covers.
    pub(super) fn restrict(&mut self, p: &mut Parameters, scope: &mut Scope<'_>, verb: Verb, into: &mut Vec<String>) {
        let entries: Vec<usize> =
            (0..scope.mask.entries.len()).filter(|&i| scope.mask.entries[i].verbs.has(verb)).collect();
        if scope.known.contains(&entries) {
            return;
        }
        into.extend(self.covered(p, scope, &entries, !scope.looked_up));
        scope.known.push(entries);
    }

    /// The condition under which `field` shows with `verb`; `None`: in every row.
    fn visible_when(&mut self, p: &mut Parameters, scope: &Scope<'_>, field: FieldId, verb: Verb) -> Option<String> {
        let holds = |i: &usize| scope.mask.entries[*i].verbs.has(verb) && scope.mask.entries[*i].holds(field);
        let entries: Vec<usize> = (0..scope.mask.entries.len()).filter(holds).collect();
        if scope.known.iter().any(|known| !known.is_empty() && known.iter().all(|i| entries.contains(i))) {
            return None;
        }
        self.covered(p, scope, &entries, false)
    }

    /// True where any of the entries covers the row; `None`: everywhere. `first`: the statement may begin with the
    /// documents that the condition names.
    fn covered(&mut self, p: &mut Parameters, scope: &Scope<'_>, entries: &[usize], first: bool) -> Option<String> {
        let mask = Arc::clone(&scope.mask);
        let all: Vec<(usize, &Entry)> = entries.iter().filter_map(|&i| Some((i, mask.entries.get(i)?))).collect();
        if all.iter().any(|(_, entry)| entry.is_everything()) {
            return None;
        }
        match all[..] {
            [] => Some("0".to_owned()),
            [one] => Some(self.covers(p, scope, one, first)),
            _ => {
                let each: Vec<String> = all.iter().map(|entry| self.covers(p, scope, *entry, false)).collect();
                Some(any_of(&each))
            }
        }
    }

    /// True where the entry covers the row.
    fn covers(&mut self, p: &mut Parameters, scope: &Scope<'_>, (n, entry): (usize, &Entry), first: bool) -> String {
        let doc = format!("{}.doc", scope.alias);
        let documents = match &entry.documents {
            Documents::All => None,
            Documents::Except(documents) => Some(format!("NOT allod_among({doc},{})", self.set(documents))),
            Documents::Only(documents) if first && documents.len() <= MAX_SET_DOCUMENTS => {
                Some(among(p, &doc, documents))
            }
            Documents::Only(documents) => Some(format!("allod_among({doc},{})", self.set(documents))),
        };
        let predicate = self.predicate(p, scope, n, &entry.predicate);
        match documents {
            None => predicate,
            Some(documents) if entry.predicate.is_everything() => documents,
            Some(documents) => format!("({documents} AND {predicate})"),
        }
    }

    /// The predicate of entry `n` over the rows of a scope. However many columns ask for it, its values are bound once.
    fn predicate(&mut self, p: &mut Parameters, scope: &Scope<'_>, n: usize, of: &Predicate) -> String {
        if let Some((_, known)) = scope.predicates.borrow().iter().find(|(entry, _)| *entry == n) {
            return known.clone();
        }
        let collection = scope.collection;
        // Made once, however many scopes ask for it.
        let mut test = |condition: usize, make: &dyn Fn() -> Test| {
            let key = (collection.id, n, condition);
            if let Some(known) = self.of_entries.get(&key) {
                return *known;
            }
            let number = self.test(make());
            self.of_entries.insert(key, number);
            number
        };
        let conditions = predicate_sql(p, &mut test, collection, &scope.alias, of);
        let sql = format!("({})", all_of(&conditions));
        scope.predicates.borrow_mut().push((n, sql.clone()));
        sql
    }

    /// Names a set of documents for `allod_among`.
    fn set(&mut self, documents: &Arc<[DocId]>) -> usize {
        let sets = &mut self.called.documents;
        sets.iter().position(|known| Arc::ptr_eq(known, documents)).unwrap_or_else(|| {
            sets.push(Arc::clone(documents));
            sets.len() - 1
        })
    }

    /// Refuses a field that no entry shows with `verb`: to the caller it does not exist.
    fn expect_visible(&self, scope: &Scope<'_>, field: FieldId, verb: Verb) -> Result<(), ReadError> {
        if self.lenient || scope.mask.shows(field, verb) { Ok(()) } else { Err(ReadError::Hidden) }
    }

    /// A stored field as `verb` shows it: null where it does not.
    fn field(
        &mut self,
        p: &mut Parameters,
        scope: &Scope<'_>,
        field: FieldId,
        verbs: &[Verb],
    ) -> Result<(String, Shape), ReadError> {
        let shape = scope.collection.field(field).and_then(shape).ok_or(ReadError::Hidden)?;
        let column = format!("{}.{}", scope.alias, column_name(field));
        let mut conditions = Vec::new();
        for &verb in verbs {
            self.expect_visible(scope, field, verb)?;
            conditions.extend(self.visible_when(p, scope, field, verb));
            if let Shape::Relation(target) = shape {
                conditions.extend(self.reachable(p, &column, target, verb)?);
            }
        }
        if conditions.is_empty() {
            return Ok((column, shape));
        }
        Ok((format!("CASE WHEN {} THEN {column} END", all_of(&conditions)), shape))
    }

    /// The condition under which the document that `id` names is in scope; `None`: always.
    fn reachable(
        &mut self,
        p: &mut Parameters,
        id: &str,
        target: CollectionId,
        verb: Verb,
    ) -> Result<Option<String>, ReadError> {
        let mut scope = match self.scope(target) {
            Err(ReadError::Hidden) if self.lenient => return Ok(Some("0".to_owned())),
            scope => scope?,
        };
        scope.looked_up = true;
        let mut conditions = Vec::new();
        self.restrict(p, &mut scope, verb, &mut conditions);
        if conditions.is_empty() {
            return Ok(None);
        }
        let (table, alias) = (scope.table(), &scope.alias);
        Ok(Some(format!("EXISTS(SELECT 1 FROM {table} WHERE {alias}.doc={id} AND {})", all_of(&conditions))))
    }
}

/// The condition that `expression` is one of these documents.
pub(super) fn among(p: &mut Parameters, expression: &str, docs: &[DocId]) -> String {
    match docs {
        [] => "0".to_owned(),
        [doc] => format!("{expression}={}", p.bind(Sql::Blob(doc.as_bytes().to_vec()))),
        docs => {
            // One parameter however many there are, so that the text of the statement stays the same.
            let mut all = String::with_capacity(docs.len() * 35 + 2);
            for doc in docs {
                all.push_str(if all.is_empty() { "[\"" } else { ",\"" });
                all.push_str(&data_encoding::HEXLOWER.encode(doc.as_bytes()));
                all.push('"');
            }
            all.push(']');
            format!("{expression} IN (SELECT unhex(value) FROM json_each({}))", p.bind(Sql::Text(all)))
        }
    }
}
