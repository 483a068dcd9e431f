//! What became of spans.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    outcome: &'static str,
}

/// What is counted of spans. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Counts {
    pub(crate) sent: Counter,
    /// There was no place for them in the queue.
    pub(crate) crowded: Counter,
    /// The collector did not take them.
    pub(crate) refused: Counter,
    all: Family<Fate, Counter>,
}

impl Default for Counts {
    fn default() -> Self {
        let all = Family::<Fate, Counter>::default();
        let of = |outcome| all.get_or_create(&Fate { outcome }).clone();
        Counts { sent: of("sent"), crowded: of("crowded"), refused: of("refused"), all }
    }
}

impl Counts {
    /// Adds them to what is told.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Spans for the collector of traces: sent, without a place in the queue, or not taken by it";
        registry.register("trace_spans", help, self.all.clone());
    }
}
