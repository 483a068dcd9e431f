//! Which requests are told of.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// This share of all requests, drawn by the node itself. What a caller says of itself can make it fewer, and never more:
/// neither its mark nor the id that it chose is a reason to be told of. Within a request everything goes as the request
/// does; what is done beside requests is not told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share(pub(crate) f64);

impl ShouldSample for Share {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        kind: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let above = parent.map(|parent| parent.span().span_context().clone()).filter(|above| above.is_valid());
        let told = match &above {
            Some(above) if !above.is_remote() => above.is_sampled(),
            Some(above) if !above.is_sampled() => false,
            _ => *kind == SpanKind::Server && rand::random::<f64>() < self.0,
        };
        let decision = if told { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        let trace_state = above.map(|above| above.trace_state().clone()).unwrap_or_default();
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

    use super::*;

    fn above(sampled: bool, remote: bool) -> Context {
        let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace, span) = (TraceId::from_bytes([0xff; 16]), SpanId::from_bytes([1; 8]));
        Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, remote, TraceState::default()))
    }

    #[test]
    fn nobody_is_told_of_for_their_own_word_and_what_is_beside_requests_never() {
        // Of every trace, whatever its id: what a caller chose does not count.
        let told = |share: f64, parent: Option<&Context>, kind: &SpanKind| {
            let id = TraceId::from_bytes([0; 16]);
            let result = Share(share).should_sample(parent, id, "", kind, &[], &[]);
            result.decision == SamplingDecision::RecordAndSample
        };
        for (parent, all, none) in [
            (None, true, false),
            (Some(above(true, true)), true, false),
            (Some(above(false, true)), false, false),
            (Some(above(true, false)), true, true),
            (Some(above(false, false)), false, false),
        ] {
            assert_eq!(told(1.0, parent.as_ref(), &SpanKind::Server), all, "{parent:?}");
            assert_eq!(told(0.0, parent.as_ref(), &SpanKind::Server), none, "{parent:?}");
        }
        assert!(!told(1.0, None, &SpanKind::Internal));
        assert!(told(0.0, Some(&above(true, false)), &SpanKind::Internal), "control: within a request");
        let some = (0..1_000).filter(|_| told(0.5, None, &SpanKind::Server)).count();
        assert!((100..900).contains(&some), "{some} of a thousand");
    }
}
