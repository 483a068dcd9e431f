//! Devices, replicas and sync, and the operator's questions: what the command line speaks to.

mod check;
mod devices;

use actix_web::web::ServiceConfig;

pub fn routes(config: &mut ServiceConfig) {
    config.configure(devices::routes).configure(check::routes);
}
