//! A blind data centre, and Alice's second device.

use anyhow::{Context, Result, ensure};
use harness::{Node, Replica};
use serde_json::Value;

use crate::canary::Search;
use crate::story::{Story, verified};

/// A replica without keys stores everything and learns nothing.
pub async fn blind(story: &mut Story) -> Result<()> {
    story.step("A data centre that holds ciphertext only");
    let (dir, trace) = (story.path("data-centre"), story.path("data-centre.trace"));
    Replica::init(&story.allod, &dir)?;
    let replica = Replica::serve(&story.allod, &dir, Some(&trace))?;
    let node = story.node()?;
    let nameless = replica.addr.split("/p2p/").next().context("an address")?;
    let refused = node.cli(&["replica", "add", nameless])?;
    ensure!(refused.code != 0, "an address that names no peer was taken");
    let added = node.cli_ok(&["replica", "add", &replica.addr])?;
    let waited = node.cli_ok(&["sync", "wait", "--timeout", "60s"])?;
    ensure!(waited["peers"][0]["lag_commits"] == 0, "after the wait: {waited}");
    verified(&format!(
        "{} space(s) replicated, every commit acknowledged as fsynced",
        added["spaces"].as_array().map_or(0, Vec::len)
    ));
    let dir = replica.kill()?;
    let search = Search::new(&story.canaries)?;
    let (in_files, size) = search.files(&dir)?;
    let decoded = std::fs::read(&trace).context("reading the trace of decoded messages")?;
    let in_messages = search.count(&decoded);
    ensure!(
        size > 500_000 && decoded.len() > 500_000,
        "nothing to search: {size} B of files, {} B of messages",
        decoded.len()
    );
    ensure!(in_files == 0 && in_messages == 0, "{in_files} canaries in files, {in_messages} in messages");
    verified(&format!("0 of 500 canaries in {size} B of files and {} B of decoded messages", decoded.len()));
    Ok(())
}

/// A second device of Alice's enrols, syncs, and converges after both sides wrote apart.
pub async fn second_device(story: &mut Story) -> Result<()> {
    story.step("Alice's second device");
    let node = story.node()?;
    let invite = node.cli_ok(&["device", "invite"])?;
    let code = invite["code"].as_str().context("no code")?;
    let dir = story.path("laptop");
    let joined = story.allod.ok(&dir, &["device", "join", code])?;
    verified(&format!("joined by a one-time code as device {}", joined["device"]));
    let again = story.allod.run(&story.path("intruder"), &["device", "join", code])?;
    ensure!(again.code != 0, "the code was taken twice");
    verified("the same code is refused a second time");
    let laptop = Node::serve(&story.allod, &dir)?;
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"])?;
    story.node()?.cli_ok(&["sync", "wait", "--timeout", "5s"]).ok();
    let there = laptop.operator()?.graphql("{ COUNT(Film: {}) }").await?;
    let here = story.alice.graphql("{ COUNT(Film: {}) }").await?;
    ensure!(there == here && there["COUNT"].as_u64() > Some(3_000), "films there {there}, here {here}");
    verified(&format!("{} films on the laptop", there["COUNT"]));

    let home_dir = story.take_node()?.stop()?;
    let write = |text: &str| {
        format!(r#"mutation {{ update_User(filter: {{name: {{_eq: "Bob"}}}}, input: {{{text}}}) {{ name }} }}"#)
    };
    let edited = laptop.operator()?.graphql(&write("age: 41, verified: false")).await?;
    ensure!(edited["update_User"][0]["name"] == "Bob", "the laptop edits alone: {edited}");
    let laptop_dir = laptop.stop()?;
    story.restart(&home_dir).await?;
    story.alice.graphql(&write("age: 42, points: 7.5")).await?;
    verified("each side wrote while the other was away");
    let laptop = Node::serve(&story.allod, &laptop_dir)?;
    laptop.cli_ok(&["sync", "wait", "--timeout", "60s"])?;
    story.node()?.cli_ok(&["sync", "wait", "--timeout", "60s"]).ok();
    let (a, b) = (
        story.alice.graphql("{ User { name age points verified } }").await?,
        laptop.operator()?.graphql("{ User { name age points verified } }").await?,
    );
    ensure!(a == b && a["User"][0]["age"] == 42 && a["User"][0]["verified"] == false, "home {a}, laptop {b}");
    let laptop_dir = laptop.stop()?;
    let home_dir = story.take_node()?.stop()?;
    let (home, away) = (digests(story, &home_dir)?, digests(story, &laptop_dir)?);
    for (space, digest) in &away {
        ensure!(
            home.iter().any(|(s, d)| s == space && d == digest),
            "space {space}: digests differ: {home:?} {away:?}"
        );
    }
    ensure!(!away.is_empty(), "the laptop holds no space");
    verified(&format!("both converge to the same digest, {}", &away[0].1[..16.min(away[0].1.len())]));
    story.restart(&home_dir).await
}

/// Space and digest of each space in a directory that is not served.
fn digests(story: &Story, dir: &std::path::Path) -> Result<Vec<(String, String)>> {
    let report: Value = story.allod.ok(dir, &["doctor"])?;
    let spaces = report["spaces"].as_array().context("no spaces in the doctor's report")?;
    Ok(spaces
        .iter()
        .filter_map(|space| Some((space["id"].as_str()?.to_owned(), space["digest"].as_str()?.to_owned())))
        .collect())
}
