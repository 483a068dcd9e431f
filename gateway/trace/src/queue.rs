//! Spans between those who end them and the collector: a queue of bounded length, which one task empties.

use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::{mpsc, oneshot};

use crate::collector::Collector;
use crate::counts::Counts;

/// Spans that wait at most.
pub(crate) const WAITING: usize = 2_048;
/// So many go at a time, or what came within so long.
const AT_ONCE: usize = 256;
const GATHERED: Duration = Duration::from_secs(2);
/// A collector that took nothing is left alone for so long, and longer each time.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// It is told so seldom that a collector takes nothing.
const SELDOM: Duration = Duration::from_secs(600);

/// Takes spans as they end. It never waits.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) sender: mpsc::Sender<SpanData>,
    pub(crate) counts: Counts,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.sender.try_send(span).is_err() {
            self.counts.crowded.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends what comes until `ended`, and then what waits.
pub(crate) async fn empty(
    mut spans: mpsc::Receiver<SpanData>,
    collector: Collector,
    counts: Counts,
    mut ended: oneshot::Receiver<()>,
) {
    let mut teller = Teller::default();
    let mut pause = PAUSE;
    loop {
        let mut batch = Vec::new();
        let on = gather(&mut spans, &mut batch, &mut ended).await;
        let taken = sent(&collector, batch, &counts, &mut teller).await;
        if !on {
            break;
        }
        if taken {
            pause = PAUSE;
            continue;
        }
        if tokio::time::timeout(pause, &mut ended).await.is_ok() {
            break;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    // Nothing comes any more but what was on its way.
    loop {
        let mut batch = Vec::new();
        while batch.len() < AT_ONCE
            && let Ok(span) = spans.try_recv()
        {
            batch.push(span);
        }
        if batch.is_empty() {
            return;
        }
        sent(&collector, batch, &counts, &mut teller).await;
    }
}

/// Waits for spans, and for a while for more; whether it goes on.
async fn gather(
    spans: &mut mpsc::Receiver<SpanData>,
    batch: &mut Vec<SpanData>,
    ended: &mut oneshot::Receiver<()>,
) -> bool {
    tokio::select! {
        biased;
        _ = &mut *ended => return false,
        came = spans.recv_many(batch, AT_ONCE) => if came == 0 { return false },
    }
    let until = tokio::time::sleep(GATHERED);
    tokio::pin!(until);
    while batch.len() < AT_ONCE {
        let left = AT_ONCE - batch.len();
        tokio::select! {
            biased;
            _ = &mut *ended => return false,
            () = &mut until => break,
            came = spans.recv_many(batch, left) => if came == 0 { return false },
        }
    }
    true
}

/// Whether the collector took them.
async fn sent(collector: &Collector, batch: Vec<SpanData>, counts: &Counts, teller: &mut Teller) -> bool {
    let all = batch.len() as u64;
    if all == 0 {
        return true;
    }
    match collector.send(batch).await {
        Ok(refused) => {
            let refused = refused.min(all);
            counts.sent.inc_by(all - refused);
            counts.refused.inc_by(refused);
            teller.well();
            true
        }
        Err(problem) => {
            counts.refused.inc_by(all);
            teller.failed(&problem);
            false
        }
    }
}

/// Says in the log that a collector takes nothing: at once, and then seldom.
#[derive(Default)]
struct Teller {
    said: Option<Instant>,
}

impl Teller {
    fn failed(&mut self, problem: &str) {
        if self.said.is_none_or(|said| said.elapsed() >= SELDOM) {
            self.said = Some(Instant::now());
            tracing::warn!(target: "allod::trace", problem, "the collector of traces took nothing; the node goes on without");
        }
    }

    fn well(&mut self) {
        if self.said.take().is_some() {
            tracing::info!(target: "allod::trace", "the collector of traces takes spans again");
        }
    }
}
