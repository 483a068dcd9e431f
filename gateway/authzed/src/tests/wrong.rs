//! Requests that are wrong in themselves.

use proptest::prelude::*;
use spicedb_grpc_tonic::v1::{Cursor, LookupResourcesRequest, ReadRelationshipsRequest, RelationshipFilter, ZedToken};

use super::*;
use crate::validate::Valid;

fn at(requirement: Option<Requirement>) -> Option<Consistency> {
    Some(Consistency { requirement })
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_which_and_where() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    let ask = question("doc:1#view@user:ann");
    let token = |token: &str| ZedToken { token: token.to_owned() };
    let cases = [
        (CheckPermissionRequest { resource: None, ..ask.clone() }, "validation error: resource: value is required"),
        (CheckPermissionRequest { subject: None, ..ask.clone() }, "validation error: subject: value is required"),
        (
            CheckPermissionRequest { permission: "View".to_owned(), ..ask.clone() },
            "validation error: permission: does not match regex pattern `^([a-z][a-z0-9_]{1,62}[a-z0-9])?$`",
        ),
        (
            CheckPermissionRequest { resource: Some(object("d:1")), ..ask.clone() },
            "validation error: resource.object_type: does not match regex pattern \
             `^([a-z][a-z0-9_]{1,61}[a-z0-9]/)*[a-z][a-z0-9_]{1,62}[a-z0-9]$`",
        ),
        (question("doc:*#view@user:ann"), "invalid ObjectReference.ObjectId: alphanumeric value is required"),
        (
            question("doc:1#view@group:*#member"),
            "invalid SubjectReference.OptionalRelation: optionalrelation must be empty on subject if object ID is a \
             wildcard",
        ),
        (question("doc:1#view@user:*"), "invalid argument: cannot perform check on wildcard subject"),
        (
            CheckPermissionRequest { consistency: at(None), ..ask.clone() },
            "validation error: consistency.requirement: exactly one field is required in oneof",
        ),
        (
            CheckPermissionRequest { consistency: at(Some(Requirement::FullyConsistent(false))), ..ask.clone() },
            "validation error: consistency.fully_consistent: must equal true",
        ),
        (
            CheckPermissionRequest { consistency: at(Some(Requirement::AtExactSnapshot(token("zzz")))), ..ask },
            "invalid revision requested",
        ),
    ];
    for (request, message) in cases {
        let status = client.permissions().check_permission(request).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, message));
    }
}

#[tokio::test]
async fn every_broken_rule_is_listed() {
    let server = Server::start().await;
    let client = server.client();
    let updates = vec![
        RelationshipUpdate { operation: 9, relationship: None },
        update(Operation::Unspecified, "doc:a.b#x@user:ann"),
    ];
    let status = client.update(updates).await.unwrap_err();
    assert_eq!(
        status.message(),
        "validation errors:\n - updates[0].operation: value must be one of the defined enum values\n - \
         updates[0].relationship: value is required\n - updates[1].operation: must not be in list [0]\n - \
         updates[1].relationship.resource.object_id: does not match regex pattern \
         `^(([a-zA-Z0-9/_|\\-=+]{1,})|\\*)$`\n - updates[1].relationship.relation: does not match regex pattern \
         `^[a-z][a-z0-9_]{1,62}[a-z0-9]$`"
    );
    // But not without end.
    let status = client.update(vec![RelationshipUpdate { operation: 9, relationship: None }; 500]).await.unwrap_err();
    assert!(status.message().lines().count() < 30);
}

#[tokio::test]
async fn messages_beyond_four_mebibytes_are_not_read() {
    let server = Server::start().await;
    let client = server.client();
    let schema =
        |length: usize| WriteSchemaRequest { schema: format!("definition user {{}}\n//{}", "x".repeat(length)) };
    client.schema().write_schema(schema(1 << 20)).await.unwrap();
    let status = client.schema().write_schema(schema(4 << 20)).await.unwrap_err();
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status}");
    client.write_schema(SCHEMA).await;
}

/// Any text at all, and texts that are nearly right.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,20}",
        "[a-z/_#@*:.]{0,8}",
        "[a-z]{3,5}",
        Just("*".to_owned()),
        "[a-z]{60,140}",
        Just(String::new())
    ]
}

