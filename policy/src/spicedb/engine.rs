//! The engine that asks SpiceDB.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use policy_core::{
    Check, Decision, Engine, EngineUnavailable, EpochClock, Grant, GrantId, Lookup, LookupResources, Timestamp, Traced,
};

use super::SpiceDb;
use super::follower::Follower;
use super::outbox::{Outbox, OutboxError};
use crate::{Consistency, Explainer, Reason, RelationshipService, ServiceError, Standing, Token, Window};

/// How long a decision of SpiceDB may be relied on without asking again, unless something changes before.
///
/// SpiceDB tells neither which relationships a decision rests on nor when one of them lapses, and nothing changes when
/// one does. So a relationship that has lapsed may count this much longer.
pub const DEFAULT_HORIZON: Duration = Duration::from_secs(5);

/// Decisions by SpiceDB; the terms of grants, and the clock, by the engine of this node.
pub struct SpiceDbEngine {
    service: Arc<SpiceDb>,
    local: Arc<dyn Engine>,
    outbox: Arc<Outbox>,
    follower: Follower,
    horizon: Duration,
}

impl SpiceDbEngine {
    /// Begins to follow what changes in SpiceDB, until it is dropped. Must be called within a Tokio runtime.
    pub fn start(service: Arc<SpiceDb>, local: Arc<dyn Engine>, outbox: Arc<Outbox>, horizon: Duration) -> Arc<Self> {
        let follower = Follower::start(service.apart(), Arc::clone(local.clock()));
        Arc::new(SpiceDbEngine { service, local, outbox, follower, horizon })
    }

    /// Whether SpiceDB has seen everything that was taken away here. Where it has not, its answers count only as far as
    /// they are those of this node: who loses something loses it now, and nobody else waits.
    async fn settled(&self) -> bool {
        match self.outbox.deliver_revocations_soon().await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "a revocation is not delivered");
                false
            }
        }
    }

    fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let horizon = i64::try_from(self.horizon.as_micros()).unwrap_or(i64::MAX);
        Some(Timestamp(now.0.saturating_add(horizon)))
    }
}

#[async_trait]
impl Engine for SpiceDbEngine {
    fn clock(&self) -> &Arc<EpochClock> {
        self.local.clock()
    }

    fn is_fresh(&self) -> bool {
        self.follower.is_fresh()
    }

    async fn check(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        let settled = self.settled().await;
        let answers = self.service.check(checks, &Consistency::MinimizeLatency).await.map_err(|error| {
            if matches!(error.reason, Reason::InvalidToken | Reason::SnapshotExpired) {
                // The store is another than it was. The next check reads at its head.
                self.service.freshness.changed();
            }
            if settled { unanswered(&error) } else { pending() }
        })?;
        let until = self.until(now);
        let mut decisions = Vec::with_capacity(checks.len());
        for (check, answer) in checks.iter().zip(answers.decisions) {
            let decision = answer.map_err(|error| {
                tracing::warn!(resource = %check.resource, permission = check.permission, %error, "a check has no answer");
                EngineUnavailable { reason: error.code().to_owned() }
            })?;
            decisions.push(Decision { valid_until: until, ..decision });
        }
        if !settled {
            let own = self.local.check(checks, now).await.map_err(|_| pending())?;
            for (theirs, own) in decisions.iter_mut().zip(own) {
                if (theirs.permissionship, &theirs.missing) != (own.permissionship, &own.missing) {
                    return Err(pending());
                }
                theirs.valid_until = own.valid_until.map_or(until, |own| until.map(|until| own.min(until)));
            }
        }
        Ok(decisions)
    }

    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        let settled = self.settled().await;
        let page = self.service.lookup_resources(lookup, &Window::default(), &Consistency::MinimizeLatency).await;
        let found: Vec<_> = page
            .map_err(|error| if settled { unanswered(&error) } else { pending() })?
            .items
            .into_iter()
            .map(|(found, _)| found)
            .collect();
        if !settled {
            let own = self.local.lookup_resources(lookup, now).await.map_err(|_| pending())?;
            if found != own.found {
                return Err(pending());
            }
        }
        Ok(Lookup { found, valid_until: self.until(now) })
    }

    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        self.local.grant(id).await
    }
}

#[async_trait]
impl Explainer for SpiceDbEngine {
    async fn trace(&self, check: &Check) -> Result<(Traced, Token), ServiceError> {
        let settled = self.settled().await;
        let (traced, at) = self.service.trace(check, &Consistency::MinimizeLatency).await?;
        if !settled {
            let own = self.local.check(std::slice::from_ref(check), self.outbox.now()).await;
            let own = own.ok().and_then(|answers| answers.first().map(|answer| answer.permissionship));
            if own != Some(traced.permissionship) {
                return Err(ServiceError::new(Reason::Unavailable, REVOCATION_PENDING));
            }
        }
        Ok((traced, at))
    }

    async fn standing(&self) -> Standing {
        let unanswered = self.service.probe().await.err().map(|error| unanswered(&error).reason);
        let unreadable = |error: OutboxError| error.to_string();
        let (pending, parked) = (self.outbox.waiting().await, self.outbox.parked().await);
        let revocations = self.outbox.revocations().await;
        let read = pending.and_then(|pending| Ok((pending, revocations?, parked?)));
        match read.map_err(unreadable) {
            Ok((pending, revocations, parked)) => {
                let refused = parked.into_iter().map(|one| format!("{}: {}", one.update.tuple(), one.why)).collect();
                Standing { engine: "spicedb", unanswered, pending, revocations, refused }
            }
            Err(why) => Standing { engine: "spicedb", unanswered: unanswered.or(Some(why)), ..Standing::default() },
        }
    }
}

/// The word for what waits on a change that takes away.
const REVOCATION_PENDING: &str = "revocation_pending";

/// The two engines do not say the same, and what is taken away is not everywhere: nobody is allowed anything by that.
fn pending() -> EngineUnavailable {
    EngineUnavailable { reason: REVOCATION_PENDING.to_owned() }
}

fn unanswered(error: &ServiceError) -> EngineUnavailable {
    tracing::warn!(%error, reason = ?error.reason, "SpiceDB gave no answer");
    let reason = match error.reason {
        Reason::Unavailable => "spicedb_unavailable",
        Reason::Unauthenticated => "spicedb_refuses_the_key",
        Reason::MaximumDepthExceeded => "max_depth",
        _ => "spicedb_failed",
    };
    EngineUnavailable { reason: reason.to_owned() }
}
