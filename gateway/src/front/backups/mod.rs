//! `/api/v1/backups`, `/api/v1/recovery`, `/api/v1/restore`: the operator's, on the machine itself. What is asked is done by
//! [`crate::backup`] and [`crate::recovery`].

use std::path::PathBuf;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::account::body;
use super::contract::SMALL_BODY;
use super::error::ApiError;
use super::problem::CODES;
use crate::app::App;
use crate::authn;
use crate::backup::{self, Keep};
use crate::failure::{Exit, Failure};
use crate::front::{Front, Limits, Routes, Terms};
use crate::recovery;

pub const FRONT: Front = Front { routes, terms: Terms::api(SMALL_BODY) };

fn routes(routes: &mut Routes) {
    // As long as the disks take.
    let limits = Limits { deadline: None, ..Limits::body(SMALL_BODY) };
    routes
        .post("/api/v1/backups", create)
        .limited("/api/v1/backups", limits)
        .post("/api/v1/backups/list", list)
        .limited("/api/v1/backups/list", limits)
        .post("/api/v1/backups/verify", verify)
        .limited("/api/v1/backups/verify", limits)
        .post("/api/v1/backups/prune", prune)
        .limited("/api/v1/backups/prune", limits)
        .get("/api/v1/recovery", ways)
        .post("/api/v1/recovery", make_words)
        .post("/api/v1/recovery/confirm", confirm_words)
        .post("/api/v1/recovery/words", show_words)
        .get("/api/v1/restore", asleep)
        .post("/api/v1/restore/confirm", wake)
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(create, list, verify, prune, ways, make_words, confirm_words, show_words, asleep, wake))]
struct Api;

/// What is done with backups; the command line asks the same of a node that does not run.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The directory that the backup goes to, by its whole path.
    #[schema(value_type = String, examples("/mnt/backups/home"))]
    pub to: PathBuf,
    /// Whether it is restored for a test; by default where that is quick.
    #[serde(default)]
    #[schema(required = false)]
    pub verify: Option<bool>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Of {
    #[schema(value_type = String, examples("/mnt/backups/home"))]
    pub to: PathBuf,
    /// The id of a backup, or its beginning; without it the newest.
    #[serde(default)]
    #[schema(required = false)]
    pub backup: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    #[schema(value_type = String, examples("/mnt/backups/home"))]
    pub to: PathBuf,
    #[schema(value_type = Object)]
    pub keep: Keep,
    #[serde(default)]
    #[schema(required = false)]
    pub dry_run: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Words {
    #[schema(examples("twenty-four words"))]
    pub words: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Password {
    #[schema(examples("correct horse battery staple"))]
    pub password: String,
}

/// What a command line asks of the node of its directory: over HTTP if it runs, else here.
pub trait Request: Serialize {
    const METHOD: &'static str = "POST";
    const PATH: &'static str;
    fn run(self, app: &App) -> impl Future<Output = Result<Value, Failure>>;
}

impl Request for Create {
    const PATH: &'static str = "/api/v1/backups";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::create(app, &self.to, self.verify).await
    }
}

/// [`Of`], to list.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct List(pub Of);

impl Request for List {
    const PATH: &'static str = "/api/v1/backups/list";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::list(app, &self.0.to).await
    }
}

impl Request for Of {
    const PATH: &'static str = "/api/v1/backups/verify";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::verify(app, &self.to, self.backup.as_deref()).await
    }
}

impl Request for Prune {
    const PATH: &'static str = "/api/v1/backups/prune";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::prune(app, &self.to, self.keep, self.dry_run).await
    }
}

impl Request for Words {
    const PATH: &'static str = "/api/v1/recovery/confirm";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        recovery::confirm(app, &self.words).await?;
        recovery::status(app).await
    }
}

impl Request for Password {
    const PATH: &'static str = "/api/v1/recovery/words";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        let password = Zeroizing::new(self.password);
        Ok(json!({ "recovery_key": recovery::words(app, &password).await?.as_str() }))
    }
}

/// Asks for recovery words to be made.
#[derive(Debug, Serialize)]
pub struct MakeWords {}

impl Request for MakeWords {
    const PATH: &'static str = "/api/v1/recovery";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        Ok(json!({ "words": recovery::create(app).await?.as_str() }))
    }
}

/// Asks which recovery words there are.
#[derive(Debug, Serialize)]
pub struct Ways {}

impl Request for Ways {
    const METHOD: &'static str = "GET";
    const PATH: &'static str = "/api/v1/recovery";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        recovery::status(app).await
    }
}

/// Asks what sleeps.
#[derive(Debug, Serialize)]
pub struct WhatSleeps {}

impl Request for WhatSleeps {
    const METHOD: &'static str = "GET";
    const PATH: &'static str = "/api/v1/restore";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::asleep::status(app).await
    }
}

/// Wakes what sleeps.
#[derive(Debug, Serialize)]
pub struct Wake {}

