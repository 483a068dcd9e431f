//! Across tenants nothing tells whether there is somebody of a name, until they come for what they are offered.

use harness::{Answer, Client};
use serde_json::{Value, json};

use crate::hostile::unhurt;
use crate::sharing::{People, share, shut_out};

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
    assert_eq!(alice.post("/api/v1/field-rules", &hidden).await.unwrap().status, 201);
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
