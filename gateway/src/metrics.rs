//! What a node counts and times, and tells in OpenMetrics: of requests by route, of everything else as a whole.
//!
//! No label holds what people chose or wrote, and none an id of theirs: routes are the patterns of the table, peers are
//! named by the public keys of their machines, and of these the furthest behind alone.

mod policy;
mod process;
mod state;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use gateway_http::requests::Requests;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use policy::{Answers, Timed};
pub use state::State;

/// Whoever asks again so soon is told the same: what it costs to look is bounded, however many ask.
const KEPT: Duration = Duration::from_millis(500);

/// What is counted since the node was started.
#[derive(Debug, Default)]
pub struct Metrics {
    pub requests: Requests,
    pub policy: Answers,
    /// Of spans for a collector, where there is one.
    pub traces: OnceLock<gateway_trace::Counts>,
    /// What was told last, and when. Held while it is made, so that it is made once.
    rendered: tokio::sync::Mutex<Option<(Instant, Bytes)>>,
}

impl Metrics {
    /// Everything, as text. `look` says how the node is, if it was not looked at just now.
    pub async fn text(&self, look: impl AsyncFnOnce() -> State) -> Bytes {
        let mut rendered = self.rendered.lock().await;
        if let Some((_, text)) = rendered.as_ref().filter(|(at, _)| at.elapsed() < KEPT) {
            return text.clone();
        }
        let text = Bytes::from(self.written(&look().await));
        *rendered = Some((Instant::now(), text.clone()));
        text
    }

    fn written(&self, state: &State) -> String {
        let mut all = Registry::default();
        process::register(&mut all);
        let own = all.sub_registry_with_prefix("allod");
        own.register("build", "The program that runs", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        self.requests.register(own);
        self.policy.register(own);
        if let Some(traces) = self.traces.get() {
            traces.register(own);
        }
        own.register_with_unit(
            "log_commit",
            "Time until a transaction of the log was on disk",
            Unit::Seconds,
            state.commit_times.clone(),
        );
        state.register(own);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &all) {
            // Writing into a string fails only where a metric is malformed, which a test looks for.
            tracing::error!(%error, "the node's figures could not be written");
        }
        text
    }
}
