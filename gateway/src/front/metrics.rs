//! `GET /metrics`: the node's figures, for the operator on the node's own address, and for whoever asks on an address
//! that serves nothing else.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use gateway_people::realm::Realm as _;

use super::error::ApiError;
use crate::app::App;
use crate::front::contract::{Front, Terms};
use crate::front::route::Routes;
use crate::metrics::State;
use gateway_http::contract::LEAST_BODY;
use gateway_http::operator::Operator;
use gateway_http::shape;

/// OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

fn routes(routes: &mut Routes) {
    routes.get("/metrics", for_the_operator).described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(for_the_operator))]
struct Api;

/// The node's figures, for operators
#[utoipa::path(get, path = "/metrics", tag = "node", responses(
    (status = 200, description = "They (OpenMetrics 1.0)", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    (status = 401, description = "`unauthenticated`: nobody is signed in"),
    (status = 403, description = "`operator_only`: they are for operators")))]
async fn for_the_operator(app: web::Data<App>, _by: Operator) -> Result<HttpResponse, ApiError> {
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
