//! The chain of audit rows.

use policy_core::Timestamp;
use sha2::{Digest, Sha256};

use crate::PolicyError;
use crate::table::audit;

/// One change of policy, as it was recorded in the transaction that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Counts from 1 without gaps.
    pub seq: i64,
    pub at: Timestamp,
    pub action: String,
    /// JSON: the relationships that were put and removed.
    pub detail: String,
}

/// The hash of a row: of the hash before it and of everything it says. Lengths come first, so that
/// nothing can move from one column to the next.
pub(crate) fn hash_of(previous: &[u8; 32], row: &AuditRow) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"allod policy audit 1\0");
    hash.update(previous);
    hash.update(row.seq.to_be_bytes());
    hash.update(row.at.0.to_be_bytes());
    for text in [&row.action, &row.detail] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

/// Checks that `row` follows the row with the hash `previous` and number `seq`; its own hash.
pub(crate) fn verify(previous: &[u8; 32], seq: i64, row: audit::Model) -> Result<(AuditRow, [u8; 32]), PolicyError> {
    let found = AuditRow { seq: row.seq, at: Timestamp(row.at), action: row.action, detail: row.detail };
    let hash = hash_of(previous, &found);
    if found.seq != seq + 1 {
        return Err(PolicyError::Damaged(format!("audit row {} is missing", seq + 1)));
    }
    if row.hash != hash {
        return Err(PolicyError::Damaged(format!("audit row {} was changed", found.seq)));
    }
    Ok((found, hash))
}
