//! `/api/v1/setup/restore`: a node that nobody owns yet becomes the one that a backup was taken of, for whoever has the
//! set-up link.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use serde::Deserialize;
use utoipa::ToSchema;
use vault_s3::S3Settings;
use zeroize::Zeroizing;

use super::refused;
use crate::app::App;
use crate::authn::{is_operator, only};
use crate::directory::SecretHash;
use crate::failure::Failure;
use crate::front::account::body;
use crate::front::error::ApiError;
use crate::places::{PlaceKey, PlaceName};
use crate::recovery;
use crate::restoring::{RestoreStanding, Taking, Wanted};

#[derive(utoipa::OpenApi)]
#[openapi(paths(restore, standing))]
pub(super) struct Api;

/// Holds the secret of the set-up link.
const TOKEN: HeaderName = HeaderName::from_static("allod-setup-token");

/// What is restored, and by what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestoreRequest {
    /// The place of the backups: a directory by its whole path, `s3://BUCKET/PREFIX`, or
    /// `https://HOST/places/NAME` at another node.
    #[schema(value_type = String, examples("s3://backups/home"))]
    pub(crate) from: PlaceName,
    /// The 24 recovery words.
    #[schema(examples("twenty-four words"))]
    pub(crate) words: String,
    /// The id of a backup, or its beginning; without it the newest.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) backup: Option<String>,
    /// How buckets are reached; without it as the node's settings say.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) s3: Option<S3Access>,
    /// What opens a place at another node; without it what the node's settings say, for the place that they name alone.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) place_key: Option<PlaceKey>,
}

/// How buckets are reached.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3Access {
    /// The server; without it Amazon's of the region.
    #[serde(default)]
    #[schema(required = false, examples("https://s3.example.org"))]
    pub(crate) endpoint: Option<String>,
    #[serde(default)]
    #[schema(required = false, examples("us-east-1"))]
    pub(crate) region: Option<String>,
    pub(crate) access_key_id: String,
    #[schema(format = Password)]
    pub(crate) secret_access_key: String,
    #[serde(default)]
    #[schema(required = false, format = Password)]
    pub(crate) session_token: Option<String>,
    /// `https://BUCKET.HOST/` in place of `https://HOST/BUCKET/`.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) virtual_hosted: bool,
    /// Take an endpoint of plain HTTP.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) allow_http: bool,
}

impl S3Access {
    fn settings(self) -> Result<S3Settings, Failure> {
        let endpoint = match self.endpoint.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => Some(S3Settings::parse_endpoint(text, self.allow_http).map_err(|error| {
                Failure::usage("backup_s3_wrong", &format!("the endpoint cannot be used: {error}"))
            })?),
            None => None,
        };
        Ok(S3Settings {
            endpoint,
            region: self.region.filter(|text| !text.is_empty()).unwrap_or_else(|| S3Settings::REGION.to_owned()),
            access_key_id: self.access_key_id,
            secret_access_key: Zeroizing::new(self.secret_access_key),
            session_token: self.session_token.map(Zeroizing::new),
            virtual_hosted: self.virtual_hosted,
        })
    }
}

pub(super) fn spent() -> ApiError {
    let text = "This set-up link is not, or no longer, good.";
    ApiError::new(StatusCode::NOT_FOUND, "setup_link_spent", text)
        .hint("`allod setup-link` prints a new one, on the node's machine.")
}

/// The link's secret, if the request has one.
pub(super) fn token(request: &HttpRequest) -> &str {
    only(request, &TOKEN).ok().flatten().unwrap_or_default()
}

