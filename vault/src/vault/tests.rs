//! What goes on while somebody else has the turn of the log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use policy_core::{
    Check, Decision, Engine, EngineUnavailable, EpochClock, Gate, Grant, GrantId, Lookup, LookupResources, Timestamp,
};

use super::*;
use crate::data_dir::DataDir;
use crate::database::open_node;
use crate::keyring::NodeKey;
use crate::log::Scope;
use crate::replicate::Incoming;
use crate::view::position_in;

/// Is asked nothing here.
#[derive(Default)]
struct Silent(Arc<EpochClock>);

#[async_trait]
impl Engine for Silent {
    fn clock(&self) -> &Arc<EpochClock> {
        &self.0
    }
    async fn check(&self, _: &[Check], _: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        Ok(Vec::new())
    }
    async fn lookup_resources(&self, _: &LookupResources, _: Timestamp) -> Result<Lookup, EngineUnavailable> {
        Ok(Lookup::default())
    }
    async fn grant(&self, _: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        Ok(None)
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's own gate")]
async fn vault(root: &std::path::Path) -> Vault {
    let dir = DataDir::at(root);
    let key = NodeKey::create(&dir, None).unwrap();
    let node = open_node(&dir, &key).await.unwrap();
    let seal = Gate::new(1, Arc::new(Silent::default())).seal();
    let clock = Arc::new(|| Timestamp(1_700_000_000_000_000));
    Vault::open(Options { dir, key, node, seal, clock, accept_loss: false }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_made_ready_while_somebody_else_has_the_turn() {
    let root = tempfile::tempdir().unwrap();
    let vault = vault(root.path()).await;
    let space = vault.create_account().await.unwrap().space;
    vault.space(space).await.unwrap();
    vault.close_idle(0).await.unwrap();
    assert!(vault.open_now(space).is_none(), "control");
    spaces::remove_view(&vault.0.views, space).unwrap();
    let (path, key) = (vault.0.views.join(format!("{space}.view")), vault.0.accounts.view(space).await.unwrap().key);
    let has = vault.0.admission.log().position(Scope::Space(space));

    let turn = vault.0.admission.turn().await;
    let opening = tokio::spawn({
        let vault = vault.clone();
        async move { vault.space(space).await.map(|space| space.id) }
    });
    // Its view follows the log to the end, and it is not open before the turn has come.
    while position_in(&path, &key) != Some(has) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(vault.open_now(space).is_none());
    drop(turn);
    assert_eq!(opening.await.unwrap().unwrap(), space);
    assert!(vault.open_now(space).is_some());
    vault.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_opened_beside_another_that_takes_long() {
    let root = tempfile::tempdir().unwrap();
    let vault = vault(root.path()).await;
    let [slow, quick] = [vault.create_account().await.unwrap().space, vault.create_account().await.unwrap().space];
    vault.space(slow).await.unwrap();
    vault.close_idle(0).await.unwrap();
    assert!(vault.open_now(slow).is_none() && vault.open_now(quick).is_none());

    // As long as this is held, the view of the one follows the log.
    let follows = vault.0.preparing.of(slow).await;
    let opening = |id| {
        let vault = vault.clone();
        tokio::spawn(async move { vault.space(id).await.map(|space| space.id) })
    };
    let waits = opening(slow);
    while vault.0.openings.now(slow).is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(opening(quick).await.unwrap().unwrap(), quick);
    assert!(!waits.is_finished(), "control");
    drop(follows);
    assert_eq!(waits.await.unwrap().unwrap(), slow);
    vault.shutdown().await.unwrap();
    assert!(vault.open_now(slow).is_none() && vault.open_now(quick).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_many_spaces_made_ready_leaves_room_for_others() {
    let root = tempfile::tempdir().unwrap();
    let vault = vault(root.path()).await;
    let (many, other) = (vault.create_account().await.unwrap(), vault.create_account().await.unwrap().space);
    let each = vault.0.ahead.each();
    let mut slow = vec![many.space];
    for n in 1..each {
        slow.push(vault.create_space(many.user, &n.to_string()).await.unwrap());
    }
    let last = vault.create_space(many.user, "last").await.unwrap();
    vault.close_idle(0).await.unwrap();
    let opening = |id| {
        let vault = vault.clone();
        tokio::spawn(async move { vault.space(id).await.map(|space| space.id) })
    };
    let mut follow = Vec::new();
    for id in &slow {
        follow.push(vault.0.preparing.of(*id).await);
    }
    let waits: Vec<_> = slow.iter().map(|id| opening(*id)).collect();
    while slow.iter().any(|id| vault.0.openings.now(*id).is_some()) || vault.0.ahead.left(many.user) > 0 {
        tokio::task::yield_now().await;
    }
    let beyond = opening(last);
    assert_eq!(opening(other).await.unwrap().unwrap(), other);
    assert!(!beyond.is_finished() && waits.iter().all(|one| !one.is_finished()), "control");
    drop(follow);
    for one in waits {
        one.await.unwrap().unwrap();
    }
    assert_eq!(beyond.await.unwrap().unwrap(), last);
    vault.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_space_was_made_ready_by_is_looked_at_again_in_the_turn() {
    let root = tempfile::tempdir().unwrap();
    let vault = vault(root.path()).await;
    let account = vault.create_account().await.unwrap();
    let (space, own) = (account.space, vault.0.accounts.get(account.user).unwrap());
    let prepared = || vault.prepare_space(&vault.0.admission, own.clone(), space);
    let device = own.device.id;
    let go_on = async |prepared: crate::space::Prepared, device| {
        let turn = vault.0.admission.turn().await;
        turn.run(move |turn| Box::pin(async move { prepared.go_on(turn, device).await.unwrap().is_some() }))
            .await
            .unwrap()
    };
    assert!(go_on(prepared().await.unwrap(), device).await, "control");
    let other = vault_core::identity::DeviceSecret::random(&mut rand::rng()).id;
    assert!(!go_on(prepared().await.unwrap(), other).await, "another device writes here by now");
    // An entry of the control lane has come meanwhile.
    let before = prepared().await.unwrap();
    let joining = vault_core::identity::DeviceSecret::random(&mut rand::rng());
    vault.enrol(account.user, joining.public(PeerKey([9; 32])), [7; 32]).await.unwrap();
    assert!(!go_on(before, device).await);
    assert!(go_on(prepared().await.unwrap(), device).await, "control");
    vault.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_looked_at_while_somebody_else_has_the_turn() {
    let root = tempfile::tempdir().unwrap();
    let (here, there) = (root.path().join("here"), root.path().join("there"));
    for dir in [&here, &there] {
        std::fs::create_dir(dir).unwrap();
    }
    let (vault, other) = (vault(&here).await, vault(&there).await);
    let account = vault.create_account().await.unwrap();
    let scope = Scope::Account(account.user);
    let rows = vault.0.admission.log().rows(scope, true, 0, 64).await.unwrap();
    let frames: Vec<Vec<u8>> = rows.into_iter().map(crate::log::Row::into_body).collect();
    let broken: Vec<Vec<u8>> = frames.iter().map(|frame| frame[..frame.len() - 1].to_vec()).collect();

    let turn = other.0.admission.turn().await;
    let looked = other.0.admission.look_at::<VaultError>(scope, frames.clone()).await.unwrap();
    assert!(!looked.is_empty() && looked.iter().all(|one| matches!(one, Incoming::Read(_))));
    let refused = other.0.admission.look_at::<VaultError>(scope, broken.clone()).await.unwrap();
    assert!(matches!(refused[0], Incoming::Broken(..)));
    drop(turn);
    let taken = other.ingest(scope, broken).await.unwrap();
    assert!(taken.stored.is_empty() && taken.refused.is_some());
    let taken = other.ingest(scope, frames.clone()).await.unwrap();
    assert_eq!((taken.stored.len(), taken.refused), (frames.len(), None), "control");
    // What is held already is not looked at again.
    let again = other.0.admission.look_at::<VaultError>(scope, frames.clone()).await.unwrap();
    assert!(again.iter().all(|one| matches!(one, Incoming::Unread(..))));
    assert_eq!(other.ingest(scope, frames).await.unwrap().refused, None);
    for vault in [vault, other] {
        vault.shutdown().await.unwrap();
    }
}
