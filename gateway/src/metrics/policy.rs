//! How long policy takes to answer.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use policy::{Explainer, ServiceError, Standing, Token};
use policy_core::{
    Check, Decision, Engine, EngineUnavailable, EpochClock, Grant, GrantId, Lookup, LookupResources, Timestamp, Traced,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tracing::Instrument as _;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Question {
    question: &'static str,
    outcome: &'static str,
}

/// What is timed of policy. All clones count together.
#[derive(Debug, Clone)]
pub struct Answers(Family<Question, Histogram, fn() -> Histogram>);

impl Default for Answers {
    fn default() -> Self {
        // From ten microseconds to 2.6 seconds.
        Answers(Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_01, 4.0, 10))))
    }
}

impl Answers {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Time until the policy engine answered a question that no cache could";
        registry.register_with_unit("policy_answer", help, Unit::Seconds, self.0.clone());
    }

    async fn timed<T, E>(&self, question: &'static str, answer: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let begun = Instant::now();
        let step = gateway_trace::step(format_args!("policy {question}"));
        let answer = answer.instrument(step).await;
        let outcome = if answer.is_ok() { "answered" } else { "unanswered" };
        self.0.get_or_create(&Question { question, outcome }).observe(begun.elapsed().as_secs_f64());
        answer
    }
}

/// An engine whose answers are timed.
pub struct Timed {
    engine: Arc<dyn Explainer>,
    answers: Answers,
}

impl Timed {
    /// `engine`, timed in `answers`.
    pub fn new(engine: Arc<dyn Explainer>, answers: Answers) -> Timed {
        Timed { engine, answers }
    }
}

#[async_trait]
impl Engine for Timed {
    fn clock(&self) -> &Arc<EpochClock> {
        self.engine.clock()
    }

    fn is_fresh(&self) -> bool {
        self.engine.is_fresh()
    }

    async fn check(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        self.answers.timed("check", self.engine.check(checks, now)).await
    }

    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        self.answers.timed("lookup", self.engine.lookup_resources(lookup, now)).await
    }

    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        self.answers.timed("grant", self.engine.grant(id)).await
    }
}

#[async_trait]
impl Explainer for Timed {
    async fn trace(&self, check: &Check) -> Result<(Traced, Token), ServiceError> {
        self.answers.timed("trace", self.engine.trace(check)).await
    }

    async fn standing(&self) -> Standing {
        self.engine.standing().await
    }
}
