//! Selections: one statement a level.

use std::sync::Arc;

use policy_core::{CollectionId, Documents, Entry, FieldId, Mask, Predicate, Verb};
use rusqlite::types::Value as Sql;
use vault_core::query::{CommitItem, ConflictItem, Filter, Item, ItemKind, Operand, Over, Select, SelectArgs};
use vault_core::schema::{FieldType, ScalarType};

use super::aggregate::{Around, window};
use super::{COLUMNS, Compiler, Scope, all_of, among};
use crate::view::ReadError;
use crate::view::column::{Shape, column_name};
use crate::view::parameters::Parameters;

/// A statement, and how its columns become members of an answer.
pub(in crate::view) struct Plan {
    pub(in crate::view) sql: String,
    pub(in crate::view) parameters: Parameters,
    pub(in crate::view) columns: Vec<Column>,
    /// An object or null, instead of a list.
    pub(in crate::view) one: bool,
}

pub(in crate::view) struct Column {
    pub(in crate::view) key: String,
    pub(in crate::view) kind: ColumnKind,
}

pub(in crate::view) enum ColumnKind {
    /// The same in every row.
    Constant(Constant),
    /// A column of the statement.
    Value(usize, Shape),
    /// A statement for each row, with columns of this one as its arguments.
    /// For a `relation` the argument is null where there is nothing to show.
    Nested {
        arguments: Vec<usize>,
        relation: bool,
        plan: Box<Plan>,
    },
    /// Rows of history: of the document in column `doc`, at the commit in column `at` or its heads.
    Version {
        collection: CollectionId,
        doc: usize,
        at: Option<usize>,
        items: Vec<CommitItem>,
    },
    Conflicts {
        collection: CollectionId,
        doc: usize,
        items: Vec<(String, ConflictItem)>,
    },
}

pub(in crate::view) enum Constant {
    Null,
    /// A list of nothing.
    Empty,
    Text(String),
}

/// How the documents of a statement are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::view) enum Link {
    Root,
    /// The document whose id is the first argument, as a to-one relation names it.
    Target,
    /// Those whose field names the first argument.
    Inverse {
        via: FieldId,
        many: bool,
    },
    /// The document whose id is the first argument, in scope or not: what a mutation answers.
    Answer,
}

/// What a statement selects from.
#[derive(Clone)]
pub(in crate::view) struct Frame<'q> {
    pub(in crate::view) collection: CollectionId,
    pub(in crate::view) link: Link,
    /// The arguments of the selection, after those of the groupings that it is inside of.
    pub(in crate::view) chain: Vec<&'q SelectArgs>,
    /// The fields that the outer groupings bind: arguments after the link's.
    pub(in crate::view) bound: Vec<FieldId>,
    /// In place of the table: so many documents as they were, with the values of these fields.
    pub(in crate::view) past: Option<(&'q [FieldId], usize)>,
}

impl<'q> Frame<'q> {
    pub(in crate::view) fn new(select: &'q Select, link: Link) -> Self {
        Frame { collection: select.collection, link, chain: vec![&select.args], bound: Vec::new(), past: None }
    }
    fn arguments(&self) -> usize {
        usize::from(self.link != Link::Root) + self.bound.len()
    }
    fn args(&self) -> &'q SelectArgs {
        // A frame is made with one and only ever gets more.
        self.chain[self.chain.len() - 1]
    }
    pub(super) fn group_keys(&self) -> &'q [FieldId] {
        self.args().group_by.as_deref().unwrap_or_default()
    }
}

/// The columns of a statement in the making.
#[derive(Default)]
struct Columns {
    sql: Vec<String>,
    columns: Vec<Column>,
}

impl Columns {
    fn add(&mut self, sql: String) -> usize {
        match self.sql.iter().position(|known| *known == sql) {
            Some(at) => at,
            None => {
                self.sql.push(sql);
                self.sql.len() - 1
            }
        }
    }
    fn push(&mut self, key: &str, kind: ColumnKind) {
        self.columns.push(Column { key: key.to_owned(), kind });
    }
}

/// The columns of the past before those of fields: document, whether it is deleted, commit.
const BEFORE: usize = 3;

