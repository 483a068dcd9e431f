//! A writer and two readers, one of them without keys: what is sealed on one side is verified and
//! opened on the other, and nothing that was tampered with is taken.

use policy_core::{CollectionId, DocId, FieldId, PeerKey, Scalar, UserId};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use vault_core::SpaceKeys;
use vault_core::build::{DocumentDraft, SealedFrame, TxnBuilder, create_account, create_space, enrol_device};
use vault_core::control::{AccountLane, PolicyEntry, SpaceLane, decode_policy};
use vault_core::document::{Author, Delta, DocumentCommit, Hlc};
use vault_core::frame::{FrameError, Parsed};
use vault_core::identity::{DeviceSecret, Signer};
use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};
use vault_core::value::Value;

const CODE: [u8; 32] = [0xC0; 32];

struct Home {
    rng: ChaCha20Rng,
    device: DeviceSecret,
    user: UserId,
    account: AccountLane,
    account_frame: SealedFrame,
    space_frame: SealedFrame,
    lane: SpaceLane,
    keys: SpaceKeys,
    book: Collection,
}

fn home(seed: u64) -> Home {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (root, device) = (Signer::random(&mut rng), DeviceSecret::random(&mut rng));
    let public = device.public(PeerKey([1; 32]));
    let (user, account_frame) = create_account(&root, &public, Hlc::from_parts(1_000, 0), &mut rng).unwrap();
    let (account, _) = AccountLane::admit(None, account_frame.bytes().to_vec(), None).unwrap();
    let name = PolicyEntry::Space { name: "home".into(), personal: true };
    let (_, space_frame) = create_space(user, &device, &[public], &name, Hlc::from_parts(1_001, 0), &mut rng).unwrap();
    let (lane, verified) = SpaceLane::admit(None, &account, space_frame.bytes().to_vec(), None).unwrap();
    let mut keys = SpaceKeys::open(&lane, &device).unwrap();
    assert_eq!(decode_policy(&keys.open_control(&verified.get().entries[2]).unwrap()).unwrap(), name);
    let id = keys.tags().collection_id("Book", 0);
    let field = |name: &str, of| Field {
        id: keys.tags().field_id(id, name, 0),
        name: name.into(),
        kind: FieldType::Scalar { of, not_null: false },
        merge: Merge::Lww,
        default: None,
        size: None,
    };
    let fields = vec![field("title", ScalarType::String), field("pages", ScalarType::Int)];
    let version = vault_core::commit::cid_of(b"v");
    let book = Collection { id, name: "Book".into(), fields, indexes: vec![], version };
    keys.define(&book);
    Home { rng, device, user, account, account_frame, space_frame, lane, keys, book }
}

fn draft(home: &Home, n: u64) -> DocumentDraft {
    let hlc = Hlc::from_parts(2_000 + n, 0);
    DocumentDraft {
        collection: home.book.id,
        doc: hlc.document_id(n),
        root: None,
        parents: vec![],
        height: 0,
        hlc,
        author: Author { user: home.user, app: None },
        status: None,
        deltas: vec![
            (home.book.fields[0].id, Delta::Set(Value::Scalar(Scalar::String(format!("secret title {n}"))))),
            (home.book.fields[1].id, Delta::Set(Value::Scalar(Scalar::Int(n as i64)))),
        ],
    }
}

fn write(home: &mut Home, count: u64) -> (SealedFrame, Vec<DocumentCommit>) {
    let mut rng = home.rng.clone();
    let control = home.lane.heads.head_ids();
    let mut txn = TxnBuilder::new(&home.keys, home.device.id, home.user, control, &|_| None, &mut rng);
    let mut commits = Vec::new();
    for n in 0..count {
        commits.push(txn.push(draft(home, n), &mut rng).unwrap());
    }
    // The first document is changed again in the same transaction.
    let first = commits[0].clone();
    let mut again = draft(home, count);
    again.doc = first.doc;
    again.root = Some((first.cid, first.salt.unwrap()));
    again.parents = vec![first.cid];
    again.height = first.height;
    commits.push(txn.push(again, &mut rng).unwrap());
    let mut frames = txn.finish(&home.device.signer);
    home.rng = rng;
    assert_eq!(frames.len(), 1);
    (frames.remove(0), commits)
}

#[test]
fn what_a_member_seals_a_replica_verifies_and_a_member_opens() {
    let mut home = home(1);
    let (frame, commits) = write(&mut home, 5);
    let verified = home.lane.admit_changes(&home.account, frame.bytes().to_vec(), None).unwrap();
    let mut roots = std::collections::HashMap::new();
    for (entry, expected) in verified.get().entries.iter().zip(&commits) {
        let opened = home.keys.open_commit(entry, home.user, |cid| roots.get(cid).copied()).unwrap();
        if let Some(salt) = opened.salt {
            roots.insert(opened.cid, (opened.doc, salt));
        }
        assert_eq!(&opened, expected);
    }
    assert!(!frame.bytes().windows(12).any(|w| w == b"secret title"), "the frame is sealed");
}

