//! Sealing of parts: ChaCha20-Poly1305 (RFC 8439) under a one-time key, with a key commitment.
//!
//! `(ek, com) = BLAKE3-XOF(leaf; label, suite, nonce, ftag)`; a sealed part is `com || ct || tag`.
//! `com` is compared in constant time before anything is opened, so a part opens under one key only.

use policy_core::{DeviceId, SpaceId};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::cbor::Writer;
use crate::keys::LeafKey;
use crate::tags::{DocTag, EpochId, FieldTag, LaneTag};

/// The sealing suite of format v1.
pub const SUITE: u64 = 1;
/// The largest sealed part: a value of 1 MiB and what surrounds it.
pub const MAX_PART: usize = 1024 * 1024 + 64 * 1024;

/// Where a part lies: authenticated with it, so it cannot be moved.
#[derive(Debug, Clone)]
pub struct SealContext<'a> {
    /// The space.
    pub space: SpaceId,
    /// The lane of its collection.
    pub lane: LaneTag,
    /// The tag of its document.
    pub doc: DocTag,
    /// The key epoch.
    pub epoch: EpochId,
    /// The device that wrote it.
    pub device: DeviceId,
    /// The number of its commit in the chain of that device.
    pub seq: u64,
    /// Of its commit, as a number.
    pub kind: u64,
    /// Of its commit.
    pub parents: &'a [cid::Cid],
}

/// The part did not open: another key, another place, or damage. The three are not told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed part does not open under its key at its place")]
pub struct OpenError;

/// The associated data of all parts of one commit, but for field tag and generation.
pub struct Frame(Vec<u8>);

impl SealContext<'_> {
    /// Encodes the place once for all parts of a commit.
    pub fn frame(&self) -> Frame {
        let mut w = Writer::with_capacity(160 + 42 * self.parents.len());
        w.array(10).bytes(self.space.as_bytes()).bytes(&self.lane.0).bytes(&self.doc.0);
        w.bytes(&self.epoch.0).bytes(self.device.as_bytes()).uint(self.seq).uint(self.kind);
        w.array(self.parents.len());
        for parent in self.parents {
            w.link(parent);
        }
        Frame(w.into_bytes())
    }
}

impl Frame {
    fn aad(&self, ftag: FieldTag, generation: u32) -> Vec<u8> {
        let mut aad = Vec::with_capacity(self.0.len() + 24);
        aad.extend_from_slice(&self.0);
        let mut w = Writer::with_capacity(24);
        w.bytes(&ftag.0).uint(u64::from(generation));
        aad.extend_from_slice(w.as_bytes());
        aad
    }
}

fn one_time(leaf: &LeafKey, nonce: &[u8; 24], ftag: FieldTag) -> ([u8; 32], [u8; 32]) {
    let mut hash = blake3::Hasher::new_keyed(leaf.expose());
    hash.update(b"allod/part/v1").update(&SUITE.to_be_bytes()).update(nonce).update(&ftag.0);
    let mut out = [0u8; 64];
    hash.finalize_xof().fill(&mut out);
    let (mut ek, mut com) = ([0u8; 32], [0u8; 32]);
    ek.copy_from_slice(&out[..32]);
    com.copy_from_slice(&out[32..]);
    out.zeroize();
    (ek, com)
}

/// The length to which `length` plaintext bytes and the padding mark are padded: 16, 32, 64, then
/// Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files", 2019).
pub fn padded_size(length: usize) -> usize {
    let n = length + 1;
    if n <= 64 {
        return n.next_power_of_two().max(16);
    }
    let e = usize::BITS - 1 - n.leading_zeros();
    let s = u32::BITS - e.leading_zeros();
    let mask = (1usize << (e - s)) - 1;
    (n + mask) & !mask
}

/// Seals one plaintext.
pub fn seal(
    leaf: &LeafKey,
    nonce: &[u8; 24],
    frame: &Frame,
    ftag: FieldTag,
    generation: u32,
    plaintext: &[u8],
) -> Vec<u8> {
    let (mut ek, com) = one_time(leaf, nonce, ftag);
    let padded = padded_size(plaintext.len());
    let mut part = Vec::with_capacity(32 + padded + 16);
    part.extend_from_slice(&com);
    part.extend_from_slice(plaintext);
    part.push(0x80);
    part.resize(32 + padded, 0);
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &ek).expect("the key is 32 bytes"));
    ek.zeroize();
    let aad = frame.aad(ftag, generation);
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::from(&aad), &mut part[32..])
        .expect("parts are far below the cipher's limit");
    part.extend_from_slice(tag.as_ref());
    part
}

