//! Definitions, and documents with their variables.

use std::sync::{Arc, LazyLock};

use ::policy_core::{CollectionId, Documents, Entry, FieldId, Mask, Predicate, SchemaVersion, UserId, Verbs};
use gateway_graphql::{Caches, Context, Limits, Request, Spelling, plan, sdl};
use vault_core::commit::cid_from_digest;
use vault_core::schema::{Collection, Field, FieldType, NewFieldType, Schema};

use crate::{Target, of_text, texts};

const LIBRARY: &str = r#"
    type Author { name: String @index(unique: true) born: Int books: [Book] }
    type Book {
        title: String! rating: Float pages: Int tags: [String!] scores: [Int] out: DateTime author: Author
        meta: JSON cover: Blob big: Int @crdt(type: pcounter)
    }"#;

pub const DEFINITIONS: Target = Target {
    name: "definitions",
    run: |bytes| {
        of_text(bytes, |text| {
            drop(sdl::compile(text, &Schema::default()));
            drop(sdl::compile(text, &LIBRARY_SCHEMA));
        });
    },
    seeds: || texts(&[LIBRARY, "type A { b: B @primary c: Int = 3 } type B { a: A @relation(name: \"x\") }"]),
    words: &[
        "type",
        "input",
        "enum",
        "interface",
        "union",
        "extend",
        "@index(",
        "@crdt(type: lww)",
        "@default(int: 1)",
        "@primary",
        "@relation(name: \"",
        "[String!]!",
        "ID",
        "JSON",
        "Blob",
        "DateTime",
        "\"\"\"",
        "#",
        "&",
        "|",
        "=",
    ],
};
pub const DOCUMENT: Target = Target {
    name: "graphql-document",
    run: |bytes| of_text(bytes, |text| planned(Request::text(text))),
    seeds: || {
        texts(&[
            "query A($n: Int = 3) { Book(filter: { pages: { _gt: $n }, author: { name: { _like: \"E%\" } } }, \
             order: [{ pages: DESC }], limit: 3) { _docID title a: author { ...N books { title } } } } \
             fragment N on Author { name @include(if: true) }",
            "mutation { add_Book(input: [{ title: \"a\", meta: { a: [1, 2.5e3, null] }, tags: [\"x\"] }]) { _docID } }",
            "{ Book(groupBy: [pages], order: {pages: ASC}) { pages COUNT(GROUP: {}) GROUP(order: {title: ASC}, limit: 1) { title } } __schema { types { name } } }",
            "mutation { update_Book(filter: { title: { _in: [\"a\"] } }, input: { pages: 4 }) { title } delete_Book(filter: { title: { _eq: \"a\" } }) { _docID } }",
        ])
    },
    words: &[
        "query",
        "mutation",
        "subscription",
        "fragment",
        "on",
        "...",
        "@skip(if: ",
        "@include(if: ",
        "__typename",
        "__schema",
        "__type(name: \"Book\")",
        "filter:",
        "_and: [",
        "_or: [",
        "_not: {",
        "_eq:",
        "_nin:",
        "_ilike:",
        "order:",
        "limit:",
        "offset:",
        "groupBy:",
        "_group",
        "_count",
        "_avg",
        "_version",
        "\"\"\"",
        "\\u{1F600}",
        "$n",
        "null",
        "-9223372036854775809",
        "1e999",
    ],
};
pub const VARIABLES: Target = Target {
    name: "graphql-variables",
    run: |bytes| {
        let Ok(serde_json::Value::Object(variables)) = serde_json::from_slice(bytes) else { return };
        let text = "query($f: BookFilterArg, $o: [BookOrderArg], $l: Int) { Book(filter: $f, order: $o, limit: $l) { title } }";
        planned(Request { text: text.to_owned(), operation_name: None, variables: variables.clone() });
        let text = "mutation($i: [BookMutationInputArg!]!) { add_Book(input: $i) { _docID } }";
        planned(Request { text: text.to_owned(), operation_name: None, variables });
    },
    seeds: || {
        texts(&[
            r#"{"f": {"_and": [{"pages": {"_geq": 1}}, {"_not": {"author": {"born": {"_eq": null}}}}]}, "o": [{"pages": "ASC"}], "l": 5}"#,
            r#"{"i": [{"title": "a", "rating": 1.5, "out": "2026-01-01T00:00:00Z", "cover": "00ff", "meta": {"x": [1]}}]}"#,
        ])
    },
    words: &[
        "\"_and\":",
        "\"_or\":",
        "\"_not\":",
        "\"_eq\":",
        "\"_in\":",
        "\"_like\":",
        "\"_any\":",
        "\"_all\":",
        "null",
        "1e400",
        "-0",
        "\"9007199254740993\"",
        "{",
        "}",
        "[",
        "]",
        "\"f\":",
        "\"i\":",
        "\"\\ud800\"",
        "\"2026-02-30T00:00:00Z\"",
    ],
};

