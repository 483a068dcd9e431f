//! Power cuts: what a node does to its files is written down, and states in which a disk may be after a cut are built from
//! that. The node is started on each, and nothing that it had acknowledged by then may be missing.

use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::dice::Dice;
use crate::disk::{Fate, Journal, Names, Tree, cut};
use crate::figures::Figure;
use crate::ledger::Ledger;
use crate::scene::{Scene, Word};
use crate::seen::examine;
use crate::work::Work;

/// So many cuts are tried of what one life of the node wrote.
const CUTS: usize = 10;
/// An input or output error (EIO).
const EIO: i64 = 5;

/// A fault of ours that the layer plants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    /// What the layer does of syncs (see `disk.c`), and to which files.
    pub syncs: i64,
    pub unsynced: Option<&'static str>,
    /// Only this rule for names.
    pub names: Option<Names>,
}

/// Tries so many cuts, or until one is wrong.
pub async fn run(name: &str, cuts: usize, seed: u64, planted: Option<Planted>) -> Result<Figure> {
    let plant = planted.unwrap_or_default();
    let scene = Scene::set(plant.unsynced).await?;
    let mut figure = Figure::new(name, "cuts");
    let mut dice = Dice::new(seed, 2);
    let (journal_file, pool) = (scene.file("journal"), scene.file("pool"));
    let ledger = Arc::new(Ledger::new(Some(journal_file.clone())));
    let (mut lives, mut failed_syncs, mut events) = (0, 0, 0);
    let mut base = Tree::of(&scene.dir)?;
    base.pool(&pool)?;
    while figure.tried < cuts {
        scene.boot()?;
        scene.tell(Word::Syncs, plant.syncs)?;
        let node = scene.serve(Some(&journal_file))?;
        // The disk begins to fail in some lives: what it took with it must not have been acknowledged.
        if planted.is_none() && lives % 3 == 2 {
            scene.tell(Word::SyncsLeft, 20 + dice.below(60) as i64)?;
            scene.tell(Word::SyncError, EIO)?;
            failed_syncs += 1;
        }
        let work = Work::begin(&node.operator()?, &ledger, &format!("{lives:04}/"), dice.next());
        work.until(20 + dice.below(120)).await?;
        let stopped = dice.happens(50);
        if stopped {
            work.end().await;
            node.stop()?;
        } else {
            node.kill()?;
            work.end().await;
        }
        scene.calm()?;
        let journal = Journal::read(&journal_file)?;
        Tree::of(&scene.dir)?.pool(&pool)?;
        if stopped {
            complete(&base, &journal, &Tree::of(&scene.dir)?)?;
        }
        events += journal.len();
        let moments = ledger.moments();
        let mut last = None;
        for n in 0..CUTS.min(cuts - figure.tried) {
            // At any moment, or as somebody has just been told that something is safe.
            let until = match moments.is_empty() || dice.happens(40) {
                true => dice.below(journal.len() + 1),
                false => journal.until(*dice.one_of(&moments)),
            };
            let names = plant.names.unwrap_or(*dice.one_of(&[Names::Ordered, Names::ByDirectory]));
            let fate = match dice.below(10) {
                0..3 => Fate::Nothing,
                3 => Fate::Everything,
                4..7 => Fate::Torn(4096),
                _ => Fate::Torn(512),
            };
            let tree = cut(&base, &journal, until, names, fate, &mut dice)?;
            tree.place(&scene.dir, &pool)?;
            scene.boot()?;
            let (verdict, found) = examine(&scene, &ledger, journal.end(until)).await;
            figure.tried += 1;
            let what = format!(
                "seed {seed}, life {lives}, cut {n} behind event {until} of {}, {names:?}, {fate:?}",
                journal.len()
            );
            figure.add(&verdict, &what);
            if figure.lost + figure.wrong > 0 {
                if planted.is_none() {
                    tree.place(&scene.dir, &pool)?;
                    figure.note = format!("kept: {}", scene.keep("cut")?.display());
                }
                figure.acknowledged = ledger.told();
                return Ok(figure);
            }
            last = Some((tree, found));
        }
        // The next life begins on one of these disks.
        if let Some((tree, found)) = last {
            tree.place(&scene.dir, &pool)?;
            base = Tree::of(&scene.dir)?;
            base.pool(&pool)?;
            ledger.settle(&found, "");
        }
        lives += 1;
    }
    figure.acknowledged = ledger.told();
    figure.note = format!("{lives} lives, {events} calls written down; in {failed_syncs} lives syncs began to fail");
    Ok(figure)
}

/// The layer has seen everything: what it wrote down, done to what was there before, is what is there.
fn complete(base: &Tree, journal: &Journal, there: &Tree) -> Result<()> {
    let all = cut(base, journal, journal.len(), Names::Ordered, Fate::Everything, &mut Dice::new(0, 0))?;
    let (all, there) = (all.contents(), there.contents());
    let differ: Vec<_> =
        all.iter().filter(|(path, bytes)| there.get(*path) != Some(*bytes)).map(|(path, _)| path).collect();
    let missed: Vec<_> = there.keys().filter(|path| !all.contains_key(*path)).collect();
    ensure!(differ.is_empty() && missed.is_empty(), "the layer has not seen everything: {differ:?}, {missed:?}");
    Ok(())
}
