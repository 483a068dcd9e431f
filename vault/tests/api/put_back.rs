//! A node that is put back from an older copy of its directory.

use std::path::Path;

use policy_core::{DeviceId, SpaceId, UserId};
use rand::SeedableRng;
use vault::Vault;
use vault::log::Scope;
use vault::replicate::Refused;
use vault_core::identity::DeviceSecret;
use vault_core::tags::LaneTag;

use crate::node::{Node, handed};

/// Carries what `to` lacks of a scope, of the chains of `own` from their beginning. Whether all was taken;
/// what is refused is a gap: sync comes again.
async fn carry(from: &Vault, to: &Vault, scope: Scope, own: &[DeviceId]) -> bool {
    let mut all = true;
    for control in [true, false] {
        let held = to.admission().tips(scope);
        let have = |lane: LaneTag, device: DeviceId| {
            held.get(&(lane, device)).filter(|_| !own.contains(&device)).map_or(0, |(seq, _)| *seq)
        };
        let rows = handed(from, to.transport(), scope, control, &have).await;
        let taken = to.ingest(scope, rows.into_iter().map(|row| row.into_body()).collect()).await.unwrap();
        assert!(matches!(taken.refused, None | Some(Refused::Gap)), "{taken:?}");
        all &= taken.refused.is_none();
    }
    all
}

async fn meet(home: &Vault, laptop: &Vault, user: UserId, space: SpaceId) {
    for _ in 0..4 {
        let mut all = true;
        let own = laptop.own_devices(user);
        for scope in [Scope::Account(user), Scope::Space(space)] {
            all &= carry(home, laptop, scope, &own).await;
            all &= carry(laptop, home, scope, &[]).await;
        }
        if all {
            return;
        }
    }
    panic!("something is refused for ever");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

/// Writes older contents over files, and removes those that the older state had not.
fn over(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(to).unwrap() {
        let path = entry.unwrap().path();
        let older = from.join(path.file_name().unwrap());
        if path.is_dir() {
            over(&older, &path)
        } else if older.exists() {
            std::fs::write(&path, std::fs::read(older).unwrap()).unwrap()
        } else {
            std::fs::remove_file(path).unwrap()
        }
    }
}

/// A home and a laptop of one account that have met, the laptop's directory as it was then beside it.
struct Pair {
    home: Node,
    laptop: Node,
    user: UserId,
    space: SpaceId,
    older: tempfile::TempDir,
}

async fn pair() -> Pair {
    let (home, laptop) = (Node::new().await, Node::new().await);
    let account = home.account().await;
    let (user, space) = (account.user, account.space);
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(1));
    home.vault.enrol(user, device.public(laptop.vault.transport()), [7; 32]).await.unwrap();
    carry(&home.vault, &laptop.vault, Scope::Account(user), &[]).await;
    laptop.vault.join(user, device).await.unwrap();
    meet(&home.vault, &laptop.vault, user, space).await;
    laptop.add(user, space, &["before"]).await.unwrap();
    meet(&home.vault, &laptop.vault, user, space).await;
    laptop.vault.shutdown().await.unwrap();
    let older = tempfile::tempdir().unwrap();
    copy(laptop.dir.path(), older.path());
    Pair { home, laptop: laptop.restart(false).await, user, space, older }
}

impl Pair {
    /// Puts the laptop's disk back as it was, as a snapshot does: the files are the same, and what is in them older.
    async fn put_back(&mut self) {
        self.laptop.vault.shutdown().await.unwrap();
        over(self.older.path(), self.laptop.dir.path());
        self.laptop.reopen().await;
    }

