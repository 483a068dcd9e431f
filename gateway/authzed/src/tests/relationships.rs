//! Relationships are written, read, deleted, imported and exported.

use futures::Stream;
use spicedb_grpc_tonic::v1::delete_relationships_response::DeletionProgress;
use spicedb_grpc_tonic::v1::{
    DeleteRelationshipsRequest, ExportBulkRelationshipsRequest, ImportBulkRelationshipsRequest, Precondition,
    ReadRelationshipsRequest, RelationshipFilter, SubjectFilter, precondition, subject_filter,
};

use super::*;

pub fn of_type(kind: &str) -> RelationshipFilter {
    RelationshipFilter { resource_type: kind.to_owned(), ..RelationshipFilter::default() }
}

pub fn batches(batches: Vec<Vec<Relationship>>) -> impl Stream<Item = ImportBulkRelationshipsRequest> {
    futures::stream::iter(batches.into_iter().map(|relationships| ImportBulkRelationshipsRequest { relationships }))
}

fn reading(filter: RelationshipFilter) -> ReadRelationshipsRequest {
    ReadRelationshipsRequest { consistency: fully(), relationship_filter: Some(filter), ..Default::default() }
}

async fn read(client: &Client, request: ReadRelationshipsRequest) -> Result<Vec<Relationship>, Status> {
    let mut answers = client.permissions().read_relationships(request).await?.into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer.relationship.unwrap());
    }
    Ok(all)
}

