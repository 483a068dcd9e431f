//! Who may not do something is refused before anything is looked up: what they name, and is there, answers as what never
//! was. Each request goes out twice, by everyone who sees but a part; the owner's answers stand beside them.

use harness::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::home::Home;
use crate::sharing::{People, share};
use crate::sharing_groups::group;

const UNKNOWN: &str = "000000000000000000000000000000aa";

/// One request with a hole in it, and what fills it: what is there, what never was.
struct Twin {
    method: Method,
    path: &'static str,
    body: Value,
    there: String,
    never: String,
}

impl Twin {
    async fn ask(&self, client: &Client, filling: &str) -> Answer {
        let path = self.path.replace('@', filling);
        let request = client.request(self.method.clone(), &path);
        let request = match &self.body {
            Value::Null => request,
            // Definitions are text.
            Value::String(text) => request.header("content-type", "text/plain").body(text.replace('@', filling)),
            body => request.header("content-type", "application/json").body(body.to_string().replace('@', filling)),
        };
        let answer = client.send(request).await.unwrap();
        let text = answer.text.replace(filling, "@");
        Answer { text, ..answer }
    }
}

fn twins(names: &[(&'static str, String, String)]) -> Vec<Twin> {
    let mut all = Vec::new();
    let mut add = |what: &str, method: Method, path: &'static str, body: Value| {
        for (_, there, never) in names.iter().filter(|(kind, ..)| *kind == what) {
            all.push(Twin {
                method: method.clone(),
                path,
                body: body.clone(),
                there: there.clone(),
                never: never.clone(),
            });
        }
    };
    let with = || json!({"user": "bob"});
    for route in ["/api/v1/collections", "/api/v0/schema"] {
        for text in
            ["type @ { a: String }", "type @ {", "type Fresh { a: @ }", "type @ { a: String } type Contact { b: Int }"]
        {
            add("collection", Method::POST, route, json!(text));
            add("collection", Method::POST, route, json!({ "sdl": text }));
        }
    }
    add("collection", Method::POST, "/api/v1/shares", json!({"collection": "@", "with": with(), "role": "viewer"}));
    let document = json!({"collection": "Contact", "document": "@", "with": with(), "role": "blocked"});
    add("document", Method::POST, "/api/v1/shares", document);
    add("folder", Method::POST, "/api/v1/shares", json!({"folder": "@", "with": with(), "role": "viewer"}));
    add("space", Method::POST, "/api/v1/shares", json!({"space": "@", "with": with(), "role": "viewer"}));
    for named in ["user", "group"] {
        let whole = json!({"collection": "Contact", "with": {named: "@"}, "role": "viewer"});
        add(named, Method::POST, "/api/v1/shares", whole);
        let rule = json!({"collection": "Contact", "field": "name", "rule": "hidden", "who": {named: "@"}});
        add(named, Method::POST, "/api/v1/field-rules", rule);
    }
    for field in ["hidden field", "collection"] {
        let (collection, name) = if field == "collection" { ("@", "name") } else { ("Contact", "@") };
        let rule = json!({"collection": collection, "field": name, "rule": "sealed"});
        add(field, Method::POST, "/api/v1/field-rules", rule);
        let link = json!({"collection": collection, "fields": [name]});
        add(field, Method::POST, "/api/v1/links", link);
    }
    add("hidden field", Method::GET, "/api/v1/access?collection=Contact&field=@", Value::Null);
    add("collection", Method::GET, "/api/v1/access?collection=@&field=name", Value::Null);
    add("document", Method::GET, "/api/v1/access?collection=Contact&field=name&document=@", Value::Null);
    add("collection", Method::GET, "/api/v1/folders?collection=@", Value::Null);
    add("collection", Method::GET, "/api/v1/field-rules?collection=@", Value::Null);
    add("collection", Method::POST, "/api/v1/folders", json!({"collection": "@", "name": "Mine"}));
    add("folder", Method::POST, "/api/v1/folders", json!({"collection": "Contact", "parent": "@", "name": "Mine"}));
    add("folder", Method::GET, "/api/v1/folders/@/documents", Value::Null);
    add("folder", Method::POST, "/api/v1/folders/@/documents", json!({"documents": [UNKNOWN]}));
    add("folder", Method::DELETE, "/api/v1/folders/@", Value::Null);
    add("folder", Method::DELETE, "/api/v1/folders/@/documents/00000000-0000-0000-0000-0000000000aa", Value::Null);
    for (kind, path) in [
        ("share", "/api/v1/shares/@"),
        ("rule", "/api/v1/field-rules/@"),
        ("link", "/api/v1/links/@"),
        ("grant", "/api/v1/grants/@"),
        ("group", "/api/v1/groups/@"),
    ] {
        add(kind, Method::DELETE, path, Value::Null);
        add(kind, Method::GET, path, Value::Null);
    }
    add("group", Method::POST, "/api/v1/groups/@/members", with());
    add("group", Method::DELETE, "/api/v1/groups/@/members/users/bob", Value::Null);
    add("group", Method::DELETE, "/api/v1/groups/@/managers/alice", Value::Null);
    for text in ["space:@#view@user:@", "collection:@#manage@user:@"] {
        add("space", Method::POST, "/api/v1/policy/explain", json!({ "check": text }));
    }
    let check = json!({"user": "@", "verb": "read", "collection": "Contact"});
    add("user", Method::POST, "/api/v1/check", check);
    add("space", Method::POST, "/api/v1/replicas", json!({"addr": "nowhere", "space": "@"}));
    for query in [
        "{ @ { entry } }",
        "mutation { add_@(input: {entry: \"x\"}) { entry } }",
        "mutation { update_@(input: {entry: \"x\"}) { entry } }",
        "mutation { delete_@(filter: {}) { _docID } }",
        "{ __type(name: \"@\") { name fields { name } } }",
        "{ Contact { name @ { entry } } }",
    ] {
        add("collection", Method::POST, "/api/v1/graphql", json!({ "query": query }));
    }
    for query in [
        "{ Contact { @ } }",
        "{ Contact(filter: {@: {_eq: \"1\"}}) { name } }",
        "{ Contact(order: {@: ASC}) { name } }",
        "mutation { update_Contact(input: {@: \"9\"}) { name } }",
    ] {
        add("hidden field", Method::POST, "/api/v1/graphql", json!({ "query": query }));
    }
    all
}

#[tokio::test]
async fn what_is_hidden_answers_as_what_never_was_on_every_route() {
    let people = People::new().await;
    let alice = people.home.alice.clone();
    let all = alice.graphql("{ Contact { _docID } }").await.unwrap();
    let id = |n: usize| all["Contact"][n]["_docID"].as_str().unwrap().to_owned();
    let add = async |path: &str, body: Value, key: &str| {
        let made = alice.post(path, &body).await.unwrap();
        assert_eq!(made.status, 201, "{path}: {}", made.text);
        made.json[key].as_str().unwrap_or_else(|| panic!("{}", made.text)).to_owned()
    };
    share(&alice, json!({"collection": "Contact", "document": id(0), "with": {"user": "bob"}, "role": "viewer"})).await;
    let rule = json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "bob"}});
    let rule = add("/api/v1/field-rules", rule, "field_rule").await;
    let shared = share(&alice, json!({"collection": "Diary", "with": {"user": "dan"}, "role": "viewer"}));
    people.home.user("dan", None).await;
    let shared = shared.await;
    let folder = add("/api/v1/folders", json!({"collection": "Contact", "name": "Secret"}), "folder").await;
    let link = alice.post("/api/v1/links", &json!({"collection": "Contact", "fields": ["name"]})).await.unwrap();
    let (link_id, token) = (link.json["link"].as_str().unwrap(), link.json["token"].as_str().unwrap());
    let secret = add("/api/v1/spaces", json!({"name": "Secret"}), "id").await;
    let firm = group(&alice, "Firm").await;
    let access = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search", "update"],
        "fields": {"allow": ["name", "tag"]}, "where": {"tag": {"_eq": "family"}}});
    let (app, grant) = people.home.app(&access, &access);
    // As long as what they stand for: positions in messages are told too.
    let unknown = || UNKNOWN.to_owned();
    let no_document = format!("{}0000000000aa", &id(1)[..id(1).len() - 12]);
    let names = [
        ("collection", "Diary".to_owned(), "Never".to_owned()),
        ("hidden field", "phone".to_owned(), "never".to_owned()),
        ("document", id(1), no_document),
        ("folder", folder, unknown()),
        ("space", secret, unknown()),
        ("group", firm, unknown()),
        ("share", shared, unknown()),
        ("rule", rule, unknown()),
        ("link", link_id.to_owned(), unknown()),
        ("grant", grant, unknown()),
        ("user", "carol".to_owned(), "carox".to_owned()),
    ];
    let twins = twins(&names);
    assert!(twins.len() > 60, "{}", twins.len());
    let bearer = |token: &str| Client::new(&people.home.node.url, Some(token)).unwrap();
    let bob = people.bob.in_space(&people.space);
    assert_eq!(bob.graphql("{ Contact { name } }").await.unwrap()["Contact"].as_array().unwrap().len(), 1, "control");
    let callers = [
        ("one document", bob),
        ("stranger", people.carol.in_space(&people.space)),
        ("app", app),
        ("link", bearer(token)),
        ("nobody", Client::new(&people.home.node.url, None).unwrap()),
    ];
    for (who, caller) in &callers {
        for twin in &twins {
            let (there, never) = (twin.ask(caller, &twin.there).await, twin.ask(caller, &twin.never).await);
            assert_eq!(
                (there.status, &there.text),
                (never.status, &never.text),
                "{who}: {} {} {}",
                twin.method,
                twin.path,
                twin.body
            );
        }
    }
    // The owner is told apart what is there. (Asked last: some of it is gone then.)
    let mut differ = 0;
    for twin in &twins {
        let (never, there) = (twin.ask(&alice, &twin.never).await, twin.ask(&alice, &twin.there).await);
        differ += usize::from((there.status, &there.text) != (never.status, &never.text));
    }
    assert!(differ > twins.len() / 3, "{differ} of {}", twins.len());
}

