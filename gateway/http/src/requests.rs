//! Requests by route, method and class of their answers.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// In seconds, up to the deadline of a request.
const BUCKETS: [f64; 12] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: String,
    method: &'static str,
    status: &'static str,
}

/// What is counted of requests. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct Requests {
    answered: Family<AnswerLabels, Counter>,
    times: Family<RouteLabels, Histogram, fn() -> Histogram>,
    open: Gauge,
}

impl Default for Requests {
    fn default() -> Self {
        Requests {
            answered: Family::default(),
            times: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            open: Gauge::default(),
        }
    }
}

/// A request that is not answered yet; dropped when it is, or when whoever asked went away.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One of the methods that there are: anybody can send any word.
pub(crate) fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

impl Requests {
    /// Counts a request that has come.
    pub fn begun(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    /// Counts an answer. `route` is a pattern of the table of routes.
    pub fn answered(&self, method: &Method, route: String, status: StatusCode, after: Duration) {
        let method = known(method);
        let place = RouteLabels { route: route.clone(), method };
        self.times.get_or_create(&place).observe(after.as_secs_f64());
        self.answered.get_or_create(&AnswerLabels { route, method, status: class(status) }).inc();
    }

    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Requests that were answered", self.answered.clone());
        let help = "Time until the answer to a request began";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.times.clone());
        registry.register("http_requests_open", "Requests that are being answered", self.open.clone());
    }
}