#[tokio::test]
async fn what_was_written_is_read_as_it_was() {
    let server = Server::start().await;
    let client = server.with(&[]).await;
    let at = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let all = [
        relationship("doc:1#owner@user:ann"),
        under("doc:1#viewer@user:ben", "small", "{\"most\": 5, \"size\": \"3\"}"),
        Relationship { optional_expires_at: Some(at), ..relationship("doc:1#viewer@user:cid") },
        relationship("doc:1#viewer@group:g#member"),
    ];
    let updates = all
        .iter()
        .map(|each| RelationshipUpdate { operation: Operation::Create.into(), relationship: Some(each.clone()) });
    client.update(updates.collect()).await.unwrap();
    let found = read(&client, reading(of_type("doc"))).await.unwrap();
    assert_eq!(found.len(), 4);
    assert!(all.iter().all(|each| found.contains(each)), "{found:?}");
    let subject = SubjectFilter {
        subject_type: "group".to_owned(),
        optional_subject_id: String::new(),
        optional_relation: Some(subject_filter::RelationFilter { relation: "member".to_owned() }),
    };
    let filter = RelationshipFilter { optional_subject_filter: Some(subject), ..RelationshipFilter::default() };
    assert_eq!(read(&client, reading(filter)).await.unwrap(), [relationship("doc:1#viewer@group:g#member")]);
    let error = client.update(vec![update(Operation::Create, "doc:1#owner@user:ann")]).await;
    assert_eq!(failed(error), (Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP".to_owned()));
    client.update(vec![update(Operation::Delete, "doc:1#owner@user:ann")]).await.unwrap();
    assert_eq!(read(&client, reading(of_type("doc"))).await.unwrap().len(), 3);
}

#[tokio::test]
async fn long_lists_come_whole_and_in_pages() {
    let server = Server::start().await;
    let client = server.with(&[]).await;
    let all: Vec<_> = (0..2_500).map(|i| relationship(&format!("doc:d{i}#owner@user:ann"))).collect();
    let loaded = client.permissions().import_bulk_relationships(batches(vec![all])).await.unwrap().into_inner();
    assert_eq!(loaded.num_loaded, 2_500);
    let found = read(&client, reading(of_type("doc"))).await.unwrap();
    let ids: std::collections::BTreeSet<_> = found.into_iter().map(|each| each.resource.unwrap().object_id).collect();
    assert_eq!(ids.len(), 2_500);
    let mut request = ReadRelationshipsRequest { optional_limit: 1_000, ..reading(of_type("doc")) };
    let mut counts = Vec::new();
    loop {
        let mut answers = client.permissions().read_relationships(request.clone()).await.unwrap().into_inner();
        let mut count = 0;
        while let Some(answer) = answers.message().await.unwrap() {
            count += 1;
            request.optional_cursor = answer.after_result_cursor;
        }
        counts.push(count);
        if count == 0 {
            break;
        }
    }
    assert_eq!(counts, [1_000, 1_000, 500, 0]);
    let too_many = ReadRelationshipsRequest { optional_limit: 1_001, ..reading(of_type("doc")) };
    assert_eq!(failed(read(&client, too_many).await).1, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT");
}

#[tokio::test]
async fn writes_wait_for_their_preconditions() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    let demand = |operation: precondition::Operation, id: &str| {
        let filter = RelationshipFilter { optional_resource_id: id.to_owned(), ..of_type("doc") };
        Precondition { operation: operation.into(), filter: Some(filter) }
    };
    let write = async |precondition| {
        let request = WriteRelationshipsRequest {
            updates: vec![update(Operation::Touch, "doc:2#owner@user:ann")],
            optional_preconditions: vec![precondition],
            optional_transaction_metadata: None,
        };
        client.permissions().write_relationships(request).await
    };
    use precondition::Operation::{MustMatch, MustNotMatch};
    for precondition in [demand(MustMatch, "9"), demand(MustNotMatch, "1")] {
        let status = write(precondition).await.unwrap_err();
        let (reason, info) = reason(&status).unwrap();
        assert_eq!(
            (status.code(), reason.as_str()),
            (Code::FailedPrecondition, "WRITE_OR_DELETE_PRECONDITION_FAILURE")
        );
        assert_eq!(info.metadata["precondition_resource_type"], "doc");
    }
    write(demand(MustMatch, "1")).await.unwrap();
    assert!(client.allowed("doc:2#view@user:ann").await);
}

#[tokio::test]
async fn deletions_say_how_far_they_came() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:a", "doc:1#owner@user:b", "doc:1#owner@user:c"]).await;
    let delete = async |optional_limit, optional_allow_partial_deletions| {
        let request = DeleteRelationshipsRequest {
            relationship_filter: Some(of_type("doc")),
            optional_limit,
            optional_allow_partial_deletions,
            ..Default::default()
        };
        client.permissions().delete_relationships(request).await.map(|answer| answer.into_inner())
    };
    assert_eq!(failed(delete(2, false).await).1, "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE");
    assert_eq!(failed(delete(1_001, true).await).1, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT");
    let partial = delete(2, true).await.unwrap();
    assert_eq!((partial.deletion_progress(), partial.relationships_deleted_count), (DeletionProgress::Partial, 2));
    let rest = delete(0, false).await.unwrap();
    assert_eq!((rest.deletion_progress(), rest.relationships_deleted_count), (DeletionProgress::Complete, 1));
    assert!(rest.deleted_at.is_some());
}

async fn export(client: &Client, request: ExportBulkRelationshipsRequest) -> Vec<(usize, Option<v1::Cursor>)> {
    let mut answers = client.permissions().export_bulk_relationships(request).await.unwrap().into_inner();
    let mut sizes = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        sizes.push((answer.relationships.len(), answer.after_result_cursor));
    }
    sizes
}

use spicedb_grpc_tonic::v1;

#[tokio::test]
async fn whole_stores_go_out_and_in() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:a", "doc:2#owner@user:b", "group:g#member@user:c"]).await;
    client
        .update(vec![RelationshipUpdate {
            operation: Operation::Touch.into(),
            relationship: Some(under("doc:3#viewer@user:d", "small", "{\"most\": 5}")),
        }])
        .await
        .unwrap();
    let request = ExportBulkRelationshipsRequest { consistency: fully(), ..Default::default() };
    let mut answers = client.permissions().export_bulk_relationships(request.clone()).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        all.push(answer.relationships);
    }
    let other = server.bearer(Some("Bearer other"));
    other.write_schema(SCHEMA).await;
    let loaded = other.permissions().import_bulk_relationships(batches(all.clone())).await.unwrap().into_inner();
    assert_eq!(loaded.num_loaded, 4);
    assert_eq!(read(&other, reading(of_type("doc"))).await.unwrap().len(), 3);
    let again = other.permissions().import_bulk_relationships(batches(all)).await;
    assert_eq!(failed(again), (Code::AlreadyExists, "ATTEMPT_TO_RECREATE_RELATIONSHIP".to_owned()));
    // In batches, each definition by itself; a cursor leads on from any of them.
    let request = ExportBulkRelationshipsRequest { optional_limit: 2, ..request };
    let sizes = export(&client, request.clone()).await;
    assert_eq!(sizes.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [2, 1, 1]);
    client.touch(&["doc:9#owner@user:new", "group:g#member@user:new"]).await;
    for (done, left) in [(0, vec![1, 1]), (1, vec![1]), (2, vec![])] {
        let request = ExportBulkRelationshipsRequest { optional_cursor: sizes[done].1.clone(), ..request.clone() };
        let sizes = export(&client, request).await;
        assert_eq!(sizes.iter().map(|(size, _)| *size).collect::<Vec<_>>(), left, "after {done}");
    }
    let filter =
        |filter| ExportBulkRelationshipsRequest { optional_relationship_filter: Some(filter), ..request.clone() };
    let members = RelationshipFilter { optional_relation: "member".to_owned(), ..RelationshipFilter::default() };
    assert_eq!(export(&client, filter(members)).await.len(), 1);
    assert!(export(&client, filter(of_type("nothing"))).await.is_empty());
    let all_of_them = client.permissions().export_bulk_relationships(filter(RelationshipFilter::default())).await;
    assert_eq!(failed(all_of_them).1, "INVALID_FILTER");
    let unknown = Some(v1::Cursor { token: "zzz".to_owned() });
    let unknown = ExportBulkRelationshipsRequest { optional_cursor: unknown, ..request };
    assert_eq!(failed(client.permissions().export_bulk_relationships(unknown).await).1, "INVALID_CURSOR");
}

#[tokio::test]
async fn what_is_stored_with_a_relationship_or_a_transaction_has_a_bound() {
    let server = Server::start().await;
    let client = server.with(&[]).await;
    let large = under("doc:1#viewer@user:ann", "small", &format!("{{\"most\": \"{}\"}}", "1".repeat(25_000)));
    let large = RelationshipUpdate { operation: Operation::Touch.into(), relationship: Some(large) };
    assert_eq!(failed(client.update(vec![large]).await).1, "MAX_RELATIONSHIP_CONTEXT_SIZE");
    let metadata = |length: usize| Some(values(&format!("{{\"a\": \"{}\"}}", "x".repeat(length))));
    let request = |length| WriteRelationshipsRequest {
        updates: vec![update(Operation::Touch, "doc:1#owner@user:ann")],
        optional_preconditions: Vec::new(),
        optional_transaction_metadata: metadata(length),
    };
    let answer = client.permissions().write_relationships(request(65_000)).await;
    assert_eq!(failed(answer).1, "TRANSACTION_METADATA_TOO_LARGE");
    client.permissions().write_relationships(request(64_000)).await.unwrap();
    let updates = (0..1_001).map(|i| update(Operation::Touch, &format!("doc:1#owner@user:u{i}"))).collect();
    assert_eq!(failed(client.update(updates).await).1, "TOO_MANY_UPDATES_IN_REQUEST");
}