/// Whether they see a part, everything or nothing: who may not define is told so, whatever they send.
#[tokio::test]
async fn who_may_not_define_is_told_so_whatever_they_send() {
    let home = Home::new().await;
    let bob = home.user("bob", None).await;
    home.alice.define("type Contact { name: String } type Diary { entry: String }").await.unwrap();
    let space = home.made["space"].as_str().unwrap();
    share(&home.alice, json!({"with": {"user": "bob"}, "role": "editor"})).await;
    let bob = bob.in_space(space);
    for text in ["type Diary { entry: String }", "type Fresh { a: String }", "type {", "", "\u{0}"] {
        for route in ["/api/v1/collections", "/api/v0/schema"] {
            let request = bob.request(Method::POST, route).header("content-type", "text/plain").body(text);
            let refused = bob.send(request).await.unwrap();
            assert_eq!((refused.status, &refused.json["error"]["code"]), (403, &json!("forbidden")), "{text}");
        }
    }
    let huge = bob.request(Method::POST, "/api/v1/collections").body(vec![0xff; 2 << 20]);
    assert_eq!(bob.send(huge).await.unwrap().status, 403);
    let wrapped = bob.request(Method::POST, "/api/v1/collections").header("content-type", "application/json").body("{");
    assert_eq!(bob.send(wrapped).await.unwrap().status, 403);
    assert_eq!(home.alice.post("/api/v1/collections", &json!({"sdl": "type {"})).await.unwrap().status, 400, "control");
    let again = home.alice.post("/api/v1/collections", &json!({"sdl": "type Diary { a: String }"})).await.unwrap();
    assert_eq!(again.status, 409, "control");
}
