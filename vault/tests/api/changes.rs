//! What changed, from a position on: through writes, ends of every kind, and a view made anew.

use std::collections::BTreeMap;

use policy_core::{DocId, Scalar, SealRefusal};
use vault::view::{Change, ChangesError, Position, Reset};
use vault::{CreatedAccount, ReadError};
use vault_core::change::{Action, Change as Wanted, ChangeRequest, Target};
use vault_core::value::Value;

use crate::node::{Node, gate, note};

/// Reads all that there is behind `at` into `held`, two at a time.
async fn follow(
    node: &Node,
    account: &CreatedAccount,
    at: &mut Option<Position>,
    held: &mut BTreeMap<DocId, String>,
) -> Result<(), ChangesError> {
    loop {
        let permits = node.read_permits(account.user, account.space).await;
        let changes = node.vault.changes(permits, at.clone(), 2).await?.sink;
        assert!(changes.changes.len() <= 2);
        for change in changes.changes {
            match change {
                Change::Set { document, fields, .. } => {
                    let Value::Scalar(Scalar::String(text)) = &fields[0].1 else { panic!("{fields:?}") };
                    held.insert(document, text.clone());
                }
                Change::Gone { document, .. } => {
                    held.remove(&document).expect("what is gone was there");
                }
            }
        }
        *at = Some(changes.position);
        if !changes.more {
            return Ok(());
        }
    }
}

fn texts(held: &BTreeMap<DocId, String>) -> Vec<&str> {
    held.values().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_lead_on_through_writes_and_ends_and_are_reset_by_name_when_a_view_is_made_anew() {
    let node = Node::new().await;
    let account = node.account().await;
    let (mut at, mut held) = (None, BTreeMap::new());
    node.add(account.user, account.space, &["one", "two", "three"]).await.unwrap();
    follow(&node, &account, &mut at, &mut held).await.unwrap();
    assert_eq!(texts(&held), ["one", "two", "three"]);
    node.add(account.user, account.space, &["four"]).await.unwrap();
    follow(&node, &account, &mut at, &mut held).await.unwrap();
    assert_eq!(texts(&held), ["one", "two", "three", "four"], "what is acknowledged is told at once");
    let notes = node.vault.schema(account.space).await.unwrap().collection_named("Note").unwrap().id;
    let first = *held.keys().next().unwrap();
    let delete = |expect_heads| Wanted {
        key: "d".into(),
        collection: notes,
        action: Action::Delete { target: Target { doc_ids: Some(vec![first]), ..Target::default() }, expect_heads },
        items: vec![],
    };
    for (heads, taken) in [(Some(vec![]), false), (None, true)] {
        let permits = node.write_permits(account.user, account.space).await;
        let done = node.vault.write(permits, ChangeRequest { changes: vec![delete(heads)] }).await;
        assert_eq!(done.is_ok(), taken, "{done:?}");
        assert!(taken || matches!(done, Err(vault::WriteError::Conflict)));
    }
    let node = node.restart(true).await;
    follow(&node, &account, &mut at, &mut held).await.unwrap();
    assert_eq!(texts(&held), ["two", "three", "four"]);
    node.set_all(account.user, account.space, "same").await.unwrap();
    let node = node.restart(false).await;
    follow(&node, &account, &mut at, &mut held).await.unwrap();
    assert_eq!(texts(&held), ["same"; 3]);
    // A rebuild is another view: its order is named anew, and from the beginning there is the same.
    node.vault.doctor(true, |_, _| {}).await.unwrap();
    let lost = follow(&node, &account, &mut at, &mut held).await;
    assert!(matches!(lost, Err(ChangesError::Reset(Reset::Definitions | Reset::Unknown))), "{lost:?}");
    let (mut at, mut again) = (None, BTreeMap::new());
    follow(&node, &account, &mut at, &mut again).await.unwrap();
    assert_eq!(again, held);
    // Permits are asked as those of reads are.
    let (foreign, _) = gate(2);
    let schema = node.vault.schema(account.space).await.unwrap();
    let resources = policy_core::Resources { space: account.space, schema: schema.version, collections: vec![] };
    let caller = policy_core::Caller { user: account.user, app: None, device: None };
    let permits = foreign.read(&caller, &resources, policy_core::Timestamp(0)).await.unwrap();
    let refused = node.vault.changes(permits, None, 1).await.map(|_| ());
    assert!(matches!(refused, Err(ChangesError::Read(ReadError::Seal(SealRefusal::ForeignGate)))), "{refused:?}");
    let stale = node.read_permits(account.user, account.space).await;
    let permits = node.write_permits(account.user, account.space).await;
    let mut other = note();
    other.name = "Other".into();
    node.vault.define(&permits, &[other]).await.unwrap();
    let refused = node.vault.changes(stale, at.clone(), 1).await.map(|_| ());
    assert!(matches!(refused, Err(ChangesError::Read(ReadError::Seal(SealRefusal::Moved)))), "{refused:?}");
}
