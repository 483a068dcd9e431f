//! A backup of 100,000 documents beside a copy of the same files, and the next one after 1,000 changes.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use harness::report::{Report, median};
use serde_json::{Value, json};

use crate::process::Subject;
use crate::{DOCUMENTS_MAX, reads};

/// So many documents are changed before the next backup.
const CHANGED: usize = 1_000;

pub async fn run(report: &mut Report) -> Result<()> {
    let (first, next) = (report.wants("backup first"), report.wants("backup next"));
    if !first && !next {
        return Ok(());
    }
    let subject = Subject::start().await?;
    reads::load(&subject.owner, DOCUMENTS_MAX).await?;
    subject.node.cli_ok(&["recovery", "create", "--file", &path(&subject.root.path().join("words"))])?;
    let create = |place: &Path| -> Result<(f64, Value)> {
        let begun = Instant::now();
        let made = subject.node.cli_ok(&["backup", "create", "--no-verify", "--to", &path(place)])?;
        Ok((begun.elapsed().as_secs_f64(), made))
    };
    let (mut ours, mut copies, mut bytes) = (Vec::new(), Vec::new(), 0);
    for round in 0..3 {
        copies.push(copy(&subject.node.dir, &subject.root.path().join(format!("copy{round}")))?);
        let (seconds, made) = create(&subject.root.path().join(format!("place{round}")))?;
        bytes = made["bytes"].as_u64().context("bytes")?;
        ours.push(seconds);
    }
    if first {
        let note = format!("{DOCUMENTS_MAX} documents, {} MB in the place, not verified", bytes / 1_000_000);
        report.time("backup first", median(ours) * 1e3, "ms", ("copy, then fsync", median(copies) * 1e3), note);
    }
    if next {
        let (mut times, mut sent) = (Vec::new(), 0);
        for round in 0..3 {
            change(&subject, round).await?;
            let (seconds, made) = create(&subject.root.path().join("place2"))?;
            sent = sent.max(made["new_bytes"].as_u64().context("new_bytes")?);
            times.push(seconds);
        }
        let note = format!("{CHANGED} of {DOCUMENTS_MAX} documents changed, {:.2} MB sent", sent as f64 / 1e6);
        report.alone("backup next", median(times) * 1e3, "ms", note);
    }
    Ok(())
}

async fn change(subject: &Subject, round: usize) -> Result<()> {
    let read = format!("{{ Item(limit: {CHANGED}, offset: {}) {{ _docID }} }}", round * CHANGED);
    let found = subject.owner.graphql(&read).await?;
    let update =
        "mutation($id: ID!, $input: ItemMutationInputArg!) { update_Item(docID: $id, input: $input) { _docID } }";
    for item in found["Item"].as_array().context("no items")? {
        let input = json!({ "name": format!("changed in round {round}") });
        subject.owner.graphql_with(update, json!({ "id": item["_docID"], "input": input })).await?;
    }
    Ok(())
}

/// How long it takes to copy the databases of a node to the same disk, and to wait until they are there.
fn copy(from: &Path, to: &Path) -> Result<f64> {
    std::fs::create_dir(to)?;
    let begun = Instant::now();
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = name.to_string_lossy().starts_with("log.db") || name.to_string_lossy().starts_with("node.db");
        if is_ours && entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(&name))?;
            std::fs::File::open(to.join(&name))?.sync_all()?;
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
