//! What the log's follower needs of a view beside applying commits.

use cid::Cid;
use policy_core::{CollectionId, DocId};
use rusqlite::OptionalExtension;

use super::apply::{View, decode_row};
use super::{Reader, ViewError};

/// A document, and the salt of its leaf keys.
pub type Root = (DocId, [u8; 16]);

impl View {
    /// The document that begins with the commit `cid`; `None` if that commit was not applied here.
    /// Called within a write transaction: it makes the index by CID at first use.
    pub fn root(&self, cid: &Cid) -> Result<Option<Root>, ViewError> {
        self.connection().execute_batch("CREATE INDEX IF NOT EXISTS history_cid ON history(cid)")?;
        let sql = "SELECT doc, collection, cid, body FROM history WHERE cid = ?";
        let mut statement = self.connection().prepare_cached(sql)?;
        let found = statement
            .query_row([cid.to_bytes()], |row| {
                let doc = DocId::from_slice(row.get_ref(0)?.as_blob().unwrap_or_default());
                let collection = CollectionId::from_slice(row.get_ref(1)?.as_blob().unwrap_or_default());
                Ok(doc.zip(collection).map(|(doc, collection)| {
                    Ok::<_, ViewError>((doc, decode_row(collection, doc, row.get_ref(2)?, row.get_ref(3)?)?.salt))
                }))
            })
            .optional()?
            .flatten()
            .transpose()?;
        Ok(found.and_then(|(doc, salt)| Some((doc, salt?))))
    }

    /// Writes everything into the file and waits for the disk. No transaction is open, and no reader.
    pub fn sync(&mut self) -> Result<(), ViewError> {
        self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let synced = std::fs::File::open(self.path()).and_then(|file| file.sync_all());
        synced.map_err(|_| ViewError::Unreadable("file that can be synced"))
    }
}

impl Reader {
    /// A connection that can be given back is one that is in no transaction.
    pub fn is_idle(&self) -> bool {
        self.connection().is_autocommit()
    }
}
