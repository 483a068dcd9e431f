//! Operations that are wide and not deep: whatever is made large, there is an answer or a limit with a name.

use harness::Client;
use serde_json::{Value, json};

use crate::home::Home;

/// More fields than one statement of SQLite takes orders by accident, fewer than a definition may have.
const FIELDS: usize = 600;

async fn wide(home: &Home) -> (Value, Value) {
    let fields: String = (0..FIELDS).map(|n| format!("f{n}: Int ")).collect();
    let lists: String = (0..FIELDS).map(|n| format!("l{n}: [Int!] ")).collect();
    home.alice
        .define(&format!(
            "type Wide {{ name: String day: DateTime json: JSON {fields} }} type Lists {{ {lists} }}
             type Up {{ name: String @index(unique: true) downs: [Down] }} type Down {{ name: String up: Up }}"
        ))
        .await
        .unwrap();
    let add = r#"mutation { add_Wide(input: [{name: "a", f0: 1, json: {a: [1]}}, {name: "b", f0: 2}]) { _docID _version { cid } } add_Lists(input: {l0: [1]}) { _docID } }"#;
    let made = home.alice.graphql(add).await.unwrap();
    let first = &made["add_Wide"][0];
    (first["_docID"].clone(), first["_version"][0]["cid"].clone())
}

fn many(n: usize, of: impl Fn(usize) -> Value) -> Value {
    Value::Array((0..n).map(of).collect())
}

