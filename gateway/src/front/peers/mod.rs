//! Devices, replicas and sync, and the operator's questions: what the command line speaks to.

mod check;
mod devices;
use crate::front::Routes;

pub fn routes(routes: &mut Routes) {
    routes.part(devices::routes).part(check::routes);
}
