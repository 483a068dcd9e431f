//! Values at their edges: what is told is what was written, and what cannot be told is refused.

use harness::Client;
use serde_json::{Value, json};

use crate::home::Home;

async fn refused(client: &Client, query: &str, variables: Value) -> Vec<String> {
    let answer = client.try_graphql(query, variables).await.unwrap();
    answer.codes().iter().map(|code| (*code).to_owned()).collect()
}

#[tokio::test]
async fn dates_keep_what_they_say_or_are_refused() {
    let home = Home::new().await;
    home.alice.define("type Day { at: DateTime all: [DateTime!] }").await.unwrap();
    let add = "mutation($at: DateTime) { add_Day(input: {at: $at, all: [$at]}) { at all } }";
    for text in [
        "2020-01-01T00:00:00.0000005Z",
        "2020-01-01T00:00:00.123456789Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "yesterday",
    ] {
        assert_eq!(refused(&home.alice, add, json!({"at": text})).await, ["invalid_input"], "{text}");
        let filter = "query($at: DateTime) { Day(filter: {at: {_lt: $at}}) { at } }";
        assert_eq!(refused(&home.alice, filter, json!({"at": text})).await, ["invalid_input"], "{text}");
    }
    for (text, shown) in [
        ("2020-01-01T00:00:00.123456000Z", "2020-01-01T00:00:00.123456Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2020-01-01T00:00:00.5-00:30", "2020-01-01T00:30:00.5Z"),
    ] {
        let made = home.alice.graphql_with(add, json!({"at": text})).await.unwrap();
        assert_eq!(made["add_Day"][0], json!({"at": shown, "all": [shown]}), "{text}");
    }
    let ordered = home.alice.graphql("{ Day(order: {at: ASC}) { at } }").await.unwrap();
    let all: Vec<&str> = ordered["Day"].as_array().unwrap().iter().map(|day| day["at"].as_str().unwrap()).collect();
    assert!(all.is_sorted() && all.len() == 4, "{all:?}");
}

#[tokio::test]
async fn numbers_compare_exactly_at_their_bounds() {
    let home = Home::new().await;
    home.alice.define("type N { i: Int f: Float g: Float j: JSON }").await.unwrap();
    let add = "mutation($i: [NMutationInputArg!]!) { add_N(input: $i) { i f } }";
    let rows = json!([
        {"i": i64::MAX, "f": 9_007_199_254_740_992.0}, {"i": i64::MIN, "f": -0.0}, {"i": 9_007_199_254_740_993i64, "f": 1e300}
    ]);
    let made = home.alice.graphql_with(add, json!({"i": rows})).await.unwrap();
    assert_eq!(made["add_N"][0]["i"], i64::MAX);
    assert_eq!(made["add_N"][1]["f"].to_string(), "0.0", "zero has no sign");
    for wrong in [
        r#"{"i": 9223372036854775808}"#,
        r#"{"i": -9223372036854775809}"#,
        r#"{"i": 1.0}"#,
        r#"{"f": 1e400}"#,
        r#"{"j": 1e400}"#,
    ] {
        let body = format!(
            r#"{{"query": "mutation($i: [NMutationInputArg!]!) {{ add_N(input: $i) {{ i }} }}", "variables": {{"i": [{wrong}]}}}}"#
        );
        let request = home
            .alice
            .request(reqwest::Method::POST, "/api/v1/graphql")
            .header("content-type", "application/json")
            .body(body);
        assert_eq!(home.alice.send(request).await.unwrap().codes(), ["invalid_input"], "{wrong}");
    }
    let count = async |filter: &str| {
        home.alice.graphql(&format!("{{ COUNT(N: {{filter: {filter}}}) }}")).await.unwrap()["COUNT"].clone()
    };
    assert_eq!(count("{f: {_eq: 9007199254740993}}").await, 0, "2^53 + 1 is no float");
    assert_eq!(count("{f: {_eq: 9007199254740992}}").await, 1);
    assert_eq!(count("{f: {_in: [9007199254740993, 5]}}").await, 0);
    assert_eq!(count("{f: {_lt: 9007199254740993}}").await, 2);
    assert_eq!(count("{f: {_geq: 9007199254740993}}").await, 1);
    assert_eq!(count("{i: {_geq: 9223372036854775807}}").await, 1);
    assert_eq!(count("{i: {_leq: -9223372036854775808}}").await, 1);
    let beyond = "{ N(filter: {f: {_eq: 36893488147419103233}}) { f } }";
    assert_eq!(refused(&home.alice, beyond, json!({})).await, ["invalid_input"], "2^65 + 1 is no float");
    assert_eq!(count("{f: {_lt: 36893488147419103232}}").await, 2);
    // Sums: exact as long as an integer holds them, and refused where no float does.
    let sum = home.alice.graphql("{ SUM(N: {field: i, filter: {i: {_gt: 0}}}) AVG(N: {field: i}) }").await.unwrap();
    assert_eq!(sum["SUM"].as_f64(), Some(9_232_379_236_109_516_800.0));
    let by_alias =
        "{ N(groupBy: [i], filter: {_alias: {s: {_eq: 9007199254740993}}}) { i s: SUM(GROUP: {field: i}) } }";
    assert_eq!(home.alice.graphql(by_alias).await.unwrap()["N"][0]["i"], 9_007_199_254_740_993i64);
    home.alice.graphql("mutation { add_N(input: [{g: 1e308}, {g: 1e308}]) { g } }").await.unwrap();
    assert_eq!(refused(&home.alice, "{ SUM(N: {field: g}) }", json!({})).await, ["invalid_input"]);
    assert_eq!(home.alice.graphql("{ MAX(N: {field: g}) }").await.unwrap()["MAX"], 1e308);
}

#[tokio::test]
async fn patterns_fold_case_as_unicode_does() {
    let home = Home::new().await;
    home.alice.define("type T { s: String all: [String!] }").await.unwrap();
    for text in ["Straße", "ΟΔΥΣΣΕΥΣ", "273 \u{212a}", "İstanbul", "Ilk", "e\u{301}t\u{e9}", "100%"] {
        home.alice
            .graphql_with("mutation($s: String) { add_T(input: {s: $s, all: [$s]}) { s } }", json!({"s": text}))
            .await
            .unwrap();
    }
    for (pattern, expected) in [
        ("STRASSE", json!(["Straße"])),
        ("%οδυσσευς", json!(["ΟΔΥΣΣΕΥΣ"])),
        ("%ΣΕΥΣ", json!(["ΟΔΥΣΣΕΥΣ"])),
        ("% k", json!(["273 \u{212a}"])),
        ("i\u{307}%", json!(["İstanbul"])),
        ("ilk", json!(["Ilk"])),
        ("\u{e9}%", json!([])),
        ("E\u{301}%", json!(["e\u{301}t\u{e9}"])),
        ("100%", json!(["100%"])),
    ] {
        for field in ["s: {_ilike: $p}", "all: {_any: {_ilike: $p}}"] {
            let got = home
                .alice
                .graphql_with(&format!("query($p: String) {{ T(filter: {{{field}}}) {{ s }} }}"), json!({"p": pattern}))
                .await
                .unwrap();
            let got: Vec<&Value> = got["T"].as_array().unwrap().iter().map(|row| &row["s"]).collect();
            assert_eq!(json!(got), expected, "{pattern} {field}");
        }
    }
    let nilike = home.alice.graphql(r#"{ COUNT(T: {filter: {s: {_nilike: "%SS%"}}}) }"#).await.unwrap();
    assert_eq!(nilike["COUNT"], 6, "ß is ss, and Σ is no s");
}
