//! What a view holds, in one hash: equal commits give equal digests, however they came, and what two views answer
//! differently their digests tell apart.

use policy_core::CollectionId;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};
use vault_core::cbor::Writer;
use vault_core::codec::write_value;
use vault_core::control::encode_schema;
use vault_core::crdt::DocumentState;

use super::column::column_name;
use super::{View, ViewError};

/// Which digest it is that [`View::digest`] makes: another number once it covers other things, so that what was noted before is
/// not compared with it.
pub const DIGEST_KIND: u64 = 1;

impl View {
    /// The number of documents (deleted ones included) and the SHA-256 over the definitions, all rows sorted by
    /// collection and document (columns as they are, what stands beside them, and whether they are deleted), and the
    /// commits that were applied.
    pub fn digest(&self) -> Result<(u64, [u8; 32]), ViewError> {
        let mut hash = Sha256::new();
        let mut documents = 0u64;
        let mut ids: Vec<CollectionId> = self.tables.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let (Some(table), Some(collection)) = (self.tables.get(&id), self.schema.collection(id)) else { continue };
            let mut w = Writer::with_capacity(1_024);
            w.link(&collection.version).bytes(&encode_schema(std::slice::from_ref(collection)));
            hash.update(w.as_bytes());
            let names: String = table.columns.iter().map(|(field, _)| format!(",{}", column_name(*field))).collect();
            let sql = format!("SELECT doc,deleted,state{names} FROM {} ORDER BY doc", table.name);
            let mut statement = self.connection().prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                documents += 1;
                let mut w = Writer::with_capacity(512);
                w.bytes(id.as_bytes()).bytes(row.get_ref(0)?.as_blob().unwrap_or_default()).bool(row.get(1)?);
                for (i, (field, _)) in table.columns.iter().enumerate() {
                    w.bytes(field.as_bytes());
                    match row.get_ref(i + 3)? {
                        ValueRef::Null => w.null(),
                        ValueRef::Integer(n) => w.int(n),
                        ValueRef::Real(n) => w.float(n),
                        ValueRef::Text(text) => w.array(1).bytes(text),
                        ValueRef::Blob(bytes) => w.bytes(bytes),
                    };
                }
                // A row without a state is told whole by its columns.
                if let Ok(bytes) = row.get_ref(2)?.as_blob() {
                    let state = DocumentState::decode(bytes)?;
                    for field in &collection.fields {
                        for (cid, value) in super::conflicts::untold(field, &state) {
                            w.bytes(field.id.as_bytes());
                            w.optional(cid.as_ref(), |w, cid| {
                                w.link(cid);
                            });
                            write_value(&mut w, &value);
                        }
                    }
                }
                hash.update(w.as_bytes());
            }
        }
        let mut statement = self.connection().prepare("SELECT cid FROM history ORDER BY cid")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            hash.update(row.get_ref(0)?.as_blob().unwrap_or_default());
        }
        Ok((documents, hash.finalize().into()))
    }
}
