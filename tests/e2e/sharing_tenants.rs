//! Across tenants nothing tells whether there is somebody of a name, until they come for what they are offered.

use harness::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::hostile::unhurt;
use crate::sharing::{People, share, shut_out};
use crate::sharing_groups::group;

const UNKNOWN: &str = "carox";

/// What an answer says but for ids, instants and the name.
fn plain(answer: &Answer, name: &str) -> (u16, String) {
    fn without(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("share");
                map.remove("created");
                map.values_mut().for_each(without);
            }
            Value::Array(list) => list.iter_mut().for_each(without),
            _ => {}
        }
    }
    let mut json = answer.json.clone();
    without(&mut json);
    (answer.status, json.to_string().replace(name, "@"))
}

async fn names(client: &Client) -> usize {
    let found = client.graphql("{ Contact { name } }").await.unwrap();
    found["Contact"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_name_of_another_tenant_answers_as_one_that_nobody_has() {
    let people = People::new().await;
    let (alice, [bob, carol]) = (&people.home.alice, people.looking());
    let mut told: Vec<Vec<(u16, String)>> = Vec::new();
    let mut shares = Vec::new();
    for name in ["carol", UNKNOWN] {
        let what = json!({"collection": "Contact", "with": {"user": name}, "role": "viewer"});
        let given = alice.post("/api/v1/shares", &what).await.unwrap();
        assert_eq!((given.status, &given.json["pending"]), (201, &json!(true)), "{}", given.text);
        let id = given.json["share"].as_str().unwrap().to_owned();
        let shown = alice.get(&format!("/api/v1/shares/{id}")).await.unwrap();
        let who = alice.get("/api/v1/access?collection=Contact&field=name").await.unwrap();
        let list = [given, shown, who];
        told.push(list.iter().map(|answer| plain(answer, name)).collect());
        shares.push(id);
    }
    assert_eq!(told[0], told[1]);
    // Control: of the own tenant, who is there is told.
    let known = alice
        .post("/api/v1/shares", &json!({"collection": "Diary", "with": {"user": "bob"}, "role": "viewer"}))
        .await
        .unwrap();
    assert_eq!((known.status, &known.json["pending"]), (201, &Value::Null), "{}", known.text);
    assert_eq!(bob.get("/api/v1/collections").await.unwrap().status, 200);

    // It is nobody else's, and hers when she comes for it; under the same id.
    let listed = people.carol.get("/api/v1/shares").await.unwrap();
    assert_eq!(listed.json["received"][0]["pending"], json!(true), "{}", listed.text);
    assert_eq!(names(&carol).await, 3);
    let shown = alice.get(&format!("/api/v1/shares/{}", shares[0])).await.unwrap();
    assert_eq!((shown.status, &shown.json["pending"]), (200, &Value::Null), "{}", shown.text);
    // Now that she is known, she is told of as anybody.
    let hidden = json!({"collection": "Contact", "field": "phone", "rule": "hidden", "who": {"user": "carol"}});
    let hidden = alice.post("/api/v1/field-rules", &hidden).await.unwrap();
    assert_eq!(hidden.status, 201, "{}", hidden.text);
    let hidden = hidden.json["field_rule"].as_str().unwrap();
    assert_eq!(alice.delete(&format!("/api/v1/field-rules/{hidden}")).await.unwrap().status, 204);
    assert_eq!(alice.delete(&format!("/api/v1/shares/{}", shares[0])).await.unwrap().status, 204);
    shut_out(&people.carol, &people.space).await;

    // What was taken back before she came is nothing; nor is what its giver may not give any more.
    let gone = share(alice, json!({"collection": "Contact", "with": {"user": UNKNOWN}, "role": "editor"})).await;
    assert_eq!(alice.delete(&format!("/api/v1/shares/{gone}")).await.unwrap().status, 204);
    assert_eq!(alice.get(&format!("/api/v1/shares/{gone}")).await.unwrap().status, 404);
    let own = share(alice, json!({"collection": "Contact", "with": {"user": "bob"}, "role": "owner"})).await;
    share(&bob, json!({"collection": "Contact", "with": {"user": "carol"}, "role": "viewer"})).await;
    assert_eq!(alice.delete(&format!("/api/v1/shares/{own}")).await.unwrap().status, 200);
    shut_out(&people.carol, &people.space).await;
    unhurt(&people.home).await;
}

/// Everything that somebody is told of what they and others did.
async fn everything(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    for path in [
        "/api/v1/groups",
        "/api/v1/shares",
        "/api/v1/field-rules",
        "/api/v1/folders",
        "/api/v1/links",
        "/api/v1/audit",
        "/api/v1/quotas",
        "/api/v1/spaces",
        "/api/v1/access?collection=Contact&field=name",
    ] {
        let told = client.get(path).await.unwrap();
        assert!(told.status < 300 || matches!(told.status, 403 | 404), "{path}: {}", told.text);
        all.push(told.text);
    }
    all
}

#[tokio::test]
async fn whoever_cannot_be_offered_something_is_named_within_a_tenant_only() {
    let people = People::new().await;
    let alice = &people.home.alice;
    let all = alice.graphql("{ Contact { _docID } }").await.unwrap();
    let document = all["Contact"][0]["_docID"].as_str().unwrap();
    let firm = group(alice, "Firm").await;
    let members = format!("/api/v1/groups/{firm}/members");
    let requests = |name: &str| {
        let rule = |rule: &str| json!({"collection": "Contact", "field": "tag", "rule": rule, "who": {"user": name}});
        let blocked = |document: &str| json!({"collection": "Contact", "document": document, "with": {"user": name}, "role": "blocked"});
        let post = |path: &str, body: Value| (Method::POST, path.to_owned(), body);
        let delete = |path: String| (Method::DELETE, path, Value::Null);
        vec![
            post(&members, json!({"user": name})),
            post(&members, json!({"user": name, "until": "P1D"})),
            post(&members, json!({"user": name, "role": "manager"})),
            post(&members, json!({"user": name, "role": "nothing"})),
            post(&members, json!({"user": name.to_uppercase()})),
            post("/api/v1/field-rules", rule("hidden")),
            post("/api/v1/field-rules", rule("reader")),
            post("/api/v1/shares", blocked(document)),
            post("/api/v1/shares", blocked("00000000-0000-0000-0000-0000000000aa")),
            delete(format!("{members}/users/{name}")),
            delete(format!("/api/v1/groups/{firm}/managers/{name}")),
        ]
    };
    let ask = async |client: &Client, (method, path, body): &(Method, String, Value), name: &str| {
        let request = client.request(method.clone(), path);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = client.send(request).await.unwrap();
        (answer.status, answer.text.replace(name, "@"))
    };
    let before = (everything(alice).await, everything(&people.carol).await);
    for (there, never) in requests("carol").iter().zip(&requests(UNKNOWN)) {
        let (there, never) = (ask(alice, there, "carol").await, ask(alice, never, UNKNOWN).await);
        assert_eq!(there, never);
        assert!((400..500).contains(&there.0), "{there:?}");
        assert_eq!((everything(alice).await, everything(&people.carol).await), before, "nothing has come of it");
    }
    // Control: who is of the tenant, and who has taken up something, is named.
    people.acquainted().await;
    for name in ["bob", "carol"] {
        let made = requests(name);
        for at in [0, 5, 7] {
            let answer = ask(alice, &made[at], name).await;
            assert_eq!(answer.0, 201, "{name}: {} {answer:?}", made[at].1);
        }
    }
    unhurt(&people.home).await;
}

/// On the way to a consent one signs in: what an app asks for tells nothing of spaces, collections and people elsewhere.
#[tokio::test]
async fn what_an_app_asks_for_answers_alike_whether_it_is_somebody_elses_or_nobodys() {
    let people = People::new().await;
    let node = &people.home.node;
    let never = "000000000000000000000000000000aa";
    let grant = |space: Option<&str>, name: &str| {
        let mut asked =
            json!({"type": "allod_doc", "datatypes": [name], "actions": ["read"], "fields": {"allow": ["name"]}});
        if let Some(space) = space {
            asked["space"] = json!(space);
        }
        asked
    };
    let back = "http://127.0.0.1:9/cb";
    let ask = async |user: &str, password: &str, access: &Value| {
        let manifest = json!({"name": "An App", "redirect_uris": [back], "access": [access]});
        let made = node.cli_ok(&["app", "add", &people.home.file("app.json", &manifest.to_string())]).unwrap();
        let client = made["client_id"].as_str().unwrap();
        let details = json!([access]).to_string();
        let request = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", client),
                ("redirect_uri", back),
                ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                ("code_challenge_method", "S256"),
                ("authorization_details", &details),
            ])
            .finish();
        let nobody = Client::new(&node.url, None).unwrap();
        let shown = nobody.get(&format!("/oauth/authorize?{request}")).await.unwrap();
        let form = [("step", "sign-in"), ("request", &request), ("user", user), ("password", password)];
        let signed = nobody.send(nobody.request(Method::POST, "/oauth/authorize").form(&form)).await.unwrap();
        let plain = |text: &str| text.replace(client, "@client");
        [(shown.status, plain(&shown.text)), (signed.status, plain(&signed.text))]
    };
    people.carol.define("type Own { name: String }").await.unwrap();
    let own = people.carol.get("/api/v1/spaces").await.unwrap().json[0]["id"].as_str().unwrap().to_owned();
    for (there, nothing) in [
        (grant(Some(&people.space), "Contact"), grant(Some(never), "Contact")),
        (grant(Some(&people.space), "Never"), grant(Some(never), "Never")),
        (grant(None, "Contact"), grant(None, "Nothing")),
        (grant(Some(&own), "Contact"), grant(Some(&own), "Nothing")),
    ] {
        let mut told = Vec::new();
        for access in [&there, &nothing] {
            let mut answers = ask("carol", "the long password of carol", access).await;
            for (_, text) in &mut answers {
                *text = text.replace(&people.space, "@space").replace(never, "@space");
                *text = text.replace("Contact", "@type").replace("Nothing", "@type");
            }
            told.push(answers);
        }
        assert_eq!(told[0], told[1], "{there}");
        assert!(told[0][1].0 >= 400, "{told:?}");
        let unknown = ask("carox", "the long password of carol", &there).await;
        let wrong = ask("carol", "not the password", &there).await;
        let plain = |text: &str| text.replace("carox", "@").replace("carol", "@");
        assert_eq!(
            (unknown[1].0, plain(&unknown[1].1)),
            (wrong[1].0, plain(&wrong[1].1)),
            "nor whether there is a name"
        );
    }
    let asked = ask("carol", "the long password of carol", &grant(Some(&own), "Own")).await;
    assert_eq!(asked[1].0, 200, "control: {}", asked[1].1);
    unhurt(&people.home).await;
}
