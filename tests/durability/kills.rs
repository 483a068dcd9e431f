//! kill -9 while eight writers write: after each start everything that was acknowledged is there.

use std::sync::Arc;

use anyhow::Result;

use crate::dice::Dice;
use crate::figures::Figure;
use crate::ledger::Ledger;
use crate::scene::{Scene, bad, digests};
use crate::seen;
use crate::work::Work;

/// After so many kills everything is looked at, and not only what was written since the last.
const ALL: usize = 25;

pub async fn run(kills: usize, seed: u64) -> Result<Figure> {
    let scene = Scene::set(None).await?;
    let mut figure = Figure::new("kill -9", "kills");
    let mut dice = Dice::new(seed, 1);
    let ledger = Arc::new(Ledger::new(None));
    let mut starts = Vec::new();
    let mut node = scene.serve(None)?;
    for kill in 0..kills {
        let life = format!("{kill:06}/");
        let work = Work::begin(&node.operator()?, &ledger, &life, dice.next());
        work.until(1 + dice.below(120)).await?;
        node.kill_in_place()?;
        work.end().await;
        node = scene.serve(None)?;
        starts.push(node.ready_after.as_secs_f64() * 1000.0);
        let found = seen::look(&node, &ledger, &life).await?;
        let mut verdict = ledger.judge(&found, 0, &life);
        ledger.settle(&found, &life);
        if kill % ALL == ALL - 1 || kill == kills - 1 {
            let all = seen::look(&node, &ledger, "").await?;
            let before = ledger.judge(&all, 0, "");
            verdict.lost.extend(before.lost);
            verdict.wrong.extend(before.wrong);
            let doctor = node.operator()?.get("/api/v1/doctor").await?;
            verdict.wrong.extend(bad(&doctor.json));
            if all.keys().filter(|key| !key.starts_with("link/")).count() != ledger.notes() {
                verdict.wrong.push(format!("{} notes, not {}", all.len(), ledger.notes()));
            }
        }
        figure.tried += 1;
        figure.add(&verdict, &format!("seed {seed}, kill {kill}"));
        if figure.lost + figure.wrong > 0 {
            figure.note = format!("kept: {}", scene.keep("killed")?.display());
            break;
        }
    }
    let doctor = node.operator()?.get("/api/v1/doctor").await?;
    node.stop()?;
    let (well, anew) = scene.doctor(true)?;
    if !well || digests(&anew) != digests(&doctor.json) {
        figure.wrong += 1;
        figure.faults.push(format!("made anew the views differ: {anew}, not {}", doctor.json));
    }
    figure.acknowledged = ledger.told();
    starts.sort_by(f64::total_cmp);
    if figure.note.is_empty() {
        let at =
            |part: usize| starts.get((starts.len() * part / 100).min(starts.len() - 1)).copied().unwrap_or_default();
        figure.note = format!("started again after {:.0} ms (median), {:.0} ms (99 of 100)", at(50), at(99));
    }
    Ok(figure)
}
