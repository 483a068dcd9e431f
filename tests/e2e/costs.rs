//! What one request costs is bounded whatever it asks for: products of what it names, long histories, the past of large
//! documents. Who asks is answered or told so, and whoever else is there is answered meanwhile.

use std::time::Duration;

use harness::{Answer, Client};
use serde_json::{Value, json};

use crate::home::Home;
use crate::hostile::{shown, unhurt};

/// Within this a neighbour is answered, also on a busy machine; what these requests took before is minutes.
const ANSWERED: Duration = Duration::from_secs(60);

/// Whether the node answers to somebody who asks for little: that it is there, a read, and a change.
async fn neighbour_is_answered(bob: &Client, what: &str) {
    let asked = async {
        assert_eq!(bob.nobody().get("/healthz").await.unwrap().status, 200, "{what}");
        bob.graphql("{ Mine { a } }").await.unwrap();
        bob.graphql("mutation { add_Mine(input: {a: \"b\"}) { _docID } }").await.unwrap();
    };
    tokio::time::timeout(ANSWERED, asked).await.unwrap_or_else(|_| panic!("a neighbour of {what} is not answered"));
}

async fn with_neighbour(sdl: &str) -> (Home, Client) {
    let home = Home::new().await;
    home.alice.define(sdl).await.unwrap();
    let bob = home.user("bob", None).await;
    bob.define("type Mine { a: String }").await.unwrap();
    (home, bob)
}

async fn begun(
    client: &Client,
    times: usize,
    query: &'static str,
    variables: &Value,
) -> Vec<tokio::task::JoinHandle<Answer>> {
    let begin = |_| {
        let (client, variables) = (client.clone(), variables.clone());
        tokio::spawn(async move { client.try_graphql(query, variables).await.unwrap() })
    };
    let all = (0..times).map(begin).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    all
}

async fn ended(all: Vec<tokio::task::JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for one in all {
        answers.push(tokio::time::timeout(2 * ANSWERED, one).await.expect("it ends").unwrap());
    }
    answers
}

#[tokio::test]
async fn many_elements_against_many_values_hold_up_nobody() {
    let (home, bob) = with_neighbour("type T { l: [Int] n: Int }").await;
    let add = "mutation($l: [Int]) { add_T(input: {l: $l, n: 0}) { _docID } }";
    let numbers = |range: std::ops::Range<i64>| json!(range.collect::<Vec<_>>());
    let added = home.alice.graphql_with(add, json!({ "l": numbers(0..87_000) })).await.unwrap();
    let id = added["add_T"][0]["_docID"].as_str().unwrap().to_owned();
    let values = json!({ "i": id, "v": numbers(1_000_000..1_240_000) });

    let read = "query($i: [ID], $v: [Int]) { T(docID: $i, filter: {l: {_any: {_in: $v}}}) { _docID } }";
    let reads = begun(&home.alice, 4, read, &values).await;
    neighbour_is_answered(&bob, "reads").await;
    for answer in ended(reads).await {
        assert_eq!(answer.json["data"]["T"], json!([]), "{}", shown(&answer.text));
    }
    let update = "mutation($v: [Int]) { update_T(filter: {l: {_any: {_in: $v}}}, input: {n: 1}) { _docID } }";
    let updates = begun(&home.alice, 2, update, &values).await;
    neighbour_is_answered(&bob, "changes").await;
    for answer in ended(updates).await {
        assert_eq!(answer.json["data"]["update_T"], json!([]), "{}", shown(&answer.text));
    }
    let found = json!({ "i": id, "v": numbers(86_999..326_000) });
    let found = home.alice.graphql_with(read, found).await.expect("control: one of them is there");
    assert_eq!(found["T"][0]["_docID"], id);
    let few = home.alice.graphql_with(add, json!({ "l": numbers(200_000..201_000) })).await.unwrap();
    let honest = json!({ "v": numbers(200_999..210_999) });
    let changed = home.alice.graphql_with(update, honest).await.expect("control: 1,000 elements, 10,000 values");
    assert_eq!(changed["update_T"], few["add_T"]);
    unhurt(&home).await;
}