/// Restores a backup in place of a node that nobody owns yet
///
/// It goes on when this has answered; `GET` tells how far it is. Once it is there the node answers nothing for some seconds
/// and goes on as the restored one, under the same address.
#[utoipa::path(post, path = "/api/v1/setup/restore", tag = "node", request_body = RestoreRequest, params(
    ("Allod-Setup-Token" = String, Header, description = "The secret of the set-up link")), responses(
    (status = 202, description = "It is begun", body = RestoreStanding),
    (status = 400, description = "`recovery_words_wrong`, `backup_place_relative`, `backup_s3_unset`, `backup_s3_wrong`, \
     `backup_place_secret_unset`, `backup_place_secret_wrong`, `backup_place_refused`"),
    (status = 404, description = "`setup_link_spent`: the link is not good, or the node has an owner"),
    (status = 409, description = "`restore_under_way`: one is already")))]
pub(super) async fn restore(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let asked = || of_backup(&app, body::json(&request, &bytes)?);
    begin(&request, &app, token(&request), asked).await?;
    tracing::info!(target: "allod::node", "a backup is restored in place of this node, as the set-up page asked");
    Ok(HttpResponse::Accepted().json(app.restoring.standing()))
}

/// What is asked for, if it can be done.
pub(crate) fn of_backup(app: &App, asked: RestoreRequest) -> Result<Taking, ApiError> {
    recovery::parse(&asked.words).map_err(|failure| refused(&failure))?;
    wanted(app, asked).map(|wanted| Taking::Backup(Box::new(wanted))).map_err(|failure| refused(&failure))
}

/// Begins what takes the node's place, for whoever has the set-up link, or the machine. `asked` is looked at only then.
///
/// # Errors
/// `setup_link_spent`; `restore_under_way`; as `asked` else.
pub(crate) async fn begin(
    request: &HttpRequest,
    app: &App,
    token: &str,
    asked: impl FnOnce() -> Result<Taking, ApiError>,
) -> Result<(), ApiError> {
    // Looked at while nobody sets the node up: an owner who is made meanwhile is made before, or refused after.
    let _alone = app.directory.setting_up().await;
    let machine = is_operator(request, app) && app.owner().is_none();
    if !machine && !app.directory.is_setup_secret(token, app.now()).await? {
        return Err(spent());
    }
    let by = (!token.is_empty()).then(|| SecretHash::of(token));
    if app.restoring.ask(asked()?, by) {
        return Ok(());
    }
    let text = "This node is becoming another one already.";
    Err(ApiError::new(StatusCode::CONFLICT, "restore_under_way", text))
}

/// Whether somebody is told how it stands: whoever asked for it, has the set-up link, or the machine.
pub(crate) async fn is_known(request: &HttpRequest, app: &App, token: &str) -> Result<bool, ApiError> {
    let known = app.restoring.is_by(token) || is_operator(request, app);
    Ok(known || app.directory.is_setup_secret(token, app.now()).await?)
}

fn wanted(app: &App, asked: RestoreRequest) -> Result<Wanted, Failure> {
    asked.from.is_apart_from(app.dir.path())?;
    let mut access = app.access_to_places.get().cloned().unwrap_or_default();
    if let Some(s3) = asked.s3 {
        access.s3 = Some(s3.settings()?);
    }
    let access = access.with(&asked.from, asked.place_key.map(|key| key.read()).transpose()?);
    // A place that nobody could open is refused at once.
    if !matches!(asked.from, PlaceName::Directory(_)) {
        asked.from.store(&access)?;
    }
    Ok(Wanted { from: asked.from, access, backup: asked.backup, words: Zeroizing::new(asked.words) })
}

/// How far the restore is
///
/// For whoever has the link by which it was asked for, also once the node is the restored one.
#[utoipa::path(get, path = "/api/v1/setup/restore", tag = "node", params(
    ("Allod-Setup-Token" = String, Header, description = "The secret of the set-up link")), responses(
    (status = 200, description = "How it stands; `restored.sleeping` once it is done: what waits for the owner's confirmation",
     body = RestoreStanding),
    (status = 404, description = "`setup_link_spent`: the link is not good")))]
pub(super) async fn standing(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if !is_known(&request, &app, token(&request)).await? {
        return Err(spent());
    }
    Ok(HttpResponse::Ok().json(app.restoring.standing()))
}
