//! How much one request may ask for. The values are SpiceDB's.

use crate::{Delete, MAX_UPDATES, Reason, ServiceError, Write};

/// The most preconditions of one write or deletion.
pub const MAX_PRECONDITIONS: usize = 1_000;
/// The largest limit of a list or a deletion.
pub const MAX_LIMIT: u32 = 1_000;
/// The most checks of one request.
pub const MAX_CHECKS: usize = 10_000;

impl Write {
    /// # Errors
    /// If there are too many updates or preconditions.
    pub fn within_limits(&self) -> Result<(), ServiceError> {
        let count = self.updates.len();
        if count > MAX_UPDATES {
            let message = format!(
                "too many updates ({count}) for WriteRelationships call (maximum: {MAX_UPDATES}); consider using \
                 ImportBulkRelationships API instead"
            );
            return Err(ServiceError::new(Reason::TooManyUpdates, message)
                .with("update_count", count)
                .with("maximum_updates_allowed", MAX_UPDATES));
        }
        preconditions(self.preconditions.len())
    }
}

impl Delete {
    /// # Errors
    /// If there are too many preconditions, or if the limit is too large.
    pub fn within_limits(&self) -> Result<(), ServiceError> {
        preconditions(self.preconditions.len())?;
        limit(self.limit)
    }
}

fn preconditions(count: usize) -> Result<(), ServiceError> {
    if count <= MAX_PRECONDITIONS {
        return Ok(());
    }
    let message = format!("precondition count of {count} is greater than maximum allowed of {MAX_PRECONDITIONS}");
    Err(ServiceError::new(Reason::TooManyPreconditions, message)
        .with("precondition_count", count)
        .with("maximum_updates_allowed", MAX_PRECONDITIONS))
}

fn limit(limit: Option<u32>) -> Result<(), ServiceError> {
    match limit {
        Some(limit) if limit > MAX_LIMIT => {
            let message = format!("provided limit {limit} is greater than maximum allowed of {MAX_LIMIT}");
            Err(ServiceError::new(Reason::InvalidArgument, message))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// If there are too many checks.
pub fn checks(count: usize) -> Result<(), ServiceError> {
    if count <= MAX_CHECKS {
        return Ok(());
    }
    let message = format!("check count of {count} is greater than maximum allowed of {MAX_CHECKS}");
    Err(ServiceError::new(Reason::InvalidArgument, message))
}