#[tokio::test]
async fn a_long_history_under_a_condition_is_read_once() {
    let (home, bob) = with_neighbour("type T { n: Int s: String }").await;
    let added = home.alice.graphql("mutation { add_T(input: {n: 1, s: \"\"}) { _docID } }").await.unwrap();
    let id = added["add_T"][0]["_docID"].as_str().unwrap().to_owned();
    const COMMITS: usize = 50 * 64;
    for from in (0..COMMITS).step_by(64) {
        let each = |n: usize| format!("u{n}: update_T(docID: \"{id}\", input: {{s: \"{n}\"}}) {{ _docID }} ");
        let all: String = (from..from + 64).map(each).collect();
        home.alice.graphql(&format!("mutation {{ {all} }}")).await.unwrap();
    }
    let access = json!({
        "type": "allod_doc", "datatypes": ["T"], "actions": ["read", "search", "update", "history"],
        "fields": {"allow": ["n", "s"]}, "where": {"n": {"_lt": 1_000_000}}, "duration": "P30D"
    });
    let (app, _) = home.app(&access, &access);
    let wrong = "bafyreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
    let update =
        "mutation($i: [ID], $h: [String!]) { update_T(docID: $i, input: {s: \"x\"}, expectHeads: $h) { _docID } }";
    let conflicts = begun(&app, 4, update, &json!({ "i": id, "h": [wrong] })).await;
    neighbour_is_answered(&bob, "expected heads").await;
    for answer in ended(conflicts).await {
        assert_eq!(answer.codes(), ["conflict"], "{}", shown(&answer.text));
    }
    let rows =
        "query($i: [ID]) { _commits(docID: $i, fieldName: \"_C\") { height } T(docID: $i) { _version { cid } } }";
    let reads = begun(&app, 4, rows, &json!({ "i": id })).await;
    neighbour_is_answered(&bob, "histories").await;
    let mut head = Value::Null;
    for answer in ended(reads).await {
        let commits = answer.json["data"]["_commits"].as_array().unwrap_or_else(|| panic!("{}", shown(&answer.text)));
        assert_eq!((commits.len(), &commits[0]["height"]), (COMMITS + 1, &json!(COMMITS + 1)));
        head = answer.json["data"]["T"][0]["_version"][0]["cid"].clone();
    }
    let right = app.try_graphql(update, json!({ "i": id, "h": [head] })).await.unwrap();
    assert_eq!(right.json["data"]["update_T"][0]["_docID"], id, "control: {}", shown(&right.text));
    // What leaves the condition takes its history with it.
    home.alice
        .graphql(&format!("mutation {{ update_T(docID: \"{id}\", input: {{n: 2000000}}) {{ n }} }}"))
        .await
        .unwrap();
    let gone = app.graphql_with(rows, json!({ "i": id })).await.unwrap();
    assert_eq!((&gone["_commits"], &gone["T"]), (&json!([]), &json!([])), "control");
    unhurt(&home).await;
}

