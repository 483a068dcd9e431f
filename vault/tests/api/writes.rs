//! Writing, reading back, and what survives.

use policy_core::SealRefusal;
use vault::define::DefinitionError;
use vault::{ReadError, VaultError, WriteError};
use vault_core::schema::{Merge, NewCollection, NewField, NewFieldType, NewIndex, ScalarType};

use crate::node::{Node, gate, note};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_read_at_once_and_after_every_kind_of_end() {
    let node = Node::new().await;
    let account = node.account().await;
    let answer = node.add(account.user, account.space, &["one", "two"]).await.unwrap();
    assert_eq!(answer, br#"{"add":[{"text":"one"},{"text":"two"}]}"#);
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[{"t":"one"},{"t":"two"}]}"#);
    let before = node.vault.doctor(false, |_, _| {}).await.unwrap();
    assert_eq!(before.iter().map(|health| health.documents).sum::<u64>(), 2);
    let node = node.restart(true).await;
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[{"t":"one"},{"t":"two"}]}"#);
    node.add(account.user, account.space, &["three"]).await.unwrap();
    let node = node.restart(false).await;
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[{"t":"one"},{"t":"two"},{"t":"three"}]}"#);
    let now = node.vault.doctor(false, |_, _| {}).await.unwrap();
    let rebuilt = node.vault.doctor(true, |_, _| {}).await.unwrap();
    assert_eq!(now, rebuilt, "a view is a pure fold of the log");
    assert_ne!(now, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_read_again_is_not_defined() {
    let node = Node::new().await;
    let account = node.account().await;
    let int = || NewFieldType::Scalar { of: ScalarType::Int, not_null: false };
    let to_one = |relation: &str| NewFieldType::ToOne {
        target: "Note".into(),
        relation: relation.into(),
        not_null: false,
        one_one: false,
    };
    let field = |name: String, kind| NewField { name, kind, merge: Merge::Lww, default: None, size: None };
    let long = |letter: &str| letter.repeat(100);
    let keys = || ["a", "b", "c"].map(|letter| (long(letter), false)).to_vec();
    let with = |name: &str, index: Option<String>, relation: &str| {
        let mut fields: Vec<_> = keys().into_iter().map(|(name, _)| field(name, int())).collect();
        fields.push(field("of".to_owned(), to_one(relation)));
        let index = NewIndex { name: index, unique: false, keys: keys() };
        NewCollection { name: name.into(), fields, indexes: vec![index] }
    };
    let wide = |fields: usize| NewCollection {
        name: "Wide".into(),
        fields: (0..fields).map(|n| field(format!("f{n}"), int())).collect(),
        indexes: vec![],
    };
    for beyond in [with("Long", Some("i".repeat(257)), "r"), with("Long", None, &"r".repeat(257)), wide(1_025)] {
        let permits = node.write_permits(account.user, account.space).await;
        let refused = node.vault.define(&permits, &[beyond]).await;
        assert!(matches!(refused, Err(VaultError::Definition(DefinitionError::Beyond(_)))), "{refused:?}");
    }
    // As long as may be; an index that has no name is called after its keys, as far as that goes.
    for within in [with("Long", Some("i".repeat(256)), &"r".repeat(256)), with("Other", None, "r"), wide(1_024)] {
        let permits = node.write_permits(account.user, account.space).await;
        node.vault.define(&permits, &[within]).await.expect("control");
    }
    node.add(account.user, account.space, &["one"]).await.unwrap();
    let defined = node.vault.schema(account.space).await.unwrap();
    let node = node.restart(true).await;
    assert_eq!(node.vault.schema(account.space).await.unwrap(), defined);
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[{"t":"one"}]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_of_another_gate_and_one_from_before_a_change_of_policy_are_refused() {
    let node = Node::new().await;
    let account = node.account().await;
    let (foreign, _) = gate(2);
    let schema = node.vault.schema(account.space).await.unwrap();
    let resources = policy_core::Resources { space: account.space, schema: schema.version, collections: vec![] };
    let caller = policy_core::Caller { user: account.user, app: None, device: None };
    let permits = foreign.read(&caller, &resources, policy_core::Timestamp(0)).await.unwrap();
    let refused = node.vault.read(permits, node.query(account.space).await).await;
    assert!(matches!(refused, Err(ReadError::Seal(SealRefusal::ForeignGate))), "{refused:?}");
    let stale = node.write_permits(account.user, account.space).await;
    node.clock.advance();
    let refused = node.vault.define(&stale, &[note()]).await;
    assert!(matches!(refused, Err(VaultError::Permit(SealRefusal::Moved))));
    let stale = node.write_permits(account.user, account.space).await;
    node.clock.advance();
    let refused = node.vault.write(stale, vault_core::change::ChangeRequest { changes: vec![] }).await;
    assert!(matches!(refused, Err(WriteError::Permit(SealRefusal::Moved))));
    node.add(account.user, account.space, &["control"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_once_lose_nothing_and_spaces_stay_apart() {
    let node = std::sync::Arc::new(Node::new().await);
    let (a, b) = (node.account().await, node.account().await);
    let mut tasks = Vec::new();
    for n in 0..64 {
        let node = std::sync::Arc::clone(&node);
        let account = if n % 2 == 0 { a } else { b };
        tasks.push(tokio::spawn(async move {
            node.add(account.user, account.space, &[&format!("note {n}"), "same"]).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for (account, parity) in [(a, 0), (b, 1)] {
        let texts = node.texts(account.user, account.space).await;
        for n in 0..64 {
            assert_eq!(texts.contains(&format!("\"note {n}\"")), n % 2 == parity, "note {n}");
        }
        assert_eq!(texts.matches("same").count(), 32);
    }
    assert_eq!(node.vault.doctor(false, |_, _| {}).await.unwrap(), node.vault.doctor(true, |_, _| {}).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_whole_or_not_at_all() {
    let node = Node::new().await;
    let account = node.account().await;
    let huge = "x".repeat(1_100_000);
    let refused = node.add(account.user, account.space, &["fine", &huge]).await;
    assert!(matches!(refused, Err(WriteError::ValueTooLarge { .. })));
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[]}"#);
    node.add(account.user, account.space, &["fine"]).await.unwrap();
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[{"t":"fine"}]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_matches_nothing_is_answered() {
    let node = Node::new().await;
    let account = node.account().await;
    assert_eq!(node.set_all(account.user, account.space, "nothing is there").await.unwrap(), br#"{"set":[]}"#);
    node.add(account.user, account.space, &["one"]).await.unwrap();
    assert_eq!(node.set_all(account.user, account.space, "set").await.unwrap(), br#"{"set":[{"text":"set"}]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_view_is_made_anew_and_a_damaged_log_is_refused() {
    let node = Node::new().await;
    let account = node.account().await;
    node.add(account.user, account.space, &["kept"]).await.unwrap();
    node.vault.shutdown().await.unwrap();
    let view = node.dir.path().join(format!("views/{}.view", account.space));
    std::fs::write(&view, vec![7u8; 8_192]).unwrap();
    let node = node.restart(true).await;
    assert_eq!(node.texts(account.user, account.space).await, r#"{"n":[{"t":"kept"}]}"#);
    let bytes = std::fs::read(&view).unwrap();
    assert!(!bytes.windows(4).any(|w| w == b"kept"), "the view is encrypted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_is_answered_while_large_requests_of_another_wait() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const LARGE: usize = 5;
    let node = std::sync::Arc::new(Node::new().await);
    let (hog, neighbour) = (node.account().await, node.account().await);
    let done = std::sync::Arc::new(AtomicUsize::new(0));
    let text = "x".repeat(900_000);
    let queued: Vec<_> = (0..LARGE)
        .map(|_| {
            let (node, done, text) = (std::sync::Arc::clone(&node), std::sync::Arc::clone(&done), text.clone());
            tokio::spawn(async move {
                let added = node.add(hog.user, hog.space, &[text.as_str(); 4]).await;
                done.fetch_add(1, Ordering::SeqCst);
                added.unwrap();
            })
        })
        .collect();
    // One of them is done, so that the others wait or are at work.
    while done.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    node.add(neighbour.user, neighbour.space, &["little"]).await.unwrap();
    assert!(done.load(Ordering::SeqCst) < LARGE, "the neighbour waited for everything");
    for one in queued {
        one.await.unwrap();
    }
    assert_eq!(done.load(Ordering::SeqCst), LARGE, "control: all are written in the end");
    assert_eq!(node.texts(neighbour.user, neighbour.space).await, r#"{"n":[{"t":"little"}]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_was_minted_for_other_definitions_is_refused() {
    let node = Node::new().await;
    let account = node.account().await;
    let (read, write) =
        (node.read_permits(account.user, account.space).await, node.write_permits(account.user, account.space).await);
    let more = NewCollection { name: "More".into(), ..note() };
    let again = node.write_permits(account.user, account.space).await;
    node.vault.define(&again, std::slice::from_ref(&more)).await.unwrap();
    let refused = node.vault.read(read, node.query(account.space).await).await;
    assert!(matches!(refused, Err(ReadError::Seal(SealRefusal::Moved))), "{refused:?}");
    let refused = node.vault.write(write, vault_core::change::ChangeRequest { changes: vec![] }).await;
    assert!(matches!(refused, Err(WriteError::Permit(SealRefusal::Moved))), "{refused:?}");
    let refused = node.vault.define(&again, &[more]).await;
    assert!(matches!(refused, Err(VaultError::Permit(SealRefusal::Moved))), "{refused:?}");
    node.add(account.user, account.space, &["control"]).await.unwrap();
}

/// Counted in what was answered meanwhile, not in time: a small request of somebody else is written while a large one is
/// made ready, and in the same space both are, in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_requests_are_written_while_a_large_one_of_somebody_else_is_made_ready() {
    let node = std::sync::Arc::new(Node::new().await);
    let (hog, other) = (node.account().await, node.account().await);
    let large = std::sync::Arc::new("x".repeat(900_000));
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut hogs = Vec::new();
    for _ in 0..3 {
        let (node, large, done) = (node.clone(), large.clone(), done.clone());
        hogs.push(tokio::spawn(async move {
            let texts = vec![large.as_str(); 4];
            node.add(hog.user, hog.space, &texts).await.unwrap();
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        }));
    }
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let (mut meanwhile, mut all) = (0, 0);
    while hogs.iter().any(|hog| !hog.is_finished()) {
        node.add(other.user, other.space, &["small"]).await.unwrap();
        all += 1;
        meanwhile += usize::from(!done.load(std::sync::atomic::Ordering::SeqCst));
        if all % 8 == 0 {
            node.add(hog.user, hog.space, &["of the same space"]).await.unwrap();
        }
    }
    for hog in hogs {
        hog.await.unwrap();
    }
    assert!(meanwhile >= 3, "{meanwhile} of {all} were answered before the first large one");
    let node = std::sync::Arc::into_inner(node).unwrap();
    let before = node.vault.doctor(false, |_, _| {}).await.unwrap();
    let documents: u64 = before.iter().map(|health| health.documents).sum();
    assert_eq!(documents, (12 + all + all / 8) as u64);
    let node = node.restart(false).await;
    assert_eq!(node.vault.doctor(true, |_, _| {}).await.unwrap(), before, "the log holds what was answered");
}
