//! Nodes on loopback, through the public API.

mod hostile;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use memory::Memory;
use policy_core::{DeviceId, SpaceId, UserId};
use sea_orm::{Database, DatabaseConnection};
use sync::{Identity, Member, Node, Options};
use sync_core::{Lane, Scope};

const ALICE: UserId = UserId::from_bytes([0xA1; 16]);
const SPACE: SpaceId = SpaceId::from_bytes([0x51; 16]);
const LANE: Lane = Lane([0x1A; 16]);
const LONG: Duration = Duration::from_secs(30);

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

async fn database(dir: &tempfile::TempDir, name: &str) -> DatabaseConnection {
    Database::connect(format!("sqlite://{}?mode=rwc", dir.path().join(name).display())).await.unwrap()
}

async fn start(vault: &Arc<Memory>, seed: u8, database: DatabaseConnection) -> Node {
    let options = Options { listen: Vec::new(), identity: Identity::from_seed([seed; 32]), database, trace: None };
    Node::start(Arc::clone(vault) as Arc<dyn Member>, options).await.unwrap()
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
    // Without a peer, nothing is ever settled: the control of what follows.
    assert!(!second.wait(ALICE, None, Duration::from_millis(50)).await.settled);
    second.add_replica(ALICE, &first.addrs()[0], None).await.unwrap();
    let waited = second.wait(ALICE, None, LONG).await;
    assert!(waited.settled, "{waited:?}");
    assert_eq!(laptop.holdings(Scope::Space(SPACE)), home.holdings(Scope::Space(SPACE)));
    assert_eq!(laptop.count(Scope::Space(SPACE)), 501);

    laptop.write(Scope::Space(SPACE), LANE, device(2), b"from the laptop");
    home.write(Scope::Space(SPACE), LANE, device(1), b"from home");
    let waited = second.wait(ALICE, Some(SPACE), LONG).await;
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
    let waited = second.wait(ALICE, None, LONG).await;
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
    third.add_replica(ALICE, &first.addrs()[0], None).await.unwrap();
    assert!(!third.wait(ALICE, None, Duration::from_secs(2)).await.settled);
    assert_eq!(stranger.count(Scope::Space(SPACE)), 0);
    assert_eq!(stranger.count(Scope::Account(ALICE)), 0);
    // The control: the same node, once its key is enrolled.
    let keys: Vec<_> = [1, 2, 3].iter().map(|&seed| Identity::from_seed([seed; 32]).peer()).collect();
    home.set_devices(ALICE, &keys);
    assert!(third.wait(ALICE, None, LONG).await.settled);
    assert_eq!(stranger.count(Scope::Space(SPACE)), 21);
    // And when it is revoked, its session ends with the next batch.
    home.set_devices(ALICE, &keys[..2]);
    home.write(Scope::Space(SPACE), LANE, device(1), b"after the revocation");
    assert!(
        !third.wait(ALICE, None, Duration::from_secs(2)).await.settled || stranger.count(Scope::Space(SPACE)) == 21
    );
    assert_eq!(stranger.count(Scope::Space(SPACE)), 21);
}
