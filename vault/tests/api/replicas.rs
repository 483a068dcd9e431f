//! Two devices of one account: frames go from log to log, and both fold to the same.

use policy_core::{PeerKey, SpaceId, UserId};
use rand::SeedableRng;
use vault::Vault;
use vault::log::Scope;
use vault_core::SpaceKeys;
use vault_core::build::TxnBuilder;
use vault_core::commit::CommitKind;
use vault_core::control::PolicyEntry;
use vault_core::document::Hlc;
use vault_core::identity::DeviceSecret;
use vault_core::tags::LaneTag;

use crate::node::{Node, handed};

/// Carries what `to` lacks of a scope: the control lane first, then the rest.
pub async fn carry(from: &Vault, to: &Vault, scope: Scope) {
    for control in [true, false] {
        let have = to.admission().tips(scope);
        let have = move |lane: LaneTag, device| have.get(&(lane, device)).map_or(0, |(seq, _)| *seq);
        let rows = handed(from, to.transport(), scope, control, &have).await;
        let taken = to.ingest(scope, rows.into_iter().map(|row| row.into_body()).collect()).await.unwrap();
        assert_eq!(taken.refused, None);
    }
}

pub async fn meet(a: &Vault, b: &Vault, user: UserId, space: SpaceId) {
    for _ in 0..2 {
        for scope in [Scope::Account(user), Scope::Space(space)] {
            carry(a, b, scope).await;
            carry(b, a, scope).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_edit_apart_and_converge() {
    let (home, laptop) = (Node::new().await, Node::new().await);
    let account = home.account().await;
    home.add(account.user, account.space, &["from home"]).await.unwrap();
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(1));
    home.vault.enrol(account.user, device.public(laptop.vault.transport()), [7; 32]).await.unwrap();
    carry(&home.vault, &laptop.vault, Scope::Account(account.user)).await;
    laptop.vault.join(account.user, device).await.unwrap();
    meet(&home.vault, &laptop.vault, account.user, account.space).await;
    assert_eq!(laptop.texts(account.user, account.space).await, r#"{"n":[{"t":"from home"}]}"#);

    laptop.time.fetch_add(60_000_000, std::sync::atomic::Ordering::SeqCst);
    home.set_all(account.user, account.space, "edited at home").await.unwrap();
    laptop.set_all(account.user, account.space, "edited on the laptop").await.unwrap();
    laptop.add(account.user, account.space, &["from the laptop"]).await.unwrap();
    home.add(account.user, account.space, &["more from home"]).await.unwrap();
    meet(&home.vault, &laptop.vault, account.user, account.space).await;
    let texts = home.texts(account.user, account.space).await;
    assert!(
        texts.contains("edited on the laptop") && !texts.contains("edited at home"),
        "the later edit wins: {texts}"
    );
    assert!(texts.contains("more from home") && texts.contains("from the laptop"));
    let digests = |healths: Vec<vault::Health>| -> Vec<_> {
        healths.into_iter().map(|health| (health.space, health.documents, health.digest)).collect()
    };
    let here = digests(home.vault.doctor(false, |_, _| {}).await.unwrap());
    assert_eq!(here, digests(laptop.vault.doctor(false, |_, _| {}).await.unwrap()));
    assert_eq!(here, digests(laptop.vault.doctor(true, |_, _| {}).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_say_nothing_are_left_out_and_close_no_space() {
    let (home, laptop) = (Node::new().await, Node::new().await);
    let account = home.account().await;
    home.add(account.user, account.space, &["before"]).await.unwrap();
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(3));
    home.vault.enrol(account.user, device.public(laptop.vault.transport()), [9; 32]).await.unwrap();
    carry(&home.vault, &laptop.vault, Scope::Account(account.user)).await;
    laptop.vault.join(account.user, device.clone()).await.unwrap();
    meet(&home.vault, &laptop.vault, account.user, account.space).await;
    assert_eq!(home.texts(account.user, account.space).await, r#"{"n":[{"t":"before"}]}"#);

    // What the device could seal, if somebody had it who writes frames of their own.
    let scope = Scope::Space(account.space);
    let mut rng = rand::rngs::StdRng::seed_from_u64(4);
    let mut tip = home.vault.admission().tips(scope).get(&(LaneTag::CONTROL, device.id)).copied();
    let (good, bad) = (NewEntry::Good, NewEntry::Bad);
    for (n, (kind, what)) in
        [(CommitKind::Schema, bad), (CommitKind::Policy, bad), (CommitKind::Policy, good)].into_iter().enumerate()
    {
        let lane = home.vault.admission().space(account.space).unwrap();
        let keys = SpaceKeys::open(&lane, &device).unwrap();
        let (mut heads, held) = (lane.heads.clone(), |_| tip);
        let mut txn = TxnBuilder::new(&keys, device.id, account.user, heads.head_ids(), &held, &mut rng);
        let hlc = Hlc::from_parts(1_700_000_000_100 + n as u64, 0);
        match what {
            NewEntry::Bad => txn.again(kind, b"nothing of the kind".to_vec(), &mut heads, hlc, &mut rng),
            NewEntry::Good => {
                let named = PolicyEntry::Space { name: "renamed".into(), personal: true };
                txn.policy(&named, &mut heads, hlc, &mut rng)
            }
        }
        .unwrap();
        let frame = txn.finish(&device.signer).remove(0);
        tip = Some((frame.tip().seq, frame.tip().cid));
        let taken = home.vault.ingest(scope, vec![frame.into_bytes()]).await.unwrap();
        assert!(taken.refused.is_none() && taken.stored.len() == 1, "it is of the account: {taken:?}");
        home.add(account.user, account.space, &["after"]).await.expect("the space is open");
    }
    let named = home.vault.spaces(account.user).await.unwrap().remove(0).name;
    assert_eq!(named, "renamed", "control: what is whole counts");
    let left_out = |healths: Vec<vault::Health>| healths.iter().map(|health| health.left_out).sum::<usize>();
    assert_eq!(left_out(home.vault.doctor(false, |_, _| {}).await.unwrap()), 2);
    let home = home.restart(true).await;
    let text = home.texts(account.user, account.space).await;
    assert_eq!(text.matches("after").count(), 3, "and opens again: {text}");
}

#[derive(Clone, Copy)]
enum NewEntry {
    Good,
    Bad,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_clock_is_an_hour_ahead_waits() {
    let (home, laptop) = (Node::new().await, Node::new().await);
    let account = home.account().await;
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(2));
    home.vault.enrol(account.user, device.public(laptop.vault.transport()), [8; 32]).await.unwrap();
    carry(&home.vault, &laptop.vault, Scope::Account(account.user)).await;
    laptop.vault.join(account.user, device).await.unwrap();
    meet(&home.vault, &laptop.vault, account.user, account.space).await;
    laptop.time.fetch_add(3_600_000_000, std::sync::atomic::Ordering::SeqCst);
    laptop.add(account.user, account.space, &["from the future"]).await.unwrap();
    let scope = Scope::Space(account.space);
    let have = home.vault.admission().tips(scope);
    let have = move |lane: LaneTag, device| have.get(&(lane, device)).map_or(0, |(seq, _)| *seq);
    let rows = handed(&laptop.vault, home.vault.transport(), scope, false, &have).await;
    let frames: Vec<_> = rows.into_iter().map(|row| row.into_body()).collect();
    let taken = home.vault.ingest(scope, frames.clone()).await.unwrap();
    assert_eq!(taken.refused, Some(vault::replicate::Refused::Ahead));
    home.time.fetch_add(3_600_000_000, std::sync::atomic::Ordering::SeqCst);
    let taken = home.vault.ingest(scope, frames).await.unwrap();
    assert_eq!(taken.refused, None, "control: an hour later it is taken");
    assert_eq!(home.texts(account.user, account.space).await, r#"{"n":[{"t":"from the future"}]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_stranger_are_refused_and_nothing_of_them_is_kept() {
    let (home, stranger) = (Node::new().await, Node::new().await);
    let (account, other) = (home.account().await, stranger.account().await);
    stranger.add(other.user, other.space, &["mine"]).await.unwrap();
    let rows = handed(&stranger.vault, stranger.vault.transport(), Scope::Space(other.space), true, &|_, _| 0).await;
    let frames: Vec<_> = rows.into_iter().map(|row| row.into_body()).collect();
    let own = Scope::Space(account.space);
    let before = home.vault.admission().tips(own);
    let taken = home.vault.ingest(own, frames.clone()).await.unwrap();
    assert!(taken.refused.is_some() && taken.stored.is_empty(), "another space's frames");
    let taken = home.vault.ingest(Scope::Space(other.space), frames).await.unwrap();
    assert!(taken.refused.is_some() && taken.stored.is_empty(), "a space of an unknown account");
    assert_eq!(home.vault.admission().tips(own), before);
    assert!(home.vault.admission().tips(Scope::Space(other.space)).is_empty());
    assert_eq!(home.vault.admission().transports(other.user), Vec::<PeerKey>::new());
}
