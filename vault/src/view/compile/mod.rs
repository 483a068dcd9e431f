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

use std::sync::Arc;

use policy_core::{CollectionId, DocId, FieldId, Mask, Verb};
use rusqlite::types::Value as Sql;
use vault_core::schema::{Collection, Schema};

use super::column::{Shape, column_name, shape, table_name};
use super::matching::Test;
use super::parameters::Parameters;
use super::predicate::predicate_sql;
use super::{Masks, ReadError};

pub(super) use aggregate::Around;
pub(super) use select::{ColumnKind, Frame, Link, PastRow, Plan, root_aggregate};

pub(super) struct Compiler<'a> {
    pub(super) schema: &'a Schema,
    pub(super) masks: Masks<'a>,
    /// Conditions that SQL calls back for, by number.
    pub(super) tests: Vec<Test>,
    aliases: usize,
    /// What the permit does not show is null instead of a refusal: for what a mutation answers.
    lenient: bool,
}

/// The rows of one table in a statement.
pub(super) struct Scope<'a> {
    pub(super) collection: &'a Collection,
    mask: Arc<Mask>,
    pub(super) alias: String,
    /// Each of these sets of entries has one that covers every row of the statement.
    known: Vec<Vec<usize>>,
}

impl Scope<'_> {
    pub(super) fn table(&self) -> String {
        format!("{} {}", table_name(self.collection.id), self.alias)
    }
}

pub(super) fn all_of(conditions: &[String]) -> String {
    if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") }
}

impl<'a> Compiler<'a> {
    pub(super) fn new(schema: &'a Schema, masks: Masks<'a>) -> Self {
        Compiler { schema, masks, tests: Vec::new(), aliases: 0, lenient: false }
    }

    pub(super) fn lenient(schema: &'a Schema, masks: Masks<'a>) -> Self {
        Compiler { lenient: true, ..Compiler::new(schema, masks) }
    }

    pub(super) fn scope(&mut self, collection: CollectionId) -> Result<Scope<'a>, ReadError> {
        let mask = (self.masks)(collection).ok_or(ReadError::Hidden)?;
        let collection = self.schema.collection(collection).ok_or(ReadError::Hidden)?;
        self.aliases += 1;
        Ok(Scope { collection, mask, alias: format!("t{}", self.aliases), known: Vec::new() })
    }

    /// Names a test for `allod_test`.
    fn test(&mut self, test: Test) -> usize {
        self.tests.push(test);
        self.tests.len() - 1
    }

    /// Restricts the statement to rows that an entry with `verb` covers.
    pub(super) fn restrict(&self, p: &mut Parameters, scope: &mut Scope<'_>, verb: Verb, into: &mut Vec<String>) {
        let entries: Vec<usize> =
            (0..scope.mask.entries.len()).filter(|&i| scope.mask.entries[i].verbs.has(verb)).collect();
        if scope.known.contains(&entries) {
            return;
        }
        into.extend(predicates(p, scope, &entries));
        scope.known.push(entries);
    }

    /// The condition under which `field` shows with `verb`; `None`: in every row.
    fn shown(&self, p: &mut Parameters, scope: &Scope<'_>, field: FieldId, verb: Verb) -> Option<String> {
        let holds = |i: &usize| scope.mask.entries[*i].verbs.has(verb) && scope.mask.entries[*i].holds(field);
        let entries: Vec<usize> = (0..scope.mask.entries.len()).filter(holds).collect();
        if scope.known.iter().any(|known| !known.is_empty() && known.iter().all(|i| entries.contains(i))) {
            return None;
        }
        predicates(p, scope, &entries)
    }

    /// Refuses a field that no entry shows with `verb`: to the caller it does not exist.
    fn expect_shown(&self, scope: &Scope<'_>, field: FieldId, verb: Verb) -> Result<(), ReadError> {
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
            self.expect_shown(scope, field, verb)?;
            conditions.extend(self.shown(p, scope, field, verb));
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
        let mut conditions = Vec::new();
        self.restrict(p, &mut scope, verb, &mut conditions);
        if conditions.is_empty() {
            return Ok(None);
        }
        let (table, alias) = (scope.table(), &scope.alias);
        Ok(Some(format!("EXISTS(SELECT 1 FROM {table} WHERE {alias}.doc={id} AND {})", all_of(&conditions))))
    }
}

/// True where the predicate of any of the entries is; `None`: everywhere.
fn predicates(p: &mut Parameters, scope: &Scope<'_>, entries: &[usize]) -> Option<String> {
    if entries.iter().any(|&i| scope.mask.entries[i].predicate.is_everything()) {
        return None;
    }
    if entries.is_empty() {
        return Some("0".to_owned());
    }
    let each =
        entries.iter().map(|&i| predicate_sql(p, scope.collection, &scope.alias, &scope.mask.entries[i].predicate));
    let each: Vec<String> = each.collect();
    Some(if each.len() == 1 { each.concat() } else { format!("({})", each.join(" OR ")) })
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
