//! An account whose keys are destroyed: nobody opens what it wrote, at this start or another, and the log goes on.

use vault::log::Scope;

use crate::node::Node;

#[tokio::test]
async fn what_a_shredded_account_wrote_is_opened_by_nobody_and_the_others_go_on() {
    let node = Node::new().await;
    let (bob, carol) = (node.account().await, node.account().await);
    let second = node.vault.create_space(bob.user, "second").await.unwrap();
    for account in [&bob, &carol] {
        node.add(account.user, account.space, &["a note"]).await.unwrap();
        assert!(node.texts(account.user, account.space).await.contains("a note"), "control");
    }
    let views = node.dir.path().join("views");
    let view = |space: policy_core::SpaceId| views.join(format!("{space}.view"));
    assert!(view(bob.space).exists(), "control");
    let frames = node.tips(Scope::Space(bob.space)).len();
    assert!(frames > 0, "control");
    let before = (node.write_permits(bob.user, bob.space).await, node.read_permits(bob.user, bob.space).await);
    let query = node.query(bob.space).await;

    node.vault.shred(bob.user).await.unwrap();
    node.vault.shred(bob.user).await.expect("again is no change");
    // What was deleted lies in no file of the database any more: its pages are overwritten, its write-ahead log is empty.
    let left = std::fs::metadata(node.dir.path().join("node.db-wal")).map_or(0, |file| file.len());
    assert_eq!(left, 0);
    let gone = async |node: &Node| {
        for space in [bob.space, second] {
            assert!(node.vault.schema(space).await.is_err_and(|error| error.is_not_found()));
            assert_eq!(node.vault.owner_of(space), None);
            assert!(!view(space).exists(), "{}", view(space).display());
        }
        assert!(node.vault.spaces(bob.user).await.unwrap().is_empty());
        assert!(node.vault.create_space(bob.user, "another").await.is_err());
        assert_eq!(node.vault.users(), [carol.user]);
        assert_eq!(node.tips(Scope::Space(bob.space)).len(), frames, "the log is as it was");
        assert!(node.texts(carol.user, carol.space).await.contains("a note"), "control: another's");
    };
    // Permits of before open nothing.
    assert!(node.vault.read(before.1, query).await.is_err());
    drop(before.0);
    gone(&node).await;
    let mut node = node;
    for clean in [true, false] {
        node = node.restart(clean).await;
        gone(&node).await;
        node.add(carol.user, carol.space, &["more"]).await.unwrap();
    }
}
