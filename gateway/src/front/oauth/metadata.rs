//! Where everything is (RFC 8414).

use actix_web::HttpResponse;
use serde_json::json;

use super::Data;

#[derive(utoipa::OpenApi)]
#[openapi(paths(metadata))]
pub(super) struct Api;

/// Where everything is (RFC 8414)
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth", security(()), responses(
    (status = 200, description = "The metadata of the authorization server", body = Object)))]
pub(super) async fn metadata(node: Data) -> HttpResponse {
    let url = node.url();
    let at = |path: &str| format!("{url}{path}");
    let by_secret = ["client_secret_basic", "client_secret_post"];
    HttpResponse::Ok().json(json!({
        "issuer": url,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "introspection_endpoint": at("/oauth/introspect"),
        "revocation_endpoint": at("/oauth/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", by_secret[0], by_secret[1]],
        "introspection_endpoint_auth_methods_supported": by_secret,
        "revocation_endpoint_auth_methods_supported": ["none", by_secret[0], by_secret[1]],
        "authorization_details_types_supported": ["allod_doc"],
        "authorization_response_iss_parameter_supported": true,
    }))
}
