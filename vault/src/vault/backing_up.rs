//! The moment that a backup is of.

use super::{Vault, VaultError};
use crate::backup::{BackupError, Snapshot};
use crate::data_dir::DataDir;

impl Vault {
    /// Fixes one moment of log and node database. The log's turn is held for that alone, and free while they are read.
    ///
    /// # Errors
    /// If either cannot be opened once more.
    pub async fn snapshot(&self, dir: &DataDir) -> Result<Snapshot, BackupError> {
        self.note().await.map_err(failed)?;
        let (dir, key) = (dir.clone(), self.0.accounts.node_key());
        let open = tokio::task::spawn_blocking(move || Snapshot::open(&dir, key));
        let snapshot = open.await.map_err(|_| crate::turn::CutOff)??;
        self.in_turn(move |_, _| {
            Box::pin(async move {
                let begin = tokio::task::spawn_blocking(move || snapshot.begin().map(|()| snapshot));
                Ok(begin.await.map_err(|_| crate::turn::CutOff)??)
            })
        })
        .await
    }
}

fn failed(error: VaultError) -> BackupError {
    match error {
        VaultError::Log(error) => BackupError::Log(error),
        other => BackupError::Io(std::io::Error::other(other.to_string())),
    }
}
