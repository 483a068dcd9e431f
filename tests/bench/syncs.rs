//! Cold sync of 100,000 commits to a blind replica and to a second device.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::{Node, Replica};

use crate::process::Subject;
use crate::{DOCUMENTS_MAX, reads};
use harness::report::Report;

pub async fn run(report: &mut Report) -> Result<()> {
    let (blind, member) = (report.wants("sync cold blind"), report.wants("sync cold member"));
    if !blind && !member {
        return Ok(());
    }
    let subject = Subject::start().await?;
    reads::load(&subject.owner, DOCUMENTS_MAX).await?;
    if blind {
        let dir = subject.root.path().join("replica");
        Replica::init(&subject.node.allod, &dir)?;
        let replica = Replica::serve(&subject.node.allod, &dir, None)?;
        let begun = Instant::now();
        subject.node.cli_ok(&["replica", "add", &replica.addr])?;
        let waited = subject.node.cli_ok(&["sync", "wait", "--timeout", "120s"])?;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(waited["peers"][0]["lag_commits"] == 0, "{waited}");
        let note = format!("{DOCUMENTS_MAX} commits, durable, {seconds:.1} s");
        report.alone("sync cold blind", DOCUMENTS_MAX as f64 / seconds, "commit/s", note);
    }
    if member {
        let invite = subject.node.cli_ok(&["device", "invite"])?;
        let dir = subject.root.path().join("laptop");
        subject.node.allod.ok(&dir, &["device", "join", invite["code"].as_str().context("code")?])?;
        let begun = Instant::now();
        let laptop = Node::serve(&subject.node.allod, &dir)?;
        let operator = laptop.operator()?;
        loop {
            let counted = operator.try_graphql("{ COUNT(Item: {}) }", serde_json::Value::Null).await?;
            if counted.json["data"]["COUNT"] == DOCUMENTS_MAX {
                break;
            }
            ensure!(begun.elapsed().as_secs() < 180, "after three minutes: {}", counted.text);
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let note = format!("{DOCUMENTS_MAX} commits, decrypted and queryable, {seconds:.1} s from start");
        report.alone("sync cold member", DOCUMENTS_MAX as f64 / seconds, "commit/s", note);
    }
    Ok(())
}