impl<'a> Compiler<'a> {
    pub(in crate::view) fn select(&mut self, frame: &Frame<'_>, items: &[Item]) -> Result<Plan, ReadError> {
        self.spend(items.len().saturating_add(frame.group_keys().len()))?;
        let mut p = Parameters::with_arguments(frame.arguments());
        let (scope, mut conditions, from) = self.base(&mut p, frame)?;
        let args = frame.args();
        let mut columns = Columns::default();
        let alias = scope.alias.clone();
        let mut tail = String::new();
        let grouped = args.group_by.is_some();
        if grouped {
            let around = Around::Group(&scope, frame);
            let mut keys = Vec::new();
            for key in frame.group_keys() {
                keys.push(self.group_key(&mut p, &scope, *key)?.0);
            }
            self.group_items(&mut p, frame, &scope, items, &mut columns)?;
            let having = self.own_filters(&mut p, &around, args, true)?;
            let order = self.order(&mut p, &around, &args.order, &format!("min({alias}.doc)"))?;
            // Without keys all documents are one group; without documents there is none.
            let by = if keys.is_empty() { "NULL".to_owned() } else { keys.join(",") };
            let having = if having.is_empty() { String::new() } else { format!(" HAVING {}", all_of(&having)) };
            tail = format!(" GROUP BY {by}{having} ORDER BY {order}");
        } else {
            for item in items {
                self.item(&mut p, frame, &scope, item, &mut columns)?;
            }
            if frame.link != Link::Answer {
                let order = self.order(&mut p, &Around::Document(&scope), &args.order, &format!("{alias}.doc"))?;
                tail = format!(" ORDER BY {order}");
            }
        }
        let one = match frame.link {
            Link::Target | Link::Answer => true,
            Link::Inverse { many, .. } => !many,
            Link::Root => false,
        } && frame.chain.len() == 1
            && !grouped;
        let limit = if one { Some(args.limit.unwrap_or(1).min(1)) } else { args.limit };
        let window = window(&mut p, limit, args.offset);
        if columns.sql.is_empty() {
            columns.sql.push("NULL".to_owned());
        }
        if columns.sql.len() > COLUMNS || p.is_wide() {
            return Err(ReadError::Wide);
        }
        conditions.retain(|condition| condition != "1");
        let sql = format!("SELECT {} FROM {from} WHERE {}{tail}{window}", columns.sql.join(","), all_of(&conditions));
        Ok(Plan { sql, parameters: p, columns: columns.columns, one })
    }

    /// The rows of a frame, before grouping: scope, conditions and what stands after `FROM`.
    pub(super) fn base(
        &mut self,
        p: &mut Parameters,
        frame: &Frame<'_>,
    ) -> Result<(Scope<'a>, Vec<String>, String), ReadError> {
        let mut scope = self.scope(frame.collection)?;
        if frame.past.is_some() {
            // These rows and their values were chosen under the predicates already, now and then.
            scope.mask = Arc::new(everywhere(&scope.mask));
        }
        let alias = scope.alias.clone();
        let from = match frame.past {
            Some((fields, rows)) => past(p, &scope, fields, rows),
            None => scope.table(),
        };
        let mut conditions = Vec::new();
        let first = frame.chain[0];
        scope.looked_up = frame.link != Link::Root || first.doc_ids.is_some();
        match frame.link {
            Link::Root if first.doc_ids.is_some() || first.cids.is_some() => {
                self.restrict(p, &mut scope, Verb::Read, &mut conditions);
            }
            Link::Root => self.restrict(p, &mut scope, Verb::Search, &mut conditions),
            Link::Target => {
                conditions.push(format!("{alias}.doc=?1"));
                self.restrict(p, &mut scope, Verb::Read, &mut conditions);
            }
            Link::Inverse { via, .. } => {
                self.expect_visible(&scope, via, Verb::Search)?;
                conditions.push(format!("{alias}.{}=?1", column_name(via)));
                self.restrict(p, &mut scope, Verb::Search, &mut conditions);
                conditions.extend(self.visible_when(p, &scope, via, Verb::Search));
            }
            Link::Answer => conditions.push(format!("{alias}.doc=?1")),
        }
        for args in &frame.chain {
            if args.filter.is_some() || !args.order.is_empty() || args.group_by.is_some() {
                self.restrict(p, &mut scope, Verb::Search, &mut conditions);
            }
            if args.show_deleted || args.cids.is_some() {
                self.restrict(p, &mut scope, Verb::History, &mut conditions);
            }
        }
        if frame.link != Link::Answer && !frame.chain.iter().any(|args| args.show_deleted) {
            conditions.push(format!("{alias}.deleted=0"));
        }
        for (i, args) in frame.chain.iter().enumerate() {
            if let Some(docs) = &args.doc_ids {
                conditions.push(among(p, &format!("{alias}.doc"), docs));
            }
            if args.cids.is_some() && frame.past.is_none() {
                return Err(ReadError::Unsupported("`cid` stands at the root of a query only"));
            }
            if i + 1 == frame.chain.len() || args.group_by.is_some() {
                conditions.extend(self.own_filters(p, &Around::Document(&scope), args, false)?);
            }
        }
        let before = usize::from(frame.link != Link::Root);
        for (i, key) in frame.bound.iter().enumerate() {
            let key = self.group_key(p, &scope, *key)?.0;
            conditions.push(format!("{key} IS ?{}", before + i + 1));
        }
        Ok((scope, conditions, from))
    }

