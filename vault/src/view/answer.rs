//! What a mutation answers of the documents it touched, cut to the caller's read mask.

use policy_core::{CollectionId, DocId, Permits, Right};
use rusqlite::types::Value as Sql;
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::Schema;

use super::compile::{Compiler, Frame, Link};
use super::run::Run;
use super::sink::Sink;
use super::{Limits, Masks, Room, View, ViewError};

/// The most bytes that a mutation answers of the documents of one of its roots.
pub const CHANGED_MAX: usize = 4 << 20;

impl View {
    /// Writes a list with one row for each of `docs`, in their order, as the open transaction has
    /// them, deleted ones included. A document outside the read scope answers with its `_docID` and
    /// nulls; one that the view does not have is null.
    pub fn answer<R: Right>(
        &self,
        permits: &Permits<R>,
        schema: &Schema,
        collection: CollectionId,
        docs: &[DocId],
        items: &[Item],
        out: &mut dyn Sink,
    ) -> Result<(), ViewError> {
        self.answer_masked(&|id| permits.mask(id).cloned(), schema, collection, docs, items, out)
    }

    pub(super) fn answer_masked(
        &self,
        masks: Masks<'_>,
        schema: &Schema,
        collection: CollectionId,
        docs: &[DocId],
        items: &[Item],
        out: &mut dyn Sink,
    ) -> Result<(), ViewError> {
        // Ids are shown to everybody who may change a document, and need no look-up.
        if let [Item { key, kind: ItemKind::DocId }] = items {
            ids(key, docs, out);
            return Ok(());
        }
        let mut compiler = Compiler::lenient(schema, masks);
        let select = Select { collection, args: SelectArgs::default(), items: Vec::new() };
        let plan = compiler.select(&Frame::new(&select, Link::Answer), items)?;
        self.database.set_called(compiler.called);
        let arguments: Vec<Sql> = docs.iter().map(|doc| Sql::Blob(doc.as_bytes().to_vec())).collect();
        out.begin_list();
        let mut room = Room::free(CHANGED_MAX);
        self.within(|time| {
            let limits = Limits { time, ..Limits::default() };
            Run::new(self.connection(), schema, masks, limits, &mut room).each(&plan, &arguments, out)
        })?;
        out.end_list();
        Ok(())
    }
}

fn ids(key: &str, docs: &[DocId], out: &mut dyn Sink) {
    out.begin_list();
    for doc in docs {
        out.begin_row();
        out.key(key);
        out.document(*doc);
        out.end_row();
    }
    out.end_list();
}
