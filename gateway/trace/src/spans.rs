//! The spans that there are. Each says what was done, by words of the node's own.

use std::fmt::Display;

use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::caller::Caller;

/// The span of a request that came: it is begun where it is made. `method` is one of a few words, `id` what the request is
/// called in the log and in its answer. Where nothing is traced it is none, and costs nothing.
#[must_use]
pub fn request(method: &'static str, id: &str, caller: Option<Caller>) -> Span {
    let span = tracing::info_span!(
        target: crate::TARGET,
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        allod.request_id = id,
    );
    if let Some(caller) = caller.filter(|_| !span.is_disabled()) {
        // It fails where the span has begun, which it has not.
        let _ = span.set_parent(caller.context());
    }
    span
}

/// Notes what became of a request. `route` is a pattern of the table of routes.
pub fn answered(span: &Span, method: &'static str, route: &str, status: u16) {
    if span.is_disabled() {
        return;
    }
    // A span that has begun hears of another name by itself alone.
    span.context().span().update_name(format!("{method} {route}"));
    span.record("http.route", route);
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "error");
    }
}

/// The span of a step on the way to an answer: work that is waited for. It belongs to the request that is answered where it
/// is made; beside one it is not told.
#[must_use]
pub fn step(name: impl Display) -> Span {
    tracing::info_span!(target: crate::TARGET, "step", otel.name = %name)
}
