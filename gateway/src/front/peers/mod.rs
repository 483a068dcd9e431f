//! Devices, replicas and sync, and the operator's questions: what the command line speaks to.

mod check;
mod devices;
use crate::front::contract::SMALL_BODY;
use crate::front::{Front, Routes, Terms};

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

fn routes(routes: &mut Routes) {
    routes.part(devices::routes).part(check::routes);
}
