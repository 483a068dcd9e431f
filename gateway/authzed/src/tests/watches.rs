//! Watches.

use std::time::Duration;

use spicedb_grpc_tonic::v1::{WatchKind, WatchRequest, WatchResponse, ZedToken};
use tonic::Streaming;

use super::*;

async fn next(answers: &mut Streaming<WatchResponse>) -> WatchResponse {
    let next = tokio::time::timeout(Duration::from_secs(5), answers.message()).await.expect("an answer comes");
    next.unwrap().expect("the watch goes on")
}

fn since(token: &str) -> WatchRequest {
    WatchRequest { optional_start_cursor: Some(ZedToken { token: token.to_owned() }), ..Default::default() }
}

#[tokio::test]
async fn changes_are_told_with_their_metadata() {
    let server = Server::start().await;
    let client = server.client();
    client.write_schema(SCHEMA).await;
    let start = client.touch(&["doc:1#owner@user:ann"]).await;
    let mut answers = client.watch().watch(since(&start)).await.unwrap().into_inner();
    let metadata = values("{\"by\": \"ann\", \"n\": 5}");
    let request = WriteRelationshipsRequest {
        updates: vec![update(Operation::Create, "doc:2#owner@user:ann")],
        optional_transaction_metadata: Some(metadata.clone()),
        ..Default::default()
    };
    let written = client.permissions().write_relationships(request).await.unwrap().into_inner().written_at;
    let told = next(&mut answers).await;
    // What was created shows as touched.
    assert_eq!(told.updates, [update(Operation::Touch, "doc:2#owner@user:ann")]);
    assert_eq!(told.changes_through, written);
    assert_eq!(told.optional_transaction_metadata.as_ref(), Some(&metadata));
    assert_eq!(told.full_revision_metadata, [metadata]);
    client.update(vec![update(Operation::Delete, "doc:2#owner@user:ann")]).await.unwrap();
    let told = next(&mut answers).await;
    assert_eq!(told.updates, [update(Operation::Delete, "doc:2#owner@user:ann")]);
    assert!(told.full_revision_metadata.is_empty() && !told.schema_updated && !told.is_checkpoint);
}

#[tokio::test]
async fn schemas_and_checkpoints_are_told_to_whoever_asks() {
    let server = Server::start().await;
    let client = server.client();
    client.write_schema(SCHEMA).await;
    let start = client.touch(&["doc:1#owner@user:ann"]).await;
    let kinds = [WatchKind::IncludeRelationshipUpdates, WatchKind::IncludeSchemaUpdates, WatchKind::IncludeCheckpoints];
    let request = WatchRequest { optional_update_kinds: kinds.map(i32::from).to_vec(), ..since(&start) };
    let mut answers = client.watch().watch(request).await.unwrap().into_inner();
    client.write_schema(&format!("{SCHEMA}\ndefinition more {{}}")).await;
    client.touch(&["doc:2#owner@user:ann"]).await;
    let kinds = async |answers: &mut Streaming<WatchResponse>| {
        let told = next(answers).await;
        (told.updates.len(), told.schema_updated, told.is_checkpoint)
    };
    for expected in [(0, true, false), (0, false, true), (1, false, false), (0, false, true)] {
        assert_eq!(kinds(&mut answers).await, expected);
    }
}

#[tokio::test]
async fn wrong_watches_are_refused() {
    let server = Server::start().await;
    let client = server.client();
    client.write_schema(SCHEMA).await;
    let first = async |request: WatchRequest| {
        let answers = client.watch().watch(request).await;
        match answers {
            Err(status) => failed(Err::<(), _>(status)),
            Ok(answers) => failed(answers.into_inner().message().await),
        }
    };
    let filter = relationships::of_type("nothing");
    let unknown = WatchRequest { optional_relationship_filters: vec![filter.clone()], ..Default::default() };
    assert_eq!(first(unknown).await, (Code::FailedPrecondition, "UNKNOWN_DEFINITION".to_owned()));
    let both = WatchRequest {
        optional_object_types: vec!["doc".to_owned()],
        optional_relationship_filters: vec![filter],
        ..Default::default()
    };
    assert_eq!(first(both).await.0, Code::InvalidArgument);
    assert_eq!(first(since("zzz")).await.0, Code::InvalidArgument);
    let kind = WatchRequest { optional_object_types: vec!["Doc".to_owned()], ..Default::default() };
    assert_eq!(first(kind).await.0, Code::InvalidArgument);
}

#[tokio::test]
async fn watches_have_places_of_their_own() {
    let mut front = Front::new(Arc::new(ByToken::default()));
    front.watches = Arc::new(Semaphore::new(1));
    let server = Server::of(front).await;
    let client = server.client();
    client.write_schema(SCHEMA).await;
    let first = client.watch().watch(WatchRequest::default()).await.unwrap();
    let second = client.watch().watch(WatchRequest::default()).await;
    assert_eq!(failed(second).0, Code::ResourceExhausted);
    client.touch(&["doc:1#owner@user:ann"]).await;
    drop(first);
    // The place is free once the server has heard that nobody listens.
    let free = async { server.front.watches.acquire().await.map(drop) };
    tokio::time::timeout(Duration::from_secs(5), free).await.expect("the place comes free").unwrap();
}
