//! Under which names a node answers, who stands before it, and where a request comes from.
//!
//! What a header says of the way a request took counts only from a proxy that the operator named: anybody can write it.
//! A name that the node does not know as its own is refused, since a browser that was led here under a stranger's name
//! (DNS rebinding) would show that stranger's pages what this node answers.

use std::net::{IpAddr, SocketAddr};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, web};
use sync::IpNet;
use url::{Host, Url};

use super::error::ApiError;
use super::over_tls;
use super::pages::LOOPBACK_NAME;
use super::paths::errors_for;
use crate::authn::{CameFrom, only};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// For a year a browser asks for nothing of this name in clear (RFC 6797); of this name alone, since others under it are
/// not ours.
const INSIST: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// Addresses of a way that are looked at: nobody stands behind more proxies.
const MAX_FORWARDED_ADDRESSES: usize = 32;

/// What a node knows of its addresses.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// The proxies whose word counts.
    pub proxies: Vec<IpNet>,
    /// The host of the public address, if the operator named one.
    public: Option<String>,
    /// Whether every name is taken: one listens for the network, and knows no name of its own.
    any_name: bool,
    /// Who may speak plain HTTP: everybody, or this machine and the proxies alone.
    pub clear: Clear,
}

/// Who may speak to the node in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clear {
    /// Whoever reaches the listener: it is on this machine alone, or the operator wants it so.
    #[default]
    Everybody,
    /// This machine, and the proxies that the operator named.
    Proxies,
}

impl Addresses {
    /// Of a node that listens at `listening`, and is reached under `public_url`, through `proxies`.
    pub fn new(proxies: Vec<IpNet>, public_url: Option<&str>, listening: SocketAddr) -> Addresses {
        let public = public_url.and_then(|url| Url::parse(url).ok()).and_then(|url| url.host().map(spelt));
        let any_name = public.is_none() && !listening.ip().is_loopback();
        Addresses { proxies, public, any_name, clear: Clear::default() }
    }

    /// Whether the answer tells the browser to insist on TLS: it came over TLS, by the node's public name.
    pub fn insists(&self, req: &HttpRequest) -> bool {
        let Some(public) = self.public.as_deref().filter(|_| over_tls::of(req).is_some()) else { return false };
        let host = only(req, &HOST).ok().flatten().and_then(|host| Url::parse(&format!("https://{host}/")).ok());
        gateway_tls::is_public(public) && host.and_then(|host| host.host().map(spelt)).as_deref() == Some(public)
    }

    /// Whether a request of `peer` in clear is one that nobody but the network's eavesdroppers would want.
    fn refuses_in_clear(&self, req: &HttpRequest, peer: Option<IpAddr>) -> bool {
        let outside = peer.is_some_and(|peer| !peer.to_canonical().is_loopback() && !self.trusts(peer));
        self.clear == Clear::Proxies && outside && over_tls::of(req).is_none()
    }

    /// Whether `peer` is a proxy that the operator named.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxies.iter().any(|range| range.contains(&peer))
    }

    /// Who sent a request that `peer` handed over: the nearest address that is no proxy of ours. A word that cannot be
    /// read, or that a stranger wrote, ends the way.
    pub fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut at = peer.to_canonical();
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).filter_map(|line| line.to_str().ok()).collect();
        let way = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for said in way.take(MAX_FORWARDED_ADDRESSES) {
            if !self.trusts(at) {
                break;
            }
            let Some(before) = address(said.trim()) else { break };
            at = before.to_canonical();
        }
        at
    }

    /// Whether the node answers under this name: by number, by the names of this machine, and by its public one.
    pub fn knows(&self, host: &str) -> bool {
        let Some(host) = Url::parse(&format!("http://{host}/")).ok().filter(|url| {
            // Nothing but a name and a port.
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            bare && url.username().is_empty() && url.password().is_none()
        }) else {
            return false;
        };
        match host.host() {
            None => false,
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            Some(host) => {
                let host = spelt(host);
                self.any_name || host == "localhost" || host == LOOPBACK_NAME || self.public.as_ref() == Some(&host)
            }
        }
    }
}

/// A host in its one spelling.
fn spelt(host: Host<&str>) -> String {
    host.to_string().trim_end_matches('.').to_ascii_lowercase()
}

