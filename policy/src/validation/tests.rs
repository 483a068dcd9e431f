use policy_core::Permissionship;

use super::*;

fn parse(text: &str) -> Result<ValidationFile, String> {
    ValidationFile::parse(text).map_err(|error| error.to_string())
}

const WHOLE: &str = r#"---
# what a person wrote above it
schema: |-
  definition user {}

  definition document {
    relation viewer: user | user:*
  }
relationships: |
  // the first
  document:1#viewer@user:tom

  document:2#viewer@user:ann[only_on:{"day": "mon"}][expiration:2030-01-01T00:00:00Z]
assertions:
  assertTrue:
    - 'document:1#viewer@user:tom with {"a": "b with c", "n": 1.50}'
    - document:1#viewer@user:tom
  assertCaveated: ["document:2#viewer@user:ann#..."]
  assertFalse:
validation:
  document:1#viewer:
    - "[user:tom] is <document:1#viewer>/<group:eng#member>"
    - "[user:*[...] - {user:ann, user:bob[...]}] is <document:1#viewer>"
    - "[group:eng#member]"
  document:2#viewer: []
"#;

#[test]
fn every_part_is_read_with_its_place() {
    let file = parse(WHOLE).unwrap();
    let SchemaSource::Here { text, .. } = &file.schema else { panic!("{:?}", file.schema) };
    assert!(text.starts_with("definition user {}\n\ndefinition document {"), "{text}");
    assert_eq!(file.schema.line(1), Some(4));
    assert_eq!(file.schema.line(4), Some(7));
    assert_eq!(file.schema.line(9), None);

    let relationships: Vec<_> = file.relationships.iter().map(|one| (one.at.line, one.tuple.to_text())).collect();
    let second = r#"document:2#viewer@user:ann[only_on:{"day":"mon"}][expiration:2030-01-01T00:00:00Z]"#;
    assert_eq!(relationships, [(11, "document:1#viewer@user:tom".to_owned()), (13, second.to_owned())]);

    let assertions: Vec<_> =
        file.assertions.iter().map(|one| (one.at.line, one.at.column, one.expected, one.check.to_string())).collect();
    assert_eq!(
        assertions,
        [
            (16, 7, Permissionship::Yes, "document:1#viewer@user:tom".to_owned()),
            (17, 7, Permissionship::Yes, "document:1#viewer@user:tom".to_owned()),
            (18, 20, Permissionship::Conditional, "document:2#viewer@user:ann".to_owned()),
        ]
    );
    let context = serde_json::Value::Object(file.assertions[0].check.context.clone());
    assert_eq!(context.to_string(), r#"{"a":"b with c","n":1.50}"#);
    assert!(file.assertions[1].check.context.is_empty());

    let [first, second] = &file.expected[..] else { panic!("{:?}", file.expected) };
    assert_eq!((first.at.line, first.resource.to_string(), first.member.as_str()), (21, "document:1".into(), "viewer"));
    assert!(second.members.is_empty());
    let shown: Vec<_> = first
        .members
        .iter()
        .map(|one| {
            let excluded = one.excluded.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            (one.at.line, one.subject.to_string(), excluded, one.through.iter().cloned().collect::<Vec<_>>().join(","))
        })
        .collect();
    let of = |line, a: &str, b: &str, c: &str| (line, a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        shown,
        [
            of(22, "user:tom", "", "document:1#viewer,group:eng#member"),
            of(23, "user:*[...]", "user:ann,user:bob[...]", "document:1#viewer"),
            of(24, "group:eng#member", "", ""),
        ]
    );
}

#[test]
fn lines_are_found_in_folded_and_quoted_texts() {
    let folded = "schema: >-\n  definition user {}\n\n  definition document {\n    relation viewer: user\n  }\n\
                  relationships: >-\n  document:1#viewer@user:a\n\n  document:1#viewer@user:b\n";
    let file = parse(folded).unwrap();
    assert_eq!(file.relationships.iter().map(|one| one.at.line).collect::<Vec<_>>(), [8, 10]);
    let SchemaSource::Here { text, .. } = &file.schema else { panic!() };
    let relation = text.lines().position(|line| line.contains("viewer")).unwrap();
    assert_eq!(file.schema.line(u32::try_from(relation).unwrap() + 1), Some(5));

    let quoted = "schema: ''\nrelationships: \"document:1#viewer@user:a\\ndocument:1#viewer@user:b\"\n";
    let file = parse(quoted).unwrap();
    assert_eq!(file.relationships.iter().map(|one| one.at.line).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn the_schema_may_be_elsewhere_and_texts_may_be_repeated() {
    let file = parse("schemaFile: ./a/b.zed\nassertions:\n  assertTrue: [&one 'a:1#b@c:2', *one]\n").unwrap();
    assert!(matches!(&file.schema, SchemaSource::File { path, at } if path == "./a/b.zed" && at.line == 1));
    assert_eq!(file.assertions.len(), 2);
    assert_eq!(file.schema.line(1), None);
}

/// What is wrong, and the line and a part of the message that says so.
#[test]
fn what_is_no_validation_file_is_refused_where_it_goes_wrong() {
    for (text, line, says) in [
        ("", 1, "empty"),
        ("- a", 1, "mapping"),
        ("relationships: ''", 1, "neither `schema` nor `schemaFile`"),
        ("schema: ''\nschemaFile: a", 2, "not both"),
        ("schemaFile: a\nschema: ''", 2, "not both"),
        ("schema: ''\nschema: ''", 2, "twice"),
        ("schema: [a]", 1, "must be a text"),
        ("schema: ''\nassertion: {}", 2, "`assertion` is not known"),
        ("schema: ''\nnamespaces: []", 2, "old form"),
        ("schema: ''\nnamespace_configs: []", 2, "old form"),
        ("schema: ''\nvalidation_tuples: ['a:1#b@c:2']", 2, "old form"),
        ("schema: ''\n---\nschema: ''", 2, "one YAML document"),
        ("schema: ''\nassertions: []", 2, "must be a mapping"),
        ("schema: ''\nassertions:\n  assertTrue: 'a:1#b@c:2'", 3, "must be a list"),
        ("schema: ''\nassertions:\n  asserttrue: []", 3, "`asserttrue` is not known"),
        ("schema: ''\nassertions:\n  assertTrue:\n  - a:1#b", 4, "is not a relationship"),
        ("schema: ''\nassertions:\n  assertTrue:\n  - a:1#b@c:2 with [1]", 4, "JSON object"),
        ("schema: ''\nassertions:\n  assertTrue:\n  - a:1#b@c:2 with {", 4, "JSON object"),
        ("schema: ''\nassertions:\n  assertTrue:\n  - a:1#b@c:2[cav]", 4, "neither caveat nor expiration"),
        ("schema: ''\nassertions:\n  assertTrue: [[a]]", 3, "must be a text"),
        ("schema: ''\nassertions:\n  ? [a]\n  : b", 3, "key of a mapping"),
        ("schema: ''\nassertions:\n  assertTrue: *what", 3, "YAML"),
        ("schema: ''\nassertions: &all {assertTrue: []}\nvalidation: *all", 3, "only texts"),
        ("schema: ''\nrelationships: |\n  a:1#b@c:2\n\n  a:1#b@c:2[cav]", 5, "twice"),
        ("schema: ''\nrelationships: |\n  // a\n  a:1#b@c:2 // b", 4, "is not a relationship"),
        ("schema: ''\nvalidation:\n  a:1: []", 3, "type:id#relation"),
        ("schema: ''\nvalidation:\n  a:1#b@c:2: []", 3, "type:id#relation"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - user:tom", 4, "names no subject"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[usertom]'", 4, "is not a relationship"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:tom[df]]'", 4, "is not a relationship"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:*-{}]'", 4, "is not a relationship"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:* - {}]'", 4, "is not a relationship"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:* - user:a]'", 4, "exclusions are written"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:tom - {user:a}]'", 4, "only of everyone"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:tom user:ann]'", 4, "is not a subject"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:tom] is <a:1#b'", 4, "does not close"),
        ("schema: ''\nvalidation:\n  a:1#b:\n  - '[user:tom] is <a:1b>'", 4, "type:id#relation"),
        ("schema: 'x\n", 1, "YAML"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.starts_with(&format!("line {line},")) && error.contains(says), "{text}\n -> {error}");
    }
    let deep = format!("schema: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(parse(&deep).unwrap_err().contains("nested too deeply"));
    let long = " ".repeat(MAX_VALIDATION_FILE_BYTES + 1);
    assert!(parse(&long).unwrap_err().contains("longer than"));
}
