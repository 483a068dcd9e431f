//! What every answer says to browsers and caches, whichever route gives it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;

use super::resource::name_metadata;

/// No answer is kept by a cache, unless its route says that it may be (the console's files that never change), and none is
/// taken for another type than it names.
pub fn guard(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// [`guard`] for all routes, and where a refused client learns who issues tokens. An answer that no route gave (a cut request) is an [`super::error::ApiError`], which is
/// guarded by itself.
pub async fn guarded<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut answer = next.call(request).await?;
    let request = answer.request().clone();
    guard(answer.headers_mut());
    name_metadata(&request, answer.headers_mut());
    Ok(answer)
}
