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
    /// What seals the row and every one before it: [`AuditRow::sealed`] of the row and the hash of the one before.
    pub hash: [u8; 32],
}

impl AuditRow {
    /// The hash that the row has after one with the hash `previous`; the first comes after zeros. It is of `previous` and of
    /// everything that the row says. Lengths come first, so that nothing can move from one column to the next.
    pub fn sealed(previous: &[u8; 32], seq: i64, at: Timestamp, action: &str, detail: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"allod policy audit 1\0");
        hash.update(previous);
        hash.update(seq.to_be_bytes());
        hash.update(at.0.to_be_bytes());
        for text in [action, detail] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().into()
    }
}

/// Checks that `row` follows the row with the hash `previous` and number `seq`.
pub(crate) fn verify(previous: &[u8; 32], seq: i64, row: audit::Model) -> Result<AuditRow, PolicyError> {
    let at = Timestamp(row.at);
    let hash = AuditRow::sealed(previous, row.seq, at, &row.action, &row.detail);
    if row.seq != seq + 1 {
        return Err(PolicyError::Damaged(format!("audit row {} is missing", seq + 1)));
    }
    if row.hash != hash {
        return Err(PolicyError::Damaged(format!("audit row {} was changed", row.seq)));
    }
    Ok(AuditRow { seq: row.seq, at, action: row.action, detail: row.detail, hash })
}