fn names(n: usize, name: impl Fn(usize) -> String) -> String {
    (0..n).map(name).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn whatever_is_made_large_is_answered_or_refused_by_a_limit() {
    let home = Home::new().await;
    let (doc, cid) = wide(&home).await;
    let select = "query($f: WideFilterArg) { Wide(filter: $f) { name } }";
    let mut cases: Vec<(String, String, Value)> = Vec::new();
    let mut filter = |name: &str, filter: Value| {
        let f = json!({"f": filter});
        cases.push((format!("select by {name}"), select.into(), f.clone()));
        let count = "query($f: WideFilterArg) { COUNT(Wide: {filter: $f}) }";
        cases.push((format!("count by {name}"), count.into(), f.clone()));
        let update = "mutation($f: WideFilterArg) { update_Wide(filter: $f, input: {f1: 1}) { name } }";
        cases.push((format!("update by {name}"), update.into(), f.clone()));
        let upsert =
            r#"mutation($f: WideFilterArg!) { upsert_Wide(filter: $f, add: {name: "u"}, update: {f2: 2}) { name } }"#;
        cases.push((format!("upsert by {name}"), upsert.into(), f));
    };
    for n in [998, 1_024, 34_000] {
        filter(&format!("{n} ands"), json!({"_and": many(n, |i| json!({"f0": {"_neq": i + 10}}))}));
        filter(&format!("{n} ors"), json!({"_or": many(n, |i| json!({"name": {"_eq": format!("x{i}")}}))}));
        filter(&format!("{n} values"), json!({"f0": {"_in": many(n, |i| json!(i))}}));
        filter(&format!("{n} other values"), json!({"name": {"_nin": many(n, |i| json!(format!("x{i}")))}}));
        filter(&format!("{n} dates"), json!({"day": {"_in": many(n, |_| json!("2020-01-01T00:00:00Z"))}}));
        filter(&format!("{n} documents"), json!({"_docID": {"_in": many(n, |_| doc.clone())}}));
        filter(&format!("{n} paths"), json!({"_or": many(n, |i| json!({"json": {"a": {"_eq": i}}}))}));
        filter(&format!("{n} letters"), json!({"name": {"_ilike": format!("%{}%", "x%".repeat(n))}}));
    }
    filter("lists of values", json!({"_or": many(100, |_| json!({"f0": {"_in": many(400, |i| json!(i))}}))}));
    filter("all fields", Value::Object((0..FIELDS).map(|n| (format!("f{n}"), json!({"_eq": null}))).collect()));
    let mut deep = json!({"f0": {"_eq": 1}});
    for _ in 0..11 {
        deep = json!({"_not": {"_or": many(3, |i| if i == 1 { deep.clone() } else { json!({"f1": {"_eq": i}}) })}});
    }
    filter("nots", deep);

    let mut case = |name: &str, query: String, variables: Value| cases.push((name.into(), query, variables));
    for n in [600, 3_000] {
        let ids = json!({"d": many(n, |_| doc.clone()), "c": many(n, |_| cid.clone())});
        case("documents", "query($d: [ID!]) { Wide(docID: $d) { name } }".into(), ids.clone());
        case("commits", "query($c: [String]) { Wide(cid: $c) { name f3 } }".into(), ids.clone());
        case(
            "groups at commits",
            "query($c: [String]) { Wide(cid: $c, groupBy: [name]) { name GROUP { f0 } } }".into(),
            ids.clone(),
        );
        case("deleted by id", "mutation($d: [ID!]) { restore_Wide(docID: $d) { name } }".into(), ids);
        let order = many(n, |i| json!({format!("f{}", i % FIELDS): if i % 2 == 0 { "ASC" } else { "DESC" }}));
        case("orders", "query($o: [WideOrderArg]) { Wide(order: $o) { name } }".into(), json!({"o": order}));
        let add = many(n, |i| json!({"name": format!("n{i}"), "f0": i}));
        case(
            "added",
            "mutation($i: [WideMutationInputArg!]!) { add_Wide(input: $i) { _docID } }".into(),
            json!({"i": add}),
        );
    }
    let all = names(FIELDS, |n| format!("f{n}"));
    case("fields", format!("{{ Wide {{ {all} }} }}"), json!({}));
    case(
        "aliases",
        format!("{{ Wide {{ {all} {} }} }}", names(250, |n| format!("a{n}: COUNT(Wide: {{}})"))),
        json!({}),
    );
    case(
        "groups",
        format!("{{ Wide(groupBy: [{all}]) {{ {all} GROUP(groupBy: [{all}]) {{ f0 GROUP {{ f1 }} }} }} }}"),
        json!({}),
    );
    case("sources", format!("{{ Lists {{ COUNT({}) }} }}", names(FIELDS, |n| format!("l{n}: {{}}"))), json!({}));
    case(
        "sums",
        format!("{{ Lists {{ SUM({}) }} }}", names(FIELDS, |n| format!("l{n}: {{filter: {{_gt: {n}}}}}"))),
        json!({}),
    );
    case(
        "root sums",
        format!("{{ {} }}", names(60, |n| format!("s{n}: SUM(Wide: {{field: f{n}, filter: {{f0: {{_gt: 0}}}}}})"))),
        json!({}),
    );
    case("roots", format!("{{ {} }}", names(70, |n| format!("r{n}: Wide {{ name }}"))), json!({}));
    let through = (0..10).fold("name".to_owned(), |inner, _| format!("name downs {{ up {{ {inner} }} }}"));
    case("relations", format!("{{ Up {{ {through} }} }}"), json!({}));
    let related = (0..11).fold(json!({"name": {"_eq": "x"}}), |inner, _| json!({"downs": {"up": inner}}));
    case("related", "query($f: UpFilterArg) { Up(filter: $f) { name } }".into(), json!({"f": related}));
    let through =
        (0..20).fold(json!({"name": "ASC"}), |inner, n| json!({if n % 2 == 0 { "up" } else { "downs" }: inner}));
    case(
        "order through relations",
        "query($o: [DownOrderArg]) { Down(order: $o) { name } }".into(),
        json!({"o": [through]}),
    );
    let named = json!({"f": {"_or": many(5_000, |_| json!({"_alias": {"n": {"_gt": 5}}}))}, "g": {"_or": many(50, |i| json!({"name": {"_eq": i.to_string()}}))}});
    case(
        "aggregates by alias",
        "query($f: UpFilterArg, $g: DownFilterArg) { Up(filter: $f) { n: COUNT(downs: {filter: $g}) } }".into(),
        named,
    );
    let value = "x".repeat(900_000);
    case("a large value", "mutation($v: String) { add_Up(input: {name: $v}) { name } }".into(), json!({"v": value}));

    for (name, query, variables) in &cases {
        // A connection of its own: one that idled while a case was made may be closed under the next.
        let client = Client::new(&home.alice.base, home.alice.token.as_deref()).unwrap();
        let answer = client.try_graphql(query, variables.clone()).await.unwrap_or_else(|e| panic!("{name}: {e:#}"));
        let codes = answer.codes();
        // A pattern is one value, and may be too long for one.
        let long = name.ends_with("34000 letters") || name == "a large value";
        let limits = ["invalid_input", "unknown_field"];
        let named =
            |code: &&str| code.starts_with("limit_") || limits.contains(code) || (long && *code == "value_too_large");
        assert!(
            codes.iter().all(named),
            "{name}: {} {codes:?} {}",
            answer.status,
            &answer.text[..answer.text.len().min(600)]
        );
        assert!(answer.status == 200 || !codes.is_empty() || answer.status == 413, "{name}: {}", answer.status);
    }
    // Controls: what the issue names has an answer, and the right one.
    type Of = fn(usize) -> Value;
    let kinds: [(&str, Of); 5] = [
        ("numbers", |i| json!({"f0": {"_neq": i + 10}})),
        ("patterns", |i| json!({"name": {"_nlike": format!("%x{i}%")}})),
        ("paths", |i| json!({"json": {"a": {format!("k{i}"): {"_eq": null}}}})),
        ("nots", |i| json!({"_not": {"f0": {"_eq": i + 10}}})),
        ("elements", |i| json!({"json": {"a": {"_none": {"_eq": i + 10}}}})),
    ];
    for (kind, of) in kinds {
        for n in [998, 1_000, 1_023] {
            let ands = json!({"f": {"_and": many(n, of), "name": {"_in": ["a", "b"]}}});
            let got = home.alice.graphql_with(select, ands).await.unwrap_or_else(|e| panic!("{n} {kind}: {e:#}"));
            let expected =
                if kind == "elements" { json!([{"name": "a"}]) } else { json!([{"name": "a"}, {"name": "b"}]) };
            assert_eq!(got["Wide"], expected, "{n} {kind}");
        }
    }
    let more = json!({"f": {"_and": many(1_025, |i| json!({"f0": {"_neq": i + 10}}))}});
    assert_eq!(home.alice.try_graphql(select, more).await.unwrap().codes(), ["limit_conditions"]);
    let at = "query($c: [String]) { Wide(cid: $c, order: {f0: ASC}) { name f0 } }";
    let at = home.alice.graphql_with(at, json!({"c": many(600, |_| cid.clone())})).await.unwrap();
    assert_eq!(at["Wide"], json!([{"name": "a", "f0": 1}]));
    let sources = format!("{{ Lists {{ COUNT({}) }} }}", names(FIELDS, |n| format!("l{n}: {{}}")));
    assert_eq!(home.alice.graphql(&sources).await.unwrap()["Lists"], json!([{"COUNT": 1}]));
}

#[tokio::test]
async fn an_entry_of_many_values_covers_what_it_says_in_every_column() {
    let home = Home::new().await;
    home.alice.define(&format!("type Wide {{ name: String {} }}", names(100, |n| format!("f{n}: Int")))).await.unwrap();
    home.alice
        .graphql(r#"mutation { add_Wide(input: [{name: "n7", f0: 1, f1: 5}, {name: "other", f0: 2}]) { _docID } }"#)
        .await
        .unwrap();
    let all: Vec<String> = (0..100).map(|n| format!("f{n}")).chain(["name".into()]).collect();
    for n in [200, 256] {
        let access = json!({"type": "allod_doc", "datatypes": ["Wide"], "actions": ["read", "search"],
            "fields": {"allow": all}, "where": {"name": {"_in": many(n, |i| json!(format!("n{i}")))}}});
        let some = json!({"type": "allod_doc", "datatypes": ["Wide"], "actions": ["read", "search"],
            "fields": {"allow": ["f1"]}, "where": {"name": {"_nin": many(n, |i| json!(format!("m{i}")))}}});
        for grant in [json!([access.clone()]), json!([access, some])] {
            let manifest = json!({"name": "An App", "redirect_uris": ["http://127.0.0.1:9/cb"], "access": grant, "confidential": false});
            let app = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
            let file = home.file("grant.json", &grant.to_string());
            let id = app["client_id"].as_str().unwrap();
            let made = home.node.cli_ok(&["grant", "add", "--user", "alice", "--app", id, &file]).unwrap();
            let app = home.alice.with_token(made["access_token"].as_str().unwrap());
            let got = app
                .graphql(&format!("{{ Wide(order: {{f1: DESC}}) {{ name {} }} }}", names(100, |n| format!("f{n}"))))
                .await
                .unwrap();
            assert_eq!(got["Wide"][0]["name"], "n7", "{n}");
            assert_eq!(got["Wide"][0]["f0"], 1);
            let rows = got["Wide"].as_array().unwrap();
            assert!(rows.len() == 1 || rows[1]["name"].is_null() && rows[1]["f0"].is_null(), "{got}");
        }
    }
}
