//! The fronts: one folder a protocol, one file a resource.

pub mod account;
pub mod addresses;
mod console;
pub mod cross_origin;
pub mod data;
mod deadline;
pub mod error;
pub mod headers;
pub(crate) mod intake;
pub mod journal;
mod media;
pub mod oauth;
pub mod pages;
mod peers;
mod policy;
pub mod route;
mod sharing;

use actix_web::web::{self, ServiceConfig};
pub use console::policy_trouble;
pub use deadline::Deadline;
pub(crate) use media::uncoded;
pub use route::Routes;

use crate::server::MAX_BODY;

/// Every path of a node with its methods.
pub(crate) fn table() -> Routes {
    Routes::default()
        .with(account::routes)
        .with(oauth::routes)
        .with(data::routes)
        .with(peers::routes)
        .with(policy::routes)
        .with(sharing::routes)
        .with(console::routes)
}

/// Every route of a node.
pub fn routes(config: &mut ServiceConfig) {
    config.app_data(web::PayloadConfig::new(MAX_BODY));
    table().install(config);
    config.default_service(web::to(error::no_route));
}
