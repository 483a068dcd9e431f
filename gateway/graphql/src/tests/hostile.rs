//! Requests that mean harm: refused, soon, with a code of their own.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn refused(text: &str) -> (&'static str, Duration) {
    let library = library();
    let begun = Instant::now();
    let code = library.code(text);
    (code, begun.elapsed())
}

#[test]
fn deep_wide_and_exploding_requests_have_codes() {
    let nested =
        |open: &str, inner: &str, close: &str, n: usize| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    let bomb = |leaf: &str| {
        let mut text = "{ ...f0 } ".to_owned();
        for n in 0..40 {
            text.push_str(&format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1));
        }
        text + "fragment f40 on Query { " + leaf + " }"
    };
    let chain: String = (0..3_000).map(|n| format!("fragment f{n} on Query {{ ...f{} }} ", n + 1)).collect();
    let aliases: String = (0..300).map(|n| format!("a{n}: title ")).collect();
    let cases = [
        (
            "deep filter",
            format!("{{ Book(filter: {}) {{ title }} }}", nested("{_not: ", "{}", "}", 2_000)),
            "limit_depth",
        ),
        ("deeper", nested("{ a ", "", "}", 10_000), "limit_depth"),
        ("lists", format!("{{ Book(limit: {}) {{ title }} }}", nested("[", "1", "]", 10_000)), "limit_depth"),
        (
            "filter within the parser's bound",
            format!("{{ Book(filter: {}) {{ title }} }}", nested("{_not: ", "{}", "}", 30)),
            "limit_depth",
        ),
        ("deep selection", format!("{{ {} }}", nested("Book { author { books { ", "title", "} } }", 9)), "limit_depth"),
        (
            "roots",
            format!("{{ {} }}", (0..100).map(|n| format!("a{n}: Book {{ title }} ")).collect::<String>()),
            "limit_roots",
        ),
        ("aliases", format!("{{ Book {{ {aliases} }} }}"), "limit_aliases"),
        ("tokens", format!("{{ Book(docID: [{}]) {{ title }} }}", "1 ".repeat(200_000)), "limit_tokens"),
        ("operations", (0..30).map(|n| format!("query q{n} {{ Book {{ title }} }} ")).collect(), "limit_operations"),
        ("nodes", format!("{{ Book {{ {} }} }}", "title ".repeat(6_000)), "limit_fragments"),
        (
            "fragment in itself",
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }".into(),
            "invalid_input",
        ),
        ("chain", format!("{{ ...f0 }} {chain} fragment f3000 on Query {{ Book {{ title }} }}"), "limit_depth"),
        (
            "conditions",
            format!("{{ Book(filter: {{_or: [{}]}}) {{ title }} }}", "{title: {_like: \"a\"}} ".repeat(1_025)),
            "limit_conditions",
        ),
        (
            "conditions on JSON",
            format!(
                "{{ Book(filter: {{meta: {{{}}}}}) {{ title }} }}",
                (0..1_025).map(|n| format!("k{n}: {{_eq: 1}} ")).collect::<String>()
            ),
            "limit_conditions",
        ),
        ("orders", format!("{{ Book(order: [{}]) {{ title }} }}", "{title: ASC} ".repeat(1_025)), "limit_conditions"),
        (
            "empty conditions",
            format!("{{ Book(filter: {{_or: [{}]}}) {{ title }} }}", "{} ".repeat(1_025)),
            "limit_conditions",
        ),
        (
            "pattern",
            format!("{{ Book(filter: {{title: {{_like: \"{}\"}}}}) {{ title }} }}", "%a".repeat(6_000)),
            "value_too_large",
        ),
        ("garbage", "{{{{{{ \u{0}".into(), "invalid_input"),
        ("nothing", String::new(), "invalid_input"),
        (
            "introspection by aliases",
            format!("{{ {} }}", (0..20).map(|n| format!("a{n}: __schema {{ types {{ name }} }} ")).collect::<String>()),
            "limit_aliases",
        ),
        (
            "introspection in circles",
            format!("{{ __schema {{ types {} }} }}", nested("{ fields { type ", "{ name }", "} }", 6)),
            "limit_depth",
        ),
    ];
    for (what, text, wanted) in cases {
        let (code, took) = refused(&text);
        assert_eq!(code, wanted, "{what}");
        assert!(took < Duration::from_secs(3), "{what}: {took:?}");
    }
    for (what, text) in [("bomb", bomb("Book { title }")), ("bomb of roots", bomb("__typename"))] {
        let (code, took) = refused(&text);
        assert!(
            ["limit_roots", "limit_fragments"].contains(&code) && took < Duration::from_secs(3),
            "{what}: {code} {took:?}"
        );
    }
}

