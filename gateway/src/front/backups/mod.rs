//! `/api/v1/backups`, `/api/v1/recovery`, `/api/v1/restore`: for whoever holds the machine, as they name its files; its words
//! for who owns the node, too; operators see how it stands. What is asked is done by [`crate::backup`] and
//! [`crate::recovery`].

pub(crate) mod joining;
pub(crate) mod setup;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::account::body;
use super::contract::SMALL_BODY;
use super::error::ApiError;
use super::operator::{AtTheMachine, ConfirmedOwner, Overseer};
use super::problem::CODES;
use crate::app::App;
use crate::backup::asleep::Asleep;
use crate::backup::{self, Keep};
use crate::failure::{Exit, Failure, to_json};
use crate::front::contract::{Front, Limits, Terms};
use crate::front::route::Routes;
use crate::places::{PlaceKey, PlaceName, Target};
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
        .get("/api/v1/setup/restore", setup::standing)
        .post("/api/v1/setup/restore", setup::restore)
        .get("/api/v1/setup/join", joining::standing)
        .post("/api/v1/setup/join", joining::join)
        .described::<setup::Api>()
        .described::<joining::Api>()
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(create, list, verify, prune, ways, make_words, confirm_words, show_words, asleep, wake))]
struct Api;

/// What is done with backups; the command line asks the same of a node that does not run.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBackup {
    /// The place that the backup goes to: a directory by its whole path, `s3://BUCKET/PREFIX`, or
    /// `https://HOST/places/NAME` at another node.
    #[schema(value_type = String, examples("/mnt/backups/home"))]
    pub to: PlaceName,
    /// What opens a place at another node; without it what the node's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub place_key: Option<PlaceKey>,
    /// Whether it is restored for a test; by default where that is quick.
    #[serde(default)]
    #[schema(required = false)]
    pub verify: Option<bool>,
    /// Add it also where the newest backup of the place is none that this directory made or was restored from, or cannot be
    /// read: this directory is the one that counts.
    #[serde(default, rename = "continue")]
    #[schema(required = false)]
    pub go_on: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupChoice {
    #[schema(value_type = String, examples("/mnt/backups/home"))]
    pub to: PlaceName,
    /// What opens a place at another node; without it what the node's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub place_key: Option<PlaceKey>,
    /// The id of a backup, or its beginning; without it the newest.
    #[serde(default)]
    #[schema(required = false)]
    pub backup: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneBackups {
    #[schema(value_type = String, examples("/mnt/backups/home"))]
    pub to: PlaceName,
    /// What opens a place at another node; without it what the node's settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub place_key: Option<PlaceKey>,
    #[schema(value_type = Object)]
    pub keep: Keep,
    #[serde(default)]
    #[schema(required = false)]
    pub dry_run: bool,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryWords {
    #[schema(examples("twenty-four words"))]
    pub words: String,
}

/// The words, once more.
#[derive(Serialize, ToSchema)]
struct RecoveryWordsAgain {
    #[schema(examples("twenty-four words"))]
    recovery_key: String,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnerPassword {
    #[schema(examples("correct horse battery staple"))]
    pub password: String,
}

/// What a command line asks of the node of its directory: over HTTP if it runs, else here.
pub trait NodeRequest: Serialize {
    const METHOD: &'static str = "POST";
    const PATH: &'static str;
    fn run(self, app: &App) -> impl Future<Output = Result<Value, Failure>>;
}

fn target(to: PlaceName, key: Option<PlaceKey>) -> Result<Target, Failure> {
    Ok(Target { to, key: key.map(|key| key.read()).transpose()? })
}

impl NodeRequest for NewBackup {
    const PATH: &'static str = "/api/v1/backups";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        let wish = backup::Wish { tested: self.verify, go_on: self.go_on };
        backup::create(app, &target(self.to, self.place_key)?, wish).await
    }
}

/// [`BackupChoice`], to list.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct ListBackups(pub BackupChoice);

impl NodeRequest for ListBackups {
    const PATH: &'static str = "/api/v1/backups/list";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::list(app, &target(self.0.to, self.0.place_key)?).await
    }
}

impl NodeRequest for BackupChoice {
    const PATH: &'static str = "/api/v1/backups/verify";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::verify(app, &target(self.to, self.place_key)?, self.backup.as_deref()).await
    }
}