#[tokio::test]
async fn the_past_of_a_large_document_takes_what_is_asked_of_it() {
    let (home, bob) = with_neighbour("type T { n: Int s: String }").await;
    let add = "mutation($s: String) { add_T(input: {n: 0, s: $s}) { _docID } }";
    let added = home.alice.graphql_with(add, json!({ "s": "x".repeat(1_000_000) })).await.unwrap();
    let id = added["add_T"][0]["_docID"].as_str().unwrap().to_owned();
    let each = |n: usize| format!("u{n}: update_T(docID: \"{id}\", input: {{n: {n}}}) {{ _docID }} ");
    home.alice.graphql(&format!("mutation {{ {} }}", (1..=60).map(each).collect::<String>())).await.unwrap();
    let rows = format!("{{ _commits(docID: \"{id}\", fieldName: \"_C\") {{ cid }} }}");
    let rows = home.alice.graphql(&rows).await.unwrap();
    let cids: Vec<&Value> = rows["_commits"].as_array().unwrap().iter().map(|row| &row["cid"]).collect();
    assert_eq!(cids.len(), 61);
    let whole = "query($c: [String]) { T(cid: $c) { s n } }";
    let too_much = begun(&home.alice, 2, whole, &json!({ "c": cids })).await;
    neighbour_is_answered(&bob, "the past").await;
    for answer in ended(too_much).await {
        assert_eq!(answer.codes(), ["limit_bytes"], "{}", shown(&answer.text));
    }
    let slim = home.alice.graphql_with("query($c: [String]) { T(cid: $c) { n } }", json!({ "c": cids })).await.unwrap();
    let mut numbers: Vec<i64> = slim["T"].as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=60).collect::<Vec<_>>(), "control: of each what is asked for");
    let found = "query($c: [String]) { T(cid: $c, filter: {n: {_gt: 58}, s: {_like: \"x%\"}}, order: {n: DESC}) { n _version { cid } } }";
    let found = home.alice.graphql_with(found, json!({ "c": cids })).await;
    let found = found.map(|data| data["T"].clone());
    assert!(found.is_err(), "what is looked through is held as well: {found:?}");
    let few = home.alice.graphql_with(whole, json!({ "c": &cids[..8] })).await.expect("control: some of them whole");
    assert!(few["T"].as_array().unwrap().iter().all(|row| row["s"].as_str().unwrap().len() == 1_000_000));
    unhurt(&home).await;
}

#[tokio::test]
async fn many_ids_in_many_collections_are_not_their_product() {
    let sdl: String = (0..100).map(|n| format!("type C{n} {{ a: String }} ")).collect();
    let (home, bob) = with_neighbour(&sdl).await;
    let added = home.alice.graphql("mutation { add_C7(input: {a: \"b\"}) { _docID } }").await.unwrap();
    let id = &added["add_C7"][0]["_docID"];
    let mut ids: Vec<Value> = (0..120_000u64).map(|n| json!(format!("00000000-0000-7000-8000-{n:012x}"))).collect();
    ids.extend(vec![id.clone(); 120_000]);
    let commits = "query($i: [ID]) { _commits(docID: $i, fieldName: \"_C\") { docID } }";
    let reads = begun(&home.alice, 2, commits, &json!({ "i": ids })).await;
    neighbour_is_answered(&bob, "ids").await;
    for answer in ended(reads).await {
        assert_eq!(answer.json["data"]["_commits"], json!([{ "docID": id }]), "{}", shown(&answer.text));
    }
    unhurt(&home).await;
}

#[tokio::test]
async fn keys_of_an_order_of_commits_are_counted_and_count_once() {
    let (home, _) = with_neighbour("type T { a: String }").await;
    let items: Vec<Value> = (0..300).map(|n| json!({ "a": n.to_string() })).collect();
    let add = "mutation($i: [TMutationInputArg!]!) { add_T(input: $i) { _docID } }";
    home.alice.graphql_with(add, json!({ "i": items })).await.unwrap();
    let commits = "query($o: [_CommitsOrderArg]) { _commits(order: $o, limit: 20) { cid height } }";
    let asked = async |n: usize, last: Value| {
        let mut order = vec![json!({ "height": "ASC" }); n];
        order.push(last);
        home.alice.try_graphql(commits, json!({ "o": order })).await.unwrap()
    };
    let many = asked(80_000, json!({ "cid": "DESC" })).await;
    assert_eq!(many.codes(), ["limit_conditions"], "{}", shown(&many.text));
    let some = asked(1_000, json!({ "cid": "DESC" })).await;
    let one = asked(1, json!({ "cid": "DESC" })).await;
    assert_eq!(some.json, one.json, "control: {}", shown(&some.text));
    let cids: Vec<&str> =
        one.json["data"]["_commits"].as_array().unwrap().iter().map(|row| row["cid"].as_str().unwrap()).collect();
    assert!(cids.len() == 20 && cids.is_sorted_by(|a, b| a >= b), "control: {cids:?}");
    unhurt(&home).await;
}
