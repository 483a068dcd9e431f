//! The signature record of a transaction: one signature over the tips of all its lanes.

use cid::Cid;
use policy_core::{DeviceId, SpaceId};

use crate::cbor::{CborError, Reader, Writer};
use crate::commit::VERSION;
use crate::identity::{Signer, verify};
use crate::seal::SUITE;
use crate::tags::{LaneTag, TxnId};

/// The most commits of one transaction.
pub const MAX_COMMITS: usize = 10_000;
/// The most lanes of one transaction.
pub const MAX_LANES: usize = 1_024;

const DOMAIN: &[u8] = b"allod/txn/v1\0";

/// Where a transaction left a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneTip {
    /// Which lane.
    pub lane: LaneTag,
    /// The number of the last commit.
    pub seq: u64,
    /// The last commit.
    pub cid: Cid,
}

/// A signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTxn {
    /// Where it belongs.
    pub space: SpaceId,
    /// Who signs.
    pub device: DeviceId,
    /// Names it.
    pub txn: TxnId,
    /// Sorted by lane.
    pub tips: Vec<LaneTip>,
    /// Of Ed25519 (RFC 8032), over all the rest.
    pub signature: [u8; 64],
}

impl SignedTxn {
    fn head(space: SpaceId, device: DeviceId, txn: TxnId, tips: &[LaneTip], fields: usize) -> Writer {
        let mut w = Writer::with_capacity(160 + 64 * tips.len());
        w.array(fields).uint(VERSION).uint(SUITE);
        w.bytes(space.as_bytes()).bytes(device.as_bytes()).bytes(&txn.0).array(tips.len());
        for tip in tips {
            w.array(3).bytes(&tip.lane.0).uint(tip.seq).link(&tip.cid);
        }
        w
    }

    fn message(&self) -> Vec<u8> {
        let body = Self::head(self.space, self.device, self.txn, &self.tips, 6);
        [DOMAIN, body.as_bytes()].concat()
    }

    /// Signs; `tips` are sorted here.
    pub fn sign(signer: &Signer, space: SpaceId, device: DeviceId, txn: TxnId, mut tips: Vec<LaneTip>) -> Self {
        tips.sort_by_key(|tip| tip.lane);
        let mut signed = SignedTxn { space, device, txn, tips, signature: [0; 64] };
        signed.signature = signer.sign(&signed.message());
        signed
    }

    /// Whether the key of this device signed it.
    pub fn verify(&self, key: &[u8; 32]) -> bool {
        verify(key, &self.message(), &self.signature)
    }

    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Self::head(self.space, self.device, self.txn, &self.tips, 7);
        w.bytes(&self.signature);
        w.into_bytes()
    }

    /// Reads what [`SignedTxn::encode`] wrote, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut r = Reader::new(bytes);
        r.array_of(7)?;
        let unknown = r.error("another version or suite of transactions");
        if (r.uint()?, r.uint()?) != (VERSION, SUITE) {
            return Err(unknown);
        }
        let space = SpaceId::from_bytes(r.array_bytes()?);
        let device = DeviceId::from_bytes(r.array_bytes()?);
        let txn = TxnId(r.array_bytes()?);
        let mut tips = Vec::new();
        for _ in 0..r.array(MAX_LANES)? {
            r.array_of(3)?;
            tips.push(LaneTip { lane: LaneTag(r.array_bytes()?), seq: r.uint()?, cid: r.link()? });
        }
        let unsorted = r.error("lanes out of order");
        if !tips.is_sorted_by(|a, b| a.lane < b.lane) {
            return Err(unsorted);
        }
        let signature = r.array_bytes()?;
        r.end()?;
        Ok(SignedTxn { space, device, txn, tips, signature })
    }

    /// Where the chain in this lane ends with it.
    pub fn tip(&self, lane: LaneTag) -> Option<&LaneTip> {
        self.tips.iter().find(|tip| tip.lane == lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::cid_of;

    #[test]
    fn a_signature_covers_everything() {
        let signer = Signer::from_seed([1; 32]);
        let tips = vec![
            LaneTip { lane: LaneTag([2; 16]), seq: 5, cid: cid_of(b"b") },
            LaneTip { lane: LaneTag([1; 16]), seq: 4, cid: cid_of(b"a") },
        ];
        let txn =
            SignedTxn::sign(&signer, SpaceId::from_bytes([3; 16]), DeviceId::from_bytes([4; 16]), TxnId([5; 16]), tips);
        let bytes = txn.encode();
        assert_eq!(SignedTxn::decode(&bytes).unwrap(), txn);
        assert!(txn.verify(&signer.public()));
        assert!(!txn.verify(&Signer::from_seed([2; 32]).public()));
        let mut refused = 0;
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            refused += usize::from(SignedTxn::decode(&bad).map_or(true, |txn| !txn.verify(&signer.public())));
        }
        assert_eq!(refused, bytes.len(), "every flipped bit is noticed");
    }
}
