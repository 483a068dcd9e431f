//! How a node stands with its backups: what it was told to make, what the last one was, and what went wrong since.

use std::time::Duration;

use parking_lot::Mutex;
use policy_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The last backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// The name of the place.
    pub to: String,
    pub backup: String,
    /// When it was taken: what can be restored is as of then. Microseconds since 1970.
    pub at: i64,
    /// When one of the place, this or one before, was last restored for a test, and was whole.
    pub tested: Option<i64>,
}

/// What is shown of backups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How often one is to be made, if the node makes them by itself.
    pub every: Option<Duration>,
    pub last: Option<LastBackup>,
    /// Why the last try made none, or what is wrong with the one that it made.
    pub trouble: Option<String>,
}

impl Standing {
    /// For how long what is written cannot be restored, in seconds; `None`: nothing was ever backed up.
    pub fn age_s(&self, now: Timestamp) -> Option<i64> {
        self.last.as_ref().map(|last| (now.0 - last.at).max(0) / 1_000_000)
    }

    /// Whether a backup that the node was told to make is missing.
    pub fn is_late(&self, now: Timestamp) -> bool {
        // A try may take a while, and one that failed is made again.
        let late = |every: Duration| self.age_s(now).is_none_or(|age| age as u64 > 2 * every.as_secs() + 600);
        self.every.is_some_and(late)
    }
}

/// [`Standing`], as it moves.
#[derive(Debug, Default)]
pub struct Backups(Mutex<Standing>);

impl Backups {
    pub fn standing(&self) -> Standing {
        self.0.lock().clone()
    }

    pub fn set_interval(&self, every: Duration) {
        self.0.lock().every = Some(every);
    }

    /// One was made, or read from what was noted before.
    pub fn made(&self, last: LastBackup) {
        let mut standing = self.0.lock();
        (standing.last, standing.trouble) = (Some(last), None);
    }

    /// It was restored for a test, and is whole.
    pub fn tested(&self, last: LastBackup) {
        self.0.lock().last = Some(last);
    }

    pub fn failed(&self, why: String) {
        self.0.lock().trouble = Some(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_late_when_two_were_missed_and_never_where_none_was_wanted() {
        let backups = Backups::default();
        let hours = |n: i64| Timestamp(n * 3_600_000_000);
        assert!(!backups.standing().is_late(hours(1_000)));
        backups.set_interval(Duration::from_secs(3_600));
        assert!(backups.standing().is_late(hours(0)), "none was ever made");
        let last = LastBackup { to: "/mnt".into(), backup: "1".into(), at: hours(10).0, tested: None };
        backups.failed("no disk".into());
        backups.made(last);
        let standing = backups.standing();
        assert_eq!((standing.age_s(hours(11)), standing.trouble.as_deref()), (Some(3_600), None));
        assert!(!standing.is_late(hours(12)) && standing.is_late(hours(13)));
        assert!(!standing.is_late(hours(1)), "a clock that went back makes nothing late");
    }
}
