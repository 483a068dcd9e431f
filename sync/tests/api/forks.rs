//! Devices that signed two histories.

use std::time::Duration;

use sync::{Fork, SyncNode};
use sync_core::Scope;

use crate::{ALICE, LANE, LONG, OPERATOR, SPACE, database, device, filled, start};

/// What is told of the one fork that there is.
async fn told(node: &SyncNode) -> Fork {
    for _ in 0..600 {
        if let [fork] = &node.forks(ALICE, None).await[..] {
            return fork.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no fork is told");
}

/// Branches of one length, and a longer one at either end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_histories_of_a_device_are_told_until_somebody_has_seen_them() {
    for more in [0, 2] {
        let dir = tempfile::tempdir().unwrap();
        let (home, laptop) = (filled(&[1, 2], 20, 1), filled(&[1, 2], 20, 1));
        let first = start(&home, 1, database(&dir, "1").await).await;
        let second = start(&laptop, 2, database(&dir, "2").await).await;
        second.add_replica(ALICE, &first.addrs()[0], None, OPERATOR).await.unwrap();
        let waited = second.wait(ALICE, None, LONG, &[]).await;
        assert!(waited.settled && waited.forked.is_empty(), "control: nothing is forked: {waited:?}");
        first.shutdown().await;
        drop(first);
        // A third device, put back from a snapshot, has met each of them with something else at one number.
        home.write(Scope::Space(SPACE), LANE, device(3), b"one");
        for n in 0..=more {
            laptop.write(Scope::Space(SPACE), LANE, device(3), &[n; 9]);
        }
        let first = start(&home, 1, database(&dir, "1").await).await;
        let forks = [told(&first).await, told(&second).await];
        for (fork, peer) in forks.iter().zip([second.peer(), first.peer()]) {
            assert_eq!((fork.number, &fork.device, &fork.peer), (1, &device(3).to_string(), &peer), "{more}");
            assert_eq!(fork.space, Some(SPACE.to_string()));
        }
        assert_eq!((&forks[0].here, &forks[0].elsewhere), (&forks[1].elsewhere, &forks[1].here));
        let waited = second.wait(ALICE, None, Duration::from_secs(2), &[]).await;
        assert!(!waited.settled && waited.forked.len() == 1, "{waited:?}");
        assert!(more > 0 || waited.peers[0].lag_commits == 0, "by number it has everything: {waited:?}");
        let other = policy_core::SpaceId::from_bytes([0x52; 16]);
        assert_eq!(second.forks(ALICE, Some(other)).await, [], "it is of one space");
        // What else is written goes on.
        home.write(Scope::Space(SPACE), LANE, device(1), b"more");
        for _ in 0..600 {
            if laptop.holdings(Scope::Space(SPACE)).seq(LANE, device(1)) == 21 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(laptop.holdings(Scope::Space(SPACE)).seq(LANE, device(1)), 21);
        // It is remembered, also once somebody has said that they know.
        second.shutdown().await;
        drop(second);
        let second = start(&laptop, 2, database(&dir, "2").await).await;
        assert_eq!(second.forks(ALICE, None).await, [forks[1].clone()]);
        second.see_forks(ALICE, None).await.unwrap();
        assert_eq!(second.forks(ALICE, None).await, []);
        if more == 0 {
            let waited = second.wait(ALICE, None, LONG, &[]).await;
            assert!(waited.settled && waited.forked.is_empty(), "{waited:?}");
        }
        second.shutdown().await;
        drop(second);
        let second = start(&laptop, 2, database(&dir, "2").await).await;
        second.wait(ALICE, None, Duration::from_secs(2), &[]).await;
        assert_eq!(second.forks(ALICE, None).await, [], "once");
    }
}
