//! Nodes on loopback, through the public API.

mod flood;
mod forks;
mod hostile;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use memory::{Memory, Says};
use policy_core::{DeviceId, SpaceId, UserId};
use sea_orm::{Database, DatabaseConnection};
use sync::{AddReplicaError, Identity, Member, NamedBy, Options, PeerAddr, Reach, Recipient, SyncNode};
use sync_core::{Lane, Scope};

const ALICE: UserId = UserId::from_bytes([0xA1; 16]);
const SPACE: SpaceId = SpaceId::from_bytes([0x51; 16]);
const LANE: Lane = Lane([0x1A; 16]);
const OPERATOR: NamedBy = NamedBy::Operator { unseen: false };
const LONG: Duration = Duration::from_secs(30);

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

async fn database(dir: &tempfile::TempDir, name: &str) -> DatabaseConnection {
    Database::connect(format!("sqlite://{}?mode=rwc", dir.path().join(name).display())).await.unwrap()
}

async fn start(vault: &Arc<Memory>, seed: u8, database: DatabaseConnection) -> SyncNode {
    start_with(vault, seed, database, Vec::new()).await
}

async fn start_with(vault: &Arc<Memory>, seed: u8, database: DatabaseConnection, peers: Vec<PeerAddr>) -> SyncNode {
    let identity = Identity::from_seed([seed; 32]);
    let (listen, announce) = (Vec::new(), Vec::new());
    let options = Options { listen, announce, peers, identity, database, reach: Reach::default(), trace: None };
    SyncNode::start(Arc::clone(vault) as Arc<dyn Member>, options).await.unwrap()
}

