//! Who may add to a place and take from it, as the keeper tells it. Its own clock alone counts, which never goes back.
//!
//! The last holder is on disk. After a start it is given a lease's time to be heard of: nobody else had the lock
//! meanwhile, so what it saw of the place still holds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::files::write_whole;
use crate::wire::{LockAsked, LockDo, LockStanding};

/// The longest lease, which is also what a start gives.
pub(crate) const MAX_LEASE: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Holding {
    path: PathBuf,
    holder: Option<String>,
    renewed: Instant,
    lease: Duration,
    renewals: u64,
}

pub(crate) fn is_holder(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl Holding {
    pub(crate) fn open(path: PathBuf) -> Self {
        let holder = std::fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
        let holder = holder.filter(|holder| is_holder(holder));
        Holding { path, holder, renewed: Instant::now(), lease: MAX_LEASE, renewals: 0 }
    }

    /// # Errors
    /// If who takes it cannot be noted: then nobody has taken it.
    pub(crate) fn ask(&mut self, asked: &LockAsked) -> std::io::Result<LockStanding> {
        let lease = Duration::from_millis(asked.lease_ms).clamp(SHORTEST, MAX_LEASE);
        let ours = self.holder.as_deref() == Some(asked.holder.as_str());
        match asked.what {
            LockDo::Take if !ours && (self.holder.is_none() || self.renewed.elapsed() >= self.lease) => {
                write_whole(&self.path, format!("{}\n", asked.holder).as_bytes())?;
                self.holder = Some(asked.holder.clone());
                (self.renewed, self.lease, self.renewals) = (Instant::now(), lease, 0);
                Ok(self.standing(true))
            }
            LockDo::Take | LockDo::Renew if ours => {
                (self.renewed, self.lease, self.renewals) = (Instant::now(), lease, self.renewals + 1);
                Ok(self.standing(true))
            }
            LockDo::Release if ours => {
                let _ = std::fs::remove_file(&self.path);
                self.holder = None;
                Ok(self.standing(false))
            }
            LockDo::Take | LockDo::Renew | LockDo::Release => Ok(self.standing(false)),
        }
    }

    /// Whether somebody holds it, by this word. Late is not lost: nobody else took it.
    pub(crate) fn is_held_by(&self, holder: Option<&str>) -> bool {
        holder.is_some() && self.holder.as_deref() == holder
    }

    fn standing(&self, holds: bool) -> LockStanding {
        let left = match self.holder {
            Some(_) => self.lease.saturating_sub(self.renewed.elapsed()),
            None => Duration::ZERO,
        };
        LockStanding { holds, renewals: self.renewals, lapses_in_ms: left.as_millis() as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(what: LockDo, n: u8, lease_ms: u64) -> LockAsked {
        LockAsked { what, holder: format!("{n:032x}"), lease_ms }
    }

    #[test]
    fn one_holds_it_until_they_let_go_or_lapse_and_whoever_lost_it_renews_no_more() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("holder");
        let mut lock = Holding::open(path.clone());
        assert!(!lock.ask(&asked(LockDo::Renew, 1, 60_000)).unwrap().holds, "nobody took it");
        assert!(lock.ask(&asked(LockDo::Take, 1, 60_000)).unwrap().holds);
        assert!(lock.ask(&asked(LockDo::Take, 1, 60_000)).unwrap().holds, "an answer was lost");
        let (first, second) = (format!("{:032x}", 1), format!("{:032x}", 2));
        assert!(lock.is_held_by(Some(&first)) && !lock.is_held_by(Some(&second)) && !lock.is_held_by(None));
        let other = lock.ask(&asked(LockDo::Take, 2, 60_000)).unwrap();
        assert!(!other.holds && other.lapses_in_ms > 1_000);
        assert!(lock.ask(&asked(LockDo::Renew, 1, 60_000)).unwrap().renewals > other.renewals);
        // Another start: the holder is heard of, and nobody else gets between.
        let mut lock = Holding::open(path.clone());
        assert!(!lock.ask(&asked(LockDo::Take, 2, 60_000)).unwrap().holds);
        assert!(lock.ask(&asked(LockDo::Renew, 1, 100)).unwrap().holds);
        std::thread::sleep(Duration::from_millis(150));
        assert!(lock.ask(&asked(LockDo::Renew, 1, 100)).unwrap().holds, "late, but nobody else took it");
        std::thread::sleep(Duration::from_millis(150));
        assert!(lock.is_held_by(Some(&first)), "late, and nobody else's");
        assert!(lock.ask(&asked(LockDo::Take, 2, 60_000)).unwrap().holds);
        assert!(lock.is_held_by(Some(&second)) && !lock.is_held_by(Some(&first)));
        assert!(!lock.ask(&asked(LockDo::Renew, 1, 60_000)).unwrap().holds);
        assert!(!lock.ask(&asked(LockDo::Release, 1, 60_000)).unwrap().holds, "nor lets go of another's");
        assert!(lock.ask(&asked(LockDo::Renew, 2, 60_000)).unwrap().holds, "control");
        lock.ask(&asked(LockDo::Release, 2, 60_000)).unwrap();
        assert!(!lock.is_held_by(Some(&second)) && !lock.is_held_by(None), "nobody has it");
        assert!(lock.ask(&asked(LockDo::Take, 1, 60_000)).unwrap().holds);
    }
}
