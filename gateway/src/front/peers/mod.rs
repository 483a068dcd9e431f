//! Devices, replicas and sync, and the operator's questions: what the command line speaks to.

mod check;
pub(crate) mod devices;
use crate::front::contract::SMALL_BODY;
use crate::front::contract::{Front, Terms};
use crate::front::route::Routes;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

fn routes(routes: &mut Routes) {
    routes.part(devices::routes).part(check::routes);
}
