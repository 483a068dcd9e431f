//! What a request says of the connection that it came by: the listener knows, no header does.

use std::sync::Arc;

use actix_web::HttpRequest;
use gateway_tls::Tls;

/// Lies with a connection that came over TLS.
#[derive(Debug, Clone)]
pub struct OverTls(pub Arc<Tls>);

/// The TLS that the request came over, if it did.
pub fn of(req: &HttpRequest) -> Option<&Arc<Tls>> {
    req.conn_data::<OverTls>().map(|OverTls(tls)| tls)
}
