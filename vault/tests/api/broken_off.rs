//! Whoever asked goes away in the middle: what was begun is done to its end, and the node goes on.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use policy_core::{Grant, GrantId, Holder, SpaceId, Timestamp};
use rand::SeedableRng;
use vault::log::Scope;
use vault::{CreatedAccount, Health, VaultError};
use vault_core::control::{AppDescription, GrantRecord};
use vault_core::identity::DeviceSecret;
use vault_core::schema::NewCollection;
use vault_core::tags::LaneTag;

use crate::node::{Node, handed, note};
use crate::replicas::carry;

/// Polls `work` so many times, then drops it; the answer, if there is one by then.
async fn polled<T>(work: impl Future<Output = T>, mut times: usize) -> Option<T> {
    let mut work = Box::pin(work);
    poll_fn(move |cx| {
        if times == 0 {
            return Poll::Ready(None);
        }
        times -= 1;
        match work.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            // The last look was in vain: it ends here, wherever that is.
            Poll::Pending if times == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn named(name: &str) -> NewCollection {
    NewCollection { name: name.into(), ..note() }
}

fn record(account: &CreatedAccount, n: u8, k: u8) -> GrantRecord {
    let id = GrantId::from_bytes([n, k, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]);
    let holder = Holder::Client(policy_core::ClientId::from_bytes([n; 16]));
    let grant = Grant { id, grantor: account.user, holder, space: account.space, entries: Vec::new() };
    let app = AppDescription { name: format!("App {n} {k}"), uri: None, redirect_uris: Vec::new() };
    GrantRecord { grant, app, created: Timestamp(5) }
}

struct Home {
    node: Node,
    account: CreatedAccount,
}

/// What somebody asks of a node, under a number of its own; asked twice under one number it may say that it is done.
type Ask = for<'a> fn(&'a Home, u8, u8) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

impl Home {
    async fn new() -> Home {
        let node = Node::new().await;
        let account = node.account().await;
        node.add(account.user, account.space, &["first"]).await.unwrap();
        Home { node, account }
    }

    async fn permits(&self) -> policy_core::Permits<policy_core::Write> {
        self.node.write_permits(self.account.user, self.account.space).await
    }

    /// Defines a collection, begun again as long as what was left before it moves the definitions.
    async fn define(&self, name: &str) -> Result<(), VaultError> {
        loop {
            match self.node.vault.define(&self.permits().await, &[named(name)]).await {
                Err(VaultError::Permit(_)) => {}
                other => return other.map(drop),
            }
        }
    }

    /// Everything that is written in another way, and read.
    async fn goes_on(&self, what: &str, n: u8, k: u8) {
        let fail = |step: &str, error: String| panic!("{what}, after {n} looks: {step}: {error}");
        let (user, space) = (self.account.user, self.account.space);
        if let Err(error) = self.node.add(user, space, &[&format!("{what} {n} {k}")]).await {
            fail("a write", error.to_string());
        }
        if let Err(error) = self.define(&format!("After{k}x{n}")).await {
            fail("a definition", error.to_string());
        }
        // Few: what looks at every space would never end.
        if n < 4
            && let Err(error) = self.node.vault.create_space(user, "after").await
        {
            fail("a space", error.to_string());
        }
        let texts = self.node.texts(user, space).await;
        assert!(texts.contains(&format!("{what} {n} {k}")), "{what}, after {n} looks: {texts}");
        assert!(self.node.vault.is_writing(), "{what}, after {n} looks");
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Everything that stores.
const ASKS: [(&str, Ask); 9] = [
    ("create_account", |home, _, _| {
        Box::pin(async move { home.node.vault.create_account().await.map(drop).map_err(text) })
    }),
    ("create_space", |home, _, _| {
        Box::pin(async move { home.node.vault.create_space(home.account.user, "more").await.map(drop).map_err(text) })
    }),
    ("define", |home, n, k| Box::pin(async move { home.define(&format!("Made{k}x{n}")).await.map_err(text) })),
    ("put_grant", |home, n, k| {
        Box::pin(async move {
            let permits = home.permits().await;
            home.node.vault.put_grant(&permits, record(&home.account, n, k)).await.map_err(text)
        })
    }),
    ("revoke_grant", |home, n, k| {
        Box::pin(async move {
            let permits = home.permits().await;
            home.node.vault.revoke_grant(&permits, record(&home.account, n, k).grant.id).await.map_err(text)
        })
    }),
    ("enrol", |home, n, k| {
        Box::pin(async move {
            let seed = u64::from(n) << 8 | u64::from(k);
            let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(seed));
            let keys = device.public(policy_core::PeerKey([n.wrapping_add(k); 32]));
            home.node.vault.enrol(home.account.user, keys, [n ^ k; 32]).await.map_err(text)
        })
    }),
    ("write", |home, n, k| {
        Box::pin(async move {
            let text = format!("said {n} {k}");
            home.node.add(home.account.user, home.account.space, &[&text]).await.map(drop).map_err(|e| e.to_string())
        })
    }),
    ("open", |home, _, _| {
        Box::pin(async move {
            home.node.vault.close_idle(0).await.map_err(text)?;
            home.node.vault.schema(home.account.space).await.map(drop).map_err(text)
        })
    }),
    ("doctor", |home, _, _| {
        Box::pin(async move { home.node.vault.doctor(true, |_, _| {}).await.map(drop).map_err(text) })
    }),
];

fn digests(healths: Vec<Health>) -> Vec<(SpaceId, u64, [u8; 32])> {
    healths.into_iter().map(|health| (health.space, health.documents, health.digest)).collect()
}

/// The node after a stop: it says what it said before, also of views that are made anew.
async fn says_the_same(home: Home) {
    let (user, space) = (home.account.user, home.account.space);
    let texts = home.node.texts(user, space).await;
    let names = |schema: Arc<vault_core::schema::Schema>| -> Vec<_> {
        schema.collections.iter().map(|collection| collection.name.clone()).collect()
    };
    let definitions = names(home.node.vault.schema(space).await.unwrap());
    let before = digests(home.node.vault.doctor(false, |_, _| {}).await.unwrap());
    let tips = home.node.vault.admission().tips(Scope::Space(space));
    let node = home.node.restart(true).await;
    assert_eq!(node.vault.admission().tips(Scope::Space(space)), tips, "memory was what the disk says");
    assert_eq!(names(node.vault.schema(space).await.unwrap()), definitions);
    assert_eq!(node.texts(user, space).await, texts);
    assert_eq!(digests(node.vault.doctor(false, |_, _| {}).await.unwrap()), before);
    assert_eq!(digests(node.vault.doctor(true, |_, _| {}).await.unwrap()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_and_dropped_at_any_point_leaves_a_node_that_goes_on() {
    for (k, (what, ask)) in (0..).zip(ASKS) {
        let home = Home::new().await;
        for n in 0.. {
            assert!(n < 200, "{what} does not end");
            let done = polled(ask(&home, n, k), usize::from(n)).await;
            if let Some(Err(error)) = &done {
                panic!("{what}, looked at {n} times: {error}");
            }
            // Again: it was done already, or is done now. It never meets what it left itself.
            if let Err(error) = ask(&home, n, k).await {
                let said = ["exists", "already", "taken", "code", "device"];
                assert!(said.iter().any(|word| error.contains(word)), "{what} again, after {n} looks: {error}");
                assert!(!error.contains("UNIQUE") && !error.contains("log failed"), "{what}, after {n} looks: {error}");
            }
            home.goes_on(what, n, k).await;
            if done.is_some() {
                break;
            }
        }
        says_the_same(home).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_taken_and_dropped_at_any_point_are_taken_whole() {
    let home = Home::new().await;
    let (user, space) = (home.account.user, home.account.space);
    let laptop = Node::new().await;
    let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(77));
    home.node.vault.enrol(user, device.public(laptop.vault.transport()), [9; 32]).await.unwrap();
    carry(&home.node.vault, &laptop.vault, Scope::Account(user)).await;
    laptop.vault.join(user, device).await.unwrap();
    carry(&home.node.vault, &laptop.vault, Scope::Space(space)).await;
    for n in 0.. {
        assert!(n < 200, "taking frames does not end");
        let permits = laptop.write_permits(user, space).await;
        laptop.vault.define(&permits, &[named(&format!("Theirs{n}"))]).await.unwrap();
        laptop.add(user, space, &[&format!("theirs {n}")]).await.unwrap();
        let mut done = true;
        for control in [true, false] {
            let have = home.node.vault.admission().tips(Scope::Space(space));
            let have = move |lane: LaneTag, device| have.get(&(lane, device)).map_or(0, |(seq, _)| *seq);
            let to = home.node.vault.transport();
            let rows = handed(&laptop.vault, to, Scope::Space(space), control, &have).await;
            let frames: Vec<_> = rows.into_iter().map(|row| row.into_body()).collect();
            let work = pin!(home.node.vault.ingest(Scope::Space(space), frames.clone()));
            done &= polled(work, n).await.is_some();
            let again = home.node.vault.ingest(Scope::Space(space), frames).await.unwrap();
            assert_eq!(again.refused, None, "after {n} looks");
        }
        home.goes_on("ingest", n as u8, 99).await;
        let texts = home.node.texts(user, space).await;
        assert!(texts.contains(&format!("theirs {n}\"")), "after {n} looks: {texts}");
        carry(&home.node.vault, &laptop.vault, Scope::Space(space)).await;
        if done {
            break;
        }
    }
    says_the_same(home).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_before_anything_is_begun() {
    let home = Home::new().await;
    let stale = home.permits().await;
    home.node.clock.advance();
    let tips = home.node.vault.admission().tips(Scope::Space(home.account.space));
    let refused = home.node.vault.define(&stale, &[named("Never")]).await;
    assert!(matches!(refused, Err(VaultError::Permit(_))), "{refused:?}");
    assert_eq!(home.node.vault.admission().tips(Scope::Space(home.account.space)), tips);
    home.goes_on("refused", 0, 0).await;
}
