//! What a rig found, as a line and as JSON.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// The figures of one rig.
#[derive(Debug, Default, Serialize)]
pub struct Figure {
    pub rig: String,
    /// How often, and what: kills, cuts, flips.
    pub tried: usize,
    pub of: &'static str,
    /// Acknowledgements that were held against what was there afterwards.
    pub acknowledged: usize,
    pub lost: usize,
    pub wrong: usize,
    /// What else is worth telling.
    pub note: String,
    /// What is wrong, in full.
    pub faults: Vec<String>,
}

impl Figure {
    pub fn new(rig: &str, of: &'static str) -> Figure {
        Figure { rig: rig.to_owned(), of, ..Figure::default() }
    }

    pub fn add(&mut self, verdict: &crate::ledger::Verdict, of: &str) {
        self.lost += verdict.lost.len();
        self.wrong += verdict.wrong.len();
        self.faults.extend(verdict.faults().into_iter().take(20).map(|fault| format!("{of}: {fault}")));
    }
}

/// The figures so far, printed as they come.
pub struct Figures {
    all: Vec<Figure>,
    wanted: String,
}

impl Figures {
    /// Of the rigs whose names hold `wanted`.
    pub fn new(wanted: &str) -> Figures {
        println!("{:<24} {:>7} {:<8} {:>12} {:>6} {:>6}  note", "rig", "tried", "of", "acknowledged", "lost", "wrong");
        Figures { all: Vec::new(), wanted: wanted.to_owned() }
    }

    pub fn wants(&self, rig: &str) -> bool {
        rig.contains(&self.wanted)
    }

    pub fn push(&mut self, figure: Figure) {
        let Figure { rig, tried, of, acknowledged, lost, wrong, note, faults } = &figure;
        println!("{rig:<24} {tried:>7} {of:<8} {acknowledged:>12} {lost:>6} {wrong:>6}  {note}");
        faults.iter().for_each(|fault| println!("  {fault}"));
        self.all.push(figure);
    }

    /// What is wrong, of all rigs.
    pub fn faults(&self) -> usize {
        self.all.iter().map(|figure| figure.lost + figure.wrong).sum()
    }

    pub fn write(&self, out: &Path) -> Result<()> {
        std::fs::create_dir_all(out.parent().context("--out needs a file in a directory")?)?;
        std::fs::write(out, serde_json::to_vec_pretty(&self.all)?).with_context(|| format!("writing {}", out.display()))
    }
}
