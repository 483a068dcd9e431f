//! An entry of a grant that names documents covers these alone: to the app the others are ones that never were, by
//! whatever road. Every refusal stands beside its control.

use harness::{Client, ConsentForm, authorize, exchange};
use serde_json::{Value, json};

use crate::home::{Home, OWNER};
use crate::hostile::{code, unhurt};
use crate::masks::{alike, ask, changed};
use crate::sharing_documents::{document_never_was, ids};

const BACK: &str = "http://127.0.0.1:9/cb";
const ALL: [&str; 5] = ["read", "update", "delete", "search", "history"];

async fn contacts() -> Home {
    let home = Home::new().await;
    let sdl = "type Contact { name: String phone: String tag: String notes: String age: Int \
               email: String @index(unique: true) pets: [Pet] }
               type Pet { name: String owner: Contact }";
    home.alice.define(sdl).await.unwrap();
    for (name, phone, age) in [("Ann", "1", 30), ("Ben", "2", 40), ("Cid", "3", 50)] {
        let input = json!({"name": name, "phone": phone, "tag": "family", "age": age, "notes": "secret",
            "email": format!("{name}@example.org")});
        let add = "mutation($i: [ContactMutationInputArg!]!) { add_Contact(input: $i) { _docID } }";
        let made = home.alice.graphql_with(add, json!({"i": [input]})).await.unwrap();
        let owner = made["add_Contact"][0]["_docID"].clone();
        let add = "mutation($i: [PetMutationInputArg!]!) { add_Pet(input: $i) { _docID } }";
        let pet = json!({"i": [{"name": format!("Pet of {name}"), "owner": owner}]});
        home.alice.graphql_with(add, pet).await.unwrap();
    }
    home
}

fn of_contacts(actions: &[&str], documents: &[&String]) -> Value {
    json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": actions, "documents": documents,
        "fields": {"allow": ["name", "phone", "tag", "notes", "age", "email", "pets"]}})
}

fn without(mut access: Value, key: &str) -> Value {
    access.as_object_mut().unwrap().remove(key);
    access
}

/// An app that may ask for `manifest` and is granted `grant`.
fn app(home: &Home, manifest: &Value, grant: &Value) -> (Client, String, String) {
    let manifest = json!({"name": "An App", "redirect_uris": [BACK], "access": manifest, "confidential": false});
    let app = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let client = app["client_id"].as_str().unwrap().to_owned();
    let file = home.file("grant.json", &grant.to_string());
    let made = home.node.cli_ok(&["grant", "add", "--user", "alice", "--app", &client, &file]).unwrap();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    (home.alice.with_token(&text("access_token")), text("grant"), client)
}

/// An app to which Alice consents, with what she chooses.
async fn consents(
    home: &Home,
    client: &str,
    access: &Value,
    choose: impl FnOnce(&mut ConsentForm),
) -> anyhow::Result<Client> {
    let (code, verifier) = authorize(&home.node.url, client, BACK, access, OWNER, choose).await?;
    let given = exchange(&home.node.url, client, BACK, &code, &verifier).await?;
    Ok(home.alice.with_token(&given.access_token))
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.graphql("{ Contact(order: {name: ASC}) { name } COUNT(Contact: {}) }").await.unwrap();
    let rows = answer["Contact"].as_array().unwrap();
    assert_eq!(answer["COUNT"], json!(rows.len()), "a count is of what is listed");
    rows.iter().map(|row| row["name"].as_str().unwrap_or("null").to_owned()).collect()
}

