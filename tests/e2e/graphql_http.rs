//! GraphQL over HTTP, as clients and the audit of its draft see a node: media types, status codes, introspection and
//! where errors point.

use std::path::{Path, PathBuf};
use std::sync::Once;

use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;

const NEW: &str = "application/graphql-response+json";
const LIBRARY: &str = "type Author { name: String books: [Book] } \
    type Book { title: String @index(unique: true) pages: Int rating: Float at: DateTime meta: JSON author: Author }";

/// The folder of what runs on Node.js, with its packages.
fn tools() -> PathBuf {
    static READY: Once = Once::new();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("graphql");
    READY.call_once(|| {
        if dir.join("node_modules/.package-lock.json").exists() {
            return;
        }
        let mut npm = std::process::Command::new("npm");
        let npm = npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]).current_dir(&dir);
        let done = npm.status().expect("npm, for the tests of GraphQL clients");
        assert!(done.success(), "`npm ci` in tests/graphql");
    });
    dir
}

/// What a script says about the endpoint at `path`, as Alice.
fn run(home: &Home, script: &str, path: &str) -> Value {
    let mut node = std::process::Command::new("node");
    let node = node.arg(script).current_dir(tools()).env("ALLOD_URL", format!("{}{path}", home.node.url));
    let said = node.env("ALLOD_TOKEN", home.alice.token.as_deref().expect("a token")).output().expect("node");
    let text = String::from_utf8_lossy(&said.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{script}: {text}{}", String::from_utf8_lossy(&said.stderr)))
}

#[tokio::test]
async fn the_audit_finds_nothing() {
    let home = Home::new().await;
    home.alice.define(LIBRARY).await.unwrap();
    for path in ["/api/v1/graphql", "/api/graphql", "/api/v0/graphql"] {
        let results = run(&home, "audit.mjs", path);
        let results = results.as_array().unwrap();
        assert!(results.len() >= 60, "control: the audit looked at {} things", results.len());
        let odd: Vec<_> = results.iter().filter(|result| result["status"] != "ok").collect();
        assert!(odd.is_empty(), "{path}: {odd:#?}");
    }
    let control = run(&home, "audit.mjs", "/healthz");
    let control = control.as_array().unwrap();
    assert!(control.iter().any(|result| result["status"] == "error"), "control: the audit can fail");
}

#[tokio::test]
async fn clients_build_their_schema_from_introspection() {
    let home = Home::new().await;
    home.alice.define(LIBRARY).await.unwrap();
    for path in ["/api/v1/graphql", "/api/v0/graphql"] {
        let results = run(&home, "introspect.mjs", path);
        for version in ["16", "17"] {
            let result = &results[version];
            // Places of the drafts that follow the edition of September 2025.
            let newer =
                ["__DirectiveLocation.FRAGMENT_VARIABLE_DEFINITION", "__DirectiveLocation.DIRECTIVE_DEFINITION"];
            let newer = newer.map(|name| format!("{name} is missing"));
            let is_newer = |wrong: &Value| wrong.as_str().is_some_and(|wrong| newer.iter().any(|newer| newer == wrong));
            let wrong = result["wrong"].as_array().unwrap().iter();
            let wrong: Vec<_> = wrong.filter(|wrong| !is_newer(wrong)).collect();
            assert!(wrong.is_empty(), "{path}, graphql-js {version}: {wrong:#?}");
            let one_of = json!({ "INPUT_OBJECT": false, "OBJECT": null, "SCALAR": null });
            assert_eq!(result["oneOf"], one_of, "graphql-js {version}");
            let sdl = result["sdl"].as_str().unwrap();
            for says in ["type Book {", "input BookFilterArg {", "scalar DateTime @specifiedBy(url:", "type Mutation {"]
            {
                assert!(sdl.contains(says), "{path}, graphql-js {version}: {says}");
            }
        }
    }
}

async fn ask(home: &Home, accept: Option<&str>, query: &str) -> (u16, String, Value) {
    let mut request = home.alice.request(Method::POST, "/api/v1/graphql").json(&json!({ "query": query }));
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let answer = request.send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), kind, answer.json().await.unwrap())
}

