use vault_core::value::Value;

use vault_core::schema::{Merge, NewField, NewIndex};

use super::*;
use policy_core::Scalar;

fn compile_alone(text: &str) -> Result<Vec<NewCollection>, SdlError> {
    compile(text, &Schema::default())
}

fn field<'c>(collections: &'c [NewCollection], collection: &str, name: &str) -> &'c NewField {
    let collection = collections.iter().find(|made| made.name == collection).unwrap();
    collection.fields.iter().find(|field| field.name == name).unwrap()
}

#[test]
fn scalars_lists_and_directives() {
    let made = compile_alone(
        r#"type T @index(includes: [{field: "a"}, {field: "b", direction: DESC}], unique: true, name: "ab") {
            a: ID b: Boolean! c: Int @crdt(type: pncounter) d: Float e: Float64 f: Float32 g: String @index(unique: true)
            h: DateTime @default(value: "2020-01-01T00:00:00Z") i: JSON @default(json: "{\"k\": 1}") j: Blob @default(blob: "ff00")
            k: [Int!]! @constraints(size: 2) @default(value: [1, 2]) l: [String] m: Int @default(int: 9007199254740993)
            n: String @default(string: "x") o: Boolean @default(bool: true) p: Float @default(value: 3)
        }"#,
    )
    .unwrap();
    let kind = |name: &str| field(&made, "T", name).kind.clone();
    for (name, of) in
        [("a", ScalarType::Id), ("d", ScalarType::Float64), ("e", ScalarType::Float64), ("f", ScalarType::Float32)]
    {
        assert_eq!(kind(name), NewFieldType::Scalar { of, not_null: false });
    }
    assert_eq!(kind("b"), NewFieldType::Scalar { of: ScalarType::Boolean, not_null: true });
    assert_eq!(kind("k"), NewFieldType::List { of: ScalarType::Int, item_not_null: true, not_null: true });
    assert_eq!(field(&made, "T", "c").merge, Merge::PnCounter);
    assert_eq!(field(&made, "T", "k").size, Some(2));
    let default = |name: &str| field(&made, "T", name).default.clone();
    assert_eq!(default("i"), Some(Value::Json(serde_json::json!({"k": 1}))));
    assert_eq!(default("j"), Some(Scalar::Blob(vec![255, 0]).into()));
    assert_eq!(default("k"), Some(Value::List(vec![Scalar::Int(1), Scalar::Int(2)])));
    assert_eq!(default("m"), Some(Scalar::Int(9_007_199_254_740_993).into()));
    assert_eq!(default("p"), Some(Scalar::Float(3.0).into()));
    assert_eq!(
        made[0].indexes,
        vec![
            NewIndex { name: None, unique: true, keys: vec![("g".into(), false)] },
            NewIndex { name: Some("ab".into()), unique: true, keys: vec![("a".into(), false), ("b".into(), true)] },
        ]
    );
}