#[tokio::test]
async fn documents_that_a_grant_does_not_name_never_were() {
    let home = contacts().await;
    let id = ids(&home.alice).await;
    let pets = json!({"type": "allod_doc", "datatypes": ["Pet"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "owner"]}});
    let named = of_contacts(&ALL, &[&id["Ann"]]);
    let open = json!([without(named.clone(), "documents"), pets]);
    let (narrow, _, _) = app(&home, &open, &json!([named, pets]));
    let (wide, _, _) = app(&home, &open, &open);
    assert_eq!(
        (names(&narrow).await, names(&wide).await),
        (vec!["Ann".into()], vec!["Ann".into(), "Ben".into(), "Cid".to_owned()])
    );
    for hidden in ["Ben", "Cid"] {
        document_never_was(&narrow, &id[hidden]).await;
        for road in [
            "{ Pet(filter: {owner: {_docID: {_eq: \"¤\"}}}) { name } }",
            "{ Pet(filter: {_ownerID: {_eq: \"¤\"}}) { name } }",
        ] {
            let answer = alike(&narrow, road, &id[hidden], &changed(&id[hidden])).await;
            assert!(!answer.text.contains("Pet of"), "{road}: {}", answer.text);
            assert!(ask(&wide, &road.replace('¤', &id[hidden])).await.text.contains("Pet of"), "control {road}");
        }
    }
    // A relation leads to none of the others, nor names it.
    for road in [
        "{ Pet(order: {name: ASC}) { name owner { name } } }",
        "{ Pet(order: {name: ASC}) { name _ownerID } }",
        "{ Pet(order: {owner: {age: DESC}}) { name owner { _docID } } }",
        "{ Pet(filter: {owner: {age: {_gt: 35}}}) { name } }",
        "{ Pet(filter: {_not: {owner: {age: {_gt: 35}}}}, order: {name: ASC}) { name } }",
    ] {
        let (one, other) = (ask(&narrow, road).await, ask(&wide, road).await);
        for hidden in ["Ben", "Cid"] {
            assert!(
                !one.text.contains(&id[hidden]) && !one.text.contains(&format!("\"{hidden}\"")),
                "{road}: {}",
                one.text
            );
        }
        assert_ne!(one.text, other.text, "control {road}");
    }
    let aggregates = "{ SUM(Contact: {field: age}) MAX(Contact: {field: age}) AVG(Contact: {field: age}) }";
    let told = narrow.graphql(aggregates).await.unwrap();
    assert_eq!((&told["SUM"], &told["MAX"]), (&json!(30), &json!(30)));
    // What others hold in a unique field no refusal tells.
    let put = |email: &str| {
        format!("mutation {{ update_Contact(docID: \"{}\", input: {{email: \"{email}\"}}) {{ name }} }}", id["Ann"])
    };
    let (taken, free) = (ask(&narrow, &put("Ben@example.org")).await, ask(&narrow, &put("Bob@example.org")).await);
    assert_eq!((taken.status, &taken.text), (free.status, &free.text));
    assert_eq!(ask(&wide, &put("Ben@example.org")).await.codes(), ["not_unique"], "control");
    // History is of what is named, by ids of commits too.
    let commits = |client: &Client, of: &str| {
        let (client, query) = (client.clone(), format!("{{ _commits(docID: \"{}\") {{ cid fieldName }} }}", id[of]));
        async move { client.graphql(&query).await.unwrap()["_commits"].as_array().unwrap().clone() }
    };
    assert!(!commits(&narrow, "Ann").await.is_empty(), "control");
    let cid = commits(&wide, "Ben").await[0]["cid"].as_str().unwrap().to_owned();
    let by_cid = format!("{{ _commits(cid: \"{cid}\") {{ docID }} }}");
    let (one, other) = (ask(&narrow, &by_cid).await, ask(&wide, &by_cid).await);
    assert!(!one.text.contains(&id["Ben"]) && other.text.contains(&id["Ben"]), "{} {}", one.text, other.text);
    // Whatever is changed at once is what is named; what is made later is none of it.
    narrow.graphql("mutation { update_Contact(input: {phone: \"9\"}) { name } }").await.unwrap();
    let phones = home.alice.graphql("{ Contact(order: {name: ASC}) { phone } }").await.unwrap();
    assert_eq!(phones["Contact"], json!([{"phone": "9"}, {"phone": "2"}, {"phone": "3"}]));
    home.alice.graphql("mutation { add_Contact(input: {name: \"Dot\"}) { _docID } }").await.unwrap();
    assert_eq!(names(&narrow).await, ["Ann"]);
    let refused = ask(&narrow, "mutation { add_Contact(input: {name: \"Eve\"}) { _docID } }").await;
    assert!(!refused.codes().is_empty() && refused.json["data"].is_null(), "{}", refused.text);
    // It goes with the document.
    narrow.graphql("mutation { delete_Contact { name } }").await.unwrap();
    assert_eq!((names(&narrow).await, names(&wide).await.len()), (vec![], 3));
    unhurt(&home).await;
}

