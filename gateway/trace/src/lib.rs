//! What a node tells a collector of its requests, where its operator names one (OpenTelemetry, OTLP 1.x over HTTP, protobuf).
//!
//! A span says that something was done, when, and for how long: a request by its route, method, status and id, and the steps
//! within. It holds no value, no path, no query, no name and no id of anybody. Only spans of [`TARGET`] are told, which this
//! crate alone makes; lines of the log are not. Whatever the collector does, nothing waits for it: what finds no place in the
//! queue is counted, and let go.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod caller;
mod collector;
mod counts;
mod queue;
mod settings;
mod share;
mod spans;
#[cfg(test)]
mod tests;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::{mpsc, oneshot};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::{Layer, Registry};

pub use caller::Caller;
pub use counts::Counts;
pub use settings::{SettingsError, TraceSettings};
pub use spans::{answered, request, step};

use crate::collector::Collector;
use crate::queue::{Queue, WAITING};
use crate::share::Share;

/// The target of the spans that are told, and of nothing else.
pub const TARGET: &str = "allod_trace";

/// What hears of spans, beside the log.
pub type Spans = Box<dyn Layer<Registry> + Send + Sync>;

/// Spans of a node on their way to a collector, before anything is sent.
pub struct Tracing {
    collector: Collector,
    spans: mpsc::Receiver<opentelemetry_sdk::trace::SpanData>,
    counts: Counts,
}

/// What sends spans, in a task of its own.
pub struct Sending {
    counts: Counts,
    end: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

/// Begins to gather spans: the layer of the subscriber that hears of them, and what sends them. Nothing is dialled yet.
///
/// # Errors
/// If the collector cannot be called.
pub fn begin(settings: TraceSettings) -> Result<(Spans, Tracing), SettingsError> {
    // What the environment says of OpenTelemetry is not heard: the node has settings of its own.
    let about = [KeyValue::new("service.name", "allod"), KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = Resource::builder_empty().with_attributes(about).build();
    let counts = Counts::default();
    let (sender, spans) = mpsc::channel(WAITING);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_sampler(Share(settings.sample))
        .with_span_processor(Queue { sender, counts: counts.clone() })
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("allod"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(
            filter_fn(|about| about.is_span() && about.target() == TARGET).with_max_level_hint(LevelFilter::INFO),
        );
    let collector = Collector::new(settings, &resource)?;
    Ok((Box::new(layer), Tracing { collector, spans, counts }))
}

impl Tracing {
    /// Begins to send, on the runtime that this is called on.
    #[must_use]
    pub fn send(self) -> Sending {
        let Tracing { collector, spans, counts } = self;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(queue::empty(spans, collector, counts.clone(), ended));
        Sending { counts, end, task }
    }
}

impl Sending {
    /// What is counted of spans.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Sends what waits, and ends: within `patience`, after which what waits still is let go.
    pub async fn finish(self, patience: Duration) {
        let Sending { end, mut task, .. } = self;
        let _ = end.send(());
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
    }
}
