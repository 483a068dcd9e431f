//! Where pages live. Cookies know no ports, so a host name that shows pages is for this node's pages alone.
//!
//! On this machine apps listen at loopback by number (RFC 8252), so pages have a name of their own, which browsers
//! resolve to loopback by themselves (RFC 6761). Who opens a page by number is sent there; everything else is answered
//! at both.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, HOST, HeaderName, LOCATION, REFERRER_POLICY};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse};
use url::{Host, Url};

use super::over_tls;
use crate::authn::{is_local, only};

/// The name of the pages of a node that is reached on its own machine.
pub const LOOPBACK_NAME: &str = "allod.localhost";
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Sends a browser that opens a page by number to the pages' name.
pub async fn at_their_name<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match moved(request.request()) {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(to) => {
            // The address may hold the secret of the set-up or of a link: it is told to nobody else.
            let answer = HttpResponse::TemporaryRedirect()
                .insert_header((LOCATION, to))
                .insert_header((REFERRER_POLICY, "no-referrer"))
                .finish();
            Ok(request.into_response(answer).map_into_right_body())
        }
    }
}

/// The address of the same page at the pages' name, if it is opened by number on this machine and through no proxy.
fn moved(req: &HttpRequest) -> Option<String> {
    if !(is_opened(req) && is_local(req)) {
        return None;
    }
    let host = only(req, &HOST).ok().flatten()?;
    // Over TLS a browser is sent to no name that the certificate is not for.
    let scheme = match over_tls::of(req) {
        Some(tls) if tls.is_for(LOOPBACK_NAME) => "https",
        Some(_) => return None,
        None => "http",
    };
    let port = host.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let rest = req.uri().path_and_query().map_or("/", |rest| rest.as_str());
    Some(format!("{scheme}://{LOOPBACK_NAME}{port}{rest}"))
}

/// Whether a browser opens a page by this.
pub fn is_opened(req: &HttpRequest) -> bool {
    matches!(*req.method(), Method::GET | Method::HEAD) && is_page(req.path()) && navigates(req)
}

fn is_page(path: &str) -> bool {
    matches!(
        path,
        "/" | "/setup"
            | "/setup/restore"
            | "/setup/join"
            | "/invite"
            | "/oauth/authorize"
            | "/oauth/logout"
            | "/oauth/device"
            | "/admin"
    ) || ["/admin/", "/l/", "/auth/oidc/"].iter().any(|start| path.starts_with(start))
}

/// Whether a browser opens this, as against a script or a program that reads it.
fn navigates(req: &HttpRequest) -> bool {
    match only(req, &MODE) {
        Ok(Some(mode)) => mode == "navigate",
        Ok(None) => only(req, &ACCEPT).ok().flatten().is_some_and(|kinds| kinds.contains("text/html")),
        Err(()) => false,
    }
}

/// Whether a web address lies on a name under which this node shows pages: whoever answers there, on whatever port,
/// would receive and set the pages' cookies. Loopback by number is no such name, but the node's own port there is the
/// node, and no app.
pub fn is_at_pages(req: &HttpRequest, own: &str, uri: &str) -> bool {
    let Some(uri) = Url::parse(uri).ok().filter(|uri| matches!(uri.scheme(), "http" | "https")) else { return false };
    let Some(host) = host_of(&uri) else { return false };
    if host == LOOPBACK_NAME || host.ends_with(&format!(".{LOOPBACK_NAME}")) {
        return true;
    }
    let scheme = if over_tls::of(req).is_some() { "https" } else { "http" };
    let served = only(req, &HOST).ok().flatten().map(|host| format!("{scheme}://{host}/"));
    let mut own = [Some(own.to_owned()), served].into_iter().flatten().filter_map(|url| Url::parse(&url).ok());
    let here = |host: &str| matches!(host, "127.0.0.1" | "[::1]" | "localhost" | LOOPBACK_NAME);
    if here(&host) {
        let port = uri.port_or_known_default();
        return own.any(|own| own.port_or_known_default() == port && host_of(&own).is_some_and(|own| here(&own)));
    }
    own.any(|own| host_of(&own).is_some_and(|own| own == host))
}