#[tokio::test]
async fn the_status_says_what_came_of_it_to_who_asks_for_that() {
    let home = Home::new().await;
    home.alice.define(LIBRARY).await.unwrap();
    let add = r#"mutation { add_Book(input: {title: "Emma"}) { title } }"#;
    assert_eq!(ask(&home, Some(NEW), add).await.0, 200);
    for (what, query, status, code) in [
        ("syntax", "{", 400, "invalid_input"),
        ("an unknown field", "{ Nope { a } }", 400, "unknown_field"),
        ("a wrong value", "{ Book(limit: \"x\") { title } }", 400, "invalid_input"),
        ("a variable without a value", "query($a: ID!) { Book(docID: [$a]) { title } }", 400, "invalid_input"),
        ("a value that is taken", add, 409, "not_unique"),
    ] {
        let (told, kind, body) = ask(&home, Some(NEW), query).await;
        assert_eq!((told, &body["errors"][0]["extensions"]["code"]), (status, &json!(code)), "{what}: {body}");
        assert!(kind.starts_with(NEW) && body.get("data").is_none(), "{what}: {kind} {body}");
        for accept in [None, Some("*/*"), Some("application/json"), Some("Application/JSON;q=0.5, text/html")] {
            let (told, kind, same) = ask(&home, accept, query).await;
            assert_eq!((told, kind.as_str(), &same), (200, "application/json", &body), "{what}, {accept:?}");
        }
    }
    let refused = r#"mutation { add_Book(input: {title: "Persuasion"}) { title } }"#;
    for accept in ["text/html", "application/json;q=0", "application/json; charset=utf-16"] {
        let (status, _, body) = ask(&home, Some(accept), refused).await;
        assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (406, &json!("not_acceptable")), "{accept}");
    }
    let books = home.alice.graphql("{ Book { title } }").await.unwrap();
    assert_eq!(books, json!({"Book": [{"title": "Emma"}]}), "what is not told is not done");
    let by_get = home.alice.request(Method::GET, "/api/v1/graphql").query(&[("query", refused)]);
    let by_get = by_get.header("accept", NEW).send().await.unwrap();
    assert_eq!(
        (by_get.status().as_u16(), by_get.headers()["allow"].to_str().unwrap()),
        (405, "POST, GET, HEAD, OPTIONS")
    );
    let nobody = harness::Client::new(&home.node.url, None).unwrap();
    let nobody = nobody.request(Method::POST, "/api/v1/graphql").header("accept", NEW);
    let nobody = nobody.json(&json!({"query": "{ __typename }"})).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
    assert!(nobody.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn parameters_of_the_wrong_type_are_refused_by_both_methods() {
    let home = Home::new().await;
    let query = "{ __typename }";
    for extra in
        [json!({"extensions": 1}), json!({"extensions": []}), json!({"variables": "{}"}), json!({"operationName": {}})]
    {
        let mut body = json!({ "query": query });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let answer = home.alice.post("/api/v1/graphql", &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
    }
    let get = async |pairs: &[(&str, &str)]| {
        let request = home.alice.request(Method::GET, "/api/v1/graphql").query(pairs);
        home.alice.send(request).await.unwrap().status
    };
    for (name, value, status) in [
        ("variables", "{}", 200),
        ("variables", "null", 200),
        ("variables", "[]", 400),
        ("variables", "{", 400),
        ("extensions", "{\"a\": [1]}", 200),
        ("extensions", "1", 400),
        ("query", query, 400),
    ] {
        assert_eq!(get(&[("query", query), (name, value)]).await, status, "{name}={value}");
    }
    assert_eq!(get(&[]).await, 400, "no query");
}

/// Line and column of what `mark` stands before in `query`.
fn place(query: &str) -> (String, Value) {
    let at = query.find('¶').expect("a mark");
    let line = query[..at].matches('\n').count() + 1;
    let column = query[..at].chars().rev().take_while(|&c| c != '\n').count() + 1;
    (query.replacen('¶', "", 1), json!([{ "line": line, "column": column }]))
}

#[tokio::test]
async fn errors_point_at_the_field_and_not_at_its_value() {
    let home = Home::new().await;
    home.alice.define(LIBRARY).await.unwrap();
    for marked in [
        "{ Book { title\n  ¶nope } }",
        "{ Book { x: ¶nope } }",
        "{ Book(¶nope: 1) { title } }",
        "{ Book(filter: {¶nope: {_eq: 1}}) { title } }",
        "{ Book(\n  filter: {title: {_eq: \"a\"}, _and: [{pages: {_eq: 1}}, {¶nope: {_eq: \"ü\"}}]}) { title } }",
        "{ Book(filter: {title: {¶_frob: 1}}) { title } }",
        "{ Book(filter: {title: {¶_eq: 1}}) { title } }",
        "{ Book(filter: {rating: {¶_eq: \"x\"}}) { title } }",
        "{ Book(filter: {pages: {¶_eq: \"x\"}}) { title } }",
        "{ Book(filter: {pages: {¶_in: [1, \"x\"]}}) { title } }",
        "{ Book(filter: {_or: [{}, {pages: {_eq: 1, ¶_eq: 2}}]}) { title } }",
        "{ Book(¶limit: \"x\") { title } }",
        "{ Book(¶limit: [1, 2]) { title } }",
        "{ Book(order: [{¶nope: ASC}]) { title } }",
        "{ Book(order: [{¶title: UP}]) { title } }",
        "{ Book(¶groupBy: [nope]) { title } }",
        "{ Book { author { books(filter: {¶nope: 1}) { title } } } }",
        "mutation { add_Book(input: {title: \"a\", ¶nope: 1}) { title } }",
        "mutation { add_Book(input: [{title: \"a\"}, {¶pages: \"x\"}]) { title } }",
        "mutation { add_Book(input: {¶title: 1}) { title } }",
        "query($¶a: Int = \"x\") { Book(limit: $a) { title } }",
        "query($a: String = \"x\") { Book(¶limit: $a) { title } }",
        "{ ¶Book(limit: -1) { title } }",
        "{ ¶Book }",
    ] {
        let (query, wanted) = place(marked);
        let answer = home.alice.try_graphql(&query, json!({})).await.unwrap();
        assert_eq!(answer.json["errors"][0]["locations"], wanted, "{marked}: {}", answer.text);
    }
    let (query, wanted) = place("query($a: Int\n  $¶f: BookFilterArg) { Book(limit: $a, filter: $f) { title } }");
    let answer = home.alice.try_graphql(&query, json!({"f": {"nope": 1}})).await.unwrap();
    assert_eq!(answer.json["errors"][0]["locations"], wanted, "{}", answer.text);
    home.alice.graphql(r#"mutation { add_Book(input: {title: "a"}) { title } }"#).await.unwrap();
    let taken = home.alice.try_graphql(r#"mutation { mine: add_Book(input: {title: "a"}) { title } }"#, json!({}));
    assert_eq!(taken.await.unwrap().json["errors"][0]["path"], json!(["mine"]));
}
