//! Where everything is (RFC 8414, OpenID Connect Discovery 1.0), and who issues tokens for it (RFC 9728).

use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::Data;
use super::exchange::EXCHANGE;
use super::openid::{ACR_ONE, ACR_TWO};
use super::token::OF_DEVICES;
use crate::dpop::ALG;
use crate::node::Node;
use crate::registration::RegistrationPolicy;

#[derive(utoipa::OpenApi)]
#[openapi(paths(metadata, openid_configuration, protected_resource))]
pub(super) struct Api;

/// What the node offers to apps, and where.
#[derive(Serialize, ToSchema)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    pushed_authorization_request_endpoint: String,
    require_pushed_authorization_requests: bool,
    introspection_endpoint: String,
    revocation_endpoint: String,
    /// Where apps register themselves, if they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    userinfo_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    scopes_supported: [&'static str; 2],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 4],
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    authorization_details_types_supported: [&'static str; 1],
    authorization_response_iss_parameter_supported: bool,
    dpop_signing_alg_values_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    acr_values_supported: [&'static str; 2],
    claims_supported: [&'static str; 11],
    prompt_values_supported: [&'static str; 4],
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    /// Whether an app that nobody registered may come by the address of a document that describes it, as its `client_id`.
    client_id_metadata_document_supported: bool,
}

fn of(node: &dyn Node) -> Metadata {
    let url = node.url();
    let at = |path: &str| format!("{url}{path}");
    let may_register = node.registrations().policy != RegistrationPolicy::Off;
    let ways = ["none", "client_secret_basic", "client_secret_post"];
    Metadata {
        authorization_endpoint: at("/oauth/authorize"),
        token_endpoint: at("/oauth/token"),
        device_authorization_endpoint: at("/oauth/device_authorization"),
        pushed_authorization_request_endpoint: at("/oauth/par"),
        require_pushed_authorization_requests: false,
        introspection_endpoint: at("/oauth/introspect"),
        revocation_endpoint: at("/oauth/revoke"),
        registration_endpoint: may_register.then(|| at("/oauth/register")),
        userinfo_endpoint: at("/oauth/userinfo"),
        jwks_uri: at("/oauth/jwks"),
        end_session_endpoint: at("/oauth/logout"),
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: false,
        issuer: url,
        scopes_supported: ["openid", "profile"],
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "refresh_token", OF_DEVICES, EXCHANGE],
        code_challenge_methods_supported: ["S256"],
        token_endpoint_auth_methods_supported: ways,
        introspection_endpoint_auth_methods_supported: [ways[1], ways[2]],
        revocation_endpoint_auth_methods_supported: ways,
        authorization_details_types_supported: ["allod_doc"],
        authorization_response_iss_parameter_supported: true,
        dpop_signing_alg_values_supported: [ALG],
        subject_types_supported: ["pairwise"],
        id_token_signing_alg_values_supported: ["ES256"],
        acr_values_supported: [ACR_ONE, ACR_TWO],
        claims_supported: [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "nonce",
            "auth_time",
            "acr",
            "amr",
            "sid",
            "preferred_username",
        ],
        prompt_values_supported: ["none", "login", "consent", "select_account"],
        claims_parameter_supported: false,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        client_id_metadata_document_supported: node.client_documents().is_on(),
    }
}

/// Where everything is (RFC 8414)
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth", security(()), responses(
    (status = 200, description = "The metadata of the authorization server", body = Metadata)))]
pub(super) async fn metadata(node: Data) -> HttpResponse {
    HttpResponse::Ok().json(of(&**node))
}

/// Where everything is (OpenID Connect Discovery 1.0)
///
/// The same document as that of RFC 8414.
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "oauth", security(()), responses(
    (status = 200, description = "The metadata of the provider", body = Metadata)))]
pub(super) async fn openid_configuration(node: Data) -> HttpResponse {
    HttpResponse::Ok().json(of(&**node))
}

/// What the node is to clients that ask it for data.
#[derive(Serialize, ToSchema)]
struct Resource {
    resource: String,
    resource_name: &'static str,
    authorization_servers: [String; 1],
    bearer_methods_supported: [&'static str; 1],
    authorization_details_types_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: [&'static str; 1],
    dpop_bound_access_tokens_required: bool,
}

/// Who issues tokens for the node's data (RFC 9728)
///
/// A refusal for want of a token names this document (`WWW-Authenticate: Bearer resource_metadata="…"`).
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource", tag = "oauth", security(()), responses(
    (status = 200, description = "The metadata of the resource", body = Resource)))]
pub(super) async fn protected_resource(node: Data) -> HttpResponse {
    let url = node.url();
    HttpResponse::Ok().json(Resource {
        resource: url.clone(),
        resource_name: "Allod",
        authorization_servers: [url],
        bearer_methods_supported: ["header"],
        authorization_details_types_supported: ["allod_doc"],
        dpop_signing_alg_values_supported: [ALG],
        dpop_bound_access_tokens_required: false,
    })
}