#[tokio::test]
async fn the_conditions_of_an_entry_and_its_documents_both_count_and_entries_stay_apart() {
    let home = contacts().await;
    let id = ids(&home.alice).await;
    let named = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["name", "age"]}, "documents": [id["Ann"], id["Ben"]], "where": {"age": {"_gt": 35}}});
    let other = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["phone"]}, "documents": [id["Cid"]]});
    let (app, grant, client) = app(
        &home,
        &json!([without(named.clone(), "documents"), without(other.clone(), "documents")]),
        &json!([named, other]),
    );
    let rows = app.graphql("{ Contact(order: {phone: ASC}) { name phone } }").await.unwrap();
    let mut rows = rows["Contact"].as_array().unwrap().clone();
    rows.sort_by_key(ToString::to_string);
    assert_eq!(rows, [json!({"name": "Ben", "phone": null}), json!({"name": null, "phone": "3"})]);
    let shown = home.node.cli_ok(&["grant", "show", &grant]).unwrap();
    let mut ids_shown = [id["Ann"].clone(), id["Ben"].clone()];
    ids_shown.sort();
    assert_eq!(shown["access"][0]["documents"], json!(ids_shown), "{shown}");
    let preview = home.alice.get(&format!("/api/v1/grants/{grant}/preview")).await.unwrap();
    assert!(
        preview.text.contains("Ben") && !preview.text.contains("Ann") && !preview.text.contains("Cid"),
        "{}",
        preview.text
    );
    // May they? The answer names the documents.
    let check = |doc: &str| {
        let args =
            ["check", "--user", "alice", "--app", &client, "--explain", "read", "Contact.name", doc].map(str::to_owned);
        home.node.cli(&args.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    };
    let yes = check(&id["Ben"]);
    assert_eq!((yes.code, &yes.json["entry"]), (0, &json!(format!("{grant}/0"))), "{yes:?}");
    let no = check(&id["Cid"]);
    assert_eq!(no.code, 3, "{no:?}");
    assert!(no.json["reason"].as_str().unwrap().contains("documents"), "{no:?}");
    assert_eq!(check(&id["Ann"]).code, 3, "the filter counts too");
    unhurt(&home).await;
}

