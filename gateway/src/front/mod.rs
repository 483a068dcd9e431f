//! The fronts: one folder a protocol, one file a resource.
#![allow(unused_qualifications, reason = "what describes an operation names the types of its parameters in full")]

pub mod account;
pub mod addresses;
pub mod backups;
mod conditions;
mod console;
pub mod contract;
pub mod cross_origin;
pub mod data;
mod deadline;
pub mod described;
pub mod error;
pub mod headers;
pub(crate) mod intake;
pub mod journal;
mod listed;
pub mod machine;
mod media;
mod metrics;
pub mod not_set_up;
pub mod oauth;
pub mod openapi;
pub mod over_tls;
pub mod pages;
mod peers;
mod policy;
pub mod problem;
pub mod redirect;
mod repeated;
mod request_id;
pub mod route;
mod shape;
mod sharing;
mod status;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
pub use console::{clock_trouble, policy_trouble};
pub use contract::{Front, Limits, Terms};
pub(crate) use media::uncoded;
pub(crate) use metrics::open as open_metrics;
pub use route::Routes;

use contract::{LARGE_BODY, SMALL_BODY};

/// Every path of a node with its methods.
pub(crate) fn table() -> Routes {
    let fronts = [
        account::FRONT,
        oauth::FRONT,
        data::FRONT,
        peers::FRONT,
        policy::FRONT,
        sharing::FRONT,
        backups::FRONT,
        metrics::FRONT,
        console::FRONT,
        status::FRONT,
        openapi::FRONT,
    ];
    fronts.iter().fold(Routes::default(), Routes::front)
}

/// Every route of a node.
pub fn routes(config: &mut ServiceConfig) {
    config.app_data(web::PayloadConfig::new(LARGE_BODY));
    table().install(config);
    let terms = Terms::own(SMALL_BODY);
    let admitted = move |request: ServiceRequest, next: Next<BoxBody>| {
        let terms = Terms { errors: shape::errors_at(request.path()), ..terms };
        intake::admitted(terms, request, next)
    };
    let deadline = deadline::Deadline { after: terms.limits.deadline, errors: terms.errors };
    config.default_service(web::to(shape::no_route).wrap(from_fn(admitted)).wrap(deadline));
}
