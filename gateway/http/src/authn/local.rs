//! What makes a request local: it comes from this machine, for this machine, through no proxy and
//! from no web page.

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HOST, ORIGIN, VIA};

use super::header::only;

/// Whether the local token may count. A page elsewhere that makes a browser on this machine send
/// requests shows its `Origin` (or a name that is not loopback in `Host`, if it rebinds DNS).
pub fn is_local(req: &HttpRequest) -> bool {
    let peer = req.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let host = only(req, &HOST).ok().flatten().is_some_and(is_loopback_host);
    let headers = req.headers();
    let named = [ORIGIN, FORWARDED, VIA].iter().any(|name| headers.contains_key(name));
    let forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || name == "x-real-ip"
    });
    peer && host && !named && !forwarded
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.split_once(']').is_some_and(|(ip, port)| ip == "::1" && is_port(port)),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let port = &host[name.len()..];
    (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")) && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_loopback_by_loopback_without_a_proxy_or_a_page_is_local() {
        let request = || TestRequest::default().peer_addr("127.0.0.1:5000".parse().unwrap());
        for host in ["127.0.0.1", "127.0.0.1:8420", "localhost:8420", "LOCALHOST", "[::1]:1", "[::1]"] {
            assert!(is_local(&request().insert_header(("Host", host)).to_http_request()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "127.0.0.1:x", "localhost:80:80", "[::2]", "[::1]x", ""]
        {
            assert!(!is_local(&request().insert_header(("Host", host)).to_http_request()), "{host}");
        }
        let good = || request().insert_header(("Host", "127.0.0.1:8420"));
        for header in
            ["Origin", "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP"]
        {
            assert!(!is_local(&good().insert_header((header, "127.0.0.1")).to_http_request()), "{header}");
        }
        for peer in ["10.0.0.1:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"] {
            assert!(!is_local(&good().peer_addr(peer.parse().unwrap()).to_http_request()), "{peer}");
        }
        assert!(is_local(&good().peer_addr("[::ffff:127.0.0.1]:1".parse().unwrap()).to_http_request()));
        assert!(!is_local(&TestRequest::default().insert_header(("Host", "127.0.0.1")).to_http_request()));
    }
}
