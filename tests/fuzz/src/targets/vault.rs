//! What is stored and synchronised: commits, frames, values, entries of control lanes.

use ::policy_core::{CollectionId, DocId, PeerKey, Scalar, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use vault_core::build::{create_account, create_space};
use vault_core::codec::{
    decode_author, decode_delta, decode_head, decode_status, encode_author, encode_delta, encode_head, encode_status,
};
use vault_core::commit::{Commit, cid_from_digest};
use vault_core::control::{PolicyEntry, decode_policy, decode_schema, encode_policy, encode_schema};
use vault_core::crdt::{DocumentState, decode_commit};
use vault_core::document::{Delta, Hlc};
use vault_core::frame::Frame;
use vault_core::identity::{DeviceSecret, Signer};
use vault_core::limits::SpaceLimits;
use vault_core::txn::SignedTxn;
use vault_core::value::Value;

use crate::Target;

pub const COMMIT: Target = Target { name: "commit", run: commit, seeds: commits, words: &[] };
pub const FRAME: Target = Target { name: "frame", run: frame, seeds: frames, words: &[] };
pub const CBOR: Target = Target { name: "cbor", run: cbor, seeds: values, words: &[] };

fn commit(bytes: &[u8]) {
    if let Ok(commit) = Commit::decode(bytes) {
        // Its id is the hash of its bytes: there is one way to write it.
        assert_eq!(commit.encode(), bytes);
    }
}

fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        for entry in &frame.entries {
            assert_eq!(Commit::decode(&entry.commit.encode()).as_ref(), Ok(&entry.commit));
        }
    }
}

/// What is sealed in parts, and control entries: whoever has a key of a space can write any bytes there.
fn cbor(bytes: &[u8]) {
    let cid = cid_from_digest([7; 32]);
    if let Ok(delta) = decode_delta(bytes) {
        let written = encode_delta(&delta);
        let again = decode_delta(&written).expect("what was written is read");
        assert_eq!(encode_delta(&again), written);
    }
    if let Ok((doc, salt)) = decode_head(bytes) {
        assert_eq!(encode_head(doc, &salt), bytes);
    }
    if let Ok(status) = decode_status(bytes) {
        assert_eq!(encode_status(status), bytes);
    }
    if let Ok(author) = decode_author(bytes) {
        assert_eq!(encode_author(&author), bytes);
    }
    if let Ok(entry) = decode_policy(bytes) {
        assert_eq!(encode_policy(&entry), bytes);
    }
    if let Ok(collections) = decode_schema(bytes, cid, &SpaceLimits::ENTRY) {
        assert!(decode_schema(&encode_schema(&collections), cid, &SpaceLimits::ENTRY).is_ok());
    }
    if let Ok(txn) = SignedTxn::decode(bytes) {
        assert_eq!(txn.encode(), bytes);
    }
    let _ = DeviceSecret::decode(bytes);
    if let Ok(state) = DocumentState::decode(bytes) {
        let written = state.encode();
        assert_eq!(DocumentState::decode(&written).expect("what was written is read").encode(), written);
    }
    let _ = decode_commit(CollectionId::from_bytes([1; 16]), DocId::from_bytes([2; 16]), cid, bytes);
}

fn genesis() -> [Vec<u8>; 2] {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (root, device) = (Signer::random(&mut rng), DeviceSecret::random(&mut rng));
    let public = device.public(PeerKey([1; 32]));
    let (user, account) = create_account(&root, &public, Hlc::from_parts(1_000, 0), &mut rng).expect("an account");
    let name = PolicyEntry::Space { name: "home".into(), personal: true };
    let (_, space) =
        create_space(user, &device, &[public], &name, Hlc::from_parts(1_001, 0), &mut rng).expect("a space");
    [account.into_bytes(), space.into_bytes()]
}

fn commits() -> Vec<Vec<u8>> {
    let frames = genesis().into_iter().map(|bytes| Frame::decode(&bytes).expect("a frame"));
    frames.flat_map(|frame| frame.entries.into_iter().map(|entry| entry.commit.encode())).collect()
}

fn frames() -> Vec<Vec<u8>> {
    genesis().to_vec()
}

fn values() -> Vec<Vec<u8>> {
    let scalars = [
        Scalar::Null,
        Scalar::Bool(true),
        Scalar::Int(i64::MIN),
        Scalar::Float(-0.5),
        Scalar::String("Emma".into()),
        Scalar::DateTime(Timestamp(1)),
        Scalar::Blob(vec![1, 2, 3]),
    ];
    let mut deltas: Vec<Delta> = scalars.iter().map(|scalar| Delta::Set(Value::Scalar(scalar.clone()))).collect();
    deltas.push(Delta::Set(Value::List(scalars.to_vec())));
    deltas.push(Delta::Set(Value::Json(serde_json::json!({ "a": [1, 2.5, null] }))));
    deltas.push(Delta::IntCounter { plus: 5, minus: -1 });
    deltas.push(Delta::FloatCounter { total: 1.5 });
    let mut seeds: Vec<Vec<u8>> = deltas.iter().map(encode_delta).collect();
    seeds.push(encode_head(DocId::from_bytes([3; 16]), &[4; 16]));
    seeds.push(encode_policy(&PolicyEntry::Space { name: "home".into(), personal: true }));
    seeds.extend(genesis().iter().map(|bytes| Frame::decode(bytes).expect("a frame").txn.encode()));
    seeds
}
