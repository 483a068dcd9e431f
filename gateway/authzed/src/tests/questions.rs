//! Checks, lookups, trees.

use spicedb_grpc_tonic::v1::check_debug_trace::{Permissionship as Traced, Resolution};
use spicedb_grpc_tonic::v1::check_permission_response::Permissionship;
use spicedb_grpc_tonic::v1::lookup_subjects_request::WildcardOption;
use spicedb_grpc_tonic::v1::permission_relationship_tree::TreeType;
use spicedb_grpc_tonic::v1::{
    CheckBulkPermissionsRequest, CheckBulkPermissionsRequestItem, CheckPermissionRequest, CheckPermissionResponse,
    ExpandPermissionTreeRequest, LookupPermissionship, LookupResourcesRequest, LookupSubjectsRequest,
    LookupSubjectsResponse, RelationshipUpdate, algebraic_subject_set, caveat_eval_info, check_bulk_permissions_pair,
};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};

use super::*;

async fn ask(client: &Client, text: &str, context: &str) -> CheckPermissionResponse {
    let request = CheckPermissionRequest { context: Some(values(context)), ..question(text) };
    client.permissions().check_permission(request).await.unwrap().into_inner()
}

fn touched(relationship: Relationship) -> RelationshipUpdate {
    RelationshipUpdate { operation: Operation::Touch.into(), relationship: Some(relationship) }
}

#[tokio::test]
async fn checks_say_yes_no_or_what_they_lack() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    client.update(vec![touched(under("doc:1#viewer@user:ben", "small", "{\"most\": 5}"))]).await.unwrap();
    let yes = ask(&client, "doc:1#view@user:ann", "{}").await;
    assert_eq!(yes.permissionship(), Permissionship::HasPermission);
    assert!(!yes.checked_at.unwrap().token.is_empty() && yes.debug_trace.is_none());
    assert_eq!(ask(&client, "doc:1#view@user:cid", "{}").await.permissionship(), Permissionship::NoPermission);
    let perhaps = ask(&client, "doc:1#view@user:ben", "{}").await;
    assert_eq!(perhaps.permissionship(), Permissionship::ConditionalPermission);
    assert_eq!(perhaps.partial_caveat_info.unwrap().missing_required_context, ["size"]);
    for (size, expected) in [("5", Permissionship::HasPermission), ("6", Permissionship::NoPermission)] {
        let answer = ask(&client, "doc:1#view@user:ben", &format!("{{\"size\": {size}}}")).await;
        assert_eq!(answer.permissionship(), expected);
    }
    let wrong =
        CheckPermissionRequest { context: Some(values("{\"size\": \"x\"}")), ..question("doc:1#view@user:ben") };
    let status = client.permissions().check_permission(wrong).await.unwrap_err();
    let (reason, info) = reason(&status).unwrap();
    assert_eq!((status.code(), reason.as_str()), (Code::InvalidArgument, "CAVEAT_PARAMETER_TYPE_ERROR"));
    assert_eq!((info.metadata["caveat_name"].as_str(), info.metadata["parameter_name"].as_str()), ("small", "size"));
}

#[tokio::test]
async fn what_rests_on_an_expiry_says_when_it_lapses() {
    let server = Server::start().await;
    let client = server.with(&[]).await;
    let at = prost_types::Timestamp { seconds: 32_503_680_000, nanos: 5_000 };
    let expiring = Relationship { optional_expires_at: Some(at), ..relationship("doc:1#viewer@user:ann") };
    client.update(vec![touched(expiring)]).await.unwrap();
    assert_eq!(ask(&client, "doc:1#view@user:ann", "{}").await.optional_expires_at, Some(at));
    assert_eq!(ask(&client, "doc:1#view@user:ben", "{}").await.optional_expires_at, None);
}

