//! What people are told beside what they asked for, and of what they want to be told.

mod address;
mod kinds;
mod list;
mod try_out;

use super::account::Data;
use super::contract::{Front, LEAST_BODY, Limits, SMALL_BODY, Terms};
use super::error::ApiError;
use super::route::Routes;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

fn routes(routes: &mut Routes) {
    routes
        .get("/api/v1/notices", list::list)
        .post("/api/v1/notices/read", list::read)
        .get("/api/v1/notices/kinds", kinds::list)
        .put("/api/v1/notices/kinds/{kind}", kinds::set)
        .get("/api/v1/notices/address", address::show)
        .put("/api/v1/notices/address", address::wish)
        .delete("/api/v1/notices/address", address::remove)
        .post("/api/v1/notices/address/verify", address::verify)
        .post("/api/v1/mail/test", try_out::send);
    routes.described::<list::Api>().described::<kinds::Api>().described::<address::Api>().described::<try_out::Api>();
    let short = ["/api/v1/notices/address", "/api/v1/notices/address/verify", "/api/v1/mail/test"];
    for path in short.into_iter().chain(["/api/v1/notices/kinds/{kind}"]) {
        routes.limited(path, Limits::body(LEAST_BODY));
    }
}
