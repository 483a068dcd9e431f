//! The client of SpiceDB, on a real one.

mod answers;
mod engine;
mod faults;
mod migrate;
mod outbox;
#[path = "../support/proxy.rs"]
mod proxy;
mod reasons;
#[path = "../support/spicedb.rs"]
mod support;
mod tls;

use std::sync::Arc;

use policy::{Consistency, Memory, Reason, RelationshipService, SpiceDb, Write};
use policy_core::{Check, Permissionship, Tuple, Update};

const SCHEMA: &str = "\
use expiration

caveat small(size int, most int) {
	size <= most
}

definition user {}

definition group {
	relation member: user | group#member | user with expiration
	relation banned: user
	relation open: user:*
	permission any = open - banned
}

definition doc {
	relation parent: doc
	relation viewer: user | user:* | group#member | group#any | user with small | user with expiration
	relation owner: user
	permission view = viewer + owner + parent->view
	permission sole = viewer & owner
	permission other = viewer - owner
}";

fn tuple(text: &str) -> Tuple {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn touch(lines: &[&str]) -> Write {
    Write { updates: lines.iter().map(|line| Update::Touch(tuple(line))).collect(), ..Write::default() }
}

fn delete(lines: &[&str]) -> Write {
    Write { updates: lines.iter().map(|line| Update::Delete(tuple(line))).collect(), ..Write::default() }
}

/// `doc:1#view@user:tom`.
fn check(text: &str) -> Check {
    let tuple = tuple(text);
    Check::new(tuple.resource, &tuple.relation, tuple.subject)
}

async fn allowed(client: &dyn RelationshipService, text: &str) -> bool {
    let answers = client.check(&[check(text)], &Consistency::Full).await.unwrap();
    answers.decisions[0].as_ref().unwrap().permissionship == Permissionship::Yes
}

/// A client of an empty store with the schema and relationships.
async fn filled(lines: &[&str]) -> Option<SpiceDb> {
    let client = support::Store::new()?.client();
    client.write_schema(SCHEMA).await.unwrap();
    if !lines.is_empty() {
        client.write(touch(lines)).await.unwrap();
    }
    Some(client)
}

/// Empty stores: one in memory, and one of SpiceDB where there is one.
fn stores() -> Vec<Arc<dyn RelationshipService>> {
    let memory = Arc::new(Memory::new(Arc::new(policy::wall_clock))) as Arc<dyn RelationshipService>;
    let spicedb = support::Store::new().map(|store| Arc::new(store.client()) as Arc<dyn RelationshipService>);
    [memory].into_iter().chain(spicedb).collect()
}

/// What tests that compare with SpiceDB rest on: it answers, and two stores have nothing in common.
#[tokio::test]
async fn every_test_has_a_store_of_its_own() {
    let Some(one) = filled(&["doc:d1#viewer@user:tom"]).await else { return };
    assert!(allowed(&one, "doc:d1#view@user:tom").await);
    assert!(!allowed(&one, "doc:d1#view@user:ann").await);
    let Some(two) = support::Store::new() else { return };
    let error = two.client().read_schema().await.unwrap_err();
    assert_eq!(error.reason, Reason::NoSchema, "{error:?}");
    let error = two.client().write(touch(&["doc:d1#viewer@user:tom"])).await.unwrap_err();
    assert_eq!(error.reason, Reason::UnknownDefinition, "{error:?}");
    assert_eq!(error.message, "object definition `doc` not found");
}
