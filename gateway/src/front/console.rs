//! The web console: files that were built before the binary, and the state that its page shows.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use rust_embed::RustEmbed;
use serde_json::json;

use crate::app::App;
use crate::front::Routes;
use crate::node::Node as _;

#[derive(RustEmbed)]
#[folder = "../admin-ui/dist"]
struct Console;

const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

pub fn routes(routes: &mut Routes) {
    routes
        .get("/", root)
        .get("/healthz", healthz)
        .get("/readyz", readyz)
        .get("/admin", root)
        .get("/admin/{path:.*}", file);
}

async fn root() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/admin/")).finish()
}

/// The process is there.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// The node can serve: it is set up, and it writes.
async fn readyz(app: web::Data<App>) -> HttpResponse {
    let (set_up, writing) = (app.owner().is_some(), app.vault.is_writing());
    let state = json!({ "set_up": set_up, "writing": writing });
    if set_up && writing { HttpResponse::Ok().json(state) } else { HttpResponse::ServiceUnavailable().json(state) }
}

async fn file(path: web::Path<String>) -> HttpResponse {
    let path = if path.is_empty() { "index.html".to_owned() } else { path.into_inner() };
    // A page of the console that is not a file is the console itself, which routes within.
    let Some(file) = Console::get(&path).or_else(|| Console::get("index.html")) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("The console was not built into this binary; `make build` builds it.");
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .content_type(file.metadata.mimetype())
        .body(file.data)
}
