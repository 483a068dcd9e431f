//! What callers change, under their permits.

use std::sync::Arc;

use policy_core::{Permits, Write};
use vault_core::change::ChangeRequest;
use vault_core::query::{Item, ItemKind};

use super::Vault;
use crate::shares::Payer;
use crate::view::{Answer, CHANGED_MAX};
use crate::writer::WriteError;

impl Vault {
    /// Makes a change: durable when this answers. The answer is the text of a JSON object: of each change what it asks of
    /// the documents, by its key.
    pub async fn write(
        &self,
        permits: Permits<Write>,
        request: impl Into<Arc<ChangeRequest>>,
    ) -> Result<Answer<Vec<u8>>, WriteError> {
        let request = request.into();
        let most = if request.changes.iter().all(|change| names_ids_alone(&change.items)) { 0 } else { CHANGED_MAX };
        let room = self.0.reading.whole(Payer::from(permits.caller()), most).await?;
        let space = self.space(permits.space()).await.map_err(|error| {
            tracing::error!(%error, "a space could not be opened");
            WriteError::Stopped
        })?;
        if space.is_behind() {
            self.settled(&space).await?;
        }
        self.0.writer.write(space, permits, request).await.map(|bytes| Answer::new(bytes, room))
    }
}

/// Whether nothing is asked of the changed documents but their ids: the answer is then no larger than the request.
fn names_ids_alone(items: &[Item]) -> bool {
    items.len() <= 2 && items.iter().all(|item| matches!(item.kind, ItemKind::DocId | ItemKind::Constant(_)))
}
