//! Faults that are planted below the node, which the rig of power cuts must find: else its silence means nothing.
//!
//! From outside a sync can be left out or come late, of all files or of some. What can only be planted in the product (a
//! torn tail that is accepted, a view that is never compared) is held by tests beside that code.

use anyhow::{Result, bail};

use crate::cuts::{self, Planted};
use crate::disk::Names;
use crate::figures::Figure;

const NEVER: i64 = 1;
const ONE_LATE: i64 = 2;
const FILES_ALONE: i64 = 3;

/// So many cuts are tried before a fault counts as not found.
const PATIENCE: usize = 60;

fn all() -> [(&'static str, Planted); 5] {
    let none = Planted::default();
    [
        ("no fsync at all", Planted { syncs: NEVER, ..none }),
        ("an answer before its fsync", Planted { syncs: ONE_LATE, ..none }),
        ("no fsync of the log", Planted { syncs: NEVER, unsynced: Some("log.db"), ..none }),
        ("no fsync of node.db", Planted { syncs: NEVER, unsynced: Some("node.db"), ..none }),
        ("no fsync of directories", Planted { syncs: FILES_ALONE, names: Some(Names::ByDirectory), ..none }),
    ]
}

pub async fn run(seed: u64) -> Result<Figure> {
    let mut figure = Figure::new("planted faults", "faults");
    let mut found = Vec::new();
    for (name, planted) in all() {
        figure.tried += 1;
        let caught = cuts::run(name, PATIENCE, seed, Some(planted)).await?;
        match caught.lost + caught.wrong {
            0 => {
                figure.wrong += 1;
                figure.faults.push(format!("{name}: not found in {} cuts", caught.tried));
            }
            faults => {
                println!("  {name}: {faults} faults at cut {}, as {}", caught.tried, caught.faults[0]);
                found.push(format!("{name} (cut {})", caught.tried));
            }
        }
        figure.acknowledged += caught.acknowledged;
    }
    if found.is_empty() {
        bail!("none of the planted faults was found");
    }
    figure.note = format!("found: {}", found.join(", "));
    Ok(figure)
}