impl Request for Wake {
    const PATH: &'static str = "/api/v1/restore/confirm";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::asleep::confirm(app).await
    }
}

fn refused(failure: &Failure) -> ApiError {
    let status = match failure.exit {
        Exit::Usage => StatusCode::BAD_REQUEST,
        Exit::NotFound => StatusCode::NOT_FOUND,
        Exit::Refused => StatusCode::FORBIDDEN,
        _ => StatusCode::CONFLICT,
    };
    let known = CODES.iter().find(|(code, _)| *code == failure.code);
    let code = known.map_or("backup_failed", |(code, _)| *code);
    ApiError::new(status, code, failure.message.clone())
}

/// Does what the operator asks, to its end, whoever goes away meanwhile.
async fn answered<R: Request + Send + 'static>(
    request: &HttpRequest,
    app: web::Data<App>,
    asked: impl FnOnce() -> Result<R, ApiError>,
) -> Result<HttpResponse, ApiError> {
    if !authn::is_operator(request, &**app) {
        let text = "Only the operator can do this, on the machine itself.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "operator_only", text)
            .hint("Use the `allod` command on the node's machine."));
    }
    let asked = asked()?;
    let work = actix_web::rt::spawn(async move { asked.run(&app).await });
    let done = work.await.map_err(|_| ApiError::new(StatusCode::CONFLICT, "backup_failed", "It was broken off."))?;
    Ok(HttpResponse::Ok().json(done.map_err(|failure| refused(&failure))?))
}

/// Backs the node up
#[utoipa::path(post, path = "/api/v1/backups", tag = "node", request_body = Create, responses(
    (status = 200, description = "The backup", body = Object),
    (status = 409, description = "`backup_failed` and others: nothing was added to the place")))]
async fn create(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    answered::<Create>(&request, app, || body::json(&request, &bytes)).await
}

/// The backups of a place
#[utoipa::path(post, path = "/api/v1/backups/list", tag = "node", request_body = Of, responses(
    (status = 200, description = "The newest first", body = Object),
    (status = 409, description = "`backup_failed` and others: the place cannot be read")))]
async fn list(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    answered::<List>(&request, app, || body::json(&request, &bytes).map(List)).await
}

/// Restores a backup for a test
#[utoipa::path(post, path = "/api/v1/backups/verify", tag = "node", request_body = Of, responses(
    (status = 200, description = "It is whole", body = Object),
    (status = 404, description = "`backup_not_found`: there is none of this id"),
    (status = 409, description = "`backup_damaged` and others: it is not whole")))]
async fn verify(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    answered::<Of>(&request, app, || body::json(&request, &bytes)).await
}

/// Removes old backups
#[utoipa::path(post, path = "/api/v1/backups/prune", tag = "node", request_body = Prune, responses(
    (status = 200, description = "What was kept and what was removed", body = Object),
    (status = 409, description = "`backup_damaged` and others: nothing was removed")))]
async fn prune(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    answered::<Prune>(&request, app, || body::json(&request, &bytes)).await
}

/// Whether there are recovery words
#[utoipa::path(get, path = "/api/v1/recovery", tag = "node", responses(
    (status = 200, description = "Ways back in, and when they were tried", body = Object)))]
async fn ways(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    answered(&request, app, || Ok(Ways {})).await
}

/// Makes the recovery words
#[utoipa::path(post, path = "/api/v1/recovery", tag = "node", responses(
    (status = 200, description = "The words, to be written down", body = Object),
    (status = 409, description = "`recovery_exists`: there are some")))]
async fn make_words(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    answered(&request, app, || Ok(MakeWords {})).await
}

/// Says the recovery words back
#[utoipa::path(post, path = "/api/v1/recovery/confirm", tag = "node", request_body = Words, responses(
    (status = 200, description = "They are those of the node", body = Object),
    (status = 400, description = "`recovery_words_wrong`, `recovery_words_others`: they are not")))]
async fn confirm_words(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    answered::<Words>(&request, app, || body::json(&request, &bytes)).await
}

/// Shows the recovery words once more
#[utoipa::path(post, path = "/api/v1/recovery/words", tag = "node", request_body = Password, responses(
    (status = 200, description = "The words", body = Object),
    (status = 403, description = "`wrong_password`: it is not the owner's")))]
async fn show_words(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    answered::<Password>(&request, app, || body::json(&request, &bytes)).await
}

/// What sleeps since a restore
#[utoipa::path(get, path = "/api/v1/restore", tag = "node", responses(
    (status = 200, description = "Since when, and how much", body = Object)))]
async fn asleep(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    answered(&request, app, || Ok(WhatSleeps {})).await
}

/// Wakes what sleeps since a restore
#[utoipa::path(post, path = "/api/v1/restore/confirm", tag = "node", responses(
    (status = 200, description = "What woke", body = Object)))]
async fn wake(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    answered(&request, app, || Ok(Wake {})).await
}