#[tokio::test]
async fn documents_are_held_within_the_manifest_shrunk_and_widened_only_by_asking() {
    let home = contacts().await;
    let id = ids(&home.alice).await;
    let two = of_contacts(&["read", "search"], &[&id["Ann"], &id["Ben"]]);
    let open = without(two.clone(), "documents");
    let (client, grant, _) = app(&home, &json!([open]), &two);
    assert_eq!(names(&client).await, ["Ann", "Ben"]);
    // What the manifest names nobody widens, and what it leaves out the person may choose.
    let stated = json!({"name": "Stated", "redirect_uris": [BACK], "access": [two], "confidential": false});
    let made = home.node.cli_ok(&["app", "add", &home.file("stated.json", &stated.to_string())]).unwrap();
    let stated = made["client_id"].as_str().unwrap();
    let give = |access: &Value| {
        home.node
            .cli(&["grant", "add", "--user", "alice", "--app", stated, &home.file("g.json", &access.to_string())])
            .unwrap()
    };
    let more = of_contacts(&["read", "search"], &[&id["Ann"], &id["Cid"]]);
    assert_eq!(give(&more).refused(3).unwrap(), "grant_outside_manifest");
    let inherited = give(&open).ok().unwrap();
    let inherited = home.alice.with_token(inherited["access_token"].as_str().unwrap());
    assert_eq!(names(&inherited).await, ["Ann", "Ben"], "what the manifest names counts though nobody repeats it");
    let fewer = give(&of_contacts(&["read", "search"], &[&id["Ben"]])).ok().unwrap();
    let fewer = home.alice.with_token(fewer["access_token"].as_str().unwrap());
    assert_eq!(names(&fewer).await, ["Ben"]);
    // Nothing new is among documents that are named.
    let creates = of_contacts(&["read", "create"], &[&id["Ann"]]);
    assert_eq!(give(&creates).refused(2).unwrap(), "grant_malformed");
    // Less by the person, at once; more by nobody but who is asked again.
    let shrink = |grant: &str, access: &Value| {
        home.node.cli(&["grant", "shrink", grant, &home.file("s.json", &access.to_string())]).unwrap()
    };
    assert_eq!(shrink(&grant, &more).refused(3).unwrap(), "grant_wider");
    let held = shrink(&grant, &of_contacts(&["read", "search"], &[&id["Ben"]])).ok().unwrap();
    assert_eq!(names(&client).await, ["Ben"]);
    document_never_was(&client, &id["Ann"]).await;
    let held = held["grant"].as_str().unwrap();
    assert_eq!(shrink(held, &two).refused(3).unwrap(), "grant_wider", "what was taken is not given back so");
    let again = shrink(held, &open).ok().unwrap();
    assert_eq!(names(&client).await, ["Ben"], "what is not said again stays");
    assert_eq!(again["access"][0]["documents"], json!([id["Ben"]]));
    let asked = client
        .post("/api/v1/requests", &json!({"access": of_contacts(&["read", "search"], &[&id["Cid"]])}))
        .await
        .unwrap();
    assert_eq!(asked.status, 201, "{}", asked.text);
    let waiting = home.alice.get("/api/v1/requests").await.unwrap();
    assert!(
        waiting.json[0]["sentences"][0].as_str().unwrap().contains(&format!("with the id {}", id["Cid"])),
        "{}",
        waiting.text
    );
    let request = asked.json["request"].as_str().unwrap();
    home.node.cli_ok(&["request", "approve", request]).unwrap();
    assert_eq!(names(&client).await, ["Ben", "Cid"]);
    document_never_was(&client, &id["Ann"]).await;
    // What is none of the person's is none of the app's: it is named, and nothing comes of it.
    let none = changed(&id["Ann"]);
    let (nothing, _, _) = app(&home, &json!([open]), &of_contacts(&["read", "search"], &[&none]));
    assert!(!ask(&nothing, "{ Contact { name } }").await.text.contains("Ann"));
    unhurt(&home).await;
}

#[tokio::test]
async fn the_consent_page_says_which_documents_and_lets_the_person_leave_some_out() {
    let home = contacts().await;
    let id = ids(&home.alice).await;
    let mut two = of_contacts(&["read", "search"], &[&id["Ann"], &id["Ben"]]);
    two["fields"]["required"] = json!(["name"]);
    let open = without(two.clone(), "documents");
    let manifest = json!({"name": "An App", "redirect_uris": [BACK], "access": [open], "confidential": false});
    let made = home.node.cli_ok(&["app", "add", &home.file("app.json", &manifest.to_string())]).unwrap();
    let client = made["client_id"].as_str().unwrap();
    let mut seen = String::new();
    let app = consents(&home, client, &two, |form| {
        seen.clone_from(&form.html);
        form.untick("document-0", &id["Ann"]);
    });
    let app = app.await.unwrap();
    assert!(seen.contains(&format!("value=\"{}\" checked", id["Ann"])) && seen.contains("with the id"), "{seen}");
    assert_eq!(names(&app).await, ["Ben"]);
    document_never_was(&app, &id["Ann"]).await;
    // Where the app names none, the person may.
    let both = format!("{} {}", id["Ann"], id["Cid"]);
    let app = consents(&home, client, &open, |form| form.set("named-0", &both)).await.unwrap();
    assert_eq!(names(&app).await, ["Ann", "Cid"]);
    let nothing = consents(&home, client, &two, |form| {
        form.untick("document-0", &id["Ann"]);
        form.untick("document-0", &id["Ben"]);
    });
    assert!(nothing.await.is_err(), "nothing is left of it");
    assert!(consents(&home, client, &open, |form| form.set("named-0", "Ann")).await.is_err(), "no id");
    for bad in [json!([]), json!("all"), json!(["x"])] {
        let mut access = two.clone();
        access["documents"] = bad;
        let what = json!({"user": "alice", "client_id": client, "access": access});
        let refused = home.node.operator().unwrap().post("/api/v1/grants", &what).await.unwrap();
        assert_eq!((refused.status, code(&refused)), (400, "grant_malformed"), "{access}");
    }
    unhurt(&home).await;
}
