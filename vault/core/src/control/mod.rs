//! Control lanes: who owns an account or a space, which devices act for it, which keys there are.
//!
//! A replica without keys verifies everything else against these folds. An account's lane holds its
//! genesis and its devices; a space's lane holds its genesis, key-ops and envelopes in clear, and
//! schema and policy entries sealed to its members.

mod account;
mod clock;
mod policy;
mod schema;
mod space;

pub use account::AccountLane;
pub(crate) use account::{device_body, genesis_body as account_genesis_body, successor_body};
pub use clock::{Clocks, MAX_READINGS, Piece, Reading};
pub use policy::{AppDescription, GrantRecord, PolicyEntry, decode_policy, encode_policy};
pub use schema::{decode_schema, encode_schema};
pub use space::{Epoch, SealedEntry, SpaceLane, envelope_info};
pub(crate) use space::{envelope_body, genesis_body as space_genesis_body, key_op_body};

use cid::Cid;

use crate::commit::head_of;
use crate::tags::EpochId;

/// The ends of a control lane's graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heads {
    heads: Vec<Cid>,
    height: u64,
}

impl Heads {
    /// Takes an entry in: what it names is no end any more, it is one now.
    pub(crate) fn advance(&mut self, cid: Cid, parents: &[Cid], height: u64) {
        self.heads.retain(|head| !parents.contains(head));
        if let Err(at) = self.heads.binary_search(&cid) {
            self.heads.insert(at, cid);
        }
        self.height = self.height.max(height);
    }
    /// Sorted; what a new entry names as its parents.
    pub fn parents(&self) -> &[Cid] {
        &self.heads
    }
    /// The height of the newest entry; a new one is one higher.
    pub fn height(&self) -> u64 {
        self.height
    }
    /// What commits carry as the control heads that their writer saw: at most eight, sorted.
    pub fn head_ids(&self) -> Vec<EpochId> {
        let mut seen: Vec<_> = self.heads.iter().map(|cid| EpochId(head_of(cid))).collect();
        seen.sort();
        seen.dedup();
        seen.truncate(crate::commit::MAX_CONTROL);
        seen
    }
}
