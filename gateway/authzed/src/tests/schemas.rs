//! Schemas are written, read, told and compared.

use spicedb_grpc_tonic::v1::reflection_schema_diff::Diff;
use spicedb_grpc_tonic::v1::reflection_type_reference::Typeref;
use spicedb_grpc_tonic::v1::{
    ComputablePermissionsRequest, DependentRelationsRequest, DiffSchemaRequest, ReflectSchemaRequest,
    ReflectionRelationReference, ReflectionSchemaFilter,
};

use super::*;

#[tokio::test]
async fn schemas_are_written_and_read() {
    let server = Server::start().await;
    let client = server.client();
    let none = client.schema().read_schema(ReadSchemaRequest {}).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
    client.write_schema(SCHEMA).await;
    let read = client.schema().read_schema(ReadSchemaRequest {}).await.unwrap().into_inner();
    assert!(read.schema_text.contains("caveat small(most int, size int)"), "{}", read.schema_text);
    assert!(read.read_at.is_some());
    let write =
        async |schema: &str| client.schema().write_schema(WriteSchemaRequest { schema: schema.to_owned() }).await;
    let status = write("definition doc { relation viewer: user }").await.unwrap_err();
    let (reason, info) = reason(&status).unwrap();
    assert_eq!((status.code(), reason.as_str()), (Code::InvalidArgument, "SCHEMA_PARSE_ERROR"));
    assert!(status.message().starts_with("parse error in `schema`, line 1, column "), "{status}");
    assert_eq!(info.metadata["start_line_number"], "0");
    let types = write("definition doc {\n\trelation viewer: nothing\n}").await;
    assert_eq!(failed(types), (Code::FailedPrecondition, "SCHEMA_TYPE_ERROR".to_owned()));
    client.touch(&["doc:1#owner@user:ann"]).await;
    let in_use = write("definition user {}").await.unwrap_err();
    assert_eq!(in_use.code(), Code::InvalidArgument);
    assert_eq!(super::reason(&in_use).unwrap().1.metadata["relationship"], "doc:1#owner@user:ann");
}

fn names(members: &[ReflectionRelationReference]) -> Vec<String> {
    members.iter().map(|member| format!("{}#{}", member.definition_name, member.relation_name)).collect()
}

#[tokio::test]
async fn schemas_are_told() {
    let server = Server::start().await;
    let client = server.client();
    let empty = client.schema().reflect_schema(ReflectSchemaRequest::default()).await.unwrap().into_inner();
    assert!(empty.definitions.is_empty() && empty.read_at.is_some());
    client.write_schema(SCHEMA).await;
    let told = client.schema().reflect_schema(ReflectSchemaRequest::default()).await.unwrap().into_inner();
    let definitions: Vec<_> = told.definitions.iter().map(|definition| definition.name.as_str()).collect();
    assert_eq!(definitions, ["doc", "group", "user"]);
    assert_eq!(told.definitions[2].comment, "/** Somebody. */");
    assert_eq!((told.caveats.len(), told.caveats[0].expression.as_str()), (1, "size <= most"));
    let viewer = &told.definitions[0].relations[1];
    let forms: Vec<_> = viewer.subject_types.iter().map(|form| form.typeref.clone().unwrap()).collect();
    assert_eq!(forms[2], Typeref::OptionalRelationName("member".to_owned()));
    assert_eq!(viewer.subject_types[1].optional_caveat_name, "small");
    let filter = |filter| ReflectSchemaRequest { optional_filters: vec![filter], ..Default::default() };
    let doc = ReflectionSchemaFilter { optional_definition_name_filter: "do".to_owned(), ..Default::default() };
    let told = client.schema().reflect_schema(filter(doc.clone())).await.unwrap().into_inner();
    assert_eq!((told.definitions.len(), told.caveats.len()), (1, 0));
    let both = ReflectionSchemaFilter { optional_caveat_name_filter: "small".to_owned(), ..doc };
    let status = client.schema().reflect_schema(filter(both)).await.unwrap_err();
    let (reason, info) = reason(&status).unwrap();
    assert_eq!(reason, "INVALID_FILTER");
    assert!(info.metadata["filter"].contains("optional_definition_name_filter:\"do\""), "{info:?}");
}

#[tokio::test]
async fn what_leads_where_is_told() {
    let server = Server::start().await;
    let client = server.client();
    client.write_schema(SCHEMA).await;
    let computable = |relation_name: &str| ComputablePermissionsRequest {
        definition_name: "group".to_owned(),
        relation_name: relation_name.to_owned(),
        ..Default::default()
    };
    let found = client.schema().computable_permissions(computable("member")).await.unwrap().into_inner();
    assert_eq!(names(&found.permissions), ["doc#edit", "doc#view", "doc#viewer"]);
    assert!(found.permissions[0].is_permission && !found.permissions[2].is_permission);
    let unknown = client.schema().computable_permissions(computable("nothing")).await;
    assert_eq!(failed(unknown).0, Code::FailedPrecondition);
    let dependent = |permission_name: &str| DependentRelationsRequest {
        definition_name: "doc".to_owned(),
        permission_name: permission_name.to_owned(),
        ..Default::default()
    };
    let found = client.schema().dependent_relations(dependent("edit")).await.unwrap().into_inner();
    assert_eq!(names(&found.relations), ["doc#owner", "doc#viewer", "group#member"]);
    let relation = client.schema().dependent_relations(dependent("owner")).await;
    assert_eq!(failed(relation), (Code::InvalidArgument, "UNKNOWN_RELATION_OR_PERMISSION".to_owned()));
}

#[tokio::test]
async fn schemas_are_compared() {
    let server = Server::start().await;
    let client = server.client();
    client.write_schema(SCHEMA).await;
    let diff = async |comparison_schema: String| {
        let request = DiffSchemaRequest { comparison_schema, ..Default::default() };
        client.schema().diff_schema(request).await.map(|answer| answer.into_inner().diffs)
    };
    assert!(diff(SCHEMA.to_owned()).await.unwrap().is_empty());
    let other = SCHEMA.replace("permission edit = owner & viewer", "permission change = owner");
    let found: Vec<_> = diff(other).await.unwrap().into_iter().map(|diff| diff.diff.unwrap()).collect();
    assert!(found.iter().any(|diff| matches!(diff, Diff::PermissionAdded(it) if it.name == "change")), "{found:?}");
    assert!(found.iter().any(|diff| matches!(diff, Diff::PermissionRemoved(it) if it.name == "edit")), "{found:?}");
    assert_eq!(found.len(), 2);
    assert_eq!(failed(diff("what is this".to_owned()).await).1, "SCHEMA_PARSE_ERROR");
}