    /// The conditions of a filter, top level `AND` taken apart: those about whole groups, or the rest.
    fn own_filters(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        args: &SelectArgs,
        of_groups: bool,
    ) -> Result<Vec<String>, ReadError> {
        let Some(filter) = &args.filter else { return Ok(Vec::new()) };
        let mut open = vec![filter];
        let mut conditions = Vec::new();
        while let Some(filter) = open.pop() {
            match filter {
                Filter::And(all) => open.extend(all.iter().rev()),
                filter if (args.group_by.is_some() && looks_at_group(filter)) == of_groups => {
                    conditions.push(self.filter(p, around, filter)?);
                }
                _ => {}
            }
        }
        Ok(conditions)
    }

    /// What documents are grouped by is both searched for and read.
    pub(super) fn group_key(
        &mut self,
        p: &mut Parameters,
        scope: &Scope<'_>,
        key: FieldId,
    ) -> Result<(String, Shape), ReadError> {
        self.field(p, scope, key, &[Verb::Search, Verb::Read])
    }

    fn group_items(
        &mut self,
        p: &mut Parameters,
        frame: &Frame<'_>,
        scope: &Scope<'a>,
        items: &[Item],
        columns: &mut Columns,
    ) -> Result<(), ReadError> {
        for item in items {
            let key = &item.key;
            match &item.kind {
                ItemKind::Field(field) | ItemKind::RelationId(field) if frame.group_keys().contains(field) => {
                    let (sql, shape) = self.group_key(p, scope, *field)?;
                    let at = columns.add(sql);
                    columns.push(key, ColumnKind::Value(at, shape));
                }
                ItemKind::Constant(name) => columns.push(key, constant(name)),
                ItemKind::Aggregate(aggregate) => {
                    let (sql, shape) = self.aggregate(p, &Around::Group(scope, frame), aggregate)?;
                    let at = columns.add(sql);
                    columns.push(key, ColumnKind::Value(at, shape));
                }
                ItemKind::Group(select) => {
                    let mut inner = frame.clone();
                    inner.chain.push(&select.args);
                    inner.bound.extend_from_slice(frame.group_keys());
                    let mut arguments = Vec::new();
                    if frame.link != Link::Root {
                        arguments.push(columns.add("?1".to_owned()));
                    }
                    for key in &inner.bound {
                        let sql = self.group_key(p, scope, *key)?.0;
                        arguments.push(columns.add(sql));
                    }
                    let plan = Box::new(self.select(&inner, &select.items)?);
                    columns.push(key, ColumnKind::Nested { arguments, relation: false, plan });
                }
                // A field that the group has many values of.
                _ => columns.push(key, ColumnKind::Constant(Constant::Null)),
            }
        }
        Ok(())
    }

    fn item(
        &mut self,
        p: &mut Parameters,
        frame: &Frame<'_>,
        scope: &Scope<'a>,
        item: &Item,
        columns: &mut Columns,
    ) -> Result<(), ReadError> {
        let key = &item.key;
        let kind = match &item.kind {
            ItemKind::DocId => ColumnKind::Value(columns.add(format!("{}.doc", scope.alias)), Shape::DocId),
            ItemKind::Deleted => {
                let at = columns.add(format!("{}.deleted", scope.alias));
                ColumnKind::Value(at, Shape::Scalar(ScalarType::Boolean))
            }
            ItemKind::Constant(name) => constant(name),
            ItemKind::Field(field) | ItemKind::RelationId(field) => {
                let (sql, shape) = self.field(p, scope, *field, &[Verb::Read])?;
                ColumnKind::Value(columns.add(sql), shape)
            }
            ItemKind::Relation { field, select } => self.relation(p, scope, *field, select, columns)?,
            ItemKind::Aggregate(aggregate) => {
                let (sql, shape) = self.aggregate(p, &Around::Document(scope), aggregate)?;
                ColumnKind::Value(columns.add(sql), shape)
            }
            ItemKind::Group(_) => return Err(ReadError::Unsupported("a group stands in a grouped selection only")),
            ItemKind::Version(items) => ColumnKind::Version {
                collection: frame.collection,
                doc: columns.add(format!("{}.doc", scope.alias)),
                at: frame.past.map(|_| columns.add(format!("{}.at", scope.alias))),
                items: items.clone(),
            },
            ItemKind::Conflicts(items) => ColumnKind::Conflicts {
                collection: frame.collection,
                doc: columns.add(format!("{}.doc", scope.alias)),
                items: items.clone(),
            },
        };
        columns.push(key, kind);
        Ok(())
    }