type Masks = Vec<(CollectionId, Arc<Mask>)>;

static LIBRARY_SCHEMA: LazyLock<Schema> = LazyLock::new(library);
static EVERYTHING: LazyLock<Masks> = LazyLock::new(|| {
    let mask = |collection: &Collection| {
        let mut fields: Vec<FieldId> = collection.fields.iter().map(|field| field.id).collect();
        fields.sort_unstable();
        let (documents, predicate) = (Documents::All, Predicate::default());
        let entry = Entry { verbs: Verbs::ALL, fields: fields.into(), documents, predicate };
        (collection.id, Arc::new(Mask { entries: vec![entry], valid_until: None }))
    };
    LIBRARY_SCHEMA.collections.iter().map(mask).collect()
});

fn library() -> Schema {
    let new = sdl::compile(LIBRARY, &Schema::default()).unwrap_or_else(|error| panic!("{error}"));
    let id = |name: &str| CollectionId::from_bytes([name.len() as u8; 16]);
    let field_id = |collection: &str, name: &str| {
        let mut bytes = [0u8; 16];
        for (at, byte) in collection.bytes().chain(*b".").chain(name.bytes()).enumerate() {
            bytes[at % 16] = bytes[at % 16].wrapping_mul(31).wrapping_add(byte);
        }
        FieldId::from_bytes(bytes)
    };
    let collections = new.iter().map(|collection| {
        let fields = collection.fields.iter().map(|field| Field {
            id: field_id(&collection.name, &field.name),
            name: field.name.clone(),
            kind: match field.kind.clone() {
                NewFieldType::Scalar { of, not_null } => FieldType::Scalar { of, not_null },
                NewFieldType::List { of, item_not_null, not_null } => FieldType::List { of, item_not_null, not_null },
                NewFieldType::ToOne { target, relation, not_null, one_one } => {
                    FieldType::ToOne { target: id(&target), relation, not_null, one_one }
                }
                NewFieldType::Inverse { target, relation, via, many } => {
                    FieldType::Inverse { via: field_id(&target, &via), target: id(&target), relation, many }
                }
            },
            merge: field.merge,
            default: field.default.clone(),
            size: field.size,
        });
        Collection {
            id: id(&collection.name),
            name: collection.name.clone(),
            fields: fields.collect(),
            indexes: Vec::new(),
            version: cid_from_digest([1; 32]),
        }
    });
    Schema { version: SchemaVersion(1), collections: collections.collect() }
}

const WHO: UserId = UserId::from_bytes([1; 16]);

fn planned(request: Request) {
    static CACHES: LazyLock<Caches> = LazyLock::new(|| Caches::new(1 << 20, 1 << 20));
    let masks = |id: CollectionId| EVERYTHING.iter().find(|(own, _)| *own == id).map(|(_, mask)| Arc::clone(mask));
    for spelling in [Spelling::V1, Spelling::V0] {
        let context = Context {
            schema: &LIBRARY_SCHEMA,
            masks: &masks,
            spelling,
            allow_mutation: true,
            limits: Limits::default(),
            caches: &CACHES,
            who: WHO,
            room: &|_| true,
        };
        if let Err(errors) = plan(&request, &context) {
            assert!(!errors.is_empty() && errors.len() <= 20, "{} errors", errors.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed that is refused at once would test nothing.
    #[test]
    fn seeds_are_planned() {
        let masks = |id: CollectionId| EVERYTHING.iter().find(|(own, _)| *own == id).map(|(_, mask)| Arc::clone(mask));
        let caches = Caches::new(1 << 20, 1 << 20);
        let mut planned = 0;
        for seed in (DOCUMENT.seeds)() {
            let context = Context {
                schema: &LIBRARY_SCHEMA,
                masks: &masks,
                spelling: Spelling::V1,
                allow_mutation: true,
                limits: Limits::default(),
                caches: &caches,
                who: WHO,
                room: &|_| true,
            };
            match plan(&Request::text(String::from_utf8(seed).unwrap()), &context) {
                Ok(_) => planned += 1,
                Err(errors) => eprintln!("{errors:?}"),
            }
        }
        assert!(planned >= 3, "{planned} planned");
    }
}
