//! What a node shows once it was started again, held against the ledger.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use harness::{Client, Node};
use serde_json::{Value, json};

use crate::ledger::{Ledger, PROBE, Verdict};
use crate::scene::{Scene, bad, digests};

/// Notes that are asked for at once.
const PAGE: usize = 200;

/// The notes whose keys begin with `of`.
pub async fn notes(client: &Client, of: &str) -> Result<BTreeMap<String, String>> {
    let query = "query($k: String, $n: Int, $o: Int)
        { Note(filter: {key: {_like: $k}}, order: {key: ASC}, limit: $n, offset: $o) { key text } }";
    let mut all = BTreeMap::new();
    for page in 0.. {
        let variables = json!({ "k": format!("{of}%"), "n": PAGE, "o": page * PAGE });
        let answer = client.graphql_with(query, variables).await?;
        let notes = answer["Note"].as_array().context("no notes")?;
        for note in notes {
            let (Some(key), Some(text)) = (note["key"].as_str(), note["text"].as_str()) else {
                bail!("a note without key or text: {note}");
            };
            if all.insert(key.to_owned(), text.to_owned()).is_some() {
                bail!("two notes have the key {key}");
            }
        }
        if notes.len() < PAGE {
            break;
        }
    }
    Ok(all)
}

/// Which links open something.
pub async fn links(client: &Client, ledger: &Ledger) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for (key, token) in ledger.links() {
        let answer = client.with_token(&token).try_graphql("{ Note(limit: 1) { key } }", Value::Null).await?;
        match answer.status {
            200 if answer.codes().is_empty() => drop(all.insert(key, token)),
            // Ended; or what it leads to was being made or taken back, when there was no more power.
            401 | 404 => {}
            _ => bail!("{key}: {} {}", answer.status, answer.text),
        }
    }
    Ok(all)
}

/// What a node shows.
pub async fn look(node: &Node, ledger: &Ledger, of: &str) -> Result<BTreeMap<String, String>> {
    let client = node.operator()?;
    let mut found = notes(&client, of).await?;
    found.extend(links(&client, ledger).await?);
    Ok(found)
}

/// The node writes.
pub async fn writes(node: &Node, what: &str) -> Result<()> {
    let add = "mutation($k: String) { add_Note(input: {key: $k, text: \"written after\"}) { _docID } }";
    let key = format!("{PROBE}{what}");
    node.operator()?.graphql_with(add, json!({ "k": key })).await?;
    let there = node
        .operator()?
        .graphql_with("query($k: String) { COUNT(Note: {filter: {key: {_eq: $k}}}) }", json!({ "k": key }))
        .await?;
    if there["COUNT"] != 1 {
        bail!("what was written after the start is there {} times", there["COUNT"]);
    }
    Ok(())
}

/// Starts the node after a cut and holds everything against the ledger as it was when the journal was `at`: what is
/// there, what the doctor finds, whether it writes, and whether a view made anew is the same. The node is stopped then.
pub async fn examine(scene: &Scene, ledger: &Ledger, at: u64) -> (Verdict, BTreeMap<String, String>) {
    let mut found = BTreeMap::new();
    let examined = async {
        let node = scene.serve(None)?;
        found = look(&node, ledger, "").await?;
        let mut verdict = ledger.judge(&found, at, "");
        writes(&node, "after").await?;
        let doctor = node.operator()?.get("/api/v1/doctor").await?;
        verdict.wrong.extend(bad(&doctor.json));
        if node.said().contains("panicked") {
            verdict.wrong.push(node.said());
        }
        node.stop()?;
        let (well, anew) = scene.doctor(true)?;
        if !well {
            verdict.wrong.extend(bad(&anew));
        }
        if digests(&anew) != digests(&doctor.json) || digests(&anew).is_empty() {
            verdict.wrong.push(format!(
                "views made anew differ: {:?}, not {:?}",
                digests(&anew),
                digests(&doctor.json)
            ));
        }
        anyhow::Ok(verdict)
    };
    let examined = examined.await;
    match examined {
        Ok(verdict) => (verdict, found),
        Err(error) => (Verdict { wrong: vec![format!("{error:#}")], ..Verdict::default() }, found),
    }
}