    fn relation(
        &mut self,
        p: &mut Parameters,
        scope: &Scope<'a>,
        field: FieldId,
        select: &Select,
        columns: &mut Columns,
    ) -> Result<ColumnKind, ReadError> {
        let kind = scope.collection.field(field).map(|field| &field.kind).ok_or(ReadError::Hidden)?;
        self.expect_visible(scope, field, Verb::Read)?;
        let (column, link) = match kind {
            FieldType::ToOne { target, .. } if *target == select.collection => (column_name(field), Link::Target),
            FieldType::Inverse { target, via, many, .. } if *target == select.collection => {
                ("doc".to_owned(), Link::Inverse { via: *via, many: *many })
            }
            _ => return Err(ReadError::Hidden),
        };
        let plan = match self.select(&Frame::new(select, link), &select.items) {
            Err(ReadError::Hidden) if self.lenient => {
                let many = matches!(link, Link::Inverse { many: true, .. });
                return Ok(ColumnKind::Constant(if many { Constant::Empty } else { Constant::Null }));
            }
            plan => Box::new(plan?),
        };
        let column = format!("{}.{column}", scope.alias);
        let sql = match self.visible_when(p, scope, field, Verb::Read) {
            None => column,
            Some(shown) => format!("CASE WHEN {shown} THEN {column} END"),
        };
        Ok(ColumnKind::Nested { arguments: vec![columns.add(sql)], relation: true, plan })
    }
}

/// Past rows in place of a table: `allod_past(row, column)` gives their values, so that the statement is as long for a
/// thousand of them as for one.
fn past(p: &mut Parameters, scope: &Scope<'_>, fields: &[FieldId], rows: usize) -> String {
    let named = |(i, field): (usize, &FieldId)| format!(",allod_past(value,{}) AS {}", i + BEFORE, column_name(*field));
    let names: String = fields.iter().enumerate().map(named).collect();
    let numbers: Vec<String> = (0..rows).map(|n| n.to_string()).collect();
    let numbers = p.bind(Sql::Text(format!("[{}]", numbers.join(","))));
    format!(
        "(SELECT allod_past(value,0) AS doc,allod_past(value,1) AS deleted,NULL AS state,\
         allod_past(value,2) AS at{names} FROM json_each({numbers})) {}",
        scope.alias
    )
}

fn constant(text: &str) -> ColumnKind {
    ColumnKind::Constant(Constant::Text(text.to_owned()))
}

/// Whether a condition is about the group and not about one document of it.
fn looks_at_group(filter: &Filter) -> bool {
    match filter {
        Filter::And(all) | Filter::Or(all) => all.iter().any(looks_at_group),
        Filter::Not(of) => looks_at_group(of),
        Filter::Is(Operand::Aggregate(aggregate), _) => aggregate.sources.iter().any(|s| s.over == Over::Group),
        Filter::Is(..) | Filter::Related { .. } => false,
    }
}

/// The same verbs on the same fields, of every document.
fn everywhere(mask: &Mask) -> Mask {
    let entries = mask.entries.iter().map(|entry| Entry {
        documents: Documents::All,
        predicate: Predicate::default(),
        ..entry.clone()
    });
    Mask { entries: entries.collect(), valid_until: mask.valid_until }
}

/// A root aggregate as a statement of one row and one column.
pub(in crate::view) fn root_aggregate<'a>(
    compiler: &mut Compiler<'a>,
    key: &str,
    aggregate: &vault_core::query::Aggregate,
) -> Result<Plan, ReadError> {
    let mut p = Parameters::default();
    let (sql, shape) = compiler.aggregate(&mut p, &Around::Root, aggregate)?;
    if p.is_wide() {
        return Err(ReadError::Wide);
    }
    let mut columns = Columns::default();
    let at = columns.add(sql);
    columns.push(key, ColumnKind::Value(at, shape));
    Ok(Plan { sql: format!("SELECT {}", columns.sql.concat()), parameters: p, columns: columns.columns, one: true })
}