fn objects() -> impl Strategy<Value = Option<ObjectReference>> {
    prop::option::weighted(
        0.9,
        (texts(), texts()).prop_map(|(object_type, object_id)| ObjectReference { object_type, object_id }),
    )
}

fn subjects() -> impl Strategy<Value = Option<SubjectReference>> {
    prop::option::weighted(
        0.9,
        (objects(), texts()).prop_map(|(object, optional_relation)| SubjectReference { object, optional_relation }),
    )
}

fn tokens() -> impl Strategy<Value = Option<Consistency>> {
    let requirement = prop_oneof![
        any::<bool>().prop_map(Requirement::MinimizeLatency),
        any::<bool>().prop_map(Requirement::FullyConsistent),
        texts().prop_map(|token| Requirement::AtLeastAsFresh(ZedToken { token })),
        texts().prop_map(|token| Requirement::AtExactSnapshot(ZedToken { token })),
    ];
    prop::option::of(prop::option::of(requirement).prop_map(|requirement| Consistency { requirement }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever comes, an answer goes, and the server lives.
    #[test]
    fn nothing_that_is_sent_breaks_the_server(
        resource in objects(),
        permission in texts(),
        subject in subjects(),
        consistency in tokens(),
        operation in -1..5i32,
        cursor in prop::option::of(texts()),
        limit in prop_oneof![Just(0), Just(1), any::<u32>()],
        expires in prop::option::of((any::<i64>(), any::<i32>())),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            let client = server.with(&["doc:1#owner@user:ann"]).await;
            let mut permissions = client.permissions();
            let known = |status: Status| {
                assert!(!matches!(status.code(), Code::Unknown | Code::Internal | Code::Unavailable), "{status}");
            };
            let check = CheckPermissionRequest {
                consistency: consistency.clone(),
                resource: resource.clone(),
                permission: permission.clone(),
                subject: subject.clone(),
                ..Default::default()
            };
            permissions.check_permission(check).await.map(drop).unwrap_or_else(known);
            let optional_expires_at = expires.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos });
            let relationship = Relationship {
                resource: resource.clone(),
                relation: permission.clone(),
                subject: subject.clone(),
                optional_caveat: None,
                optional_expires_at,
            };
            client
                .update(vec![RelationshipUpdate { operation, relationship: Some(relationship.clone()) }])
                .await
                .map(drop)
                .unwrap_or_else(known);
            let import = relationships::batches(vec![vec![relationship]]);
            permissions.import_bulk_relationships(import).await.map(drop).unwrap_or_else(known);
            let optional_cursor = cursor.clone().map(|token| Cursor { token });
            let object = resource.clone().unwrap_or_default();
            let read = ReadRelationshipsRequest {
                consistency: consistency.clone(),
                relationship_filter: Some(RelationshipFilter {
                    resource_type: object.object_type.clone(),
                    optional_resource_id: object.object_id,
                    optional_relation: permission.clone(),
                    ..RelationshipFilter::default()
                }),
                optional_limit: limit,
                optional_cursor: optional_cursor.clone(),
            };
            if let Err(status) = permissions.read_relationships(read).await {
                known(status);
            }
            let lookup = LookupResourcesRequest {
                consistency,
                resource_object_type: object.object_type,
                permission,
                subject,
                context: None,
                optional_limit: limit,
                optional_cursor,
            };
            if let Err(status) = permissions.lookup_resources(lookup).await {
                known(status);
            }
            assert!(client.allowed("doc:1#view@user:ann").await);
        });
    }

    #[test]
    fn names_of_the_right_form_pass(
        object_type in "([a-z][a-z0-9_]{1,30}[a-z0-9]/)?[a-z][a-z0-9_]{1,62}[a-z0-9]",
        object_id in "[a-zA-Z0-9/_|=+-]{1,1024}",
        permission in "([a-z][a-z0-9_]{1,62}[a-z0-9])?",
    ) {
        let resource = Some(ObjectReference { object_type, object_id });
        let subject = Some(SubjectReference { object: resource.clone(), optional_relation: permission.clone() });
        let request = CheckPermissionRequest { resource, permission, subject, ..Default::default() };
        prop_assert!(request.valid().is_ok());
    }
}
