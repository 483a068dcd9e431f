//! The bytes of a frame, exactly: `vault/docs/format.md` quotes them. A change here is a change of what
//! every replica stores and sends.

use policy_core::{DeviceId, PeerKey, Scalar};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use vault_core::SpaceKeys;
use vault_core::build::{DocumentDraft, TxnBuilder, create_account, create_space};
use vault_core::control::{AccountLane, PolicyEntry, SpaceLane};
use vault_core::document::{Author, Delta, Hlc};
use vault_core::frame::Frame;
use vault_core::identity::{DeviceSecret, Signer};
use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};
use vault_core::value::Value;

const MS: u64 = 1_700_000_000_000;

/// What one request writes, in bytes: its frame, and in it the first commit, without parts.
#[derive(Debug, PartialEq, Eq)]
struct Size {
    frame: usize,
    commit: usize,
}

/// Frames of one device: a request that adds `documents` of `fields` texts of eight letters each, and
/// one that then sets one field of the first.
fn sizes(fields: usize, documents: u64) -> (Size, Size) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (root, device) = (Signer::random(&mut rng), DeviceSecret::random(&mut rng));
    let public = device.public(PeerKey([1; 32]));
    let (user, frame) = create_account(&root, &public, Hlc::from_parts(MS, 0), &mut rng).unwrap();
    let (account, _) = AccountLane::admit(None, frame.into_bytes(), None).unwrap();
    let name = PolicyEntry::Space { name: "home".into(), personal: true };
    let (_, frame) = create_space(user, &device, &[public], &name, Hlc::from_parts(MS, 0), &mut rng).unwrap();
    let (lane, _) = SpaceLane::admit(None, &account, frame.into_bytes(), None).unwrap();
    let mut keys = SpaceKeys::open(&lane, &device).unwrap();
    let id = keys.tags().collection_id("Book", 0);
    let field = |n: usize| Field {
        id: keys.tags().field_id(id, &format!("f{n}"), 0),
        name: format!("f{n}"),
        kind: FieldType::Scalar { of: ScalarType::String, not_null: false },
        merge: Merge::Lww,
        default: None,
        size: None,
    };
    let fields: Vec<_> = (0..fields).map(field).collect();
    let version = vault_core::commit::cid_of(b"v");
    let collection = Collection { id, name: "Book".into(), fields, indexes: vec![], version };
    keys.define(&collection);
    assert_eq!(lane.heads.head_ids().len(), 1, "one control head is named");

    let text = || Delta::Set(Value::Scalar(Scalar::String("abcdefgh".into())));
    let draft = |n: u64, fields: usize| {
        let hlc = Hlc::from_parts(MS + n, 0);
        let deltas = collection.fields[..fields].iter().map(|field| (field.id, text())).collect();
        let author = Author { user, app: None };
        let (collection, doc) = (id, hlc.document_id(n));
        DocumentDraft { collection, doc, root: None, parents: vec![], height: 0, hlc, author, status: None, deltas }
    };
    let measure = |bytes: &[u8], device: DeviceId| {
        let frame = Frame::decode(bytes).unwrap();
        assert_eq!(frame.txn.device, device);
        Size { frame: bytes.len(), commit: frame.first().commit.encode().len() }
    };

    let mut txn = TxnBuilder::new(&keys, device.id, user, lane.heads.head_ids(), &|_| None, &mut rng);
    let first = txn.push(draft(0, collection.fields.len()), &mut rng).unwrap();
    for n in 1..documents {
        txn.push(draft(n, collection.fields.len()), &mut rng).unwrap();
    }
    let added = txn.finish(&device.signer).remove(0);

    let tip = (added.tip().seq, added.tip().cid);
    let held = move |_| Some(tip);
    let mut txn = TxnBuilder::new(&keys, device.id, user, lane.heads.head_ids(), &held, &mut rng);
    let mut draft = draft(documents, 1);
    draft.doc = first.doc;
    draft.root = Some((first.cid, first.salt.unwrap()));
    draft.parents = vec![first.cid];
    draft.height = first.height;
    txn.push(draft, &mut rng).unwrap();
    let set = txn.finish(&device.signer).remove(0);
    (measure(added.bytes(), device.id), measure(set.bytes(), device.id))
}

#[test]
fn a_new_document_of_1_8_and_20_short_fields() {
    assert_eq!(sizes(1, 1).0, Size { frame: 680, commit: 275 });
    assert_eq!(sizes(8, 1).0, Size { frame: 1_527, commit: 660 });
    assert_eq!(sizes(20, 1).0, Size { frame: 2_979, commit: 1_320 });
}

#[test]
fn one_field_of_a_document_that_is_there() {
    assert_eq!(sizes(8, 1).1, Size { frame: 632, commit: 341 });
}

#[test]
fn documents_of_one_request_share_their_signature() {
    // Each further one costs its entry, and 40 bytes for the `prev` that the first has not.
    let (one, ten) = (sizes(8, 1).0.frame, sizes(8, 10).0.frame);
    assert_eq!(ten - one, 9 * (1_527 - 220 + 40));
}