#[tokio::test]
async fn traces_show_the_way_and_the_schema() {
    let server = Server::start().await;
    let client = server.with(&[]).await;
    client.update(vec![touched(under("doc:1#viewer@user:ben", "small", "{\"most\": 5}"))]).await.unwrap();
    let asked = CheckPermissionRequest {
        with_tracing: true,
        context: Some(values("{\"size\": 4}")),
        ..question("doc:1#view@user:ben")
    };
    let answer = client.permissions().check_permission(asked).await.unwrap().into_inner();
    let trace = answer.debug_trace.unwrap();
    assert!(trace.schema_used.contains("definition doc"));
    let root = trace.check.unwrap();
    assert_eq!((root.result(), root.permission.as_str()), (Traced::HasPermission, "view"));
    let Some(Resolution::SubProblems(steps)) = root.resolution else { panic!("{root:?}") };
    let viewer = steps.traces.iter().find(|step| step.permission == "viewer").unwrap();
    let caveat = viewer.caveat_evaluation_info.as_ref().unwrap();
    assert_eq!((caveat.result(), caveat.caveat_name.as_str()), (caveat_eval_info::Result::True, "small"));
    assert_eq!(caveat.context.as_ref().unwrap(), &values("{\"most\": 5, \"size\": 4}"));
    // The older way to ask for it.
    let mut asked = Request::new(question("doc:1#view@user:nobody"));
    asked.metadata_mut().insert("io.spicedb.requestdebuginfo", "1".parse().unwrap());
    let answer = client.permissions().check_permission(asked).await.unwrap().into_inner();
    assert_eq!(answer.debug_trace.unwrap().check.unwrap().result(), Traced::NoPermission);
}

fn item(text: &str) -> CheckBulkPermissionsRequestItem {
    let Relationship { resource, relation: permission, subject, .. } = relationship(text);
    CheckBulkPermissionsRequestItem { resource, permission, subject, context: None }
}

fn many(items: Vec<CheckBulkPermissionsRequestItem>) -> CheckBulkPermissionsRequest {
    CheckBulkPermissionsRequest { consistency: fully(), items, with_tracing: false }
}

