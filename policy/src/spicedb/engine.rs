//! The engine that asks SpiceDB.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use policy_core::{
    Check, Decision, Engine, EngineUnavailable, EpochClock, Grant, GrantId, Lookup, LookupResources, Timestamp,
};

use super::SpiceDb;
use super::follower::Follower;
use super::outbox::Outbox;
use crate::{Consistency, Reason, RelationshipService, ServiceError, Window};

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

    /// What is revoked here and not yet there must not be answered by what is there.
    async fn revoked_there(&self) -> Result<(), EngineUnavailable> {
        self.outbox.deliver_revocations().await.map_err(|error| {
            tracing::warn!(%error, "a revocation could not be delivered");
            EngineUnavailable { reason: "revocation_pending".to_owned() }
        })
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
        self.revoked_there().await?;
        let answers = self.service.check(checks, &Consistency::MinimizeLatency).await.map_err(|error| {
            if matches!(error.reason, Reason::InvalidToken | Reason::SnapshotExpired) {
                // The store is another than it was. The next check reads at its head.
                self.service.freshness.told();
            }
            unanswered(&error)
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
        Ok(decisions)
    }

    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        self.revoked_there().await?;
        let page = self.service.lookup_resources(lookup, &Window::default(), &Consistency::MinimizeLatency).await;
        let found = page.map_err(|error| unanswered(&error))?.items.into_iter().map(|(found, _)| found).collect();
        Ok(Lookup { found, valid_until: self.until(now) })
    }

    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        self.local.grant(id).await
    }
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