#[test]
fn a_later_device_is_enrolled_once_by_its_code_and_gets_the_keys_by_envelope() {
    let mut home = home(2);
    let second = DeviceSecret::random(&mut home.rng);
    let public = second.public(PeerKey([2; 32]));
    let rng = &mut home.rng;
    let enrolment = |rng: &mut ChaCha20Rng, code, device| {
        let hlc = Hlc::from_parts(3_000, 0);
        enrol_device(home.user, &home.device, device, code, &home.account.heads, None, hlc, rng).unwrap()
    };
    let frame = enrolment(rng, &CODE, &public);
    let (account, _) = AccountLane::admit(Some(&home.account), frame.into_bytes(), None).unwrap();
    assert!(account.has_consumed(&CODE) && account.devices().count() == 2);
    let third = DeviceSecret::random(rng).public(PeerKey([3; 32]));
    let again = enrolment(rng, &CODE, &third);
    let tip = Some((again.first() - 1, again.tip().cid)).filter(|(seq, _)| *seq > 0);
    assert!(matches!(
        AccountLane::admit(Some(&account), again.into_bytes(), tip),
        Err(FrameError::Rule(_) | FrameError::Chain(_))
    ));

    assert_eq!(SpaceKeys::open(&home.lane, &second).unwrap_err(), vault_core::KeysError::NotSealedToUs);
    let (epoch, number) = home.lane.epochs().map(|(id, epoch)| (id, epoch.number)).next().unwrap();
    let sealed = home.keys.envelope(epoch, number, &public, rng).unwrap().unwrap();
    let tip = (home.space_frame.tip().seq, home.space_frame.tip().cid);
    let held = move |_| Some(tip);
    let mut heads = home.lane.heads.clone();
    let mut txn = TxnBuilder::new(&home.keys, home.device.id, home.user, heads.head_ids(), &held, rng);
    txn.envelope(epoch, second.id, &sealed, &mut heads, Hlc::from_parts(4_000, 0), rng).unwrap();
    let frame = txn.finish(&home.device.signer).remove(0);
    let (lane, _) = SpaceLane::admit(Some(&home.lane), &account, frame.into_bytes(), Some(tip)).unwrap();
    let keys = SpaceKeys::open(&lane, &second).unwrap();
    assert_eq!(keys.tags().expose(), home.keys.tags().expose());
}

#[test]
fn foreign_and_replayed_frames_are_refused_and_gaps_are_named() {
    let mut home = home(3);
    let mut other = self::home(4);
    let (frame, _) = write(&mut home, 1);
    let (foreign, _) = write(&mut other, 1);
    assert!(home.lane.admit_changes(&home.account, foreign.bytes().to_vec(), None).is_err(), "another space");
    assert!(home.lane.admit_changes(&other.account, frame.bytes().to_vec(), None).is_err(), "another account");
    let held = Some((frame.tip().seq, frame.tip().cid));
    assert!(matches!(home.lane.admit_changes(&home.account, frame.bytes().to_vec(), held), Err(FrameError::Chain(_))));
    assert!(AccountLane::admit(None, home.space_frame.bytes().to_vec(), None).is_err());
    assert!(SpaceLane::admit(None, &home.account, home.account_frame.bytes().to_vec(), None).is_err());
    assert!(home.lane.admit_changes(&home.account, frame.into_bytes(), None).is_ok(), "control");
}

#[test]
fn a_signature_that_was_looked_at_ahead_counts_for_that_key_alone() {
    let home = home(7);
    let other = self::home(8);
    let key = |home: &Home| home.account.device(home.device.id).unwrap().sign;
    let (own, foreign) = (key(&home), key(&other));
    let admitted = |bytes: &[u8], looked: Option<&[u8; 32]>| {
        let mut parsed = Parsed::read(bytes.to_vec()).unwrap();
        if let Some(key) = looked {
            parsed.look_at_signature(key);
        }
        home.lane.admit_parsed_changes(&home.account, parsed, None)
    };
    let signed_by = |signer| {
        let mut rng = home.rng.clone();
        let mut txn =
            TxnBuilder::new(&home.keys, home.device.id, home.user, home.lane.heads.head_ids(), &|_| None, &mut rng);
        txn.push(draft(&home, 1), &mut rng).unwrap();
        txn.finish(signer).remove(0).into_bytes()
    };
    let (good, forged) = (signed_by(&home.device.signer), signed_by(&other.device.signer));
    for looked in [None, Some(&own), Some(&foreign)] {
        assert!(admitted(&good, looked).is_ok(), "control: {looked:?}");
        assert!(matches!(admitted(&forged, looked), Err(FrameError::Signature)), "{looked:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_tampered_frame_is_taken(at: prop::sample::Index, bit in 0u8..8) {
        let mut home = home(5);
        let (frame, _) = write(&mut home, 2);
        for (bytes, kind) in [(frame.into_bytes(), 0), (home.account_frame.into_bytes(), 1), (home.space_frame.into_bytes(), 2)] {
            let mut bad = bytes.clone();
            let n = at.index(bad.len());
            bad[n] ^= 1 << bit;
            let taken = |bytes| match kind {
                0 => home.lane.admit_changes(&home.account, bytes, None).is_ok(),
                1 => AccountLane::admit(None, bytes, None).is_ok(),
                _ => SpaceLane::admit(None, &home.account, bytes, None).is_ok(),
            };
            prop_assert!(taken(bytes));
            prop_assert!(!taken(bad), "byte {n} of kind {kind}");
        }
    }
}

#[test]
fn ids_are_typed_and_a_document_cannot_be_moved() {
    let mut home = home(6);
    let (frame, _) = write(&mut home, 1);
    let verified = home.lane.admit_changes(&home.account, frame.into_bytes(), None).unwrap();
    let moved = &verified.get().entries[1];
    let wrong = home.keys.open_commit(moved, home.user, |_| Some((DocId::from_bytes([9; 16]), [0; 16])));
    assert!(wrong.is_err(), "opened as another document");
    assert!(home.keys.collection(CollectionId::from_bytes([1; 16])).is_none());
    assert!(home.book.field(FieldId::from_bytes([1; 16])).is_none());
}
