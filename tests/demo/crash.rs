//! kill -9 in mid-import: what was acknowledged is there afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::story::{Story, verified};

const WRITERS: usize = 4;
const KILL_AFTER: usize = 150;

pub async fn kill_in_mid_import(story: &mut Story) -> Result<()> {
    story.step("kill -9 in mid-import");
    story.alice.define("type Note { text: String }").await?;
    let (acknowledged, mut seen) = tokio::sync::mpsc::channel::<String>(1_024);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, acknowledged) = (story.alice.clone(), acknowledged.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    let input: Vec<_> = (0..5).map(|i| json!({ "text": format!("{writer}/{n}/{i}") })).collect();
                    let add = "mutation($input: [NoteMutationInputArg!]!) { add_Note(input: $input) { _docID } }";
                    let Ok(answer) = client.graphql_with(add, json!({ "input": input })).await else { return };
                    for note in answer["add_Note"].as_array().into_iter().flatten() {
                        let Some(id) = note["_docID"].as_str() else { return };
                        if acknowledged.send(id.to_owned()).await.is_err() {
                            return;
                        }
                    }
                }
            })
        })
        .collect();
    drop(acknowledged);
    let mut ids = Vec::new();
    while ids.len() < KILL_AFTER {
        let next =
            tokio::time::timeout(Duration::from_secs(30), seen.recv()).await.context("no acknowledgement in 30 s")?;
        ids.push(next.context("the writers stopped")?);
    }
    let dir = story.take_node()?.kill()?;
    while let Some(id) = seen.recv().await {
        ids.push(id);
    }
    for writer in writers {
        let _ = writer.await;
    }
    story.restart(&dir).await?;
    let notes = story.alice.graphql("{ Note { _docID } }").await?;
    let there: std::collections::HashSet<&str> =
        notes["Note"].as_array().into_iter().flatten().filter_map(|note| note["_docID"].as_str()).collect();
    let lost = ids.iter().filter(|id| !there.contains(id.as_str())).count();
    ensure!(lost == 0, "{lost} of {} acknowledged notes are lost", ids.len());
    ensure!(there.len().is_multiple_of(5), "{} notes: a request was written in part", there.len());
    verified(&format!(
        "{} acknowledged writes, none lost; {} notes on disk, every request whole",
        ids.len(),
        there.len()
    ));
    Ok(())
}
