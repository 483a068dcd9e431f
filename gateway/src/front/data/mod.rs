//! A person's data: spaces, collections, GraphQL.

mod collections;
mod error;
mod graphql;
mod spaces;

use actix_web::HttpRequest;
use actix_web::web::ServiceConfig;
use policy_core::SpaceId;

pub use error::DataError;

use crate::app::App;
use crate::authn::Principal;

pub fn routes(config: &mut ServiceConfig) {
    config.configure(spaces::routes).configure(collections::routes).configure(graphql::routes);
}

/// The space that a request is about: the one of its `Allod-Space` header; else, for an app, the space
/// of its grant; else the person's own.
pub async fn space_of(app: &App, principal: &Principal, request: &HttpRequest) -> Result<SpaceId, DataError> {
    if let Some(named) = request.headers().get("Allod-Space") {
        let id = named.to_str().ok().and_then(|text| text.trim().parse().ok());
        return id.ok_or(DataError::NotFound);
    }
    if let Some(space) = principal.space {
        return Ok(space);
    }
    Ok(app.personal_space(principal.caller.user).await?)
}
