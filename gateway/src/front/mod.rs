//! The fronts: one folder a protocol, one file a resource.

pub mod account;
pub mod authzed;
mod console;
pub mod data;
mod deadline;
pub mod error;
pub mod graphql;
pub mod oauth;
mod peers;
mod policy;
mod sharing;

use actix_web::web::{self, ServiceConfig};
pub use deadline::Deadline;

use crate::server::MAX_BODY;

/// Every route of a node.
pub fn routes(config: &mut ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(MAX_BODY))
        .configure(account::routes)
        .configure(oauth::routes)
        .configure(data::routes)
        .configure(peers::routes)
        .configure(policy::routes)
        .configure(sharing::routes)
        .configure(console::routes)
        .default_service(web::to(error::no_route));
}