/// An address as proxies write it: alone, with a port, IPv6 in brackets or without.
fn address(said: &str) -> Option<IpAddr> {
    let bare = said.strip_prefix('[').and_then(|said| said.strip_suffix(']')).unwrap_or(said);
    bare.parse().ok().or_else(|| said.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Finds out where a request comes from, and refuses a name that is not this node's.
pub async fn known<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let Some(addresses) = request.app_data::<web::Data<Addresses>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let peer = request.peer_addr().map(|peer| peer.ip());
    if let Some(peer) = peer {
        let origin = addresses.origin(peer, request.headers());
        request.extensions_mut().insert(CameFrom(origin));
    }
    // Whoever asks whether the node lives asks by whatever name the machine has in its network.
    let asks_only = matches!(request.path(), "/healthz" | "/readyz");
    let in_clear = !asks_only && addresses.refuses_in_clear(request.request(), peer);
    let refused = match only(request.request(), &HOST) {
        _ if in_clear => Some(
            ApiError::new(StatusCode::FORBIDDEN, "https_only", "This node speaks in clear to its proxies alone.")
                .hint("Come by its public address, which begins with https://."),
        ),
        // A proxy asks by the name that it has for the node.
        _ if asks_only || peer.is_some_and(|peer| addresses.trusts(peer)) => None,
        Ok(Some(host)) if addresses.knows(host) => None,
        Ok(Some(_)) => Some(
            ApiError::new(
                StatusCode::MISDIRECTED_REQUEST,
                "host_unknown",
                "This node does not answer under this name.",
            )
            .hint("Its operator says by --public-url under which address people reach it."),
        ),
        // HTTP/1.0 needs none, and no browser speaks it.
        Ok(None) if request.version() < actix_web::http::Version::HTTP_11 => None,
        Ok(None) | Err(()) => Some(ApiError::bad_request("A request names one host.")),
    };
    let insists = addresses.insists(request.request());
    let mut answer = match refused {
        None => next.call(request).await?.map_into_left_body(),
        Some(error) => {
            let answer = errors_for(request.request())(&error);
            request.into_response(answer).map_into_right_body()
        }
    };
    if insists {
        answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, INSIST);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn behind(proxies: &[&str]) -> Addresses {
        let listening = "127.0.0.1:8420".parse().unwrap();
        Addresses::new(proxies.iter().map(|range| range.parse().unwrap()).collect(), None, listening)
    }

    fn found(addresses: &Addresses, peer: &str, said: &[&str]) -> String {
        let mut request = TestRequest::default();
        for line in said {
            request = request.append_header(("x-forwarded-for", *line));
        }
        addresses.origin(peer.parse().unwrap(), request.to_http_request().headers()).to_string()
    }

    #[test]
    fn the_word_of_a_proxy_counts_and_no_other() {
        let none = behind(&[]);
        assert_eq!(found(&none, "127.0.0.1", &["6.6.6.6"]), "127.0.0.1");
        let two = behind(&["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]);
        for (peer, said, is) in [
            ("127.0.0.1", &["1.2.3.4"][..], "1.2.3.4"),
            ("10.1.1.1", &["1.2.3.4"], "1.2.3.4"),
            ("::ffff:10.1.1.1", &["1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1", &["1.2.3.4, 10.0.0.7"], "1.2.3.4"),
            ("127.0.0.1", &["1.2.3.4", "10.0.0.7"], "1.2.3.4"),
            // What the client wrote itself stands further left, behind its own address.
            ("127.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1", &["6.6.6.6", "1.2.3.4, 10.0.0.7"], "1.2.3.4"),
            ("1.2.3.4", &["6.6.6.6"], "1.2.3.4"),
            ("127.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["1.2.3.4:5000"], "1.2.3.4"),
            ("fd00::1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("127.0.0.1", &["6.6.6.6, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["6.6.6.6, , 10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
        ] {
            assert_eq!(found(&two, peer, said), is, "{peer} says {said:?}");
        }
    }

    #[test]
    fn a_node_knows_its_own_names() {
        let listen = |address: &str| address.parse().unwrap();
        let alone = Addresses::new(Vec::new(), None, listen("127.0.0.1:8420"));
        let public = Addresses::new(Vec::new(), Some("https://Cloud.Example.org:9"), listen("0.0.0.0:8420"));
        let lan = Addresses::new(Vec::new(), None, listen("0.0.0.0:8420"));
        for host in
            ["127.0.0.1", "127.0.0.1:1", "[::1]:8420", "LOCALHOST:1", "allod.localhost:8420", "192.168.1.5:8420"]
        {
            assert!(alone.knows(host) && public.knows(host) && lan.knows(host), "{host}");
        }
        for host in ["cloud.example.org", "CLOUD.example.org.:8420", "cloud.example.org:443"] {
            assert!(public.knows(host) && lan.knows(host) && !alone.knows(host), "{host}");
        }
        for host in ["evil.example", "cloud.example.org.evil.example", "x.cloud.example.org", "x.allod.localhost"] {
            assert!(!public.knows(host) && !alone.knows(host), "{host}");
        }
        for host in ["", "a b", "a/b", "evil.example@127.0.0.1", "127.0.0.1#", "127.0.0.1?x", "127.0.0.1:99999", "[::1"]
        {
            assert!(!public.knows(host) && !alone.knows(host) && !lan.knows(host), "{host}");
        }
    }

    #[test]
    fn in_clear_this_machine_and_the_proxies_are_answered_and_nobody_else() {
        let everybody = behind(&["10.0.0.0/8"]);
        let proxies = Addresses { clear: Clear::Proxies, ..everybody.clone() };
        // Where a request says that it came from counts for nothing.
        let request = TestRequest::default().insert_header(("x-forwarded-for", "127.0.0.1")).to_http_request();
        for (peer, refused) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("10.1.1.1", false),
            ("::ffff:10.1.1.1", false),
            ("192.168.1.5", true),
            ("203.0.113.9", true),
            ("fe80::1", true),
        ] {
            let peer = peer.parse().unwrap();
            assert_eq!(proxies.refuses_in_clear(&request, Some(peer)), refused, "{peer}");
            assert!(!everybody.refuses_in_clear(&request, Some(peer)), "control: {peer}");
        }
        assert!(!proxies.refuses_in_clear(&request, None), "a socket of this machine");
    }

    proptest! {
        /// Whatever a stranger sends, a node without proxies takes it to come from where it came.
        #[test]
        fn no_header_moves_a_stranger(said in proptest::collection::vec("[0-9a-f.:,\\[\\] ]{0,40}", 0..4)) {
            let lines: Vec<&str> = said.iter().map(String::as_str).collect();
            prop_assert_eq!(found(&behind(&["10.0.0.0/8"]), "1.2.3.4", &lines), "1.2.3.4");
        }
    }
}
