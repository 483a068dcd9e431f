//! `make bench`: each row beside its baseline in the same run, alternating, median of three. Prints a
//! table and writes `bench.json`, with the rows of another run in the same shape before its own (`--also`).
#![forbid(unsafe_code)]

mod adds;
mod backups;
mod bare;
mod load;
mod process;
mod reads;

mod syncs;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness::report::Report;

/// One of the three measurements of a cell, of subject or baseline: six of them fill ten seconds.
pub const SLICE: Duration = Duration::from_millis(1_600);
/// No cell writes or holds more documents than this.
pub const DOCUMENTS_MAX: usize = 100_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("bare") => bare::serve(&args[1..]),
        _ => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("starting the runtime")
            .and_then(|runtime| runtime.block_on(run(&args))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[String]) -> Result<()> {
    let mut out = PathBuf::from("target/bench/bench.json");
    let (mut pattern, mut also) = (String::new(), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--out" => out = PathBuf::from(value),
            "--rows" => value.clone_into(&mut pattern),
            "--also" => also = Some(PathBuf::from(value)),
            other => anyhow::bail!("unknown argument {other}; known: --out FILE, --rows PATTERN, --also FILE"),
        }
    }
    let mut report = Report::new(&pattern);
    process::start(&mut report).await?;
    adds::run(&mut report).await?;
    reads::run(&mut report).await?;
    syncs::run(&mut report).await?;
    backups::run(&mut report).await?;
    process::idle(&mut report).await?;
    report.write(&out, also.as_deref())
}
