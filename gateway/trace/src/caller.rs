//! The trace that a caller's request is a part of, as it says itself (W3C Trace Context).

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// Where in another's trace a request comes from. Whose word that is, and whether it counts, whoever reads it decides:
/// a stranger's does not.
#[derive(Debug, Clone)]
pub struct Caller(SpanContext);

impl Caller {
    /// Reads a `traceparent`; `None` if it is none. What comes with it (`tracestate`, `baggage`) is free text, and is not read.
    #[must_use]
    pub fn read(text: &str) -> Option<Caller> {
        let hex = |part: &str, len: usize| {
            part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let mut parts = text.splitn(5, '-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // A later version may say more behind these; this one does not.
        let more = parts.next().is_some();
        let fits = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        if !fits || version == "ff" || (version == "00" && more) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let above = SpanContext::new(trace, span, flags, true, TraceState::default());
        above.is_valid().then_some(Caller(above))
    }

    pub(crate) fn context(self) -> Context {
        Context::new().with_remote_span_context(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        for (text, sampled) in [
            (format!("00-{trace}-{span}-01"), true),
            (format!("00-{trace}-{span}-00"), false),
            (format!("00-{trace}-{span}-fe"), false),
            (format!("cc-{trace}-{span}-01-what-comes-later"), true),
        ] {
            let Caller(read) = Caller::read(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((read.trace_id().to_string(), read.span_id().to_string()), (trace.to_owned(), span.to_owned()));
            assert!(read.is_remote() && read.is_sampled() == sampled, "{text}");
        }
        let none = "0".repeat(32);
        for text in [
            String::new(),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-01-more"),
            format!("ff-{trace}-{span}-01"),
            format!("00-{none}-{span}-01"),
            format!("00-{trace}-{}-01", &none[..16]),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", &trace[1..]),
            format!("00-{trace}-{span}-1"),
            format!("00-{trace}-+{}-01", &span[1..]),
            format!(" 00-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01 "),
            "00-ééééééééééééééééé-x-01".to_owned(),
        ] {
            assert!(Caller::read(&text).is_none(), "{text}");
        }
    }
}
