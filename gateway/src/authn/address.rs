//! The address that a request comes from.

use std::net::IpAddr;

use actix_web::http::header::USER_AGENT;
use actix_web::{HttpMessage as _, HttpRequest};

/// In a request's extensions, if proxies of ours stand before the node: the address that they name.
#[derive(Debug, Clone, Copy)]
pub struct CameFrom(pub IpAddr);

/// Behind proxies of ours what they say, else whoever holds the other end of the connection.
pub fn address(req: &HttpRequest) -> Option<IpAddr> {
    let found = req.extensions().get::<CameFrom>().map(|from| from.0);
    found.or_else(|| req.peer_addr().map(|peer| peer.ip()))
}

/// The most that is kept of what a client calls itself, in letters.
const AGENT: usize = 200;

/// What a client calls itself. Anybody can write it: it is cut, and holds nothing that would end a line.
pub fn agent(req: &HttpRequest) -> Option<String> {
    let said = req.headers().get(USER_AGENT)?.to_str().ok()?;
    Some(said.chars().filter(|letter| !letter.is_control()).take(AGENT).collect())
}
