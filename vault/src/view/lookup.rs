//! What the writer asks of the view inside its open transaction.

use policy_core::{CollectionId, DocId, FieldId, Permits, Right, Verb};
use rusqlite::{Connection, OptionalExtension};
use vault_core::crdt::DocumentState;
use vault_core::query::Filter;
use vault_core::value::Value;

use super::column::{column_name, from_sql};
use super::compile::{Around, Compiler, all_of, among};
use super::parameters::Parameters;
use super::run::doc_in;
use super::tables::Table;
use super::{Masks, ReadError, View, ViewError};

/// A document with what the next commit of it needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedDocument {
    pub state: DocumentState,
    /// The defined fields that are not null, in the order of the definition.
    pub values: Vec<(FieldId, Value)>,
    pub deleted: bool,
}

impl View {
    /// The documents that an entry with `verb` covers, ascending: of `doc_ids` if given, and that match
    /// `filter` (which entries with `search` must cover too, as they must if nothing is named by id).
    /// Deleted documents only if `deleted`, others only if not.
    pub fn select_ids<R: Right>(
        &self,
        permits: &Permits<R>,
        collection: CollectionId,
        doc_ids: Option<&[DocId]>,
        filter: Option<&Filter>,
        verb: Verb,
        deleted: bool,
    ) -> Result<Vec<DocId>, ViewError> {
        self.select_masked(&|id| permits.mask(id).cloned(), collection, doc_ids, filter, verb, deleted)
    }

    pub(super) fn select_masked(
        &self,
        masks: Masks<'_>,
        collection: CollectionId,
        doc_ids: Option<&[DocId]>,
        filter: Option<&Filter>,
        verb: Verb,
        deleted: bool,
    ) -> Result<Vec<DocId>, ViewError> {
        let mut compiler = Compiler::new(&self.schema, masks);
        let mut p = Parameters::default();
        let mut scope = compiler.scope(collection)?;
        scope.looked_up = doc_ids.is_some();
        let mut conditions = vec![format!("{}.deleted={}", scope.alias, u8::from(deleted))];
        compiler.restrict(&mut p, &mut scope, verb, &mut conditions);
        if doc_ids.is_none() || filter.is_some() {
            compiler.restrict(&mut p, &mut scope, Verb::Search, &mut conditions);
        }
        if let Some(docs) = doc_ids {
            conditions.push(among(&mut p, &format!("{}.doc", scope.alias), docs));
        }
        if let Some(filter) = filter {
            conditions.push(compiler.filter(&mut p, &Around::Document(&scope), filter)?);
        }
        if p.is_wide() {
            return Err(ReadError::Wide.into());
        }
        let (table, alias) = (scope.table(), &scope.alias);
        let sql = format!("SELECT {alias}.doc FROM {table} WHERE {} ORDER BY {alias}.doc", all_of(&conditions));
        self.database.set_called(compiler.called);
        let found = self.within(|_| {
            let mut statement = self.connection().prepare_cached(&sql)?;
            p.give(&mut statement)?;
            let mut rows = statement.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(doc_in(row.get_ref(0)?)?);
            }
            Ok(found)
        })?;
        Ok(found)
    }

    /// A document, deleted or not; `None` if the view has none of this id. No permit: for the writer's
    /// own checks, never to answer with.
    pub fn load(&self, collection: CollectionId, doc: DocId) -> Result<Option<LoadedDocument>, ViewError> {
        let table = self.tables.get(&collection).ok_or(ViewError::UnknownCollection(collection))?;
        let Some((deleted, values)) = row_of(self.connection(), table, doc)? else { return Ok(None) };
        let Some(state) = self.state(table, doc)? else { return Ok(None) };
        Ok(Some(LoadedDocument { state, values, deleted }))
    }

    /// Whether another document that is not deleted has the same values in all these fields as this one, if this
    /// one is not deleted. A null equals nothing. No permit: the writer says first who may learn this.
    pub fn collides(&self, collection: CollectionId, doc: DocId, fields: &[FieldId]) -> Result<bool, ViewError> {
        let table = self.tables.get(&collection).ok_or(ViewError::UnknownCollection(collection))?;
        if fields.is_empty() || fields.iter().any(|field| table.shape(*field).is_none()) {
            return Ok(false);
        }
        let same: String = fields.iter().map(|field| column_name(*field)).fold(String::new(), |mut sql, column| {
            sql.push_str(&format!(" AND b.{column}=a.{column}"));
            sql
        });
        let name = &table.name;
        let sql = format!(
            "SELECT 1 FROM {name} a CROSS JOIN {name} b \
             WHERE a.doc=? AND a.deleted=0 AND b.deleted=0 AND b.doc<>a.doc{same} LIMIT 1"
        );
        Ok(self.connection().prepare_cached(&sql)?.exists([doc.as_bytes()])?)
    }
}

/// Whether a document is deleted, and its values that are not null.
type Row = (bool, Vec<(FieldId, Value)>);

/// The row of a document, deleted or not.
pub(super) fn row_of(connection: &Connection, table: &Table, doc: DocId) -> Result<Option<Row>, ViewError> {
    let names: String = table.columns.iter().map(|(field, _)| format!(",{}", column_name(*field))).collect();
    let sql = format!("SELECT deleted{names} FROM {} WHERE doc = ?", table.name);
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row([doc.as_bytes()], |row| {
        let mut values = Vec::new();
        for (i, (field, shape)) in table.columns.iter().enumerate() {
            let value = from_sql(*shape, row.get_ref(i + 1)?);
            if !value.is_null() {
                values.push((*field, value));
            }
        }
        Ok((row.get(0)?, values))
    });
    Ok(row.optional()?)
}

/// A refusal of the compiler, as the writer's error.
impl ViewError {
    /// The refusal of a read that stands behind this error, if one does.
    pub fn refusal(&self) -> Option<&ReadError> {
        if let ViewError::Refused(error) = self { Some(error) } else { None }
    }
}
