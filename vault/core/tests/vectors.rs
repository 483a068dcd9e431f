//! Frozen bytes: what format v1 writes may never change. `vault/docs/format.md` quotes them.

use policy_core::{CollectionId, DeviceId, DocId, FieldId, PeerKey, Scalar, SpaceId};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use vault_core::build::{create_account, create_space};
use vault_core::codec::encode_delta;
use vault_core::commit::{Commit, CommitKind, PartRef, cid_of};
use vault_core::control::PolicyEntry;
use vault_core::document::{Delta, Hlc};
use vault_core::identity::{DeviceSecret, Signer};
use vault_core::keys::{Reserved, SpaceSecret, TagKey};
use vault_core::seal::{SealContext, seal};
use vault_core::tags::{DocTag, EpochId, FieldTag, LaneTag, TxnId};
use vault_core::value::Value;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn commit() -> Commit {
    Commit {
        space: SpaceId::from_bytes([1; 16]),
        lane: LaneTag([2; 16]),
        doc: DocTag([3; 16]),
        root: None,
        kind: CommitKind::Op,
        device: DeviceId::from_bytes([4; 16]),
        seq: 1,
        prev: None,
        parents: vec![],
        height: 1,
        epoch: Some(EpochId([5; 16])),
        control: vec![EpochId([6; 16])],
        hlc: Hlc::from_parts(1_700_000_000_000, 1),
        txn: TxnId([7; 16]),
        nonce: [8; 24],
        parts: vec![PartRef { ftag: FieldTag([9; 16]), generation: 0, hash: [10; 32], len: 64 }],
    }
}

#[test]
fn a_commit_and_its_cid() {
    let bytes = commit().encode();
    assert_eq!(hex(&bytes), COMMIT);
    assert_eq!(cid_of(&bytes).to_string(), COMMIT_CID);
    assert_eq!(Commit::decode(&bytes).unwrap(), commit());
}

#[test]
fn derived_keys_and_tags() {
    let (secret, tag) = (SpaceSecret::from_bytes([11; 32]), TagKey::from_bytes([12; 32]));
    let collection = tag.collection_id("Book", 0);
    let field = tag.field_id(collection, "title", 0);
    let key = secret.collection(collection);
    let leaf = key.field(field, 0).leaf(DocId::from_bytes([13; 16]), &[14; 16]);
    let got = [
        hex(collection.as_bytes()),
        hex(field.as_bytes()),
        hex(&tag.lane(collection).0),
        hex(&tag.document(tag.lane(collection), DocId::from_bytes([13; 16])).0),
        hex(&tag.field(collection, field).0),
        hex(&tag.reserved(collection, Reserved::Head).0),
        hex(key.expose()),
        hex(leaf.expose()),
        hex(key.reserved(Reserved::Head).expose()),
        hex(secret.control().expose()),
    ];
    assert_eq!(got.join("\n"), KEYS.trim());
}

#[test]
fn a_sealed_part() {
    let leaf = SpaceSecret::from_bytes([11; 32])
        .collection(CollectionId::from_bytes([1; 16]))
        .field(FieldId::from_bytes([2; 16]), 0)
        .leaf(DocId::from_bytes([13; 16]), &[14; 16]);
    let place = SealContext {
        space: SpaceId::from_bytes([1; 16]),
        lane: LaneTag([2; 16]),
        doc: DocTag([3; 16]),
        epoch: EpochId([5; 16]),
        device: DeviceId::from_bytes([4; 16]),
        seq: 1,
        kind: 0,
        parents: &[],
    };
    let plain = encode_delta(&Delta::Set(Value::Scalar(Scalar::String("Emma".into()))));
    assert_eq!(hex(&plain), "820064456d6d61");
    assert_eq!(hex(&seal(&leaf, &[8; 24], &place.frame(), FieldTag([9; 16]), 0, &plain)), PART);
}

#[test]
fn an_account_and_a_space_from_a_seed() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (root, device) = (Signer::random(&mut rng), DeviceSecret::random(&mut rng));
    let public = device.public(PeerKey([1; 32]));
    let (user, account) = create_account(&root, &public, Hlc::from_parts(1_000, 0), &mut rng).unwrap();
    let name = PolicyEntry::Space { name: "home".into(), personal: true };
    let (space, frame) = create_space(user, &device, &[public], &name, Hlc::from_parts(1_001, 0), &mut rng).unwrap();
    let got = [
        user.to_string(),
        hex(&Sha256::digest(account.bytes())),
        space.to_string(),
        hex(&Sha256::digest(frame.bytes())),
    ];
    assert_eq!(got.join("\n"), GENESIS.trim());
}

const COMMIT: &str = "920101500101010101010101010101010101010150020202020202020202020202020202025003030303030303030303030303030303f600500404040404040404040404040404040401f6800150050505050505050505050505050505058150060606060606060606060606060606061b018bcfe56800000150070707070707070707070707070707075818080808080808080808080808080808080808080808080808818450090909090909090909090909090909090058200a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a1840";
const COMMIT_CID: &str = "bafyreih2te2ezi43tbg53zmqmioqpniq57a6mpur25c2mlga2glrmxd5dy";
const KEYS: &str = "
4c65d56c441933597f5b2e142a482b82
8d2d2f461a9093e43c5c48b430abd9b4
82e203fc08288765fe054f3d23c0f298
c32a9ad0bd9255989d397aed0410698d
1699d2318fe847824b50f8c9b82a80b8
ca0decc9ada9924bab9a77c2759251f3
37013b58a979495901fd1b76fb6a35789752fcae7532ef77cd8b2a0bf6564db3
d895688c225b036178bf5ab62ae5a3952abe98c298fd3a81c2dca9444222754e
6c6fa0742ed5b44aeed9857a9f32191230a9039a2cb269639b3f4f0a220d8253
8f46ef7b5edf843e6d0696c1a3aabc730e8a63fbff1fc5e145873f8b4e6a4bee
";
const PART: &str = "41cf6e211e812be666de5fcd6349ddc7b48c9c049f2cee365d17912785acd41db8efd8cee8b42498bd431f2a0c400c67bc333f076b535a9a3958912bcb67bb02";
const GENESIS: &str = "
9073c3e851b6362b355ba452c2396ad2
e6d48e5788cccd846b44abf68b3e6812509d71ad4b7905d7e1a4e417db62fece
6ae85ed9a67882a9cb4f296479901d3f
26b3c8d9a26faa598a6963007105dce70775ee1c1a40812c6e49a34e9d99b7fa
";