#[tokio::test]
async fn many_checks_have_an_answer_or_a_failure_each() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    let items = ["doc:1#view@user:ann", "doc:1#nothing@user:ann", "doc:1#view@user:*", "doc:1#view@user:ben"].map(item);
    for with_tracing in [false, true] {
        let request = CheckBulkPermissionsRequest { with_tracing, ..many(items.to_vec()) };
        let answer = client.permissions().check_bulk_permissions(request).await.unwrap().into_inner();
        assert!(answer.checked_at.is_some());
        assert_eq!(answer.pairs.iter().map(|pair| pair.request.clone().unwrap()).collect::<Vec<_>>(), items);
        let outcomes = answer.pairs.into_iter().map(|pair| match pair.response.unwrap() {
            check_bulk_permissions_pair::Response::Item(item) => {
                assert_eq!(item.debug_trace.is_some(), with_tracing);
                Ok(item.permissionship())
            }
            check_bulk_permissions_pair::Response::Error(error) => {
                let info = ErrorInfo::decode(error.details[0].value.as_slice()).unwrap();
                Err((Code::from(error.code), info.reason))
            }
        });
        let failure = |code, reason: &str| Err((code, format!("ERROR_REASON_{reason}")));
        let expected = [
            Ok(Permissionship::HasPermission),
            failure(Code::FailedPrecondition, "UNKNOWN_RELATION_OR_PERMISSION"),
            failure(Code::InvalidArgument, "WILDCARD_NOT_ALLOWED"),
            Ok(Permissionship::NoPermission),
        ];
        assert_eq!(outcomes.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn many_checks_have_a_bound_and_no_context_may_be_too_large() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    let answer = client.permissions().check_bulk_permissions(many(vec![item("doc:1#view@user:ann"); 10_000])).await;
    assert_eq!(answer.unwrap().into_inner().pairs.len(), 10_000);
    let answer = client.permissions().check_bulk_permissions(many(vec![item("doc:1#view@user:ann"); 10_001])).await;
    assert_eq!(failed(answer), (Code::InvalidArgument, "UNSPECIFIED".to_owned()));
    let long = Some(values(&format!("{{\"size\": \"{}\"}}", "1".repeat(4_096))));
    let large = CheckBulkPermissionsRequestItem { context: long.clone(), ..item("doc:1#view@user:ann") };
    let answer = client.permissions().check_bulk_permissions(many(vec![item("doc:1#view@user:ann"), large])).await;
    assert_eq!(failed(answer).0, Code::InvalidArgument);
    let request = CheckPermissionRequest { context: long, ..question("doc:1#view@user:ann") };
    assert_eq!(failed(client.permissions().check_permission(request).await).0, Code::InvalidArgument);
}

/// By the path of a call whose own messages nobody needs to name.
#[tokio::test]
async fn the_experimental_service_answers_by_the_older_names() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    let mut grpc = tonic::client::Grpc::new(client.connection());
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<_, spicedb_grpc_tonic::v1::CheckBulkPermissionsResponse>::default();
    let path = PathAndQuery::from_static("/authzed.api.v1.ExperimentalService/BulkCheckPermission");
    let request = Request::new(many(vec![item("doc:1#view@user:ann")]));
    let answer = grpc.unary(request, path, codec).await.unwrap().into_inner();
    assert_eq!(answer.pairs.len(), 1);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<_, spicedb_grpc_tonic::v1::ReflectSchemaResponse>::default();
    let path = PathAndQuery::from_static("/authzed.api.v1.ExperimentalService/ExperimentalReflectSchema");
    let request = Request::new(spicedb_grpc_tonic::v1::ReflectSchemaRequest::default());
    let answer = grpc.unary(request, path, codec).await.unwrap().into_inner();
    assert_eq!(answer.definitions.len(), 3);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<_, spicedb_grpc_tonic::v1::ExportBulkRelationshipsResponse>::default();
    let path = PathAndQuery::from_static("/authzed.api.v1.ExperimentalService/BulkExportRelationships");
    let request = Request::new(spicedb_grpc_tonic::v1::ExportBulkRelationshipsRequest::default());
    let mut answers = grpc.server_streaming(request, path, codec).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().relationships, [relationship("doc:1#owner@user:ann")]);
}

fn resources(who: &str, limit: u32) -> LookupResourcesRequest {
    LookupResourcesRequest {
        consistency: fully(),
        resource_object_type: "doc".to_owned(),
        permission: "view".to_owned(),
        subject: Some(subject(who)),
        optional_limit: limit,
        ..Default::default()
    }
}

#[tokio::test]
async fn resources_are_looked_up_whole_and_in_pages() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann", "doc:2#owner@user:ann", "doc:3#owner@user:ann"]).await;
    client.update(vec![touched(under("doc:4#viewer@user:ann", "small", "{\"most\": 5}"))]).await.unwrap();
    let mut answers = client.permissions().lookup_resources(resources("user:ann", 0)).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let missing = answer.partial_caveat_info.clone().map(|info| info.missing_required_context);
        assert_eq!(missing.is_some(), answer.permissionship() == LookupPermissionship::ConditionalPermission);
        found.push((answer.resource_object_id, missing));
    }
    let missing = Some(vec!["size".to_owned()]);
    let expected = [("1", None), ("2", None), ("3", None), ("4", missing)];
    assert_eq!(found, expected.map(|(id, missing)| (id.to_owned(), missing)));
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let request = LookupResourcesRequest { optional_cursor: cursor.clone(), ..resources("user:ann", 3) };
        let mut answers = client.permissions().lookup_resources(request).await.unwrap().into_inner();
        let mut page = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            page.push(answer.resource_object_id);
            cursor = answer.after_result_cursor;
        }
        if page.is_empty() {
            break;
        }
        pages.push(page);
    }
    assert_eq!(pages, [vec!["1", "2", "3"], vec!["4"]]);
    let other = LookupResourcesRequest { optional_cursor: cursor, ..resources("user:ben", 3) };
    assert_eq!(failed(client.permissions().lookup_resources(other).await).1, "INVALID_CURSOR");
    let answer = client.permissions().lookup_resources(resources("user:ann", 1_001)).await;
    assert_eq!(failed(answer).1, "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT");
}