/// A host as browsers compare it: names small and without the dot of the root, addresses in their one spelling.
fn host_of(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        Host::Ipv4(ip) => Some(ip.to_string()),
        Host::Ipv6(ip) => Some(ip.to_ipv4_mapped().map_or_else(|| format!("[{ip}]"), |mapped| mapped.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn opened(host: &str) -> TestRequest {
        TestRequest::get().peer_addr("127.0.0.1:5000".parse().unwrap()).insert_header(("host", host.to_owned()))
    }

    #[test]
    fn a_page_that_is_opened_by_number_moves_to_its_name_with_all_that_it_says() {
        let navigate = ("sec-fetch-mode", "navigate");
        for (host, port) in
            [("127.0.0.1:8420", ":8420"), ("[::1]:8420", ":8420"), ("localhost:1", ":1"), ("127.0.0.1", "")]
        {
            for path in
                ["/", "/setup?token=a%20b&c=/x", "/admin/", "/admin/x", "/l/abc", "/oauth/authorize?client_id=1"]
            {
                let moved_to = moved(&opened(host).uri(path).insert_header(navigate).to_http_request());
                assert_eq!(moved_to.as_deref(), Some(format!("http://allod.localhost{port}{path}").as_str()));
            }
        }
        let page = || opened("127.0.0.1:8420").uri("/admin/");
        assert!(
            moved(&page().insert_header(("accept", "text/html,*/*")).to_http_request()).is_some(),
            "an older browser"
        );
        for other in [
            page(),
            page().insert_header(("accept", "*/*")),
            page().insert_header(("sec-fetch-mode", "cors")).insert_header(("accept", "text/html")),
            page().insert_header(navigate).method(Method::POST),
            page().insert_header(navigate).uri("/api/v1/spaces"),
            page().insert_header(navigate).uri("//evil.example/admin/"),
            page().insert_header(navigate).insert_header(("x-forwarded-for", "10.0.0.1")),
            page().insert_header(navigate).peer_addr("10.0.0.1:1".parse().unwrap()),
            opened("allod.localhost:8420").uri("/admin/").insert_header(navigate),
            opened("cloud.example").uri("/admin/").insert_header(navigate),
            opened("127.0.0.1.evil.example").uri("/admin/").insert_header(navigate),
        ] {
            assert_eq!(moved(&other.to_http_request()), None);
        }
    }

    #[test]
    fn the_name_of_the_pages_is_known_in_every_spelling() {
        let at = |host: &str, uri: &str| is_at_pages(&opened(host).to_http_request(), "http://127.0.0.1:8420", uri);
        for uri in [
            "http://allod.localhost:19999/cb",
            "https://ALLOD.localhost./cb",
            "http://%61llod.localhost/cb",
            "http://ａllod.localhost:1/",
            "http://x.allod.localhost:1/",
            "https://cloud.example:9/",
            "https://CLOUD.example./",
        ] {
            assert!(at("cloud.example:8420", uri), "{uri}");
        }
        for uri in [
            "http://127.0.0.1:19999/cb",
            "http://[::1]:19999/cb",
            "https://app.example/cb",
            "https://app.cloud.example/cb",
            "org.example.app://allod.localhost/cb",
            "not an address",
        ] {
            assert!(!at("cloud.example:8420", uri), "{uri}");
            assert!(!at("127.0.0.1:8420", uri) && !at("[::1]:8420", uri), "{uri}");
        }
        assert!(
            at("192.168.1.5:8420", "https://0xc0.168.1.5:9/") && at("192.168.1.5", "https://[::ffff:192.168.1.5]/")
        );
        assert!(!at("192.168.1.5", "https://192.168.1.6/"));
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            assert!(at("127.0.0.1:8420", &format!("http://{host}:8420/cb")), "the node itself at {host}");
            assert!(!at("127.0.0.1:8420", &format!("http://{host}:8421/cb")), "control: {host}");
        }
    }
}