    /// Puts the laptop's directory back from a copy.
    async fn put_back_a_copy(&mut self) {
        self.laptop.vault.shutdown().await.unwrap();
        for entry in std::fs::read_dir(self.laptop.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
        copy(self.older.path(), self.laptop.dir.path());
        self.laptop.reopen().await;
    }

    async fn meet(&self) {
        meet(&self.home.vault, &self.laptop.vault, self.user, self.space).await;
    }

    async fn texts(&self, node: &Node) -> Vec<String> {
        let json: serde_json::Value = serde_json::from_str(&node.texts(self.user, self.space).await).unwrap();
        let mut texts: Vec<_> = json["n"].as_array().unwrap().iter().map(|n| n["t"].as_str().unwrap().into()).collect();
        texts.sort();
        texts
    }

    /// Both nodes answer the same, before and after their views are made anew.
    async fn alike(&self, expected: &[&str]) {
        assert_eq!(self.texts(&self.home).await, expected, "home");
        assert_eq!(self.texts(&self.laptop).await, expected, "the laptop");
        let mut digests = Vec::new();
        for (node, anew) in [(&self.home, false), (&self.laptop, false), (&self.home, true), (&self.laptop, true)] {
            let found = node.vault.doctor(anew, |_, _| {}).await.unwrap();
            digests.push(found.into_iter().find(|health| health.space == self.space).unwrap().digest);
        }
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
        let (here, there) = (&self.home.vault, &self.laptop.vault);
        for scope in [Scope::Account(self.user), Scope::Space(self.space)] {
            assert_eq!(here.admission().tips(scope), there.admission().tips(scope), "no chain differs");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_a_device_was_put_back_reaches_home() {
    let mut all = pair().await;
    let (user, space) = (all.user, all.space);
    for text in ["lost one", "lost two"] {
        all.laptop.add(user, space, &[text]).await.unwrap();
    }
    all.meet().await;
    let device = all.laptop.vault.device(user).unwrap();
    all.put_back().await;
    assert_eq!(all.texts(&all.laptop).await, ["before"], "the space is open before home is reachable");
    all.meet().await;
    assert_ne!(all.laptop.vault.device(user), Some(device), "the numbers of the old device are not used again");
    assert_eq!(all.home.vault.successor(user, device), all.laptop.vault.device(user));
    all.laptop.add(user, space, &["after"]).await.unwrap();
    all.meet().await;
    all.alike(&["after", "before", "lost one", "lost two"]).await;
    // The control: a device that was not put back keeps its place.
    let before = all.laptop.vault.device(user);
    all.laptop = all.laptop.restart(true).await;
    all.laptop.add(user, space, &["later"]).await.unwrap();
    all.meet().await;
    assert_eq!(all.laptop.vault.device(user), before);
    all.alike(&["after", "before", "later", "lost one", "lost two"]).await;
}

/// Two histories of one device: of whichever length they are, and whichever row of the other comes.
#[tokio::test(flavor = "multi_thread")]
async fn another_history_of_a_device_is_told_from_what_is_held() {
    let mut all = pair().await;
    let (user, space) = (all.user, all.space);
    let scope = Scope::Space(space);
    let device = all.laptop.vault.device(user).unwrap();
    let before = all.laptop.vault.admission().tips(scope);
    for text in ["one", "two"] {
        all.laptop.add(user, space, &[text]).await.unwrap();
    }
    all.meet().await;
    let held: Vec<_> = handed(&all.home.vault, all.laptop.vault.transport(), scope, false, &|lane, of| {
        before.get(&(lane, of)).map_or(0, |(seq, _)| *seq)
    })
    .await;
    all.put_back().await;
    for text in ["another", "another", "another"] {
        all.laptop.add(user, space, &[text]).await.unwrap();
    }
    let others: Vec<_> = handed(&all.laptop.vault, all.home.vault.transport(), scope, false, &|lane, of| {
        before.get(&(lane, of)).map_or(0, |(seq, _)| *seq)
    })
    .await;
    assert_eq!((held.len(), others.len()), (2, 3));
    for (n, other) in others.iter().enumerate() {
        let taken = all.home.vault.ingest(scope, vec![other.body().to_vec()]).await.unwrap();
        let Some(Refused::Forked(fork)) = &taken.refused else { panic!("row {n}: {taken:?}") };
        // The last of them goes on from a commit that is not the one that is held.
        let (at, theirs) = if n == 2 { (&held[1], others[1].tip()) } else { (&held[n], other.tip()) };
        assert_eq!((fork.0.device, fork.0.seq, fork.0.cid, fork.1), (device, at.last(), at.tip(), theirs), "row {n}");
    }
    for row in &held {
        let taken = all.home.vault.ingest(scope, vec![row.body().to_vec()]).await.unwrap();
        assert_eq!((taken.refused, taken.stored.len()), (None, 1), "control: what is held is held");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_on_numbers_that_were_taken_is_written_again() {
    // Fewer, as many and more than were lost.
    for offline in 1..=3 {
        let mut all = pair().await;
        let (user, space) = (all.user, all.space);
        for text in ["lost one", "lost two"] {
            all.laptop.add(user, space, &[text]).await.unwrap();
        }
        all.meet().await;
        all.put_back().await;
        let mut expected = vec!["before".to_owned(), "lost one".into(), "lost two".into()];
        for n in 0..offline {
            let text = format!("offline {n}");
            all.laptop.add(user, space, &[text.as_str()]).await.unwrap();
            expected.push(text);
        }
        // Also a change of what was made on such a number.
        all.laptop.set_all(user, space, "set offline").await.unwrap();
        let own = all.laptop.vault.own_devices(user);
        assert_eq!(own.len(), 1);
        let tips = all.home.tips(Scope::Space(space));
        assert!(
            !all.laptop.vault.differing(Scope::Space(space), &tips).await.unwrap().is_empty(),
            "it is seen at once"
        );
        all.meet().await;
        // "before" and what was made offline were set; what was lost was not seen by that.
        let mut after: Vec<_> = (0..=offline).map(|_| "set offline").collect();
        after.splice(0..0, ["lost one", "lost two"]);
        all.alike(&after).await;
        assert_eq!(all.laptop.vault.own_devices(user).len(), 2, "{expected:?}");
        let tips = all.home.tips(Scope::Space(space));
        assert_eq!(all.laptop.vault.differing(Scope::Space(space), &tips).await.unwrap(), [], "control");
        // And it survives a restart: every control lane verifies as it lies.
        all.laptop = all.laptop.restart(true).await;
        all.alike(&after).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_and_devices_that_were_made_offline_are_written_again() {
    let mut all = pair().await;
    let (user, space) = (all.user, all.space);
    // Lost: an entry in the space's control lane and one in the account's.
    let permits = all.laptop.write_permits(user, space).await;
    all.laptop.vault.define(&permits, &[named("Lost")]).await.unwrap();
    let other = |n: u64| DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(n));
    let transport = policy_core::PeerKey([9; 32]);
    all.laptop.vault.enrol(user, other(50).public(transport), [50; 32]).await.unwrap();
    all.meet().await;
    all.put_back().await;
    let permits = all.laptop.write_permits(user, space).await;
    all.laptop.vault.define(&permits, &[named("Kept")]).await.unwrap();
    all.laptop.vault.enrol(user, other(51).public(transport), [51; 32]).await.unwrap();
    all.laptop.add(user, space, &["offline"]).await.unwrap();
    all.meet().await;
    all.meet().await;
    all.alike(&["before", "offline"]).await;
    for node in [&all.home, &all.laptop] {
        let schema = node.vault.schema(space).await.unwrap();
        assert!(schema.collection_named("Lost").is_some() && schema.collection_named("Kept").is_some());
        let devices: Vec<_> = node.vault.devices(user).iter().map(|device| device.id).collect();
        assert!(
            devices.contains(&other(50).id) && devices.contains(&other(51).id) && devices.len() == 5,
            "{devices:?}"
        );
    }
    all.laptop = all.laptop.restart(true).await;
    all.home = all.home.restart(true).await;
    all.alike(&["before", "offline"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_frames_of_our_own_device_change_nothing() {
    let all = pair().await;
    let (user, space) = (all.user, all.space);
    all.laptop.add(user, space, &["offline"]).await.unwrap();
    let scope = Scope::Space(space);
    let device = all.laptop.vault.device(user).unwrap();
    let rows = handed(&all.laptop.vault, all.home.vault.transport(), scope, false, &|_, _| 0).await;
    let own: Vec<_> = rows.into_iter().filter(|row| row.device() == device).collect();
    let before = all.laptop.vault.admission().tips(scope);
    for n in 0..own.last().unwrap().body().len() {
        let mut forged = own.last().unwrap().body().to_vec();
        forged[n] ^= 1;
        let taken = all.laptop.vault.ingest(scope, vec![forged]).await.unwrap();
        assert!(taken.stored.len() <= 1);
    }
    assert_eq!(all.laptop.vault.admission().tips(scope), before);
    assert_eq!(all.laptop.vault.device(user), Some(device));
    let taken = all.laptop.vault.ingest(scope, vec![own[0].body().to_vec()]).await.unwrap();
    assert!(!matches!(taken.refused, Some(Refused::Invalid(_))), "control: what is held is held");
}

fn named(name: &str) -> vault_core::schema::NewCollection {
    vault_core::schema::NewCollection { name: name.into(), ..crate::node::note() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_meets_whoever_lacks_the_lost_commits_first_makes_no_fork() {
    let mut all = pair().await;
    let (user, space) = (all.user, all.space);
    let phone = Node::new().await;
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(2));
    all.home.vault.enrol(user, device.public(phone.vault.transport()), [8; 32]).await.unwrap();
    carry(&all.home.vault, &phone.vault, Scope::Account(user), &[]).await;
    phone.vault.join(user, device).await.unwrap();
    meet(&all.home.vault, &phone.vault, user, space).await;
    for text in ["lost one", "lost two"] {
        all.laptop.add(user, space, &[text]).await.unwrap();
    }
    // Only home has them.
    all.meet().await;
    let before = all.laptop.vault.device(user);
    all.put_back_a_copy().await;
    if std::fs::metadata(all.laptop.dir.path().join("log.db")).unwrap().created().is_err() {
        eprintln!("note: this file system does not say when files came to be");
        return;
    }
    assert_ne!(all.laptop.vault.device(user), before, "before anything is written");
    all.laptop.add(user, space, &["offline"]).await.unwrap();
    meet(&phone.vault, &all.laptop.vault, user, space).await;
    phone.set_all(user, space, "on the phone").await.unwrap();
    meet(&phone.vault, &all.laptop.vault, user, space).await;
    for _ in 0..2 {
        all.meet().await;
        meet(&all.home.vault, &phone.vault, user, space).await;
        meet(&phone.vault, &all.laptop.vault, user, space).await;
    }
    all.alike(&["lost one", "lost two", "on the phone", "on the phone"]).await;
    assert_eq!(all.texts(&phone).await, ["lost one", "lost two", "on the phone", "on the phone"]);
    // The control: a start of the same files changes nothing.
    let before = all.laptop.vault.device(user);
    all.laptop = all.laptop.restart(true).await;
    assert_eq!(all.laptop.vault.device(user), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_served_beside_the_original_is_another_device() {
    let mut all = pair().await;
    let (user, space) = (all.user, all.space);
    let original = tempfile::tempdir().unwrap();
    all.laptop.vault.shutdown().await.unwrap();
    copy(all.laptop.dir.path(), original.path());
    // The copy first, and then the original, which learns of it.
    let here = std::mem::replace(&mut all.laptop.dir, original);
    all.laptop.reopen().await;
    all.laptop.add(user, space, &["of the copy"]).await.unwrap();
    all.meet().await;
    let copied = all.laptop.vault.device(user);
    all.laptop.vault.shutdown().await.unwrap();
    let of_copy = std::mem::replace(&mut all.laptop.dir, here);
    all.laptop.reopen().await;
    all.laptop.add(user, space, &["of the original"]).await.unwrap();
    all.meet().await;
    assert_ne!(all.laptop.vault.device(user), copied);
    let mine = all.laptop.vault.create_space(user, "made after that").await.unwrap();
    assert!(
        all.laptop.vault.spaces(user).await.unwrap().iter().any(|space| space.id == mine),
        "it opens its own spaces"
    );
    all.meet().await;
    all.alike(&["before", "of the copy", "of the original"]).await;
    drop(of_copy);
}