#[tokio::test]
#[allow(deprecated)]
async fn subjects_are_looked_up_with_who_is_excepted() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#guest@user:*", "doc:1#banned@user:ben", "doc:2#owner@user:ann"]).await;
    let request = |resource: &str, permission: &str| LookupSubjectsRequest {
        consistency: fully(),
        resource: Some(object(resource)),
        permission: permission.to_owned(),
        subject_object_type: "user".to_owned(),
        ..Default::default()
    };
    let all = async |request| {
        let mut answers = client.permissions().lookup_subjects(request).await.unwrap().into_inner();
        let mut all: Vec<LookupSubjectsResponse> = Vec::new();
        while let Some(answer) = answers.message().await.unwrap() {
            all.push(answer);
        }
        all
    };
    let found = all(request("doc:1", "public")).await;
    let [everyone] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(everyone.subject.as_ref().unwrap().subject_object_id, "*");
    assert_eq!(everyone.excluded_subjects[0].subject_object_id, "ben");
    // As older clients read it.
    assert_eq!(
        (everyone.subject_object_id.as_str(), everyone.excluded_subject_ids.as_slice()),
        ("*", &["ben".to_owned()][..])
    );
    assert_eq!(everyone.permissionship(), LookupPermissionship::HasPermission);
    let found = all(request("doc:2", "view")).await;
    assert_eq!(found.iter().map(|answer| answer.subject_object_id.as_str()).collect::<Vec<_>>(), ["ann"]);
    let without = |option: WildcardOption, resource: &str| LookupSubjectsRequest {
        wildcard_option: option.into(),
        ..request(resource, "public")
    };
    assert_eq!(all(without(WildcardOption::IncludeWildcards, "doc:1")).await.len(), 1);
    assert_eq!(all(without(WildcardOption::ExcludeWildcards, "doc:1")).await, []);
    let limited = LookupSubjectsRequest { optional_concrete_limit: 5, ..request("doc:2", "view") };
    assert_eq!(failed(client.permissions().lookup_subjects(limited).await).0, Code::Unimplemented);
}

#[tokio::test]
async fn trees_show_what_a_permission_is_made_of() {
    let server = Server::start().await;
    let client = server.with(&["doc:1#owner@user:ann", "doc:1#viewer@group:g#member"]).await;
    let expand = |permission: &str| ExpandPermissionTreeRequest {
        consistency: fully(),
        resource: Some(object("doc:1")),
        permission: permission.to_owned(),
    };
    let answer = client.permissions().expand_permission_tree(expand("edit")).await.unwrap().into_inner();
    let root = answer.tree_root.unwrap();
    assert_eq!((root.expanded_object, root.expanded_relation.as_str()), (Some(object("doc:1")), "edit"));
    let Some(TreeType::Intermediate(set)) = root.tree_type else { panic!("a set") };
    assert_eq!(set.operation(), algebraic_subject_set::Operation::Intersection);
    let leaves = set.children.into_iter().map(|child| match child.tree_type {
        Some(TreeType::Leaf(leaf)) => leaf.subjects,
        other => panic!("{other:?}"),
    });
    assert_eq!(leaves.collect::<Vec<_>>(), [[subject("user:ann")], [subject("group:g#member")]]);
    let unknown = client.permissions().expand_permission_tree(expand("nothing")).await;
    assert_eq!(failed(unknown).1, "UNKNOWN_RELATION_OR_PERMISSION");
}
