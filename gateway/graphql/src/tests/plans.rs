//! What requests mean, in the current spelling.

use policy_core::{Scalar, Timestamp, Verb};
use serde_json::{Value as Json, json};
use vault_core::change::Action;
use vault_core::query::*;
use vault_core::value::Value;

use super::*;

const DOC: &str = "01930000-0000-7000-8000-00000000000a";

fn select(library: &Fixture, text: &str) -> Select {
    let mut query = query(library.plan(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}")));
    match query.roots.remove(0).kind {
        RootKind::Select(select) => select,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_query_of_the_black_box_tests_is_planned() {
    let library = library();
    for text in [
        r#"{ Book(filter: {rating: {_geq: 3.5}}, order: {title: ASC}) { title } }"#,
        r#"{ Book(filter: {title: {_like: "Bor%"}, pages: {_in: [100, 300]}}, order: {pages: DESC}) { title pages } }"#,
        r#"{ Book(filter: {_or: [{title: {_eq: "Austen 1"}}, {_and: [{pages: {_gt: 200}}, {_not: {title: {_ilike: "a%"}}}]}]}, order: {title: ASC}) { title } }"#,
        r#"{ Book(filter: {tags: {_any: {_eq: "n2"}}}, order: {title: ASC}, limit: 1) { title tags } }"#,
        r#"{ Book(order: {title: ASC}, limit: 2, offset: 1) { title author { name } } }"#,
        r#"{ Author(filter: {born: {_lt: 1900}}, order: {name: ASC}) { name books(order: {title: DESC}, limit: 1) { title } COUNT(books: {}) AVG(books: {field: rating}) } }"#,
        r#"{ Book(filter: {author: {name: {_eq: "Calvino"}}}, order: {title: ASC}) { title } }"#,
        r#"{ Author(filter: {books: {rating: {_gt: 3}}}, order: {name: DESC}) { name } }"#,
        r#"{ Book(order: [{author: {name: DESC}}, {pages: ASC}], limit: 2) { title } }"#,
        r#"{ Book(groupBy: [pages], order: {pages: ASC}) { pages COUNT(GROUP: {}) GROUP(order: {title: ASC}, limit: 1) { title } } }"#,
        r#"{ a: COUNT(Book: {filter: {pages: {_eq: 200}}}) b: SUM(Book: {field: pages}) c: MIN(Book: {field: pages}) f: MIN(Book: {field: pages, filter: {pages: {_gt: 999}}}) }"#,
        r#"{ Book(filter: {out: {_lt: "1915-01-01T00:00:00Z"}}, order: {title: ASC}, limit: 1) { out __typename _deleted } }"#,
        r#"query($min: Int = 250) { Book(filter: {pages: {_gt: $min}}, order: {title: ASC}, limit: 1) { ...T } } fragment T on Book { name: title @include(if: true) pages @skip(if: true) }"#,
        r#"mutation { update_Book(filter: {title: {_eq: "Austen 1"}}, input: {pages: 111}) { title pages } }"#,
        r#"mutation { a: upsert_Author(filter: {name: {_eq: "Austen"}}, add: {name: "Austen", born: 1}, update: {born: 1776}) { name born } }"#,
        r#"mutation { add_Book(input: {pages: 1}) { _docID } }"#,
        r#"mutation { delete_Book(filter: {title: {_eq: "Austen 1"}}) { title _deleted } }"#,
        r#"{ Author(filter: {name: {_eq: "Borges"}}) { _docID _version { cid height } } }"#,
        r#"{ _commits(docID: "01930000-0000-7000-8000-00000000000a") { cid height fieldName docID links { cid fieldName } } }"#,
        r#"{ COUNT(Book: {}) Book(showDeleted: true) { title } }"#,
        r#"{ Book(filter: {author: {name: {_eq: null}}, _authorID: {_eq: null}}) { _authorID _conflicts { fieldName value cid } } }"#,
    ] {
        library.plan(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    }
}

#[test]
fn a_selection_is_compiled_to_ids() {
    let library = library();
    let field = |name: &str| library.field("Book", name);
    let got = select(
        &library,
        r#"{ Book(filter: {title: {_like: "A%"}, _not: {pages: {_in: [1, null]}}}, order: [{author: {name: DESC}}, {_docID: ASC}], limit: 3, offset: 1)
            { t: title _docID author { name } _authorID __typename } }"#,
    );
    assert_eq!(got.collection, library.id("Book"));
    let like = Operator::Like { pattern: "A%".into(), fold: false, negated: false };
    let within = Operator::In(vec![Scalar::Int(1).into(), Value::NULL]);
    assert_eq!(
        got.args,
        SelectArgs {
            filter: Some(Filter::And(vec![
                Filter::Is(Operand::Field(field("title")), like),
                Filter::Not(Box::new(Filter::Is(Operand::Field(field("pages")), within))),
            ])),
            order: vec![
                OrderKey {
                    operand: OrderOperand::Related {
                        field: field("author"),
                        target: library.id("Author"),
                        operand: Box::new(OrderOperand::Own(Operand::Field(library.field("Author", "name")))),
                    },
                    descending: true,
                },
                OrderKey { operand: OrderOperand::Own(Operand::DocId), descending: false },
            ],
            limit: Some(3),
            offset: 1,
            ..SelectArgs::default()
        }
    );
    let names: Vec<&str> = got.items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(names, ["t", "_docID", "author", "_authorID", "__typename"], "in the order of the request");
    assert_eq!(got.items[0].kind, ItemKind::Field(field("title")));
    assert_eq!(got.items[3].kind, ItemKind::RelationId(field("author")));
    assert_eq!(got.items[4].kind, ItemKind::Constant("Book".into()));
}

#[test]
fn ids_lists_and_single_values() {
    let library = library();
    let id: policy_core::DocId = DOC.parse().unwrap();
    let ids = |plan: Plan| match query(plan).roots.remove(0).kind {
        RootKind::Select(select) => select.args.doc_ids,
        other => panic!("{other:?}"),
    };
    let literal = library.plan(&format!("{{ Book(docID: \"{DOC}\") {{ title }} }}")).unwrap();
    assert_eq!(ids(literal), Some(vec![id]));
    for (ty, value) in [("ID", json!(DOC)), ("ID!", json!(DOC)), ("[ID!]!", json!([DOC])), ("[ID]", json!(DOC))] {
        let text = format!("query($id: {ty}) {{ Book(docID: $id) {{ title }} }}");
        assert_eq!(ids(library.plan_vars(&text, json!({"id": value})).unwrap()), Some(vec![id]), "{ty}");
    }
    let wrong = library.plan_vars("query($id: Int) { Book(docID: $id) { title } }", json!({"id": 1})).unwrap_err();
    assert_eq!(wrong[0].code, "invalid_input");
    let empty = library.plan_vars("query($id: [ID!]) { Book(docID: $id) { title } }", json!({"id": []})).unwrap();
    assert_eq!(ids(empty), Some(vec![]), "an empty list selects nothing");
    assert_eq!(library.code("{ Book(docID: \"bae-1\") { title } }"), "invalid_input");
}

#[test]
fn groups_aggregates_and_aliases_of_results() {
    let library = library();
    let pages = library.field("Book", "pages");
    let got = select(
        &library,
        "{ Book(groupBy: [pages, _authorID], filter: {_alias: {n: {_gt: 1}}}, order: {_alias: {n: DESC}})
           { pages _authorID n: COUNT(GROUP: {filter: {rating: {_gt: 2}}}) GROUP(groupBy: [rating]) { rating GROUP { title } } } }",
    );
    assert_eq!(got.args.group_by, Some(vec![pages, library.field("Book", "author")]));
    let ItemKind::Aggregate(count) = &got.items[2].kind else { panic!() };
    assert_eq!(count.sources[0].over, Over::Group);
    let counted = Operand::Aggregate(Box::new(count.clone()));
    assert_eq!(got.args.filter, Some(Filter::Is(counted.clone(), Operator::Gt(Scalar::Int(1)))));
    assert_eq!(got.args.order, vec![OrderKey { operand: OrderOperand::Own(counted), descending: true }]);
    let got = select(&library, r#"{ Book { COUNT(tags: {filter: {_like: "a%"}}) SUM(scores: {limit: 2}) } }"#);
    let ItemKind::Aggregate(count) = &got.items[0].kind else { panic!() };
    assert_eq!(
        (count.sources[0].over, count.sources[0].elements.len()),
        (Over::List(library.field("Book", "tags")), 1)
    );
    for (text, code) in [
        ("{ Book { GROUP { title } } }", "invalid_input"),
        ("{ Book(groupBy: [pages]) { title } }", "invalid_input"),
        ("{ Book(groupBy: [pages]) { _docID } }", "invalid_input"),
        ("{ Book { COUNT(GROUP: {}) } }", "invalid_input"),
        ("{ COUNT }", "invalid_input"),
        ("{ SUM(Book: {field: title}) }", "unknown_field"),
        ("{ SUM(Book: {}) }", "invalid_input"),
        ("{ Book(groupBy: [tags]) { tags } }", "unknown_field"),
        ("{ Book(filter: {_alias: {nothing: {_eq: 1}}}) { title } }", "invalid_input"),
    ] {
        assert_eq!(library.code(text), code, "{text}");
    }
}

#[test]
fn integers_keep_sixty_four_bits_as_literal_and_variable() {
    let library = library();
    let big = 9_007_199_254_740_993_i64;
    let wanted =
        Some(Filter::Is(Operand::Field(library.field("Book", "pages")), Operator::Eq(Scalar::Int(big).into())));
    let literal = select(&library, &format!("{{ Book(filter: {{pages: {{_eq: {big}}}}}) {{ pages }} }}"));
    assert_eq!(literal.args.filter, wanted);
    let variables: Json = serde_json::from_str(&format!("{{\"b\": {big}}}")).unwrap();
    let text = "query($b: Int) { Book(filter: {pages: {_eq: $b}}) { pages } }";
    let plan = library.plan_vars(text, variables).unwrap();
    let RootKind::Select(by_variable) = query(plan).roots.remove(0).kind else { panic!() };
    assert_eq!(by_variable.args.filter, wanted);
    for bad in ["9223372036854775808", "1.5", "\"1\"", "true"] {
        assert_eq!(
            library.code(&format!("{{ Book(filter: {{pages: {{_eq: {bad}}}}}) {{ pages }} }}")),
            "invalid_input"
        );
        let variables: Json = serde_json::from_str(&format!("{{\"b\": {bad}}}")).unwrap();
        assert_eq!(library.plan_vars(text, variables).unwrap_err()[0].code, "invalid_input", "{bad}");
    }
    let default = "query($b: Int = 9007199254740993) { Book(filter: {pages: {_eq: $b}}) { pages } }";
    assert_eq!(select(&library, default).args.filter, wanted);
}

#[test]
fn the_gaps_of_validation_are_closed() {
    let library = library();
    for (text, variables) in [
        // 1: a list where one value belongs, inside an input object.
        ("query($a: [String]) { Book(filter: {title: {_eq: $a}}) { title } }", json!({"a": ["x"]})),
        ("query($a: [Int]) { Book(filter: {pages: {_gt: $a}}) { title } }", json!({"a": [1]})),
        // 2: a key twice.
        ("{ Book(filter: {title: {_eq: \"a\", _eq: \"b\"}}) { title } }", json!({})),
        ("mutation { add_Book(input: {title: \"a\", title: \"b\"}) { title } }", json!({})),
        // 3: one response name, two lists.
        (
            "{ a: Book(filter: {pages: {_in: [1]}}) { title } a: Book(filter: {pages: {_in: [1, 2]}}) { pages } }",
            json!({}),
        ),
        // 4: a variable inside a literal of a custom scalar that nobody declared.
        ("mutation { add_Book(input: {title: \"a\", meta: {x: [$no]}}) { title } }", json!({})),
        // 5: custom scalars.
        ("mutation { add_Book(input: {title: \"a\", out: \"yesterday\"}) { title } }", json!({})),
        ("mutation { add_Book(input: {title: \"a\", out: 5}) { title } }", json!({})),
        ("mutation { add_Book(input: {title: \"a\", cover: \"xyz\"}) { title } }", json!({})),
        ("{ Book(limit: \"x\") { title } }", json!({})),
        ("{ Book(limit: [1]) { title } }", json!({})),
        ("query($a: String) { Book(limit: $a) { title } }", json!({})),
        ("query($a: DateTime) { Book(filter: {out: {_eq: $a}}) { title } }", json!({"a": 5})),
        // 6: a default of null is no default.
        ("query($a: String! = null) { Book(filter: {title: {_eq: $a}}) { title } }", json!({})),
        ("query($i: [BookMutationInputArg!] = null) { Book { title } }", json!({})),
        ("mutation($i: [BookMutationInputArg!] = null) { add_Book(input: $i) { title } }", json!({})),
        // Others of the kind.
        ("{ Book(limit: -1) { title } }", json!({})),
        ("query($a: Int!) { Book(limit: $a) { title } }", json!({})),
        ("{ Book(order: {title: ASC, pages: ASC}) { title } }", json!({})),
        ("{ Book(filter: {title: {}}) { title } }", json!({})),
        ("{ Book(filter: {pages: {_gt: null}}) { title } }", json!({})),
    ] {
        let errors = library.plan_vars(text, variables).expect_err(text);
        assert_eq!(errors[0].code, "invalid_input", "{text}: {errors:?}");
    }
    // Controls: the same with what is right.
    for (text, variables) in [
        ("query($a: String) { Book(filter: {title: {_eq: $a}}) { title } }", json!({"a": "x"})),
        ("query($a: [Int]) { Book(filter: {pages: {_in: $a}}) { title } }", json!({"a": [1]})),
        ("query($a: Int) { Book(filter: {pages: {_in: $a}}) { title } }", json!({"a": 1})),
        (
            "{ a: Book(filter: {pages: {_in: [1]}}) { title } a: Book(filter: {pages: {_in: [1]}}) { pages } }",
            json!({}),
        ),
        ("query($x: JSON) { Book(filter: {meta: $x}) { title } }", json!({"x": {"a": {"_eq": 1}}})),
        ("mutation($v: Int) { add_Book(input: {title: \"a\", meta: {x: [$v]}}) { title } }", json!({"v": 1})),
        ("query($a: Int = 3) { Book(limit: $a) { title } }", json!({})),
        ("query($a: Int) { Book(limit: $a) { title } }", json!({})),
    ] {
        library.plan_vars(text, variables).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    }
}

#[test]
fn json_paths_and_elements() {
    let library = library();
    let meta = library.field("Book", "meta");
    let got = select(
        &library,
        r#"{ Book(filter: {meta: {a: {b: {_eq: 1.5}}, _neq: null, tags: {_any: {_eq: "x"}}}}) { title } }"#,
    );
    let path = |path: &[&str]| Operand::JsonPath(meta, path.iter().map(|step| (*step).to_owned()).collect());
    assert_eq!(
        got.args.filter,
        Some(Filter::And(vec![
            Filter::Is(path(&["a", "b"]), Operator::Eq(Scalar::Float(1.5).into())),
            Filter::Is(Operand::Field(meta), Operator::Neq(Value::NULL)),
            Filter::Is(path(&["tags"]), Operator::Any(vec![Operator::Eq(Scalar::String("x".into()).into())])),
        ]))
    );
}

#[test]
fn mutations_become_changes() {
    let library = library();
    let field = |name: &str| library.field("Book", name);
    let text = format!(
        r#"mutation {{
            a: add_Book(input: [{{title: "x", out: "1970-01-01T00:00:01Z", cover: "00fF", meta: {{k: [1, null]}}, tags: "t", author: "{DOC}", pages: null}}]) {{ _docID title }}
            b: update_Book(docID: ["{DOC}"], input: {{big: 2}}) {{ big }}
            c: delete_Book {{ _docID }}
            d: restore_Book(docID: "{DOC}") {{ _docID }} }}"#
    );
    let changes = change(library.plan(&text).unwrap()).changes;
    let id: policy_core::DocId = DOC.parse().unwrap();
    let Action::Add(added) = &changes[0].action else { panic!() };
    assert_eq!(
        added[0].fields,
        vec![
            (field("title"), Scalar::String("x".into()).into()),
            (field("out"), Scalar::DateTime(Timestamp(1_000_000)).into()),
            (field("cover"), Scalar::Blob(vec![0, 255]).into()),
            (field("meta"), Value::Json(json!({"k": [1, null]}))),
            (field("tags"), Value::List(vec![Scalar::String("t".into())])),
            (field("author"), Scalar::Blob(id.as_bytes().to_vec()).into()),
            (field("pages"), Value::NULL),
        ]
    );
    assert_eq!(changes[0].items.len(), 2);
    let Action::Update { target, fields, .. } = &changes[1].action else { panic!() };
    assert_eq!((target.doc_ids.clone(), fields.clone()), (Some(vec![id]), vec![(field("big"), Scalar::Int(2).into())]));
    assert!(
        matches!(&changes[2].action, Action::Delete { target, expect_heads: None } if *target == Default::default())
    );
    assert!(matches!(&changes[3].action, Action::Restore { .. }));
    assert_eq!(changes.iter().map(|change| change.key.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    for (text, code) in [
        ("mutation { update_Book(input: {big: -1}) { big } }", "invalid_input"),
        ("mutation { update_Book(docID: null, input: {pages: 1}) { big } }", "invalid_input"),
        ("mutation($f: BookFilterArg) { delete_Book(filter: $f) { big } }", "invalid_input"),
        ("mutation($t: String) { delete_Book(filter: {title: {_eq: $t}}) { big } }", "invalid_input"),
        ("mutation { add_Book(input: {tags: [null]}) { big } }", "not_null"),
        ("mutation { add_Book(input: {nothing: 1}) { big } }", "unknown_field"),
        (
            "mutation { update_Book(input: {_docID: \"01930000-0000-7000-8000-00000000000a\"}) { big } }",
            "invalid_input",
        ),
        ("mutation { __typename add_Book(input: {title: \"a\"}) { big } }", "invalid_input"),
    ] {
        assert_eq!(library.code(text), code, "{text}");
    }
}

#[test]
fn unknown_keys_inside_a_variable_are_found_too() {
    let library = library();
    let text = "mutation($i: [BookMutationInputArg!]!) { add_Book(input: $i) { _docID } }";
    let errors = library.plan_vars(text, json!({"i": [{"title": "a", "nothing": 1}]})).unwrap_err();
    assert_eq!((errors[0].code, errors[0].message.contains("nothing")), ("unknown_field", true));
    library.plan_vars(text, json!({"i": {"title": "a"}})).unwrap();
    let only = "mutation($i: BookMutationInputArg!) { add_Book(input: $i) { _docID } }";
    library.plan_vars(only, json!({"i": {"title": "a"}})).unwrap();
}

#[test]
fn values_over_one_mebibyte_are_refused_by_name() {
    let library = library();
    let long = "x".repeat((1 << 20) + 1);
    for (field, value) in
        [("title", format!("\"{long}\"")), ("meta", format!("{{a: \"{long}\"}}")), ("tags", format!("[\"{long}\"]"))]
    {
        let errors =
            library.plan(&format!("mutation {{ add_Book(input: {{{field}: {value}}}) {{ _docID }} }}")).unwrap_err();
        assert_eq!((errors.len(), errors[0].code), (1, "value_too_large"));
        assert!(errors[0].message.contains(field), "{}", errors[0].message);
    }
    let fits = "x".repeat(1 << 20);
    assert_eq!(library.code(&format!("mutation {{ add_Book(input: {{title: \"{fits}\"}}) {{ _docID }} }}")), "planned");
}

#[test]
fn errors_say_where() {
    let library = library();
    let errors = library.plan("{ Author {\n books(limit: -1) { title } } }").unwrap_err();
    let shown = errors[0].to_json();
    assert_eq!(shown["path"], json!(["Author", "books"]));
    assert_eq!(shown["locations"], json!([{"line": 2, "column": 2}]));
    let errors = library.plan("{ Book { titel } }").unwrap_err();
    assert_eq!((errors.len(), errors[0].code, errors[0].locations.clone()), (1, "unknown_field", vec![(1, 10)]));
    assert_eq!(library.code("query($a: Nothing) { Book(filter: $a) { title } }"), "unknown_type");
}

#[test]
fn introspection_is_that_of_the_edition_of_2025() {
    let library = library();
    let text = "query($d: Boolean) { __type(name: \"Book\") { isOneOf fields(includeDeprecated: $d) { name } } }";
    for (variables, fields) in [(json!({}), true), (json!({"d": true}), true), (json!({"d": null}), false)] {
        let planned = library.plan_vars(text, variables.clone());
        assert_eq!(planned.is_ok(), fields, "{variables}: a variable that may be null stands where a default does");
    }
    let text = "{ __schema { d: directives(includeDeprecated: true) { name isRepeatable isDeprecated deprecationReason \
        args { name type { kind ofType { name } } defaultValue } } } \
        filter: __type(name: \"BookFilterArg\") { kind isOneOf inputFields(includeDeprecated: true) { name isDeprecated } } \
        none: __type(name: \"Nope\") { name } root: __typename }";
    let shown = answer(library.plan(text).unwrap());
    let one_of = shown["__schema"]["d"].as_array().unwrap().iter().find(|one| one["name"] == "oneOf").unwrap();
    let wanted =
        json!({"name": "oneOf", "isRepeatable": false, "isDeprecated": false, "deprecationReason": null, "args": []});
    assert_eq!(one_of, &wanted);
    assert_eq!(
        (&shown["filter"]["isOneOf"], &shown["none"], &shown["root"]),
        (&json!(false), &json!(null), &json!("Query"))
    );
    let deprecated = shown["__schema"]["d"].as_array().unwrap().iter().find(|one| one["name"] == "deprecated").unwrap();
    let reason = json!([{"name": "reason", "defaultValue": "\"No longer supported\"",
        "type": {"kind": "NON_NULL", "ofType": {"name": "String"}}}]);
    assert_eq!(deprecated["args"], reason);
}

#[test]
fn verbs_shape_what_exists() {
    let library = library();
    let code = |verbs: &[Verb], text: &str| {
        library
            .plan_with(&library.verbs(verbs), Spelling::V1, &Request::text(text))
            .map_or_else(|errors| errors[0].code, |_| "planned")
    };
    let by_id = format!("{{ Book(docID: \"{DOC}\") {{ title }} }}");
    use Verb::{Create, Delete, History, Read, Search, Update};
    for (verbs, text, wanted) in [
        (&[Read][..], by_id.as_str(), "planned"),
        (&[Read], "{ Book { title } }", "invalid_input"),
        (&[Read], &format!("{{ Book(docID: \"{DOC}\", filter: {{}}) {{ title }} }}"), "unknown_field"),
        (&[Read], "{ COUNT(Book: {}) }", "unknown_field"),
        (&[Read, Search], "{ Book { title } COUNT(Book: {}) }", "planned"),
        (&[Search], "{ Book { title } }", "unknown_field"),
        (&[Search], "{ Book { _docID } }", "planned"),
        (&[Search], &by_id, "unknown_field"),
        (&[Read, Search], "{ Book(showDeleted: true) { title } }", "unknown_field"),
        (&[Read, Search], "{ Book { _version { cid } } }", "unknown_field"),
        (&[Read, Search], "{ _commits { cid } }", "unknown_field"),
        (&[Read, Search, History], "{ _commits { cid } Book(showDeleted: true) { _version { cid } } }", "planned"),
        (&[Read, Search], "mutation { add_Book(input: {title: \"a\"}) { title } }", "unknown_field"),
        (&[Create], "mutation { add_Book(input: {title: \"a\"}) { _docID } }", "planned"),
        (&[Create], "mutation { add_Book(input: {title: \"a\"}) { title } }", "unknown_field"),
        (&[Create], "mutation { update_Book(input: {title: \"a\"}) { _docID } }", "unknown_field"),
        (&[Update], "mutation { update_Book(input: {title: \"a\"}) { _docID } }", "invalid_input"),
        (&[Update, Search], "mutation { update_Book(input: {title: \"a\"}) { _docID } }", "planned"),
        (&[Create, Update], "mutation { upsert_Book(filter: {}, add: {}, update: {}) { _docID } }", "unknown_field"),
        (&[Create, Update, Search], "mutation { upsert_Book(filter: {}, add: {}, update: {}) { _docID } }", "planned"),
        (&[Update, Search], "mutation { delete_Book { _docID } }", "unknown_field"),
        (&[Delete, Search], "mutation { delete_Book { _docID } }", "planned"),
    ] {
        assert_eq!(code(verbs, text), wanted, "{verbs:?} {text}");
    }
}

#[test]
fn own_ids_need_an_unrestricted_scope() {
    let library = library();
    let text = format!("mutation {{ add_Author(input: {{_docID: \"{DOC}\", name: \"a\"}}) {{ _docID }} }}");
    let Action::Add(added) = change(library.plan(&text).unwrap()).changes.remove(0).action else { panic!() };
    assert_eq!(added[0].doc_id, Some(DOC.parse().unwrap()));
    let scoped = library.scoped("Author", "name", Scalar::String("a".into()));
    let refused = library.plan_with(&scoped, Spelling::V1, &Request::text(text)).unwrap_err();
    assert_eq!(refused[0].code, "unknown_field");
}

#[test]
fn conditions_meta_fields_and_operations() {
    let library = library();
    let text = "query($y: Boolean!) { Book { title @include(if: $y) pages @skip(if: $y) } }";
    for (yes, name) in [(true, "title"), (false, "pages")] {
        let mut got = query(library.plan_vars(text, json!({"y": yes})).unwrap());
        let RootKind::Select(select) = got.roots.remove(0).kind else { panic!() };
        assert_eq!(select.items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), [name]);
    }
    assert_eq!(answer(library.plan("{ __typename }").unwrap()), json!({"__typename": "Query"}));
    assert_eq!(answer(library.plan("mutation { a: __typename }").unwrap()), json!({"a": "Mutation"}));
    let mixed = query(library.plan("{ __typename Book { title } }").unwrap());
    assert_eq!(mixed.roots[0].kind, RootKind::Constant("Query".into()));
    assert_eq!(library.code("{ __schema { types { name } } Book { title } }"), "invalid_input");
    let two = "query A { Book { title } } query B { Author { name } }";
    assert_eq!(library.code(two), "invalid_input");
    let mut request = Request::text(two);
    request.operation_name = Some("B".into());
    let got = query(library.plan_with(&library.everything(), Spelling::V1, &request).unwrap());
    assert_eq!(got.roots[0].key, "Author");
    request.operation_name = Some("C".into());
    assert_eq!(library.plan_with(&library.everything(), Spelling::V1, &request).unwrap_err()[0].code, "invalid_input");
    assert_eq!(library.code("subscription { Book { title } }"), "unknown_field");
    let context = Context {
        schema: &library.schema,
        masks: &*library.everything(),
        spelling: Spelling::V1,
        allow_mutation: false,
        limits: Limits::default(),
        caches: &library.caches,
        who: WHO,
        room: &|_| true,
    };
    for text in ["mutation { delete_Book { _docID } }", "mutation { __typename }"] {
        assert_eq!(plan(&Request::text(text), &context).unwrap_err()[0].code, "method_not_allowed");
    }
    plan(&Request::text("{ Book { title } }"), &context).unwrap();
}

#[test]
fn an_empty_space_has_a_schema() {
    let empty = Fixture { schema: Schema::default(), caches: Caches::default() };
    assert_eq!(answer(empty.plan("{ __typename }").unwrap()), json!({"__typename": "Query"}));
    assert_eq!(empty.code("{ Book { title } }"), "unknown_field");
    assert_eq!(empty.code("{ _nothing }"), "not_found");
}

#[test]
fn like_fields_merge() {
    let library = library();
    let got =
        select(&library, "{ Book { author { name } ...F author { name } } } fragment F on Book { author { born } }");
    let ItemKind::Relation { select, .. } = &got.items[0].kind else { panic!() };
    assert_eq!(got.items.len(), 1);
    assert_eq!(select.items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["name", "born"]);
}

#[test]
fn introspection_takes_room_as_it_grows() {
    let library = library();
    let one = |n: usize| {
        let inner = "inputFields { name type { name kind ofType { name kind ofType { name kind } } } }";
        format!("a{n}: type {{ name {inner} }}")
    };
    let asked = format!(
        "{{ __schema {{ types {{ name fields {{ name args {{ {} }} }} }} }} }}",
        (0..8).map(one).collect::<String>()
    );
    let plan_within = |most: usize| {
        let masks = library.everything();
        let largest = std::cell::Cell::new(0);
        let room = |bytes: usize| {
            largest.set(bytes.max(largest.get()));
            bytes <= most
        };
        let (spelling, limits) = (Spelling::V1, Limits::default());
        let (schema, caches) = (&library.schema, &library.caches);
        let context =
            Context { schema, masks: &*masks, spelling, allow_mutation: true, limits, caches, who: WHO, room: &room };
        let planned = plan(&Request::text(asked.as_str()), &context).map_err(|errors| errors[0].code);
        let length = planned.map(|planned| match planned {
            Plan::Answer(bytes) => bytes.len(),
            other => panic!("{other:?}"),
        });
        (length, largest.get())
    };
    let (refused, _) = plan_within(0);
    assert_eq!(refused, Err("unavailable"));
    let (length, most) = plan_within(usize::MAX);
    let length = length.unwrap();
    assert!(length > FREE_ANSWER && most >= length, "control: {length}, {most}");
    assert_eq!(plan_within(length).0, Ok(length), "what is kept takes no more than it has");
    assert_eq!(plan_within(length - 1).0, Err("unavailable"), "and takes it");
}

#[test]
fn introspection_is_answered_and_kept() {
    let library = library();
    let text = "{ __schema { types { name } } __type(name: \"Book\") { fields { name } } }";
    let (first, second) = (library.plan(text).unwrap(), library.plan(text).unwrap());
    let (Plan::Answer(a), Plan::Answer(b)) = (&first, &second) else { panic!() };
    assert_eq!(a.as_ptr(), b.as_ptr(), "the same bytes");
    let shown = answer(first);
    for name in [
        "BookMutationInputArg",
        "BookFilterArg",
        "BookOrderArg",
        "BookField",
        "Book__CountSelector",
        "Book__NumericSelector",
        "Book__tags__CountSelector",
        "Author__books__NumericSelector",
        "Ordering",
        "StringOperatorBlock",
        "NotNullStringListOperatorBlock",
    ] {
        assert!(shown["__schema"]["types"].as_array().unwrap().contains(&json!({"name": name})), "{name}");
    }
    assert!(shown["__type"]["fields"].to_string().contains("_authorID"));
    assert_eq!(
        answer(library.plan("{ __type(name: \"Int\") { name kind } }").unwrap())["__type"],
        json!({"name": "Int", "kind": "SCALAR"})
    );
}

#[test]
fn ids_have_an_order_by_which_all_documents_are_read_in_parts() {
    let library = library();
    let plan = library.plan_vars(
        "query($after: ID) { Book(filter: {_docID: {_gt: $after}}, order: {_docID: ASC}, limit: 2) { _docID } }",
        serde_json::json!({"after": "01930000-0000-7000-8000-00000000000a"}),
    );
    assert!(matches!(plan, Ok(Plan::Query(_))), "{plan:?}");
    assert_eq!(library.code("{ Book(filter: {_docID: {_gt: null}}) { _docID } }"), "invalid_input");
    assert_eq!(library.code("{ Book(filter: {_docID: {_gt: \"x\"}}) { _docID } }"), "invalid_input");
}
