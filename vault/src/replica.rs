//! The log of a blind replica: verified, stored and served by whoever holds no keys of it.

use std::sync::Arc;

use policy_core::UserId;
use sea_orm::DbErr;

use crate::admission::{Admission, AdmissionError};
use crate::handover::{Enrolled, Wanted};
use crate::log::{Log, Scope};
use crate::replicate::{Beyond, Taken};
use crate::turn::CutOff;

/// Why a replica does not take frames.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    #[error("the log failed: {0}")]
    Log(#[from] DbErr),
    #[error(transparent)]
    CutOff(#[from] CutOff),
    /// A space belongs to whom its genesis says.
    #[error("the space belongs to another account")]
    Foreign,
}

/// The log of a replica. Cheap to clone. What it holds can be asked of its [`Admission`]; frames come in by
/// [`ReplicaLog::take`] alone, and that verifies them.
#[derive(Clone)]
pub struct ReplicaLog(Arc<Admission>);

impl std::ops::Deref for ReplicaLog {
    type Target = Admission;
    fn deref(&self) -> &Admission {
        &self.0
    }
}

impl ReplicaLog {
    /// Reads and verifies every control lane of the log. Must be called within a runtime: what is stored is stored in
    /// tasks of that.
    ///
    /// # Errors
    /// If the log cannot be read, or does not verify.
    pub async fn open(log: Log) -> Result<Self, AdmissionError> {
        Ok(ReplicaLog(Arc::new(Admission::open(log).await?)))
    }

    /// Frames of a scope of `owner`: verified and stored, up to the first that is refused; with how many bytes are new
    /// here. Runs to its end, whoever goes away.
    ///
    /// # Errors
    /// If the log fails, or the scope is not `owner`'s; then nothing is stored.
    pub async fn take(&self, owner: UserId, scope: Scope, frames: Vec<Vec<u8>>) -> Result<(Taken, u64), ReplicaError> {
        let frames = self.0.look_at::<ReplicaError>(scope, frames).await?;
        let start = self.0.turn().await;
        let take = start.run(move |turn| {
            Box::pin(async move {
                let (batch, taken) = turn.take(scope, frames, None);
                if let Scope::Space(space) = scope
                    && batch.space(space).is_some_and(|lane| lane.owner != owner)
                {
                    return Err(ReplicaError::Foreign);
                }
                let bytes = batch.admitted().iter().map(|(_, frame)| frame.bytes().len() as u64).sum();
                if !batch.is_empty() {
                    batch.store().await?;
                }
                Ok((taken, bytes))
            })
        });
        take.await?
    }

    /// Rows of a scope for a device of the account that owns it: whoever holds no keys goes by enrolment alone. `None`:
    /// the scope is not that account's, or the device is none of its any more.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn hand_over(
        &self,
        to: &Enrolled,
        scope: Scope,
        wanted: Wanted<'_>,
    ) -> Result<Option<Beyond>, ReplicaError> {
        let holds = || self.0.owner(scope) == Some(to.user()) && self.0.is_enrolled(to);
        if !holds() {
            return Ok(None);
        }
        let found = self.0.beyond(scope, wanted).await?;
        // It may have been taken away while the log was read.
        Ok(holds().then_some(found))
    }

    /// How many bytes the frames of a scope take.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn bytes(&self, scope: Scope) -> Result<u64, DbErr> {
        self.0.log().bytes(scope).await
    }

    /// Closes the log, when nobody appends to it any more.
    ///
    /// # Errors
    /// If the database says so.
    pub async fn close(&self) -> Result<(), ReplicaError> {
        let start = self.0.turn().await;
        Ok(start.run(|turn| Box::pin(turn.log().close())).await??)
    }
}
