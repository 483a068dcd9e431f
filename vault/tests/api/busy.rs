//! A space that somebody works on for long: whoever writes elsewhere does not wait for it, and nothing of it stays open.

use std::collections::VecDeque;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use policy_core::SpaceId;
use rand::SeedableRng;
use vault::WriteError;
use vault::log::Scope;
use vault_core::identity::DeviceSecret;
use vault_core::schema::{Merge, NewCollection, NewField, NewFieldType, ScalarType};
use vault_core::tags::LaneTag;

use crate::node::{Node, handed};
use crate::replicas::{carry, meet};

/// Whether a transaction that writes is open in a space's view: SQLite locks a byte of the file beside it meanwhile.
#[cfg(target_os = "linux")]
fn is_written(node: &Node, space: SpaceId) -> bool {
    let file = std::fs::metadata(node.dir.path().join(format!("views/{space}.view-shm"))).unwrap();
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let inode = format!(":{} ", file.ino());
    locks.lines().any(|lock| lock.contains(" WRITE ") && lock.contains(&inode) && lock.ends_with(" 120 120"))
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_that_is_refused_leaves_no_transaction_open() {
    let node = Node::new().await;
    let account = node.account().await;
    let (large, huge) = ("x".repeat(900_000), "x".repeat(1_100_000));
    let refused = node.add(account.user, account.space, &[&large, &huge]).await;
    assert!(matches!(refused, Err(WriteError::ValueTooLarge { .. })));
    assert!(!is_written(&node, account.space));
    // A view commits by itself a while after it was written to: one of many is seen before that.
    let mut seen = false;
    for _ in 0..200 {
        node.add(account.user, account.space, &["small"]).await.unwrap();
        seen |= is_written(&node, account.space);
        if seen {
            return;
        }
    }
    panic!("control: what is written is in a transaction that stays open for a while");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_behind_small_ones_is_done_though_nothing_comes_after_it() {
    let node = Arc::new(Node::new().await);
    let account = node.account().await;
    let text = "x".repeat(600_000);
    for _ in 0..20 {
        let mut all: Vec<_> = (0..8)
            .map(|n| {
                let (node, text) = (Arc::clone(&node), if n == 7 { text.clone() } else { "small".to_owned() });
                tokio::spawn(async move { node.add(account.user, account.space, &[&text]).await })
            })
            .collect();
        let large = all.pop().unwrap();
        for one in all {
            one.await.unwrap().unwrap();
        }
        let done = tokio::time::timeout(std::time::Duration::from_secs(60), large).await;
        done.expect("nobody took it up").unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_for_a_space_that_is_busy_keep_nobody_from_writing_elsewhere() {
    let (home, laptop) = (Arc::new(Node::new().await), Node::new().await);
    let (account, neighbour) = (home.account().await, home.account().await);
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(3));
    home.vault.enrol(account.user, device.public(laptop.vault.transport()), [9; 32]).await.unwrap();
    carry(&home.vault, &laptop.vault, Scope::Account(account.user)).await;
    laptop.vault.join(account.user, device).await.unwrap();
    meet(&home.vault, &laptop.vault, account.user, account.space).await;
    laptop.add(account.user, account.space, &["from the laptop"]).await.unwrap();
    let scope = Scope::Space(account.space);
    let have = home.vault.admission().tips(scope);
    let have = move |lane: LaneTag, device| have.get(&(lane, device)).map_or(0, |(seq, _)| *seq);
    let rows = handed(&laptop.vault, home.vault.transport(), scope, false, &have).await;
    let frames: Vec<_> = rows.into_iter().map(|row| row.into_body()).collect();
    home.add(neighbour.user, neighbour.space, &["before"]).await.unwrap();

    let text = "x".repeat(900_000);
    let mut busy: VecDeque<_> = (0..3)
        .map(|_| {
            let (home, text) = (Arc::clone(&home), text.clone());
            tokio::spawn(async move { home.add(account.user, account.space, &[text.as_str(); 4]).await })
        })
        .collect();
    // One of them is written: the next has the space.
    busy.pop_front().unwrap().await.unwrap().unwrap();
    let arriving = tokio::spawn({
        let home = Arc::clone(&home);
        async move { home.vault.ingest(scope, frames).await }
    });
    let mut answered = 0;
    while busy.iter().any(|one| !one.is_finished()) {
        home.add(neighbour.user, neighbour.space, &["meanwhile"]).await.unwrap();
        answered += 1;
    }
    assert!(answered > 3, "the neighbour was answered {answered} times");
    for one in busy {
        one.await.unwrap().unwrap();
    }
    assert_eq!(arriving.await.unwrap().unwrap().refused, None);
    let texts = home.texts(account.user, account.space).await;
    assert!(texts.contains("from the laptop") && texts.contains("xxx"), "control: both are there");
    let now = home.vault.doctor(false, |_, _| {}).await.unwrap();
    assert_eq!(now, home.vault.doctor(true, |_, _| {}).await.unwrap(), "a view is a pure fold of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_of_many_types_keeps_nobody_from_writing_elsewhere() {
    let node = Arc::new(Node::new().await);
    let (account, neighbour) = (node.account().await, node.account().await);
    node.add(neighbour.user, neighbour.space, &["before"]).await.unwrap();
    let field = |n: usize| NewField {
        name: format!("f{n}"),
        kind: NewFieldType::Scalar { of: ScalarType::Int, not_null: false },
        merge: Merge::Lww,
        default: None,
        size: None,
    };
    let types: Vec<_> = (0..400)
        .map(|n| NewCollection { name: format!("T{n}"), fields: (0..20).map(field).collect(), indexes: vec![] })
        .collect();
    let permits = node.write_permits(account.user, account.space).await;
    let defining = tokio::spawn({
        let node = Arc::clone(&node);
        async move { node.vault.define(&permits, &types).await }
    });
    let mut answered = 0;
    while !defining.is_finished() {
        node.add(neighbour.user, neighbour.space, &["meanwhile"]).await.unwrap();
        answered += usize::from(!defining.is_finished());
    }
    assert!(answered > 5, "the neighbour was answered {answered} times");
    assert_eq!(defining.await.unwrap().unwrap().len(), 400, "control");
    node.add(account.user, account.space, &["its own space goes on"]).await.unwrap();
    assert_eq!(node.vault.schema(account.space).await.unwrap().collections.len(), 401);
}
