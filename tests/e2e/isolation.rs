//! People do not see each other's spaces, whatever their part in a tenant; foreign and unknown answer alike.

use serde_json::Value;

use crate::home::Home;

#[tokio::test]
async fn neither_a_neighbour_nor_a_stranger_nor_the_tenants_owner_reads_a_foreign_space() {
    let home = Home::new().await;
    home.node.cli_ok(&["tenant", "add", "elsewhere"]).unwrap();
    let bob = home.user("bob", None).await;
    let carol = home.user("carol", Some("elsewhere")).await;
    for client in [&home.alice, &bob, &carol] {
        client.define("type Diary { entry: String }").await.unwrap();
        client.graphql(r#"mutation { add_Diary(input: {entry: "private"}) { _docID } }"#).await.unwrap();
    }
    let mut spaces = Vec::new();
    for client in [&home.alice, &bob, &carol] {
        let list = client.get("/api/v1/spaces").await.unwrap();
        assert_eq!(list.json.as_array().unwrap().len(), 1, "{}", list.text);
        spaces.push(list.json[0]["id"].as_str().unwrap().to_owned());
    }
    for (mine, client) in [&home.alice, &bob, &carol].into_iter().enumerate() {
        for (theirs, space) in spaces.iter().enumerate() {
            let ask = "{ Diary { entry } }";
            let answer = client.in_space(space).try_graphql(ask, Value::Null).await.unwrap();
            if mine == theirs {
                assert_eq!(answer.json["data"]["Diary"][0]["entry"], "private", "control: {}", answer.text);
                continue;
            }
            let unknown =
                client.in_space("000000000000000000000000000000aa").try_graphql(ask, Value::Null).await.unwrap();
            assert_eq!((answer.status, &answer.text), (404, &unknown.text));
            let write = r#"mutation { add_Diary(input: {entry: "forged"}) { _docID } }"#;
            assert_eq!(client.in_space(space).try_graphql(write, Value::Null).await.unwrap().status, 404);
            let define = client
                .in_space(space)
                .post("/api/v1/collections", &serde_json::json!({"sdl": "type Planted { x: String }"}))
                .await
                .unwrap();
            assert_eq!(define.status, 404);
        }
    }
}
