//! Which app a `client_id` names where something is asked for: one that is registered, or one that describes itself.
//!
//! A document is looked at where a request begins (the authorization endpoint, and the one for pushed requests), and nowhere
//! else: who comes with a code or a token was let in before, as the directory knows.

use actix_web::HttpRequest;

use crate::authn::network;
use crate::client_documents::DocumentError;
use crate::directory::{DirectoryError, RegisteredApp};
use crate::front::pages::is_at_pages;
use crate::grants::client_document::DocumentUrl;
use crate::node::Node;

/// Why a `client_id` names no app.
pub(super) enum Unnamed {
    Unknown,
    /// It is an address, and what is there describes no app; or nothing is there.
    Undescribed,
    Busy,
    Failed(DirectoryError),
}

/// The app that a `client_id` names, as it is registered, or describes itself now.
pub(super) async fn named(node: &dyn Node, req: &HttpRequest, client_id: &str) -> Result<RegisteredApp, Unnamed> {
    let Some(url) = DocumentUrl::parse(client_id) else {
        let known = node.directory().app_called(client_id).await.map_err(Unnamed::Failed)?;
        return known.ok_or(Unnamed::Unknown);
    };
    // The node describes no apps, and asks itself nothing.
    if is_at_pages(req, &node.url(), url.as_str()) {
        return Err(Unnamed::Unknown);
    }
    let document = node.client_documents().of(&url, &network(req)).await.map_err(|error| match error {
        DocumentError::Off => Unnamed::Unknown,
        DocumentError::Busy => Unnamed::Busy,
        DocumentError::Unusable => Unnamed::Undescribed,
    })?;
    Ok(RegisteredApp::described(url, (*document).clone()))
}