/// Opens one sealed part.
pub fn open(
    leaf: &LeafKey,
    nonce: &[u8; 24],
    frame: &Frame,
    ftag: FieldTag,
    generation: u32,
    part: &[u8],
) -> Result<Vec<u8>, OpenError> {
    if part.len() < 32 + 16 + 16 || part.len() > MAX_PART {
        return Err(OpenError);
    }
    let (mut ek, com) = one_time(leaf, nonce, ftag);
    if !bool::from(com.ct_eq(&part[..32])) {
        ek.zeroize();
        return Err(OpenError);
    }
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &ek).expect("the key is 32 bytes"));
    ek.zeroize();
    let aad = frame.aad(ftag, generation);
    let mut buffer = part[32..].to_vec();
    let padded = key
        .open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::from(&aad), &mut buffer)
        .map_err(|_| OpenError)?
        .len();
    buffer.truncate(padded);
    let end = buffer.iter().rposition(|&byte| byte != 0).filter(|&at| buffer[at] == 0x80).ok_or(OpenError)?;
    if padded_size(end) != padded {
        return Err(OpenError);
    }
    buffer.truncate(end);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(seq: u64) -> Frame {
        let place = SealContext {
            space: SpaceId::from_bytes([1; 16]),
            lane: LaneTag([2; 16]),
            doc: DocTag([3; 16]),
            epoch: EpochId([4; 16]),
            device: DeviceId::from_bytes([5; 16]),
            seq,
            kind: 0,
            parents: &[],
        };
        place.frame()
    }

    proptest! {
        #[test]
        fn sealed_parts_open_only_where_they_were_sealed(text: Vec<u8>, at in 0usize..4096, bit in 0u8..8) {
            let (leaf, nonce, ftag) = (LeafKey::from_bytes([9; 32]), [7; 24], FieldTag([6; 16]));
            let part = seal(&leaf, &nonce, &place(1), ftag, 0, &text);
            prop_assert_eq!(part.len(), 32 + padded_size(text.len()) + 16);
            prop_assert_eq!(open(&leaf, &nonce, &place(1), ftag, 0, &part), Ok(text));
            prop_assert!(open(&leaf, &nonce, &place(2), ftag, 0, &part).is_err());
            prop_assert!(open(&leaf, &nonce, &place(1), FieldTag([0; 16]), 0, &part).is_err());
            prop_assert!(open(&leaf, &nonce, &place(1), ftag, 1, &part).is_err());
            prop_assert!(open(&leaf, &[8; 24], &place(1), ftag, 0, &part).is_err());
            prop_assert!(open(&LeafKey::from_bytes([8; 32]), &nonce, &place(1), ftag, 0, &part).is_err());
            let mut bad = part;
            let at = at % bad.len();
            bad[at] ^= 1 << bit;
            prop_assert!(open(&leaf, &nonce, &place(1), ftag, 0, &bad).is_err());
        }
    }

    /// The same bytes by the `chacha20poly1305` crate: two implementations, one format.
    #[test]
    fn a_second_implementation_agrees() {
        use chacha20poly1305::aead::{Aead, Payload};
        use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
        let (leaf, nonce, ftag) = (LeafKey::from_bytes([9; 32]), [7; 24], FieldTag([6; 16]));
        let part = seal(&leaf, &nonce, &place(1), ftag, 3, b"forty two");
        let (ek, com) = one_time(&leaf, &nonce, ftag);
        assert_eq!(part[..32], com);
        let aad = place(1).aad(ftag, 3);
        let cipher = ChaCha20Poly1305::new(&ek.into());
        let plain = cipher.decrypt(&[0u8; 12].into(), Payload { msg: &part[32..], aad: &aad }).unwrap();
        assert_eq!(&plain[..10], b"forty two\x80");
        assert_eq!(plain.len(), 16);
    }

    #[test]
    fn padding_grows_by_padme() {
        let sizes: Vec<_> = [0, 15, 16, 31, 63, 64, 99, 1000, 1_048_576].map(padded_size).into();
        assert_eq!(sizes, [16, 16, 32, 32, 64, 72, 104, 1024, 1_081_344]);
        assert!(padded_size(1024 * 1024) + 48 <= MAX_PART);
    }
}
