//! `allod backup prune`: which backups of a place stay.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use vault_backup::{Backup, DataName};

use super::place::{blocking, locked, open_place};
use crate::app::App;
use crate::failure::Failure;
use crate::places::Target;

/// Of how many days, weeks and months that have a backup the last one of each stays. The newest backup stays always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    pub daily: usize,
    pub weekly: usize,
    pub monthly: usize,
}

/// Removes the backups that need not stay, and what they alone rest on. `None`: all of them stay, and what was broken off and
/// none rests on is removed.
///
/// # Errors
/// If nothing would stay by these numbers, a backup of the place cannot be read (what it rests on is not known), or
/// something cannot be removed.
pub async fn prune(app: &App, target: &Target, keep: Option<Keep>, dry: bool) -> Result<Value, Failure> {
    if keep == Some(Keep { daily: 0, weekly: 0, monthly: 0 }) {
        return Err(Failure::usage("keep_nothing", "say how many are kept: --keep-daily 7 --keep-weekly 4, say"));
    }
    let place = open_place(app, target).await?;
    let at = place.clone();
    locked(&place, async |lock| {
        blocking(move || {
            let (backups, bad) = at.backups()?;
            if let Some(error) = bad.into_iter().next() {
                return Err(Failure::from(error.error)
                    .hint("nothing was removed: what it rests on cannot be told; remove its file, and prune again"));
            }
            let stays = keep.map(|keep| staying(&backups, keep));
            let (left, gone): (Vec<Backup>, Vec<Backup>) =
                backups.into_iter().partition(|backup| stays.as_ref().is_none_or(|stays| stays.contains(&backup.name)));
            let names: Vec<DataName> = gone.iter().map(|backup| backup.name).collect();
            let (files, bytes) = if dry { (0, 0) } else { at.remove(&names, &left, &lock)? };
            let ids = |backups: &[Backup]| backups.iter().map(Backup::id).collect::<Vec<_>>();
            Ok(json!({ "kept": ids(&left), "removed": ids(&gone), "files": files, "bytes": bytes, "dry_run": dry }))
        })
        .await
    })
    .await
}

/// `backups`: the newest first.
fn staying(backups: &[Backup], keep: Keep) -> BTreeSet<DataName> {
    let mut stays: BTreeSet<DataName> = backups.first().map(|newest| newest.name).into_iter().collect();
    let date = |backup: &Backup| {
        let at = OffsetDateTime::from_unix_timestamp(backup.manifest.at.div_euclid(1_000_000));
        at.unwrap_or(OffsetDateTime::UNIX_EPOCH).date()
    };
    let (mut days, mut weeks, mut months) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for backup in backups {
        let date = date(backup);
        let (year, week, _) = date.to_iso_week_date();
        let daily = days.len() < keep.daily && days.insert(date);
        let weekly = weeks.len() < keep.weekly && weeks.insert((year, week));
        let monthly = months.len() < keep.monthly && months.insert((date.year(), u8::from(date.month())));
        if daily || weekly || monthly {
            stays.insert(backup.name);
        }
    }
    stays
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use vault_backup::{LogIdentity, Manifest};

    pub(in crate::backup) fn backup(n: u8, day: i64) -> Backup {
        let manifest = Manifest {
            node: [0; 16],
            log: LogIdentity { log: [0; 16], run: [0; 16], number: 1 },
            number: 1,
            at: day * 86_400_000_000,
            node_key: zeroize::Zeroizing::new([0; 32]),
            scopes: Vec::new(),
            segments: Vec::new(),
            pieces: Vec::new(),
            database: 0,
            digests: Vec::new(),
            files: Vec::new(),
        };
        Backup { name: DataName([n; 32]), manifest, tested: None }
    }

    #[test]
    fn the_last_of_each_day_week_and_month_stays_and_the_newest_always() {
        // The newest first; days since 1970, which began on a Thursday.
        let days = [100, 100, 99, 98, 91, 84, 60, 20];
        let backups: Vec<_> = days.iter().enumerate().map(|(n, day)| backup(n as u8, *day)).collect();
        let left = |daily, weekly, monthly| {
            let stays = staying(&backups, Keep { daily, weekly, monthly });
            stays.iter().map(|name| name.0[0]).collect::<Vec<_>>()
        };
        assert_eq!(left(1, 0, 0), [0]);
        assert_eq!(left(3, 0, 0), [0, 2, 3]);
        assert_eq!(left(0, 3, 0), [0, 4, 5]);
        assert_eq!(left(0, 0, 3), [0, 5, 7]);
        assert_eq!(left(2, 2, 9), [0, 2, 4, 5, 7]);
        // A clock that stood wrong keeps more, and takes the newest away never.
        let wrong = [backup(0, -5), backup(1, 100)];
        assert!(staying(&wrong, Keep { daily: 1, weekly: 0, monthly: 0 }).contains(&DataName([0; 32])));
    }
}
