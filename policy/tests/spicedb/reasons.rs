//! Why it refuses.

use policy::{Consistency, Delete, Reason, RelationshipService, SpiceDb, Token, Window, Write};
use policy_core::{Filter, LookupResources, Precondition, Subject, SubjectFilter, SubjectRelation, Update};

use super::{SCHEMA, check, delete, filled, touch, tuple};

async fn written(client: &SpiceDb, lines: &[&str]) -> Reason {
    client.write(touch(lines)).await.unwrap_err().reason
}

#[tokio::test]
async fn each_kind_of_refused_write_has_its_reason() {
    let Some(client) = filled(&["doc:d#viewer@user:tom"]).await else { return };
    for (line, reason) in [
        ("nowhere:d#viewer@user:tom", Reason::UnknownDefinition),
        ("doc:d#nothing@user:tom", Reason::UnknownRelationOrPermission),
        ("doc:d#view@user:tom", Reason::CannotUpdatePermission),
        ("doc:d#owner@group:g#member", Reason::InvalidSubjectType),
        ("doc:d#owner@user:*", Reason::InvalidSubjectType),
        ("doc:d#owner@user:tom[expiration:2040-01-01T00:00:00Z]", Reason::InvalidSubjectType),
        ("doc:d#viewer@user:tom[large]", Reason::InvalidSubjectType),
        ("doc:d#viewer@user:tom[small:{\"most\":\"x\"}]", Reason::CaveatParameterType),
        ("doc:d#viewer@user:tom[small:{\"nothing\":1}]", Reason::CaveatParameterType),
    ] {
        let error = client.write(touch(&[line])).await.unwrap_err();
        assert_eq!(error.reason, reason, "{line}: {error:?}");
    }
    let twice = ["doc:e#viewer@user:tom", "doc:e#viewer@user:tom"];
    assert_eq!(written(&client, &twice).await, Reason::UpdatesOnSameRelationship);
    let many: Vec<String> = (0..1_001).map(|n| format!("doc:d{n}#viewer@user:tom")).collect();
    assert_eq!(written(&client, &many.iter().map(String::as_str).collect::<Vec<_>>()).await, Reason::TooManyUpdates);
    let create = Write { updates: vec![Update::Create(tuple("doc:d#viewer@user:tom"))], ..Write::default() };
    assert_eq!(client.write(create).await.unwrap_err().reason, Reason::AlreadyExists);

    let filter = Filter { resource_kind: Some("doc".into()), resource_id: Some("d".into()), ..Filter::default() };
    let guarded = |precondition| Write { preconditions: vec![precondition], ..touch(&["doc:f#viewer@user:tom"]) };
    let error = client.write(guarded(Precondition::MustNotMatch(filter.clone()))).await.unwrap_err();
    assert_eq!(error.reason, Reason::PreconditionFailed);
    client.write(guarded(Precondition::MustMatch(filter.clone()))).await.unwrap();
    let error = client.delete(Delete::default()).await.unwrap_err();
    assert_eq!(error.reason, Reason::InvalidFilter, "{error:?}");
    let subject = SubjectFilter { kind: "nowhere".into(), id: None, relation: SubjectRelation::Any };
    let error = client.delete(Delete { filter: Filter { subject: Some(subject), ..filter }, ..Delete::default() });
    assert_eq!(error.await.unwrap_err().reason, Reason::UnknownDefinition);
    // Nothing of all that was written.
    client.write(delete(&["doc:f#viewer@user:tom"])).await.unwrap();
    let docs = Filter { resource_kind: Some("doc".into()), ..Filter::default() };
    let left = client.read(&docs, &Window::default(), &Consistency::Full).await.unwrap();
    assert_eq!(left.items.len(), 1);
}

#[tokio::test]
async fn each_kind_of_refused_schema_has_its_reason() {
    let Some(client) = filled(&["doc:d#owner@user:tom"]).await else { return };
    let cycle = "definition user {}\ndefinition doc {\n\trelation owner: user\n\tpermission one = two\n\tpermission two = one\n}";
    for (schema, reason) in [
        ("definition", Reason::SchemaParse),
        ("definition x {}", Reason::SchemaParse),
        ("definition doc {\n\trelation owner: nobody\n}", Reason::SchemaType),
        (&SCHEMA.replace("relation owner: user", "relation owner: group"), Reason::SchemaInUse),
        (cycle, Reason::SchemaType),
        ("caveat c1(a int) {\n\ta + 1\n}", Reason::SchemaParse),
    ] {
        let error = client.write_schema(schema).await.unwrap_err();
        assert_eq!(error.reason, reason, "{schema}: {error:?}");
    }
    let (schema, at) = client.read_schema().await.unwrap();
    assert!(schema.contains("definition doc"), "{schema}");
    client.check(&[check("doc:d#view@user:tom")], &Consistency::Exactly(at)).await.unwrap();
}

#[tokio::test]
async fn each_kind_of_refused_question_has_its_reason() {
    let Some(client) = filled(&["doc:d#parent@doc:d"]).await else { return };
    let Some(other) = filled(&[]).await else { return };
    let foreign = other.read_schema().await.unwrap().1;
    let question = [check("doc:d#view@user:tom")];
    for (at, reason) in [
        (Consistency::AtLeast(Token("no token".into())), Reason::InvalidToken),
        (Consistency::Exactly(Token("no token".into())), Reason::InvalidToken),
        (Consistency::Exactly(foreign), Reason::InvalidToken),
    ] {
        let error = client.check(&question, &at).await.unwrap_err();
        assert_eq!(error.reason, reason, "{at:?}: {error:?}");
    }
    for (text, reason) in [
        ("doc:d#view@user:tom", Reason::MaximumDepthExceeded),
        ("doc:d#nothing@user:tom", Reason::UnknownRelationOrPermission),
        ("nowhere:d#view@user:tom", Reason::UnknownDefinition),
        ("doc:d#view@user:*", Reason::WildcardNotAllowed),
    ] {
        let error = client.trace(&check(text), &Consistency::Full).await.unwrap_err();
        assert_eq!(error.reason, reason, "{text}: {error:?}");
    }
    let lookup = |permission: &str| LookupResources {
        kind: "doc".into(),
        permission: permission.into(),
        subject: Subject::object("user", "tom"),
        context: policy_core::Context::new(),
    };
    let error = client.lookup_resources(&lookup("nothing"), &Window::default(), &Consistency::Full).await.unwrap_err();
    assert_eq!(error.reason, Reason::UnknownRelationOrPermission);
    assert_eq!(error.metadata.get("definition_name").map(String::as_str), Some("doc"), "{error:?}");
}