impl NodeRequest for PruneBackups {
    const PATH: &'static str = "/api/v1/backups/prune";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        backup::prune(app, &target(self.to, self.place_key)?, Some(self.keep), self.dry_run).await
    }
}

impl NodeRequest for RecoveryWords {
    const PATH: &'static str = "/api/v1/recovery/confirm";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        recovery::confirm(app, &self.words).await?;
        Ok(json!(recovery::status(app).await?))
    }
}

impl NodeRequest for OwnerPassword {
    const PATH: &'static str = "/api/v1/recovery/words";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        let password = Zeroizing::new(self.password);
        Ok(json!(RecoveryWordsAgain { recovery_key: recovery::words(app, &password).await?.to_string() }))
    }
}

/// Asks for recovery words to be made.
#[derive(Debug, Serialize)]
pub struct MakeRecoveryWords {}

impl NodeRequest for MakeRecoveryWords {
    const PATH: &'static str = "/api/v1/recovery";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        Ok(json!(RecoveryWords { words: recovery::create(app).await?.to_string() }))
    }
}

/// Asks which recovery words there are.
#[derive(Debug, Serialize)]
pub struct ListRecoveryWays {}

impl NodeRequest for ListRecoveryWays {
    const METHOD: &'static str = "GET";
    const PATH: &'static str = "/api/v1/recovery";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        Ok(json!(recovery::status(app).await?))
    }
}

/// Asks what sleeps.
#[derive(Debug, Serialize)]
pub struct WhatSleeps {}

impl NodeRequest for WhatSleeps {
    const METHOD: &'static str = "GET";
    const PATH: &'static str = "/api/v1/restore";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        to_json(backup::asleep::status(app).await?)
    }
}

/// Wakes what sleeps.
#[derive(Debug, Serialize)]
pub struct Wake {}

impl NodeRequest for Wake {
    const PATH: &'static str = "/api/v1/restore/confirm";
    async fn run(self, app: &App) -> Result<Value, Failure> {
        to_json(backup::asleep::confirm(app).await?)
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
    ApiError::new(status, code, failure.sentence())
}

/// Does what the operator asks, to its end, whoever goes away meanwhile.
async fn answered<R: NodeRequest + Send + 'static>(
    app: web::Data<App>,
    asked: impl FnOnce() -> Result<R, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let asked = asked()?;
    let work = actix_web::rt::spawn(async move { asked.run(&app).await });
    let done = work.await.map_err(|_| ApiError::new(StatusCode::CONFLICT, "backup_failed", "It was broken off."))?;
    Ok(HttpResponse::Ok().json(done.map_err(|failure| refused(&failure))?))
}

/// The same, for who owns the node: noted in their audit before it is told.
async fn noted<R: NodeRequest + Send + 'static>(
    app: web::Data<App>,
    by: &ConfirmedOwner,
    action: &'static str,
    asked: impl FnOnce() -> Result<R, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let (asked, actor) = (asked()?, by.actor());
    let work = actix_web::rt::spawn(async move {
        let done = asked.run(&app).await.map_err(|failure| refused(&failure))?;
        if let Some(owner) = app.owner() {
            app.directory.audit(owner, actor, action, json!({}), app.now()).await?;
        }
        Ok::<_, ApiError>(done)
    });
    let done = work.await.map_err(|_| ApiError::new(StatusCode::CONFLICT, "backup_failed", "It was broken off."))?;
    Ok(HttpResponse::Ok().insert_header(("cache-control", "no-store")).json(done?))
}

/// Backs the node up
#[utoipa::path(post, path = "/api/v1/backups", tag = "node", request_body = NewBackup, responses(
    (status = 200, description = "The backup", body = Object),
    (status = 409, description = "`backup_failed` and others: nothing was added to the place, unless it says that a backup was made")))]
async fn create(
    request: HttpRequest,
    app: web::Data<App>,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    answered::<NewBackup>(app, || body::json(&request, &bytes)).await
}

/// The backups of a place
#[utoipa::path(post, path = "/api/v1/backups/list", tag = "node", request_body = BackupChoice, responses(
    (status = 200, description = "The newest first", body = Object),
    (status = 409, description = "`backup_failed` and others: the place cannot be read")))]
