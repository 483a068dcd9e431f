//! The client of SpiceDB, on a real one.

#[path = "support/spicedb.rs"]
mod support;

use spicedb_grpc_tonic::v1::{
    CheckBulkPermissionsRequest, CheckBulkPermissionsRequestItem, ObjectReference, ReadSchemaRequest, Relationship,
    RelationshipUpdate, SubjectReference, WriteRelationshipsRequest, WriteSchemaRequest, check_bulk_permissions_pair,
    relationship_update,
};
use support::Store;

fn object(kind: &str, id: &str) -> Option<ObjectReference> {
    Some(ObjectReference { object_type: kind.into(), object_id: id.into() })
}

fn user(id: &str) -> Option<SubjectReference> {
    Some(SubjectReference { object: object("user", id), optional_relation: String::new() })
}

/// What tests that compare with SpiceDB rest on: it answers, and two stores have nothing in common.
#[tokio::test]
async fn every_test_has_a_store_of_its_own() {
    let (Some(one), Some(two)) = (Store::new(), Store::new()) else { return };
    let schema = "definition user {}\ndefinition document {\n\trelation viewer: user\n}".to_owned();
    one.schema().write_schema(WriteSchemaRequest { schema }).await.unwrap();
    let relationship = Relationship {
        resource: object("document", "d1"),
        relation: "viewer".into(),
        subject: user("tom"),
        ..Relationship::default()
    };
    let update = RelationshipUpdate {
        operation: relationship_update::Operation::Touch.into(),
        relationship: Some(relationship),
    };
    let write = WriteRelationshipsRequest { updates: vec![update], ..WriteRelationshipsRequest::default() };
    one.permissions().write_relationships(write.clone()).await.unwrap();

    let item = |name: &str| CheckBulkPermissionsRequestItem {
        resource: object("document", "d1"),
        permission: "viewer".into(),
        subject: user(name),
        context: None,
    };
    let check = CheckBulkPermissionsRequest { items: vec![item("tom"), item("ann")], ..Default::default() };
    let answer = one.permissions().check_bulk_permissions(check).await.unwrap().into_inner();
    let found: Vec<i32> = answer
        .pairs
        .into_iter()
        .map(|pair| match pair.response {
            Some(check_bulk_permissions_pair::Response::Item(item)) => item.permissionship,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, [2, 1]);

    let error = two.schema().read_schema(ReadSchemaRequest {}).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound, "{error:?}");
    let error = two.permissions().write_relationships(write).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error:?}");
    assert_eq!(error.message(), "object definition `document` not found");
}
