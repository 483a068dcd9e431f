//! How texts of the API are described that stand for something else: ids and instants.

use serde::Serialize;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// An id: 32 hexadecimal digits.
#[derive(Serialize)]
pub struct Id;

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9a-fA-F]{32}$"));
        id.description(Some("An id")).examples(["0190a3c5d2e47f6b8a9b0c1d2e3f4a5b"]).into()
    }
}

impl ToSchema for Id {}

/// An instant: RFC 3339, in UTC.
#[derive(Serialize)]
pub struct Instant;

impl PartialSchema for Instant {
    fn schema() -> RefOr<Schema> {
        let instant = ObjectBuilder::new().schema_type(Type::String);
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        instant.format(Some(format)).description(Some("An instant in UTC")).examples(["2026-11-28T14:35:00Z"]).into()
    }
}

impl ToSchema for Instant {}

/// What a grant gives, or asks (RFC 9396): an element of `authorization_details`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for what is read and written by `crate::grants`")]
pub struct Access {
    /// `allod_doc`.
    #[schema(examples("allod_doc"))]
    r#type: String,
    /// Without it: the personal space of the grantor.
    #[schema(value_type = Option<Id>)]
    space: Option<String>,
    /// Names of collections.
    #[schema(examples(json!(["Contact"])))]
    datatypes: Vec<String>,
    /// Of `create`, `read`, `update`, `delete`, `search`, `history`.
    #[schema(examples(json!(["read", "search"])))]
    actions: Vec<String>,
    fields: AccessFields,
    /// `{field: {_eq|_neq|_in|_nin|_gt|_geq|_lt|_leq: value}}`, all of them.
    #[schema(value_type = Option<Object>, examples(json!({ "tag": { "_eq": "family" } })))]
    r#where: Option<serde_json::Value>,
    /// Ids of documents, 256 at most: it covers these alone. Not with `create`: nothing new is among them.
    #[schema(examples(json!(["0190a3c5-d2e4-7f6b-8a9b-0c1d2e3f4a5b"])))]
    documents: Option<Vec<String>>,
    limits: Option<AccessLimits>,
    /// Shown to the person.
    purpose: Option<String>,
    /// ISO 8601; null: until revoked.
    #[schema(examples("P30D"))]
    duration: Option<String>,
}

/// How much an app is told.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `Access`")]
pub struct AccessLimits {
    /// Rows of each type, in a day of UTC: documents, groups, commits and numbers over them; a question that is answered by
    /// none counts as one.
    #[schema(minimum = 1, maximum = 1_000_000_000, examples(500))]
    rows_per_day: Option<u32>,
}

/// Which fields an app sees.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `Access`")]
pub struct AccessFields {
    #[schema(examples(json!(["name", "phone"])))]
    allow: Vec<String>,
    /// Which of them must be granted.
    required: Option<Vec<String>>,
}

/// What an app asks at most, and where it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as `Access`")]
pub struct AppManifest {
    #[schema(examples("Address book"))]
    name: String,
    #[schema(examples(json!(["http://127.0.0.1:9000/callback"])))]
    redirect_uris: Vec<String>,
    /// Left out: the app only signs people in (`scope=openid`).
    access: Option<Vec<Access>>,
    /// Whether the app can keep a secret.
    confidential: Option<bool>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    /// Where people may go after they signed out (OpenID Connect RP-Initiated Logout).
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Where the app is told that somebody signed out (OpenID Connect Back-Channel Logout).
    backchannel_logout_uri: Option<String>,
    /// Whether the app sends its requests to `/oauth/par` first (RFC 9126).
    require_pushed_authorization_requests: Option<bool>,
    /// Whether devices without a browser may ask in its name (RFC 8628).
    devices: Option<bool>,
    /// Whether the app gets tokens by the proof of a key alone (DPoP, RFC 9449).
    dpop_bound_access_tokens: Option<bool>,
}

/// The header that says which space a request is about.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the header is read by `front::data::space_of`")]
pub struct SpaceHeader {
    /// Without it: the caller's personal space; of an app, that of its grant.
    #[param(rename = "Allod-Space", value_type = Option<Id>)]
    space: Option<String>,
}