async fn list(
    request: HttpRequest,
    app: web::Data<App>,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    answered::<ListBackups>(app, || body::json(&request, &bytes).map(ListBackups)).await
}

/// Restores a backup for a test
#[utoipa::path(post, path = "/api/v1/backups/verify", tag = "node", request_body = BackupChoice, responses(
    (status = 200, description = "It is whole", body = Object),
    (status = 404, description = "`backup_not_found`: there is none of this id"),
    (status = 409, description = "`backup_damaged` and others: it is not whole, or which one is the newest cannot be told; \
     `backup_untested`: there is no room for it, or not all of it can be compared")))]
async fn verify(
    request: HttpRequest,
    app: web::Data<App>,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    answered::<BackupChoice>(app, || body::json(&request, &bytes)).await
}

/// Removes old backups
#[utoipa::path(post, path = "/api/v1/backups/prune", tag = "node", request_body = PruneBackups, responses(
    (status = 200, description = "What was kept and what was removed", body = Object),
    (status = 409, description = "`backup_damaged` and others: nothing was removed")))]
async fn prune(
    request: HttpRequest,
    app: web::Data<App>,
    _by: AtTheMachine,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    answered::<PruneBackups>(app, || body::json(&request, &bytes)).await
}

/// Whether there are recovery words
#[utoipa::path(get, path = "/api/v1/recovery", tag = "node", responses(
    (status = 200, description = "Ways back in, and when they were tried", body = recovery::Standing)))]
async fn ways(app: web::Data<App>, _by: Overseer) -> Result<HttpResponse, ApiError> {
    answered(app, || Ok(ListRecoveryWays {})).await
}

/// Makes the recovery words
///
/// For who owns the node, and whoever holds its machine.
#[utoipa::path(post, path = "/api/v1/recovery", tag = "node", responses(
    (status = 200, description = "The words, to be written down", body = RecoveryWords),
    (status = 409, description = "`recovery_exists`: there are some")))]
async fn make_words(app: web::Data<App>, by: ConfirmedOwner) -> Result<HttpResponse, ApiError> {
    noted(app, &by, "recovery.made", || Ok(MakeRecoveryWords {})).await
}

/// Says the recovery words back
///
/// For who owns the node, and whoever holds its machine.
#[utoipa::path(post, path = "/api/v1/recovery/confirm", tag = "node", request_body = RecoveryWords, responses(
    (status = 200, description = "They are those of the node", body = recovery::Standing),
    (status = 400, description = "`recovery_words_wrong`, `recovery_words_others`: they are not")))]
async fn confirm_words(
    request: HttpRequest,
    app: web::Data<App>,
    by: ConfirmedOwner,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    noted::<RecoveryWords>(app, &by, "recovery.tested", || body::json(&request, &bytes)).await
}

/// Shows the recovery words once more
///
/// For who owns the node, and whoever holds its machine; it wants the owner's password beside.
#[utoipa::path(post, path = "/api/v1/recovery/words", tag = "node", request_body = OwnerPassword, responses(
    (status = 200, description = "The words", body = RecoveryWordsAgain),
    (status = 403, description = "`wrong_password`: it is not the owner's")))]
async fn show_words(
    request: HttpRequest,
    app: web::Data<App>,
    by: ConfirmedOwner,
    bytes: Bytes,
) -> Result<HttpResponse, ApiError> {
    noted::<OwnerPassword>(app, &by, "recovery.shown", || body::json(&request, &bytes)).await
}

/// What sleeps since a restore
#[utoipa::path(get, path = "/api/v1/restore", tag = "node", responses(
    (status = 200, description = "Since when, and how much", body = Asleep)))]
async fn asleep(app: web::Data<App>, _by: Overseer) -> Result<HttpResponse, ApiError> {
    answered(app, || Ok(WhatSleeps {})).await
}

/// Wakes what sleeps since a restore
#[utoipa::path(post, path = "/api/v1/restore/confirm", tag = "node", responses(
    (status = 200, description = "What woke", body = Asleep)))]
async fn wake(app: web::Data<App>, _by: AtTheMachine) -> Result<HttpResponse, ApiError> {
    answered(app, || Ok(Wake {})).await
}
