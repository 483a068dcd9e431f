//! What becomes of calls when the network or the server fails: an error in time, never a yes; and calls work again.

use std::time::Duration;

use policy::{Consistency, Reason, RelationshipService, SpiceDb, SpiceDbConfig, Write};
use policy_core::{LookupResources, Subject, Update};

use super::proxy::{Mode, Proxy};
use super::support::Store;
use super::{SCHEMA, allowed, check, touch, tuple};

/// Far more than any call takes that is answered at all.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(2);

/// A client behind a proxy; Tom views document `d`.
async fn behind(deadline: Duration) -> Option<(SpiceDb, Proxy, Store)> {
    let store = Store::new()?;
    let proxy = Proxy::before(&store.address).await;
    let config =
        SpiceDbConfig { address: proxy.address.clone(), deadline, stream_deadline: deadline, ..store.config() };
    store.client().write_schema(SCHEMA).await.unwrap();
    store.client().write(touch(&["doc:d#viewer@user:tom"])).await.unwrap();
    Some((SpiceDb::new(&config).unwrap(), proxy, store))
}

async fn reason(client: &SpiceDb) -> Reason {
    client.check(&[check("doc:d#view@user:tom")], &Consistency::Full).await.unwrap_err().reason
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_until_it_is_back() {
    let Some((client, proxy, _)) = behind(LONG).await else { return };
    proxy.set(Mode::Refuse);
    assert_eq!(reason(&client).await, Reason::Unavailable);
    let tried = proxy.connections();
    assert!(tried > 1, "a check is made again: {tried}");
    proxy.set(Mode::Pass);
    assert!(allowed(&client, "doc:d#view@user:tom").await);
    assert!(!allowed(&client, "doc:d#view@user:ann").await);
    proxy.set(Mode::Refuse);
    proxy.cut();
    assert_eq!(reason(&client).await, Reason::Unavailable);
    proxy.set(Mode::Pass);
    assert!(allowed(&client, "doc:d#view@user:tom").await);
}

#[tokio::test]
async fn a_connection_that_swallows_is_left_behind() {
    let Some((client, proxy, _)) = behind(SHORT).await else { return };
    assert!(allowed(&client, "doc:d#view@user:tom").await);
    proxy.set(Mode::Swallow);
    assert_eq!(reason(&client).await, Reason::Unavailable);
    let lookup = LookupResources {
        kind: "doc".into(),
        permission: "view".into(),
        subject: Subject::object("user", "tom"),
        context: policy_core::Context::new(),
    };
    let error = client.lookup_resources(&lookup, &policy::Window::default(), &Consistency::Full).await.unwrap_err();
    assert_eq!(error.reason, Reason::Unavailable);
    // The connections that swallowed still do.
    proxy.set(Mode::Pass);
    assert!(allowed(&client, "doc:d#view@user:tom").await);
}

#[tokio::test]
async fn what_may_be_made_twice_is_made_again_and_nothing_else() {
    let Some((client, proxy, store)) = behind(LONG).await else { return };
    assert!(allowed(&client, "doc:d#view@user:tom").await);
    proxy.set(Mode::CutAnswer);
    assert!(allowed(&client, "doc:d#view@user:tom").await, "a check is made again");
    proxy.set(Mode::CutAnswer);
    client.write(touch(&["doc:e#viewer@user:tom"])).await.unwrap();

    proxy.set(Mode::CutAnswer);
    let create = Write { updates: vec![Update::Create(tuple("doc:f#viewer@user:tom"))], ..Write::default() };
    let error = client.write(create).await.unwrap_err();
    assert_eq!(error.reason, Reason::Unavailable, "it is not known what became of it: {error:?}");
    assert!(allowed(&store.client(), "doc:f#view@user:tom").await, "it was made; again would have failed otherwise");
    // The client knows that it does not know: it reads at the head.
    let answers = client.check(&[check("doc:f#view@user:tom")], &Consistency::MinimizeLatency).await.unwrap();
    assert!(answers.decisions[0].as_ref().unwrap().allowed());
}

#[tokio::test]
async fn a_server_may_bid_connections_goodbye() {
    let Some((client, proxy, _)) = behind(LONG).await else { return };
    for _ in 0..30 {
        let checks = (0..10).map(|_| allowed(&client, "doc:d#view@user:tom"));
        assert_eq!(futures::future::join_all(checks).await, [true; 10]);
    }
    let create = |n: usize| Write {
        updates: vec![Update::Create(tuple(&format!("doc:n{n}#viewer@user:tom")))],
        ..Write::default()
    };
    for n in 0..120 {
        client.write(create(n)).await.unwrap();
    }
    assert!(proxy.connections() > 0);
}

#[tokio::test]
async fn the_key_goes_with_every_call() {
    // For tests every key has a store of its own: without it, or with another, nothing is there.
    let Some((_, _, store)) = behind(LONG).await else { return };
    let mut config = store.config();
    config.key = policy::PresharedKey::new("another").unwrap();
    let other = SpiceDb::new(&config).unwrap();
    let error = other.trace(&check("doc:d#view@user:tom"), &Consistency::Full).await.unwrap_err();
    assert_eq!(error.reason, Reason::UnknownDefinition);
}