#[test]
fn variables_that_mean_harm() {
    let library = library();
    let mut deep = serde_json::json!({});
    for _ in 0..100 {
        deep = serde_json::json!({ "_not": deep });
    }
    let errors = library
        .plan_vars("query($f: BookFilterArg) { Book(filter: $f) { title } }", serde_json::json!({"f": deep}))
        .unwrap_err();
    assert_eq!(errors[0].code, "limit_depth");
    let long = serde_json::json!({"t": "x".repeat(2 << 20)});
    let errors =
        library.plan_vars("query($t: String) { Book(filter: {title: {_eq: $t}}) { title } }", long).unwrap_err();
    assert_eq!(errors[0].code, "value_too_large");
    let huge: serde_json::Value = serde_json::from_str("{\"p\": 1e400}").unwrap();
    let errors =
        library.plan_vars("query($p: Float) { Book(filter: {rating: {_eq: $p}}) { title } }", huge).unwrap_err();
    assert_eq!(errors[0].code, "invalid_input");
}

#[test]
fn what_stands_for_much_is_counted_wherever_it_is_named() {
    let library = library();
    // Each use of the alias is all that the aggregate asks for.
    let query = "query($v: [Int], $o: [BookFilterArg!]) {
        Book(filter: {_or: $o}) { n: COUNT(scores: {filter: {_in: $v}}) }
    }";
    let asked = |values: i64, uses: usize| {
        let variables = serde_json::json!({
            "v": (0..values).collect::<Vec<_>>(),
            "o": vec![serde_json::json!({ "_alias": { "n": { "_gt": 1 } } }); uses],
        });
        library.plan_vars(query, variables)
    };
    assert_eq!(asked(100_000, 500).unwrap_err()[0].code, "limit_tokens");
    assert!(asked(100_000, 1).is_ok() && asked(10, 500).is_ok(), "control");
    let order = "query($v: [Int], $o: [BookOrderArg!]) { Book(order: $o) { n: COUNT(scores: {filter: {_in: $v}}) } }";
    let asked = |values: i64, uses: usize| {
        let variables = serde_json::json!({
            "v": (0..values).collect::<Vec<_>>(),
            "o": vec![serde_json::json!({ "_alias": { "n": "ASC" } }); uses],
        });
        library.plan_vars(order, variables)
    };
    assert_eq!(asked(100_000, 500).unwrap_err()[0].code, "limit_tokens");
    assert!(asked(100_000, 1).is_ok() && asked(10, 500).is_ok(), "control");
}

#[test]
fn keys_of_an_order_of_commits_are_counted_and_count_once() {
    let library = library();
    let query = "query($o: [_CommitsOrderArg]) { _commits(order: $o) { cid } }";
    let asked = |keys: Vec<(&str, &str)>| {
        let keys: Vec<_> = keys.into_iter().map(|(key, way)| serde_json::json!({ (key): way })).collect();
        library.plan_vars(query, serde_json::json!({ "o": keys }))
    };
    assert_eq!(asked(vec![("height", "ASC"); 80_000]).unwrap_err()[0].code, "limit_conditions");
    let mut keys = vec![("height", "DESC"); 500];
    keys.extend([("cid", "ASC"), ("height", "ASC")]);
    let Plan::Query(query) = asked(keys).unwrap() else { panic!("a query") };
    let vault_core::query::RootKind::Commits(select) = &query.roots[0].kind else { panic!("commits") };
    use vault_core::query::CommitOrder::{Cid, Height};
    assert_eq!(select.order, [(Height, true), (Cid, false)], "control");
}

/// Pieces that make sense to the parser, so that more of what is generated gets beyond it.
fn pieces() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        ",",
        "!",
        "$a",
        "...",
        "F",
        "on",
        "query",
        "mutation",
        "fragment",
        "Book",
        "Author",
        "title",
        "pages",
        "author",
        "books",
        "filter",
        "order",
        "limit",
        "_eq",
        "_and",
        "ASC",
        "1",
        "-1",
        "1.5",
        "\"x\"",
        "null",
        "true",
        "@skip(if: true)",
        "GROUP",
        "COUNT",
        "groupBy",
        "_alias",
        "add_Book",
        "input",
        "__schema",
        "__typename",
        "Int",
        "docID",
        "meta",
        "_commits",
        "cid",
        "type",
        "@index",
        "\"\"\"",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), pieces()]) {
        let library = library();
        for spelling in [Spelling::V0, Spelling::V1] {
            let result = library.plan_with(&library.everything(), spelling, &Request::text(text.clone()));
            if let Err(errors) = result {
                prop_assert!(!errors.is_empty() && errors.len() <= 20);
            }
        }
        let _ = sdl::compile(&text, &library.schema);
    }

    #[test]
    fn no_argument_panics(value in pieces(), name in prop::sample::select(vec!["filter", "order", "limit", "docID", "groupBy", "cid"])) {
        let library = library();
        let _ = library.plan(&format!("query($a: Int) {{ Book({name}: {value}) {{ title }} }}"));
        let _ = library.plan(&format!("mutation {{ add_Book(input: {value}) {{ title }} }}"));
    }
}
