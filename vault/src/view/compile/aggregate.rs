//! Aggregates: scalar expressions, wherever they stand.

use policy_core::Verb;
use rusqlite::types::Value as Sql;
use vault_core::query::{Aggregate, AggregateSource, Function, Over};
use vault_core::schema::{FieldType, ScalarType};

use super::select::Frame;
use super::{Compiler, Scope, all_of};
use crate::view::ReadError;
use crate::view::column::{Shape, column_name};
use crate::view::matching::Test;
use crate::view::parameters::Parameters;

/// What surrounds an expression.
pub(in crate::view) enum Around<'s, 'a> {
    Root,
    Document(&'s Scope<'a>),
    /// A group of documents: in its statement, and what the statement selects.
    Group(&'s Scope<'a>, &'s Frame<'s>),
}

impl<'s, 'a> Around<'s, 'a> {
    pub(super) fn document(&self) -> Result<&'s Scope<'a>, ReadError> {
        match self {
            Around::Document(scope) | Around::Group(scope, _) => Ok(scope),
            Around::Root => Err(ReadError::Hidden),
        }
    }
}

impl Compiler<'_> {
    pub(in crate::view) fn aggregate(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        of: &Aggregate,
    ) -> Result<(String, Shape), ReadError> {
        if let (Around::Group(scope, _), [source]) = (around, &of.sources[..])
            && source.over == Over::Group
            && source.limit.is_none()
            && source.offset == 0
        {
            return self.over_group(p, scope, of.function, source);
        }
        self.spend(of.sources.len())?;
        let mut rows = Vec::new();
        let mut shape = None;
        for source in &of.sources {
            let (sql, of) = self.source(p, around, source)?;
            rows.push(format!("SELECT x FROM ({sql})"));
            shape = if shape.is_none_or(|shape| shape == of) { Some(of) } else { Some(Shape::Number) };
        }
        if rows.is_empty() {
            return Err(ReadError::Unsupported("an aggregate needs something to look at"));
        }
        let shape = result(of.function, shape.unwrap_or(Shape::Number));
        Ok((format!("(SELECT {} FROM ({}))", call(of.function, "x"), union(&rows)), shape))
    }

    /// One aggregate over all of a group: no statement of its own.
    fn over_group(
        &mut self,
        p: &mut Parameters,
        scope: &Scope<'_>,
        function: Function,
        source: &AggregateSource,
    ) -> Result<(String, Shape), ReadError> {
        let (value, shape) = match source.field {
            None => ("1".to_owned(), Shape::Number),
            Some(field) => self.field(p, scope, field, &[Verb::Search])?,
        };
        let call = match &source.filter {
            None => call(function, &value),
            Some(filter) => {
                let filter = self.filter(p, &Around::Document(scope), filter)?;
                filtered(function, &value, &filter)
            }
        };
        Ok((call, result(function, shape)))
    }

    /// The rows of one source: a select of `x`.
    fn source(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        source: &AggregateSource,
    ) -> Result<(String, Shape), ReadError> {
        let (scope, conditions, from) = match source.over {
            Over::List(field) => return self.list_source(p, around, field, source),
            Over::Collection(collection) => {
                let mut scope = self.scope(collection)?;
                let mut conditions = vec![format!("{}.deleted=0", scope.alias)];
                self.restrict(p, &mut scope, Verb::Search, &mut conditions);
                let from = scope.table();
                (scope, conditions, from)
            }
            Over::Relation(field, target) => {
                let outer = around.document()?;
                let kind = outer.collection.field(field).map(|field| &field.kind).ok_or(ReadError::Hidden)?;
                self.expect_visible(outer, field, Verb::Search)?;
                let FieldType::Inverse { target: of, via, .. } = kind else { return Err(ReadError::Hidden) };
                if *of != target {
                    return Err(ReadError::Hidden);
                }
                let mut scope = self.scope(target)?;
                scope.looked_up = true;
                self.expect_visible(&scope, *via, Verb::Search)?;
                let mut conditions = vec![
                    format!("{}.{}={}.doc", scope.alias, column_name(*via), outer.alias),
                    format!("{}.deleted=0", scope.alias),
                ];
                self.restrict(p, &mut scope, Verb::Search, &mut conditions);
                conditions.extend(self.visible_when(p, &scope, *via, Verb::Search));
                conditions.extend(self.visible_when(p, outer, field, Verb::Search));
                let from = scope.table();
                (scope, conditions, from)
            }
            Over::Group => {
                let Around::Group(outer, frame) = around else { return Err(ReadError::Hidden) };
                let (scope, mut conditions, from) = self.base(p, frame)?;
                for key in frame.group_keys() {
                    let inner = self.group_key(p, &scope, *key)?.0;
                    let outer = self.group_key(p, outer, *key)?.0;
                    conditions.push(format!("{inner} IS {outer}"));
                }
                (scope, conditions, from)
            }
        };
        let mut conditions = conditions;
        let here = Around::Document(&scope);
        if let Some(filter) = &source.filter {
            conditions.push(self.filter(p, &here, filter)?);
        }
        let (value, shape) = match source.field {
            None => ("1".to_owned(), Shape::Number),
            Some(field) => self.field(p, &scope, field, &[Verb::Search])?,
        };
        let mut sql = format!("SELECT {value} AS x FROM {from} WHERE {}", all_of(&conditions));
        if source.limit.is_some() || source.offset > 0 {
            let order = self.order(p, &here, &source.order, &format!("{}.doc", scope.alias))?;
            sql.push_str(&format!(" ORDER BY {order}"));
            sql.push_str(&window(p, source.limit, source.offset));
        }
        Ok((sql, shape))
    }

    fn list_source(
        &mut self,
        p: &mut Parameters,
        around: &Around<'_, '_>,
        field: policy_core::FieldId,
        source: &AggregateSource,
    ) -> Result<(String, Shape), ReadError> {
        let (list, shape) = self.field(p, around.document()?, field, &[Verb::Search])?;
        let of = match shape {
            Shape::List(of) => of,
            Shape::Scalar(ScalarType::Json) => ScalarType::Json,
            _ => return Err(ReadError::Hidden),
        };
        let mut sql = format!("SELECT value AS x FROM json_each({list})");
        if !source.elements.is_empty() {
            let element = if of == ScalarType::Json { Shape::Number } else { Shape::Scalar(of) };
            let test = Test::new(element, Vec::new(), source.elements.clone());
            sql.push_str(&format!(" WHERE allod_test(value,{})", self.test(test)));
        }
        if source.limit.is_some() || source.offset > 0 {
            match source.order.first() {
                Some(key) if key.descending => sql.push_str(" ORDER BY value DESC"),
                Some(_) => sql.push_str(" ORDER BY value"),
                None => {}
            }
            sql.push_str(&window(p, source.limit, source.offset));
        }
        Ok((sql, if of == ScalarType::Json { Shape::Number } else { Shape::Scalar(of) }))
    }
}

