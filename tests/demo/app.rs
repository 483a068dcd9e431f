//! The app *Cinema Stats*: consent through the real form, then exactly what was granted.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Client, authorize, exchange};
use serde_json::{Value, json};

use crate::films::FILMS;
use crate::story::{ALICE, Story, verified};

const REDIRECT: &str = "http://127.0.0.1:9999/callback";
const HIDDEN: [(&str, &str); 3] =
    [("director", r#""Steven Spielberg""#), ("us_gross", "146083"), ("distributor", r#""MGM""#)];

/// The app, with its token.
pub struct App {
    pub client: Client,
    pub grant: String,
}

pub async fn consent(story: &mut Story) -> Result<App> {
    story.step("Cinema Stats asks for title, rating and release date");
    let access = json!([{
        "type": "allod_doc", "datatypes": ["Film"], "actions": ["read", "search"],
        "fields": {"allow": ["title", "rating", "release_date"], "required": ["title"]},
        "purpose": "Draws how ratings changed over the years.", "duration": "P30D"
    }]);
    let manifest =
        json!({ "name": "Cinema Stats", "redirect_uris": [REDIRECT], "access": access, "confidential": false });
    let file = story.path("cinema-stats.json");
    std::fs::write(&file, manifest.to_string())?;
    let node = story.node()?;
    let app = node.cli_ok(&["app", "add", file.to_str().context("a path")?])?;
    let client_id = app["client_id"].as_str().context("no client_id")?;
    let mut shown = String::new();
    let (code, verifier) =
        authorize(&node.url, client_id, REDIRECT, &access, ALICE, |form| form.html.clone_into(&mut shown)).await?;
    for word in ["Cinema Stats", "title", "rating", "release_date"] {
        ensure!(shown.contains(word), "the consent page does not show `{word}`");
    }
    ensure!(!shown.contains("value=\"director\""), "the consent page offers a field that was not asked for");
    ensure!(shown.matches("<script").count() == 1, "the consent page holds a script of another");
    let tokens = exchange(&node.url, client_id, REDIRECT, &code, &verifier).await?;
    verified("Alice signs in, sees what is asked, and allows it; the app changes its code for a token");
    let granted = &tokens.response["authorization_details"][0]["fields"]["allow"];
    ensure!(*granted == json!(["title", "rating", "release_date"]), "the token response returns {granted}");
    verified("the token response returns the granted list");
    let replay = exchange(&node.url, client_id, REDIRECT, &code, &verifier).await;
    ensure!(replay.is_err(), "a code was taken twice");

    // A replayed code ends what was made of it (OAuth 2.1, section 4.1.2), so the app asks again.
    let (code, verifier) = authorize(&node.url, client_id, REDIRECT, &access, ALICE, |_| ()).await?;
    let tokens = exchange(&node.url, client_id, REDIRECT, &code, &verifier).await?;
    verified("a code taken twice is refused");
    let grants = node.cli_ok(&["grant", "list"])?;
    let grant = grants
        .as_array()
        .and_then(|list| list.iter().rev().find(|grant| grant["client_id"] == json!(client_id)))
        .with_context(|| format!("the grant is not listed: {grants}"))?;
    let grant = grant["grant"].as_str().context("a grant without id")?.to_owned();
    Ok(App { client: Client::new(&node.url, Some(&tokens.access_token))?, grant })
}

pub async fn reads_what_was_granted_and_nothing_else(story: &mut Story, app: &App) -> Result<()> {
    story.step("The app reads what was granted, and nothing else by any road");
    let read = app.client.graphql("{ Film(order: {rating: DESC}, limit: 3) { title rating release_date } }").await?;
    let mine = story.alice.graphql("{ Film(order: {rating: DESC}, limit: 3) { title rating release_date } }").await?;
    ensure!(read == mine && read["Film"][0]["title"].is_string(), "the app reads {read}, Alice {mine}");
    let counted = app.client.graphql("{ COUNT(Film: {}) AVG(Film: {field: rating}) }").await?;
    ensure!(counted["COUNT"] == FILMS, "the app counts {counted}");
    verified(&format!("title, rating, release date of {FILMS} films, as Alice has them"));

    let one = story.alice.graphql("{ Film(limit: 1) { _docID } }").await?;
    let one = one["Film"][0]["_docID"].as_str().context("no film")?;
    let mut roads: Vec<(String, String)> = Vec::new();
    for (field, value) in HIDDEN {
        roads.extend([
            (format!("select {field}"), format!("{{ Film(limit: 1) {{ {field} }} }}")),
            (format!("filter by {field}"), format!("{{ Film(filter: {{{field}: {{_eq: {value}}}}}) {{ title }} }}")),
            (format!("order by {field}"), format!("{{ Film(order: {{{field}: ASC}}, limit: 1) {{ title }} }}")),
            (format!("count by {field}"), format!("{{ COUNT(Film: {{filter: {{{field}: {{_eq: {value}}}}}}}) }}")),
            (format!("group by {field}"), format!("{{ Film(groupBy: [{field}]) {{ {field} }} }}")),
            (
                format!("update {field}"),
                format!("mutation {{ update_Film(docID: \"{one}\", input: {{{field}: {value}}}) {{ _docID }} }}"),
            ),
            (format!("add with {field}"), format!("mutation {{ add_Film(input: {{{field}: {value}}}) {{ _docID }} }}")),
        ]);
    }
    roads.extend([
        ("sum of takings".to_owned(), "{ SUM(Film: {field: us_gross}) }".to_owned()),
        ("commits".to_owned(), "{ _commits(limit: 1) { cid delta } }".to_owned()),
        ("commits of a film".to_owned(), format!("{{ _commits(docID: \"{one}\") {{ cid delta }} }}")),
        ("versions".to_owned(), "{ Film(limit: 1) { _version { cid } } }".to_owned()),
        ("deleted ones".to_owned(), "{ Film(showDeleted: true, limit: 1) { title } }".to_owned()),
        (
            "delete".to_owned(),
            r#"mutation { delete_Film(filter: {director: {_eq: "nobody of this name"}}) { _docID } }"#.to_owned(),
        ),
        ("another collection".to_owned(), "{ User { name } }".to_owned()),
    ]);
    for (road, query) in &roads {
        let refused = app.client.try_graphql(query, Value::Null).await?;
        ensure!(!refused.codes().is_empty(), "{road}: the app got {}", refused.text);
        ensure!(refused.json["data"].is_null(), "{road}: an error and data beside it: {}", refused.text);
        // The control: the same request is good when Alice makes it.
        story.alice.graphql(query).await.with_context(|| format!("control, {road}"))?;
    }
    verified(&format!("{} roads to what was not granted: each refused; each succeeds for Alice", roads.len()));
    let ask = r#"{ __type(name: "Film") { fields { name } } __schema { types { name fields { name } inputFields { name } } } }"#;
    let (shown, whole) = (app.client.graphql(ask).await?, story.alice.graphql(ask).await?);
    for (hidden, _) in HIDDEN {
        ensure!(!shown.to_string().contains(hidden), "the app's introspection shows {hidden}");
        ensure!(whole.to_string().contains(hidden), "control: Alice's introspection lacks {hidden}");
    }
    ensure!(shown.to_string().contains("release_date"), "the app's introspection lacks what was granted");
    verified("introspection shows the app three fields, and Alice all of them");

    let masked = app.client.try_graphql("{ Film { director } }", Value::Null).await?;
    let absent = app.client.try_graphql("{ Film { dirextor } }", Value::Null).await?;
    ensure!(masked.text.replace("director", "dirextor") == absent.text, "{} / {}", masked.text, absent.text);
    verified("a hidden field answers byte for byte as one that never existed");
    Ok(())
}

pub async fn revoke(story: &mut Story, app: &App) -> Result<()> {
    story.step("Alice revokes the grant");
    let node = story.node()?;
    let client = Client::new(&node.url, app.client.token.as_deref())?;
    client.graphql("{ Film(limit: 1) { title } }").await.context("control: the app reads until then")?;
    node.cli_ok(&["grant", "revoke", &app.grant])?;
    let begun = Instant::now();
    let refused = client.try_graphql("{ Film(limit: 1) { title } }", Value::Null).await?;
    ensure!(refused.status == 401, "after the revocation the app got {}: {}", refused.status, refused.text);
    ensure!(begun.elapsed() < Duration::from_secs(1), "the refusal took {:?}", begun.elapsed());
    verified(&format!("the very next request is refused, {} ms later", begun.elapsed().as_millis()));
    Ok(())
}
