//! A person's data: spaces, collections, GraphQL.

mod collections;
mod daily;
mod graphql;
pub(crate) mod incoming;
mod looked_at;
mod response;
mod spaces;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use policy_core::SpaceId;

use crate::app::App;
use crate::authn::{Principal, only};
use crate::front::contract::SMALL_BODY;
use crate::front::contract::{Front, Terms, data_clients};
use crate::front::error::ApiError;
use crate::front::route::Routes;

pub const FRONT: Front = Front { routes, terms: Terms { clients: data_clients, ..Terms::api(SMALL_BODY) } };

fn routes(routes: &mut Routes) {
    routes.part(spaces::routes).part(collections::routes).part(graphql::routes);
}

/// Who sent a request, as the front says that its clients do.
async fn client(request: &HttpRequest, app: &App) -> Result<Principal, ApiError> {
    Ok((FRONT.terms.clients)(request, app).await?)
}

/// The space that a request is about: the one of its `Allod-Space` header; else, for an app, the space
/// of its grant; else the person's own.
pub async fn space_of(app: &App, principal: &Principal, request: &HttpRequest) -> Result<SpaceId, ApiError> {
    // Several are none: two readers may pick different ones.
    if let Some(named) = only(request, &HeaderName::from_static("allod-space")).map_err(|()| ApiError::not_found())? {
        return named.trim().parse().map_err(|_| ApiError::not_found());
    }
    if let Some(caller) = &principal.caller.app {
        return Ok(app.access.grant_space(caller.grant).await?);
    }
    Ok(app.access.personal_space(principal.caller.user).await?)
}

/// The node cannot do this now.
pub fn unavailable(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}
