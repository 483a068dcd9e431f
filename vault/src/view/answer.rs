//! What a mutation answers of the documents it touched, cut to the caller's read mask.

use policy_core::{CollectionId, DocId, Permits, Right};
use rusqlite::types::Value as Sql;
use vault_core::query::{Item, ItemKind, Select, SelectArgs};
use vault_core::schema::Schema;

use super::compile::{Compiler, Frame, Link};
use super::run::Run;
use super::{CHANGING, Limits, Masks, Room, View, ViewError, json};

/// The most bytes that a mutation answers of the documents of one of its roots.
pub const CHANGED_MAX: usize = 4 << 20;

impl View {
    /// A JSON list with one object for each of `docs`, in their order, as the open transaction has
    /// them, deleted ones included. A document outside the read scope answers with its `_docID` and
    /// nulls; one that the view does not have is null.
    pub fn answer<R: Right>(
        &self,
        permits: &Permits<R>,
        schema: &Schema,
        collection: CollectionId,
        docs: &[DocId],
        items: &[Item],
    ) -> Result<Vec<u8>, ViewError> {
        self.answer_masked(&|id| permits.mask(id).cloned(), schema, collection, docs, items)
    }

    pub(super) fn answer_masked(
        &self,
        masks: Masks<'_>,
        schema: &Schema,
        collection: CollectionId,
        docs: &[DocId],
        items: &[Item],
    ) -> Result<Vec<u8>, ViewError> {
        // Ids are shown to everybody who may change a document, and need no look-up.
        if let [Item { response, kind: ItemKind::DocId }] = items {
            return Ok(ids(response, docs));
        }
        let mut compiler = Compiler::lenient(schema, masks);
        let select = Select { collection, args: SelectArgs::default(), items: Vec::new() };
        let plan = compiler.select(&Frame::new(&select, Link::Answer), items)?;
        self.database.set_called(compiler.called);
        let arguments: Vec<Sql> = docs.iter().map(|doc| Sql::Blob(doc.as_bytes().to_vec())).collect();
        let mut out = vec![b'['];
        let mut room = Room::free(CHANGED_MAX);
        let limits = Limits { time: CHANGING, ..Limits::default() };
        self.database.within(CHANGING, || {
            Run::new(self.connection(), schema, masks, limits, &mut room).each(&plan, &arguments, &mut out)
        })?;
        out.push(b']');
        Ok(out)
    }
}

/// `[{"response":"id"}…]`.
fn ids(response: &str, docs: &[DocId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(docs.len() * (response.len() + 44) + 2);
    out.push(b'[');
    for (n, doc) in docs.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.push(b'{');
        json::key(&mut out, response);
        json::doc_id(&mut out, doc.as_bytes());
        out.push(b'}');
    }
    out.push(b']');
    out
}
