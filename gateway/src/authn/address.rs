//! The address that a request comes from.

use std::net::IpAddr;

use actix_web::{HttpMessage as _, HttpRequest};

/// In a request's extensions, if proxies of ours stand before the node: the address that they name.
#[derive(Debug, Clone, Copy)]
pub struct CameFrom(pub IpAddr);

/// Behind proxies of ours what they say, else whoever holds the other end of the connection.
pub fn address(req: &HttpRequest) -> Option<IpAddr> {
    let found = req.extensions().get::<CameFrom>().map(|from| from.0);
    found.or_else(|| req.peer_addr().map(|peer| peer.ip()))
}
