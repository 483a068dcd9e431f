//! `GET /metrics`: the node's figures, for the operator on the node's own address, and for whoever asks on an address
//! that serves nothing else.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::contract::LEAST_BODY;
use super::error::ApiError;
use super::policy::operator;
use super::shape;
use crate::app::App;
use crate::front::{Front, Routes, Terms};
use crate::metrics::State;
use crate::node::Node as _;

/// OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

fn routes(routes: &mut Routes) {
    routes.get("/metrics", for_the_operator).described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(for_the_operator))]
struct Api;

/// The node's figures, for the operator
#[utoipa::path(get, path = "/metrics", tag = "node", responses(
    (status = 200, description = "They (OpenMetrics 1.0)", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    (status = 401, description = "`unauthenticated`: nobody is signed in"),
    (status = 403, description = "`operator_only`: they are for the operator")))]
async fn for_the_operator(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    operator(&request, &app).await?;
    Ok(figures(app).await)
}

async fn figures(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, OPEN_METRICS))
        .body(app.metrics.text(async || state(&app).await).await)
}

/// The routes of an address that serves the figures alone, to whoever asks.
pub(crate) fn open(config: &mut ServiceConfig) {
    fn routes(routes: &mut Routes) {
        routes.get("/metrics", figures);
    }
    Routes::default().front(&Front { routes, terms: Terms::own(LEAST_BODY) }).install(config);
    config.default_service(web::to(shape::no_route));
}

/// How the node is at this moment.
async fn state(app: &App) -> State {
    let peers = match app.sync.get() {
        Some(sync) => sync.peers(&app.vault.users()).await,
        None => Vec::new(),
    };
    let (backups, now) = (app.backups.standing(), app.now());
    let tested = backups.last.as_ref().and_then(|last| last.tested);
    State {
        vault: app.vault.figures(),
        commit_times: app.vault.commit_times(),
        bodies: app.pools.bodies.usage(),
        planning: app.pools.planning.usage(),
        sign_ins_waiting: app.directory.sign_ins_waiting(),
        epoch: app.engine.clock().now().0,
        tasks: app.tasks.running(),
        backup_age_s: backups.age_s(now),
        backup_tested_s: tested.map(|at| (now.0 - at).max(0) / 1_000_000),
        peers,
    }
}
