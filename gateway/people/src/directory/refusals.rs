//! Sign-ins that fail are told: to the person whose name was given, in their audit, and to the operator, in the log.
//! Both at a bounded rate, whoever tries how often.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use policy_core::{Timestamp, UserId};
use serde_json::json;

use super::{Actor, Directory, DirectoryError, audit};

const ACTION: &str = "sign_in.refused";
/// A row in a person's audit at most so often, in microseconds.
const ROW: i64 = 60_000_000;
/// A line in the log at most so often, in microseconds.
const LINE: i64 = 10_000_000;
/// People whose failures are counted at once.
const PEOPLE: NonZeroUsize = NonZeroUsize::new(1_024).expect("more than none");

/// What has not been told yet.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<Untold>);

#[derive(Debug)]
struct Untold {
    people: LruCache<UserId, Count>,
    all: Count,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// When it was last told.
    told: Option<Timestamp>,
    /// Failures since.
    failures: u64,
}

impl Count {
    /// How many failures to tell now, if it is time.
    fn due(&mut self, every: i64, now: Timestamp) -> Option<u64> {
        let due = self.failures > 0 && self.told.is_none_or(|told| now.0.abs_diff(told.0) >= every.unsigned_abs());
        due.then(|| {
            self.told = Some(now);
            std::mem::take(&mut self.failures)
        })
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals(Mutex::new(Untold { people: LruCache::new(PEOPLE), all: Count::default() }))
    }
}

impl Refusals {
    /// Counts a failure; what is to be told now of the person, if they are known here.
    fn count(&self, user: Option<UserId>, now: Timestamp) -> Option<u64> {
        let mut untold = self.0.lock();
        untold.all.failures += 1;
        let of_user = user.and_then(|user| {
            let count = untold.people.get_or_insert_mut(user, Count::default);
            count.failures += 1;
            count.due(ROW, now)
        });
        tell(untold.all.due(LINE, now));
        of_user
    }

    /// What has waited long enough to be told.
    fn due(&self, now: Timestamp) -> Vec<(UserId, u64)> {
        let mut untold = self.0.lock();
        tell(untold.all.due(LINE, now));
        let due = |(user, count): (&UserId, &mut Count)| count.due(ROW, now).map(|failures| (*user, failures));
        untold.people.iter_mut().filter_map(due).collect()
    }
}

/// No name: what is typed as a name may be a password.
fn tell(failures: Option<u64>) {
    if let Some(failures) = failures {
        tracing::warn!(target: "allod::sign_in", failures, "sign-ins were refused: a wrong name or password; people's audits name the addresses");
    }
}

impl Directory {
    /// Counts a failure, and tells it beside the request: an answer that waited for the audit of a known name would tell
    /// it from an unknown one.
    pub(super) fn refused(&self, user: Option<UserId>, from: Option<IpAddr>, agent: Option<String>, now: Timestamp) {
        let due = self.refusals.count(user, now);
        if let (Some(user), Some(failures)) = (user, due) {
            let mut detail = json!({ "failures": failures, "from": from.map(|ip| ip.to_canonical().to_string()) });
            if let Some(agent) = agent {
                detail["agent"] = agent.into();
            }
            let db = self.db.clone();
            tokio::spawn(async move {
                if let Err(error) = audit::insert(&db, user, Actor::Node, ACTION, detail, now).await {
                    tracing::error!(%error, "a refused sign-in was not noted");
                }
            });
        }
    }

    /// Tells the failures that no later one has told.
    pub(super) async fn tell_refusals(&self, now: Timestamp) -> Result<(), DirectoryError> {
        for (user, failures) in self.refusals.due(now) {
            self.audit(user, Actor::Node, ACTION, json!({ "failures": failures }), now).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_told_and_none_too_often() {
        let refusals = Refusals::default();
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let at = Timestamp::from_seconds;
        assert_eq!(refusals.count(Some(alice), at(100)), Some(1), "the first at once");
        for _ in 0..500 {
            assert_eq!(refusals.count(Some(alice), at(101)), None);
        }
        assert_eq!(refusals.count(Some(bob), at(101)), Some(1), "control: another person");
        assert_eq!(refusals.due(at(150)), []);
        assert_eq!(refusals.due(at(160)), [(alice, 500)]);
        assert_eq!(refusals.due(at(1_000)), [], "once");
        assert_eq!(refusals.count(Some(alice), at(1_000)), Some(1));
        assert_eq!(refusals.count(None, at(1_000)), None, "a name that nobody has is nobody's");
    }
}
