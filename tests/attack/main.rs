//! `make attack`: what one caller can do to the others. Each attack runs against a node of its own while a neighbour,
//! a person of another tenant, asks for little; the table says how much longer that takes than on a quiet node, and
//! how much memory the node takes. It fails only where a neighbour is not answered.
#![forbid(unsafe_code)]

mod memory;
mod neighbour;
mod node;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use harness::report::Report;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime");
    match runtime.and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[String]) -> Result<()> {
    let mut out = PathBuf::from("target/attack/attack.json");
    let mut pattern = String::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--out" => out = PathBuf::from(value),
            "--rows" => value.clone_into(&mut pattern),
            other => anyhow::bail!("unknown argument {other}; known: --out FILE, --rows PATTERN"),
        }
    }
    let mut report = Report::new(&pattern);
    let mut unanswered = Vec::new();
    neighbour::run(&mut report, &mut unanswered).await?;
    memory::run(&mut report, &mut unanswered).await?;
    report.write(&out, None)?;
    ensure!(unanswered.is_empty(), "a neighbour was not answered: {}", unanswered.join("; "));
    Ok(())
}
