//! The fronts: one folder a protocol, one file a resource.
#![allow(unused_qualifications, reason = "what describes an operation names the types of its parameters in full")]

pub mod account;
pub mod backups;
pub mod console;
pub mod data;
pub mod error;
pub(crate) mod metrics;
pub mod not_set_up;
mod notices;
pub mod oauth;
mod oidc;
pub mod openapi;
mod own;
pub(crate) mod passkeys;
pub(crate) mod peers;
pub mod places;
mod policy;
pub(crate) mod sharing;
mod status;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use contract::{LARGE_BODY, SMALL_BODY, Terms};
pub(crate) use gateway_http::{
    addresses, conditions, contract, cross_origin, deadline, described, headers, intake, journal, listed, machine,
    media, operator, pages, paths, problem, refusals, request_id, resource, route, shape,
};
pub use route::Routes;

/// Every path of a node with its methods.
pub(crate) fn table() -> Routes {
    let fronts = [
        account::FRONT,
        notices::FRONT,
        oauth::FRONT,
        oidc::FRONT,
        passkeys::FRONT,
        data::FRONT,
        peers::FRONT,
        policy::FRONT,
        sharing::FRONT,
        backups::FRONT,
        places::made::FRONT,
        places::FRONT,
        metrics::FRONT,
        console::FRONT,
        own::FRONT,
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
        let terms = Terms { errors: paths::errors_for(request.request()), ..terms };
        intake::admitted(terms, request, next)
    };
    let deadline = deadline::Deadline { after: terms.limits.deadline, errors: terms.errors };
    config.default_service(web::to(shape::no_route).wrap(from_fn(admitted)).wrap(deadline));
}

#[cfg(test)]
mod tests;
