//! The query language over HTTP, on a small library of books.

use serde_json::{Value, json};

use crate::home::Home;

async fn library(home: &Home) {
    home.alice
        .define(
            "type Author { name: String @index(unique: true) born: Int books: [Book] }
             type Book { title: String! rating: Float pages: Int tags: [String!] out: DateTime author: Author }",
        )
        .await
        .unwrap();
    for (name, born) in [("Austen", 1775), ("Borges", 1899), ("Calvino", 1923)] {
        let made = home
            .alice
            .graphql_with(
                "mutation($n: String, $b: Int) { add_Author(input: {name: $n, born: $b}) { _docID } }",
                json!({"n": name, "b": born}),
            )
            .await
            .unwrap();
        let author = made["add_Author"][0]["_docID"].clone();
        for n in 1..=3 {
            let input = json!({"title": format!("{name} {n}"), "rating": f64::from(n) + 0.5, "pages": 100 * n, "tags": ["t", format!("n{n}")],
                "out": format!("19{n}0-01-02T03:04:05Z"), "author": author});
            home.alice
                .graphql_with(
                    "mutation($i: [BookMutationInputArg!]!) { add_Book(input: $i) { _docID } }",
                    json!({"i": [input]}),
                )
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn filters_orders_relations_aggregates_and_groups() {
    let home = Home::new().await;
    library(&home).await;
    for (query, expected) in [
        (
            r#"{ Book(filter: {rating: {_geq: 3.5}}, order: {title: ASC}) { title } }"#,
            json!({"Book": [{"title": "Austen 3"}, {"title": "Borges 3"}, {"title": "Calvino 3"}]}),
        ),
        (
            r#"{ Book(filter: {title: {_like: "Bor%"}, pages: {_in: [100, 300]}}, order: {pages: DESC}) { title pages } }"#,
            json!({"Book": [{"title": "Borges 3", "pages": 300}, {"title": "Borges 1", "pages": 100}]}),
        ),
        (
            r#"{ Book(filter: {_or: [{title: {_eq: "Austen 1"}}, {_and: [{pages: {_gt: 200}}, {_not: {title: {_ilike: "a%"}}}]}]}, order: {title: ASC}) { title } }"#,
            json!({"Book": [{"title": "Austen 1"}, {"title": "Borges 3"}, {"title": "Calvino 3"}]}),
        ),
        (
            r#"{ Book(filter: {tags: {_any: {_eq: "n2"}}}, order: {title: ASC}, limit: 1) { title tags } }"#,
            json!({"Book": [{"title": "Austen 2", "tags": ["t", "n2"]}]}),
        ),
        (
            r#"{ Book(order: {title: ASC}, limit: 2, offset: 1) { title author { name } } }"#,
            json!({"Book": [{"title": "Austen 2", "author": {"name": "Austen"}}, {"title": "Austen 3", "author": {"name": "Austen"}}]}),
        ),
        (
            r#"{ Author(filter: {born: {_lt: 1900}}, order: {name: ASC}) { name books(order: {title: DESC}, limit: 1) { title } COUNT(books: {}) AVG(books: {field: rating}) } }"#,
            json!({"Author": [
            {"name": "Austen", "books": [{"title": "Austen 3"}], "COUNT": 3, "AVG": 2.5},
            {"name": "Borges", "books": [{"title": "Borges 3"}], "COUNT": 3, "AVG": 2.5}]}),
        ),
        (
            r#"{ Book(filter: {author: {name: {_eq: "Calvino"}}}, order: {title: ASC}) { title } }"#,
            json!({"Book": [{"title": "Calvino 1"}, {"title": "Calvino 2"}, {"title": "Calvino 3"}]}),
        ),
        (
            r#"{ Author(filter: {books: {rating: {_gt: 3}}}, order: {name: DESC}) { name } }"#,
            json!({"Author": [{"name": "Calvino"}, {"name": "Borges"}, {"name": "Austen"}]}),
        ),
        (
            r#"{ Book(order: [{author: {name: DESC}}, {pages: ASC}], limit: 2) { title } }"#,
            json!({"Book": [{"title": "Calvino 1"}, {"title": "Calvino 2"}]}),
        ),
        (
            r#"{ Book(groupBy: [pages], order: {pages: ASC}) { pages COUNT(GROUP: {}) GROUP(order: {title: ASC}, limit: 1) { title } } }"#,
            json!({"Book": [
            {"pages": 100, "COUNT": 3, "GROUP": [{"title": "Austen 1"}]},
            {"pages": 200, "COUNT": 3, "GROUP": [{"title": "Austen 2"}]},
            {"pages": 300, "COUNT": 3, "GROUP": [{"title": "Austen 3"}]}]}),
        ),
        (
            r#"{ a: COUNT(Book: {filter: {pages: {_eq: 200}}}) b: SUM(Book: {field: pages}) c: MIN(Book: {field: pages}) d: MAX(Book: {field: rating}) e: COUNT(Book: {filter: {pages: {_gt: 999}}}) f: MIN(Book: {field: pages, filter: {pages: {_gt: 999}}}) }"#,
            json!({"a": 3, "b": 1800, "c": 100, "d": 3.5, "e": 0, "f": null}),
        ),
        (
            r#"{ Book(filter: {out: {_lt: "1915-01-01T00:00:00Z"}}, order: {title: ASC}, limit: 1) { out __typename _deleted } }"#,
            json!({"Book": [{"out": "1910-01-02T03:04:05Z", "__typename": "Book", "_deleted": false}]}),
        ),
        (
            r#"query($min: Int = 250) { Book(filter: {pages: {_gt: $min}}, order: {title: ASC}, limit: 1) { ...T } } fragment T on Book { name: title @include(if: true) pages @skip(if: true) }"#,
            json!({"Book": [{"name": "Austen 3"}]}),
        ),
    ] {
        let got = home.alice.graphql(query).await.unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(got, expected, "{query}");
    }
}

#[tokio::test]
async fn writes_change_what_they_name_and_nothing_on_error() {
    let home = Home::new().await;
    library(&home).await;
    let changed = home
        .alice
        .graphql(r#"mutation { update_Book(filter: {title: {_eq: "Austen 1"}}, input: {pages: 111}) { title pages } }"#)
        .await
        .unwrap();
    assert_eq!(changed["update_Book"], json!([{"title": "Austen 1", "pages": 111}]));
    let upserted = home
        .alice
        .graphql(r#"mutation { a: upsert_Author(filter: {name: {_eq: "Austen"}}, add: {name: "Austen", born: 1}, update: {born: 1776}) { name born }
            b: upsert_Author(filter: {name: {_eq: "Dante"}}, add: {name: "Dante", born: 1265}, update: {born: 2}) { name born } }"#)
        .await
        .unwrap();
    assert_eq!(upserted, json!({"a": [{"name": "Austen", "born": 1776}], "b": [{"name": "Dante", "born": 1265}]}));
    for (query, code) in [
        (r#"mutation { add_Author(input: {name: "Dante"}) { _docID } }"#, "not_unique"),
        (r#"mutation { add_Book(input: {pages: 1}) { _docID } }"#, "not_null"),
        (
            r#"mutation { a: add_Author(input: {name: "Eco"}) { _docID } b: add_Author(input: {name: "Dante"}) { _docID } }"#,
            "not_unique",
        ),
    ] {
        let refused = home.alice.try_graphql(query, Value::Null).await.unwrap();
        assert_eq!((refused.status, refused.codes()), (200, vec![code]), "{query}: {}", refused.text);
    }
    let eco = home.alice.graphql(r#"{ COUNT(Author: {filter: {name: {_eq: "Eco"}}}) }"#).await.unwrap();
    assert_eq!(eco["COUNT"], 0, "a refused request writes nothing");
    let gone = home
        .alice
        .graphql(r#"mutation { delete_Book(filter: {title: {_eq: "Austen 1"}}) { title _deleted } }"#)
        .await
        .unwrap();
    assert_eq!(gone["delete_Book"][0]["title"], "Austen 1");
    let left = home
        .alice
        .graphql(r#"{ COUNT(Book: {}) Book(showDeleted: true, filter: {_deleted: {_eq: true}}) { title } }"#)
        .await;
    if let Ok(left) = left {
        assert_eq!(left["COUNT"], 8);
    }
}

#[tokio::test]
async fn counters_defaults_and_sixty_four_bit_integers() {
    let home = Home::new().await;
    home.alice
        .define(r#"type Tally { name: String @default(value: "unnamed") up: Int @crdt(type: pcounter) both: Int @crdt(type: pncounter) big: Int }"#)
        .await
        .unwrap();
    let made = home
        .alice
        .graphql("mutation { add_Tally(input: {up: 2, both: 5, big: 9007199254740993}) { _docID name up both big } }")
        .await
        .unwrap();
    assert!(made.to_string().contains("9007199254740993"), "{made}");
    assert_eq!((&made["add_Tally"][0]["name"], &made["add_Tally"][0]["up"]), (&json!("unnamed"), &json!(2)));
    let after = home.alice.graphql("mutation { update_Tally(input: {up: 3, both: -7}) { up both } }").await.unwrap();
    assert_eq!(after["update_Tally"], json!([{"up": 5, "both": -2}]));
    let refused =
        home.alice.try_graphql("mutation { update_Tally(input: {up: -1}) { up } }", Value::Null).await.unwrap();
    assert_eq!(refused.codes(), ["invalid_input"], "{}", refused.text);
    let by_variable = home
        .alice
        .graphql_with(
            "query($b: Int) { Tally(filter: {big: {_eq: $b}}) { big } }",
            json!({"b": 9_007_199_254_740_993_i64}),
        )
        .await
        .unwrap();
    assert!(by_variable.to_string().contains("9007199254740993"), "{by_variable}");
}

#[tokio::test]
async fn history_by_commit() {
    let home = Home::new().await;
    library(&home).await;
    let one = home
        .alice
        .graphql(r#"{ Author(filter: {name: {_eq: "Borges"}}) { _docID _version { cid height } } }"#)
        .await
        .unwrap();
    let (id, first) = (
        one["Author"][0]["_docID"].as_str().unwrap().to_owned(),
        one["Author"][0]["_version"][0]["cid"].as_str().unwrap().to_owned(),
    );
    home.alice
        .graphql(&format!("mutation {{ update_Author(docID: \"{id}\", input: {{born: 1}}) {{ born }} }}"))
        .await
        .unwrap();
    let commits = home
        .alice
        .graphql(&format!("{{ _commits(docID: \"{id}\") {{ cid height fieldName docID links {{ cid fieldName }} }} }}"))
        .await
        .unwrap();
    let rows = commits["_commits"].as_array().unwrap();
    assert!(
        rows.iter().any(|row| row["height"] == 2) && rows.iter().any(|row| row["cid"] == json!(first)),
        "{commits}"
    );
    let then =
        home.alice.graphql(&format!("{{ Author(cid: \"{first}\", docID: \"{id}\") {{ name born }} }}")).await.unwrap();
    assert_eq!(then["Author"], json!([{"name": "Borges", "born": 1899}]));
}

#[tokio::test]
async fn hostile_requests_are_refused_in_bounded_time_and_the_node_lives_on() {
    let home = Home::new().await;
    home.alice.define("type Item { name: String }").await.unwrap();
    let deep = format!(
        "{{ Item(filter: {}{{name: {{_eq: \"x\"}}}}{}) {{ name }} }}",
        "{_not: ".repeat(2_000),
        "}".repeat(2_000)
    );
    let wide = format!("{{ {} }}", (0..5_000).map(|n| format!("a{n}: Item {{ name }}")).collect::<String>());
    let bomb = {
        let mut text = "{ ...f0 } ".to_owned();
        for n in 0..40 {
            text.push_str(&format!("fragment f{n} on Query {{ ...f{0} ...f{0} }} ", n + 1));
        }
        text + "fragment f40 on Query { Item { name } }"
    };
    let huge = format!("mutation {{ add_Item(input: {{name: \"{}\"}}) {{ _docID }} }}", "x".repeat(1_100_000));
    for (what, query) in
        [("deep", deep), ("wide", wide), ("bomb", bomb), ("huge", huge), ("garbage", "{{{{{{ \u{0}".to_owned())]
    {
        let answer = home.alice.try_graphql(&query, Value::Null).await.unwrap();
        assert!(!answer.codes().is_empty(), "{what}: {} {}", answer.status, &answer.text[..answer.text.len().min(300)]);
        if what == "huge" {
            assert_eq!(answer.codes(), ["value_too_large"]);
        }
    }
    let over = home
        .alice
        .send(
            home.alice
                .request(reqwest::Method::POST, "/api/v1/graphql")
                .header("content-type", "application/json")
                .body(vec![b' '; 17 * 1024 * 1024]),
        )
        .await;
    if let Ok(over) = over {
        assert_eq!(over.status, 413);
    }
    assert_eq!(home.alice.graphql("{ COUNT(Item: {}) }").await.unwrap()["COUNT"], 0);
}