fn filled(devices: &[u8], writes: u64, writer: u8) -> Arc<Memory> {
    let keys: Vec<_> = devices.iter().map(|&seed| Identity::from_seed([seed; 32]).peer()).collect();
    let vault = Memory::new(ALICE, &keys);
    vault.add_space(ALICE, SPACE);
    if writes > 0 {
        vault.write(Scope::Account(ALICE), Lane::CONTROL, device(writer), b"genesis");
        vault.write(Scope::Space(SPACE), Lane::CONTROL, device(writer), b"space");
    }
    for n in 0..writes {
        vault.write(Scope::Space(SPACE), LANE, device(writer), &n.to_be_bytes().repeat(40));
    }
    vault
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_exchange_what_they_lack_and_then_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 500, 1);
    let laptop = filled(&[1, 2], 0, 2);
    let first = start(&home, 1, database(&dir, "1").await).await;
    let second = start(&laptop, 2, database(&dir, "2").await).await;
    // An enrolled device that does not come is waited for: the control of what follows.
    assert!(!second.wait(ALICE, None, Duration::from_millis(50), &[]).await.settled);
    second.add_replica(ALICE, &first.addrs()[0], None, OPERATOR).await.unwrap();
    let waited = second.wait(ALICE, None, LONG, &[]).await;
    assert!(waited.settled, "{waited:?}");
    assert_eq!(laptop.holdings(Scope::Space(SPACE)), home.holdings(Scope::Space(SPACE)));
    assert_eq!(laptop.count(Scope::Space(SPACE)), 501);

    laptop.write(Scope::Space(SPACE), LANE, device(2), b"from the laptop");
    home.write(Scope::Space(SPACE), LANE, device(1), b"from home");
    let waited = second.wait(ALICE, Some(SPACE), LONG, &[]).await;
    assert!(waited.settled && waited.peers.len() == 1 && waited.peers[0].reachable, "{waited:?}");
    for _ in 0..600 {
        if home.count(Scope::Space(SPACE)) == 503 && laptop.count(Scope::Space(SPACE)) == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(laptop.holdings(Scope::Space(SPACE)), home.holdings(Scope::Space(SPACE)));
    let listed = second.replicas(ALICE).await;
    assert_eq!((listed.len(), listed[0].lag_commits, listed[0].lag_s), (1, 0, 0), "{listed:?}");

    first.shutdown().await;
    drop(first);
    laptop.write(Scope::Space(SPACE), LANE, device(2), b"while home is away");
    for _ in 0..600 {
        if second.replicas(ALICE).await[0].lag_commits == 1 && !second.replicas(ALICE).await[0].reachable {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let listed = second.replicas(ALICE).await;
    assert_eq!((listed[0].lag_commits, listed[0].reachable), (1, false), "{listed:?}");
    // Home comes back, on the port that it remembered.
    let first = start(&home, 1, database(&dir, "1").await).await;
    assert_eq!(first.addrs()[0], listed[0].addr);
    let waited = second.wait(ALICE, None, LONG, &[]).await;
    assert!(waited.settled, "{waited:?}");
    assert_eq!(home.count(Scope::Space(SPACE)), 504);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_enrolled_gets_nothing_and_an_enrolled_one_everything() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 20, 1);
    let first = start(&home, 1, database(&dir, "1").await).await;
    // The stranger believes that it is a device of Alice; home does not.
    let stranger = filled(&[1, 3], 0, 3);
    let third = start(&stranger, 3, database(&dir, "3").await).await;
    third.add_replica(ALICE, &first.addrs()[0], None, OPERATOR).await.unwrap();
    assert!(!third.wait(ALICE, None, Duration::from_secs(2), &[]).await.settled);
    assert_eq!(stranger.count(Scope::Space(SPACE)), 0);
    assert_eq!(stranger.count(Scope::Account(ALICE)), 0);
    // The control: the same node, once its key is enrolled.
    let keys: Vec<_> = [1, 2, 3].iter().map(|&seed| Identity::from_seed([seed; 32]).peer()).collect();
    home.set_devices(ALICE, &keys);
    assert!(third.wait(ALICE, None, LONG, &[]).await.settled);
    assert_eq!(stranger.count(Scope::Space(SPACE)), 21);
    // And when it is revoked, its session ends with the next batch.
    home.set_devices(ALICE, &keys[..2]);
    home.write(Scope::Space(SPACE), LANE, device(1), b"after the revocation");
    assert!(
        !third.wait(ALICE, None, Duration::from_secs(2), &[]).await.settled
            || stranger.count(Scope::Space(SPACE)) == 21
    );
    assert_eq!(stranger.count(Scope::Space(SPACE)), 21);
}

/// Waits until `home` was asked for rows of the space for this peer.
async fn asked_for(home: &Memory, to: Recipient) {
    for _ in 0..600 {
        if home.asked().contains(&(to, Scope::Space(SPACE))) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody asked for {to:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_batch_leaves_by_what_policy_says_of_the_peer_that_asks() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1, 2], 20, 1);
    home.set_policy(Says::No);
    let first = start(&home, 1, database(&dir, "1").await).await;
    let laptop = filled(&[1, 2], 0, 2);
    let second = start(&laptop, 2, database(&dir, "2").await).await;
    second.add_replica(ALICE, &first.addrs()[0], None, OPERATOR).await.unwrap();
    let to = Recipient::Device(Identity::from_seed([2; 32]).peer());
    // The account goes by enrolment, the space by policy: in the middle of a session, and again once it says yes.
    let mut there = 0;
    for refuses in [Says::No, Says::Nothing] {
        asked_for(&home, to).await;
        asked_for(&home, to).await;
        assert_eq!((laptop.count(Scope::Account(ALICE)), laptop.count(Scope::Space(SPACE))), (1, there));
        home.set_policy(Says::Yes);
        assert!(second.wait(ALICE, None, LONG, &[]).await.settled && first.wait(ALICE, None, LONG, &[]).await.settled);
        assert!(laptop.count(Scope::Space(SPACE)) > there, "control: {refuses:?}");
        there = laptop.count(Scope::Space(SPACE));
        home.set_policy(if refuses == Says::No { Says::Nothing } else { Says::No });
        home.write(Scope::Space(SPACE), LANE, device(1), b"policy does not say yes");
    }

    // A replica is asked about as one.
    let replica = filled(&[3], 0, 3);
    replica.set_devices(ALICE, &[Identity::from_seed([1; 32]).peer(), Identity::from_seed([3; 32]).peer()]);
    let third = start(&replica, 3, database(&dir, "3").await).await;
    first.add_replica(ALICE, &third.addrs()[0], None, OPERATOR).await.unwrap();
    let to = Recipient::Replica(Identity::from_seed([3; 32]).peer());
    asked_for(&home, to).await;
    assert_eq!(replica.count(Scope::Space(SPACE)), 0);
    home.set_policy(Says::Yes);
    assert!(first.wait(ALICE, None, LONG, &[]).await.settled);
    assert_eq!(replica.count(Scope::Space(SPACE)), home.count(Scope::Space(SPACE)), "control");
    // One that is removed gets nothing further, and the devices all.
    let before = replica.count(Scope::Space(SPACE));
    assert!(first.remove_replica(ALICE, &Identity::from_seed([3; 32]).peer_id()).await.unwrap());
    home.write(Scope::Space(SPACE), LANE, device(1), b"after the removal");
    assert!(first.wait(ALICE, None, LONG, &[]).await.settled);
    assert_eq!(laptop.count(Scope::Space(SPACE)), home.count(Scope::Space(SPACE)), "control");
    assert_eq!(replica.count(Scope::Space(SPACE)), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_added_once_it_answers_and_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let home = filled(&[1], 3, 1);
    let first = start(&home, 1, database(&dir, "1").await).await;
    let other = start(&filled(&[9], 0, 9), 9, database(&dir, "9").await).await;
    let addr = &other.addrs()[0];
    let (place, peer) = addr.rsplit_once("/p2p/").unwrap();
    let closed = {
        // A port that nothing listens on.
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{peer}", socket.local_addr().unwrap().port())
    };
    let stranger = format!("{place}/p2p/{}", Identity::from_seed([8; 32]).peer_id());
    for bad in [&closed, &stranger] {
        let refused = first.add_replica(ALICE, bad, None, OPERATOR).await;
        assert!(matches!(refused, Err(AddReplicaError::Unreachable)), "{bad}: {refused:?}");
    }
    // Who is not the operator does not make this node dial to where only it can dial.
    let refused = first.add_replica(ALICE, addr, None, NamedBy::Person).await;
    assert!(matches!(refused, Err(AddReplicaError::OutOfReach { .. })), "{refused:?}");
    assert!(first.replicas(ALICE).await.is_empty());
    assert!(first.wait(ALICE, None, LONG, &[]).await.settled, "there is nobody to wait for");
    // The controls.
    first.add_replica(ALICE, &closed, None, NamedBy::Operator { unseen: true }).await.unwrap();
    assert!(!first.wait(ALICE, None, Duration::from_millis(50), &[]).await.settled, "named, and not there");
    assert!(first.wait(ALICE, None, LONG, &[peer.to_owned()]).await.settled, "left out");
    first.add_replica(ALICE, addr, None, OPERATOR).await.unwrap();
    assert_eq!(first.replicas(ALICE).await.len(), 1);
    assert!(!first.remove_replica(BOB, peer).await.unwrap(), "nobody else's");
    assert!(first.remove_replica(ALICE, peer).await.unwrap() && !first.remove_replica(ALICE, peer).await.unwrap());
    assert!(first.replicas(ALICE).await.is_empty() && first.wait(ALICE, None, LONG, &[]).await.settled);
}

const BOB: UserId = UserId::from_bytes([0xB0; 16]);
