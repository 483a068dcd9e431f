//! `make crash`: what becomes of a node that is killed, whose power is cut, whose files rot, whose disk is full. Each rig
//! drives the development build of `allod` behind a layer below the C library (`disk.c`); it fails if anything that was
//! acknowledged is lost, or anything is silently wrong.
#![forbid(unsafe_code)]

mod cuts;
mod dice;
mod disk;
mod figures;
mod flips;
mod kills;
mod ledger;
mod planted;
mod scene;
mod seen;
mod shortages;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use figures::Figures;
use shortages::Trouble;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime");
    match runtime.and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("durability: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// How much of each is tried; 0 leaves a rig out.
struct Wanted {
    kills: usize,
    cuts: usize,
    flips: usize,
    rounds: usize,
    planted: usize,
    seed: u64,
    out: PathBuf,
    rigs: String,
}

impl Wanted {
    fn read(args: &[String]) -> Result<Wanted> {
        let out = PathBuf::from("target/durability/durability.json");
        let mut wanted =
            Wanted { kills: 100, cuts: 60, flips: 100, rounds: 8, planted: 1, seed: 1, out, rigs: String::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().with_context(|| format!("{arg} needs a value"))?;
            let number = || value.parse().with_context(|| format!("{arg} needs a number, not {value}"));
            match arg.as_str() {
                "--kills" => wanted.kills = number()?,
                "--cuts" => wanted.cuts = number()?,
                "--flips" => wanted.flips = number()?,
                "--rounds" => wanted.rounds = number()?,
                "--planted" => wanted.planted = number()?,
                "--seed" => wanted.seed = number()? as u64,
                "--out" => wanted.out = PathBuf::from(value),
                "--rigs" => value.clone_into(&mut wanted.rigs),
                other => anyhow::bail!(
                    "unknown argument {other}; known: --kills, --cuts, --flips, --rounds, --planted N, --seed N, --out FILE, \
                     --rigs PATTERN"
                ),
            }
        }
        Ok(wanted)
    }
}

async fn run(args: &[String]) -> Result<()> {
    let wanted = Wanted::read(args)?;
    let seed = wanted.seed;
    let mut figures = Figures::new(&wanted.rigs);
    if wanted.kills > 0 && figures.wants("kill -9") {
        figures.push(kills::run(wanted.kills, seed).await?);
    }
    if wanted.cuts > 0 && figures.wants("power cuts") {
        figures.push(cuts::run("power cuts", wanted.cuts, seed, None).await?);
    }
    if wanted.flips > 0 && figures.wants("bit flips") {
        figures.push(flips::run(wanted.flips, seed).await?);
    }
    for (trouble, name) in Trouble::ALL {
        if wanted.rounds > 0 && figures.wants(name) {
            figures.push(shortages::run(trouble, name, wanted.rounds, seed).await?);
        }
    }
    if wanted.planted > 0 && figures.wants("planted faults") {
        figures.push(planted::run(seed).await?);
    }
    figures.write(&wanted.out)?;
    let faults = figures.faults();
    ensure!(faults == 0, "{faults} faults; each says how to have it again");
    Ok(())
}