#[test]
fn relations_of_every_kind() {
    let made = compile_alone(
        "type Author { name: String books: [Book] agent: Agent @primary }
         type Book { author: Author! editor: Author @relation(name: \"edits\") }
         type Agent { author: Author }
         type Person { boss: Person reports: [Person] friend: Person }",
    );
    assert!(made.is_err(), "two to-one fields and one list are ambiguous");
    let made = compile_alone(
        "type Author { name: String books: [Book] agent: Agent @primary }
         type Book { author: Author! editor: Author @relation(name: \"edits\") }
         type Agent { author: Author }
         type Person { boss: Person @relation(name: \"b\") reports: [Person] @relation(name: \"b\") friend: Person }",
    )
    .unwrap();
    let (one_one, not_null) = (false, true);
    let relation = "Book.author".to_owned();
    let to_one = NewFieldType::ToOne { target: "Author".into(), relation: relation.clone(), not_null, one_one };
    assert_eq!(field(&made, "Book", "author").kind, to_one);
    let inverse = NewFieldType::Inverse { target: "Book".into(), relation, via: "author".into(), many: true };
    assert_eq!(field(&made, "Author", "books").kind, inverse);
    assert!(
        matches!(&field(&made, "Book", "editor").kind, NewFieldType::ToOne { relation, .. } if relation == "edits")
    );
    assert!(matches!(&field(&made, "Author", "agent").kind, NewFieldType::ToOne { one_one: true, .. }));
    assert!(
        matches!(&field(&made, "Agent", "author").kind, NewFieldType::Inverse { many: false, via, .. } if via == "agent")
    );
    assert!(
        matches!(&field(&made, "Person", "reports").kind, NewFieldType::Inverse { many: true, via, .. } if via == "boss")
    );
    assert!(matches!(&field(&made, "Person", "friend").kind, NewFieldType::ToOne { one_one: false, .. }));
}

#[test]
fn types_may_refer_to_collections_that_exist() {
    let library = crate::tests::library();
    let made = compile("type Review { book: Book stars: Int }", &library.schema).unwrap();
    assert!(matches!(&made[0].fields[0].kind, NewFieldType::ToOne { target, .. } if target == "Book"));
    let refused = compile("type Shelf { books: [Book] }", &library.schema).unwrap_err();
    assert_eq!(refused.code(), "invalid_input");
    let exists = compile("type Shelf { n: Int }\ntype Book { title: String }", &library.schema).unwrap_err();
    assert_eq!(exists, SdlError::Exists { name: "Book".into(), line: 2, column: 1 });
    assert_eq!(exists.code(), "conflict");
    assert_eq!(compile("type BookField { n: Int }", &library.schema).unwrap_err().code(), "invalid_input");
    compile("type MineField { n: Int }", &library.schema).unwrap();
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, code, named) in [
        ("", "invalid_input", "read"),
        ("# a comment", "invalid_input", "read"),
        ("type", "invalid_input", "read"),
        ("type A { }", "invalid_input", ""),
        ("type A { b: C }", "invalid_input", "A.b"),
        ("type A { b: [[Int]] }", "invalid_input", "A.b"),
        ("type A { b(c: Int): Int }", "invalid_input", "A.b"),
        ("type A { b: Int b: Int }", "invalid_input", "A.b"),
        ("type A { _b: Int }", "invalid_input", "A._b"),
        ("type A { COUNT: Int }", "invalid_input", "A.COUNT"),
        ("type A { b: A b_id: ID }", "invalid_input", "b_id"),
        ("type _A { b: Int }", "invalid_input", "_A"),
        ("type Query { b: Int }", "invalid_input", "Query"),
        ("type Mutation { b: Int }", "invalid_input", "Mutation"),
        ("type Int { b: Int }", "invalid_input", "Int"),
        ("type A { b: Int } type A { c: Int }", "invalid_input", "A"),
        ("type A { b: Int } type AFilterArg { c: Int }", "invalid_input", "AFilterArg"),
        ("type A { b: Int @what }", "invalid_input", "@what"),
        ("type A { b: String @text }", "unsupported", "@text"),
        ("type A { b: String @fulltext }", "unsupported", "@fulltext"),
        ("type A { b: String @locked }", "unsupported", "@locked"),
        ("type A @policy(id: \"x\") { b: String }", "unsupported", "@policy"),
        ("type A { b: String @crdt(type: pcounter) }", "invalid_input", "A.b"),
        ("type A { b: Int @crdt(type: orset) }", "invalid_input", "A.b"),
        ("type A { b: Int @default(value: \"x\") }", "invalid_input", "A.b"),
        ("type A { b: Int @default(string: \"x\") }", "invalid_input", "A.b"),
        ("type A { b: Int @default(int: 1, value: 2) }", "invalid_input", "A.b"),
        ("type A { b: Int @default }", "invalid_input", "A.b"),
        ("type A { b: Int @constraints(size: 3) }", "invalid_input", "A.b"),
        ("type A { b: [Int] @constraints(size: 0) }", "invalid_input", "A.b"),
        ("type A { b: Int @index(nothing: 1) }", "invalid_input", "nothing"),
        ("type A { b: JSON @index }", "invalid_input", "A.b"),
        ("type A @index { b: Int }", "invalid_input", "@index"),
        ("type A @index(includes: [{field: \"no\"}]) { b: Int }", "invalid_input", "A.no"),
        ("type A { b: Int @primary }", "invalid_input", "A.b"),
        ("type A { b: B } type B { a: A }", "invalid_input", "@primary"),
        ("type A { b: B @primary } type B { a: A @primary }", "invalid_input", "@primary"),
        ("type A { bs: [B] } type B { as: [A] }", "unsupported", "A.bs"),
        ("type A { bs: [B] } type B { n: Int }", "invalid_input", "A.bs"),
        ("type A { bs: [B] } type B { a: A other: A }", "invalid_input", "@relation"),
        ("type A { b: [JSON] }", "unsupported", "A.b"),
        ("enum E { A }", "unsupported", ""),
        ("type A implements I { b: Int }", "unsupported", "A"),
        ("{ query }", "unsupported", ""),
    ] {
        let error = compile_alone(text).expect_err(text);
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(named), "{text}: {error}");
    }
    let error = compile_alone("type A {\n  good: Int\n  bad: Nothing\n}").unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn large_definitions_are_refused() {
    let wide: String = (0..1_001).map(|n| format!("f{n}: Int ")).collect();
    assert_eq!(compile_alone(&format!("type A {{ {wide} }}")).unwrap_err().code(), "limit_tokens");
    let many: String = (0..501).map(|n| format!("type A{n} {{ b: Int }} ")).collect();
    assert_eq!(compile_alone(&many).unwrap_err().code(), "limit_tokens");
    let deep = format!("type A {{ b: Int @default(value: {}1{}) }}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(compile_alone(&deep).unwrap_err().code(), "limit_tokens");
    assert_eq!(compile_alone(&" ".repeat(2 << 20)).unwrap_err().code(), "limit_tokens");
}

/// Every kind of field, default, index and relation.
const WIDE: &str = r#"
    type T @index(includes: [{field: "a"}, {field: "b", direction: DESC}], unique: true, name: "ab") {
        a: ID b: Boolean! c: Int @crdt(type: pncounter) cc: Float @crdt(type: pcounter) d: Float f: Float32
        g: String @index(unique: true) h: DateTime @default(value: "2020-01-01T00:00:00.000001Z")
        i: JSON @default(json: "{\"k k\": [1, \"\\\"\", null]}") j: Blob @default(blob: "ff00")
        k: [Int!]! @constraints(size: 2) @default(value: [1, 2]) l: [String] m: Int @default(int: -9007199254740993)
        n: String @default(string: "x\"\n\u0001é") o: Boolean @default(bool: true) p: Float @default(value: 3)
        q: Float @default(value: 5e-324) r: [DateTime!] @default(value: ["2020-01-01T00:00:00Z"])
    }
    type Author { name: String books: [Book] agent: Agent @primary favourite: Book @relation(name: "likes") }
    type Book { author: Author! editor: Author @relation(name: "edits") @index }
    type Agent { author: Author }
    type Person { boss: Person @relation(name: "b") reports: [Person] @relation(name: "b") friend: Person }"#;

#[test]
fn what_is_printed_reads_back_as_the_same_definitions() {
    use crate::tests::Fixture;
    use crate::visible::Visible;
    let fixture = Fixture::new(WIDE);
    let printed = |masks: &crate::tests::Masking| {
        let texts = crate::print::definitions(&fixture.schema, &Visible::new(&fixture.schema, &**masks));
        texts.into_iter().map(|(_, text)| text).collect::<String>()
    };
    let text = printed(&fixture.everything());
    let (mut made, mut again) =
        (compile_alone(WIDE).unwrap(), compile_alone(&text).unwrap_or_else(|e| panic!("{e}: {text}")));
    for all in [&mut made, &mut again] {
        all.sort_by(|a, b| a.name.cmp(&b.name));
        // The fixture keeps no indexes: the vault names them.
        all.iter_mut().for_each(|one| one.indexes.clear());
    }
    assert_eq!(made, again, "{text}");
    // Of what is hidden no word is printed, and what is left is still a definition.
    for hidden in ["author", "agent", "books", "boss", "a", "n"] {
        let text = printed(&fixture.without(&[hidden]));
        assert!(!text.contains(&format!("  {hidden}:")), "{hidden}: {text}");
        compile_alone(&text).unwrap_or_else(|error| panic!("{hidden}: {error}: {text}"));
    }
    let one =
        fixture.masks(|name| name == "Book", |_, _| true, policy_core::Verbs::ALL, policy_core::Predicate::default());
    assert_eq!(printed(&one), "", "relations to what does not exist do not exist, and a type without fields neither");
}

#[test]
fn indexes_are_printed_where_all_of_their_fields_are_shown() {
    use crate::tests::Fixture;
    use crate::visible::Visible;
    use vault_core::schema::{Index, IndexKey};
    let mut fixture = Fixture::new("type T { a: Int b: String }");
    let keys = ["a", "b"].map(|name| IndexKey { field: fixture.field("T", name), descending: name == "b" });
    fixture.schema.collections[0].indexes = vec![Index { name: "ab".into(), unique: true, keys: keys.into() }];
    let printed = |masks: &crate::tests::Masking| {
        crate::print::definitions(&fixture.schema, &Visible::new(&fixture.schema, &**masks))[0].1.clone()
    };
    let made = compile_alone(&printed(&fixture.everything())).unwrap();
    let keys = vec![("a".to_owned(), false), ("b".to_owned(), true)];
    assert_eq!(made[0].indexes, vec![NewIndex { name: Some("ab".into()), unique: true, keys }]);
    assert_eq!(printed(&fixture.without(&["b"])), "type T {\n  a: Int\n}\n");
}