/// One select of `x` out of many. SQLite joins 500 at most.
fn union(rows: &[String]) -> String {
    const SELECTS_PER_UNION: usize = 250;
    if rows.len() <= SELECTS_PER_UNION {
        return rows.join(" UNION ALL ");
    }
    let parts: Vec<String> =
        rows.chunks(SELECTS_PER_UNION).map(|part| format!("SELECT x FROM ({})", part.join(" UNION ALL "))).collect();
    union(&parts)
}

/// `LIMIT … OFFSET …`, with its space.
pub(super) fn window(p: &mut Parameters, limit: Option<u64>, offset: u64) -> String {
    if limit.is_none() && offset == 0 {
        return String::new();
    }
    let bound = |n: u64| Sql::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let limit = limit.map_or(Sql::Integer(-1), bound);
    format!(" LIMIT {} OFFSET {}", p.bind(limit), p.bind(bound(offset)))
}

fn call(function: Function, value: &str) -> String {
    match function {
        Function::Count => "count(*)".to_owned(),
        Function::Sum => format!("allod_sum({value})"),
        Function::Avg => format!("allod_avg({value})"),
        Function::Min => format!("min({value})"),
        Function::Max => format!("max({value})"),
    }
}

fn filtered(function: Function, value: &str, filter: &str) -> String {
    format!("{} FILTER (WHERE {filter})", call(function, value))
}

fn result(function: Function, of: Shape) -> Shape {
    match (function, of) {
        (Function::Min | Function::Max, of) => of,
        _ => Shape::Number,
    }
}
