//! What a view holds, in one hash: equal commits give equal digests, however they came.

use policy_core::FieldId;
use sha2::{Digest, Sha256};
use vault_core::cbor::Writer;
use vault_core::codec::write_value;
use vault_core::crdt::DocumentState;

use super::column::{Shape, column_name, from_sql};
use super::{View, ViewError};

impl View {
    /// The number of documents (deleted ones included) and the SHA-256 over all rows, sorted by
    /// collection, document and field: values, conflicts and whether they are deleted.
    pub fn digest(&self) -> Result<(u64, [u8; 32]), ViewError> {
        let mut hash = Sha256::new();
        let mut documents = 0u64;
        let mut collections: Vec<_> = self.tables.iter().collect();
        collections.sort_unstable_by_key(|(id, _)| **id);
        for (id, table) in collections {
            let mut columns: Vec<(FieldId, Shape)> = table.columns.clone();
            columns.sort_unstable_by_key(|(field, _)| *field);
            let names: String = columns.iter().map(|(field, _)| format!(",{}", column_name(*field))).collect();
            let sql = format!("SELECT doc,deleted,state{names} FROM {} ORDER BY doc", table.name);
            let mut statement = self.connection().prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                documents += 1;
                let state = match row.get_ref(2)?.as_blob() {
                    Ok(bytes) => DocumentState::decode(bytes)?,
                    Err(_) => DocumentState::default(),
                };
                let mut w = Writer::with_capacity(512);
                w.bytes(id.as_bytes()).bytes(row.get_ref(0)?.as_blob().unwrap_or_default()).bool(row.get(1)?);
                for (i, (field, shape)) in columns.iter().enumerate() {
                    w.bytes(field.as_bytes());
                    write_value(&mut w, &from_sql(*shape, row.get_ref(i + 3)?));
                    let conflicts = state.field(*field).map(|field| field.conflicts()).unwrap_or_default();
                    w.array(conflicts.len());
                    for conflict in conflicts {
                        w.link(&conflict.cid);
                        write_value(&mut w, &conflict.value);
                    }
                }
                hash.update(w.as_bytes());
            }
        }
        Ok((documents, hash.finalize().into()))
    }
}
