//! Bob lives in the same tenant, Carol in another: neither sees Alice's space, and Alice, who owns the
//! tenant, does not see Bob's.

use anyhow::{Context, Result, ensure};
use harness::Client;

use crate::story::{ALICE, BOB, CAROL, Story, verified};

const UNKNOWN_SPACE: &str = "00000000000000000000000000000001";

pub async fn apart(story: &mut Story) -> Result<()> {
    story.step("Bob in the same tenant, Carol in another");
    let node = story.node()?;
    node.cli_ok(&["tenant", "add", "elsewhere"])?;
    for (person, tenant) in [(BOB, None), (CAROL, Some("elsewhere"))] {
        let file = story.path(&format!("{}.password", person.0));
        std::fs::write(&file, person.1)?;
        let mut args = vec!["user", "add", person.0, "--password-file", file.to_str().context("a path")?];
        if let Some(tenant) = tenant {
            args.extend(["--tenant", tenant]);
        }
        node.cli_ok(&args)?;
    }
    let bob = node.sign_in(BOB.0, BOB.1).await?;
    let carol = node.sign_in(CAROL.0, CAROL.1).await?;
    let alice_in_person = node.sign_in(ALICE.0, ALICE.1).await?;
    let (alices, bobs) = (personal(&story.alice).await?, personal(&bob).await?);
    bob.define("type Diary { entry: String }").await?;
    bob.graphql(r#"mutation { add_Diary(input: {entry: "mine alone"}) { _docID } }"#).await?;

    for (who, client, foreign) in
        [("Bob", &bob, &alices), ("Carol", &carol, &alices), ("Alice, owner of the tenant,", &alice_in_person, &bobs)]
    {
        let query = "{ Film { title } Diary { entry } }";
        let refused = client.in_space(foreign).try_graphql(query, serde_json::Value::Null).await?;
        let unknown = client.in_space(UNKNOWN_SPACE).try_graphql(query, serde_json::Value::Null).await?;
        ensure!(refused.status == 404, "{who} asks a foreign space: {} {}", refused.status, refused.text);
        ensure!(
            (refused.status, &refused.text) == (unknown.status, &unknown.text),
            "{who}: a foreign space answers {}, an unknown one {}",
            refused.text,
            unknown.text
        );
        verified(&format!("{who} cannot read a foreign space: 404, byte for byte as for an unknown one"));
    }
    let own = bob.graphql("{ Diary { entry } }").await?;
    ensure!(own["Diary"][0]["entry"] == "mine alone", "Bob's own: {own}");
    let films = story.alice.in_space(&alices).graphql("{ Film(limit: 1) { title } }").await?;
    ensure!(films["Film"][0]["title"].is_string(), "Alice's own: {films}");
    verified("control: Bob reads his diary, Alice her films, each by naming the space");
    Ok(())
}

/// The id of a person's own space.
async fn personal(client: &Client) -> Result<String> {
    let spaces = client.get("/api/v1/spaces").await?;
    let first =
        spaces.json.as_array().and_then(|list| list.first()).with_context(|| format!("no space: {}", spaces.text))?;
    Ok(first["id"].as_str().context("a space without id")?.to_owned())
}
