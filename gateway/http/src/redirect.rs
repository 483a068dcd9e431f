//! What listens on port 80: it sends browsers to the public address, and shows ACME servers that the name is ours. It
//! answers nothing else, and never with data.

use actix_web::http::header::{self, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web};
use gateway_tls::Tls;

use super::error::ApiError;

/// Where an ACME server asks by http-01 (RFC 8555, 8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// Where browsers are sent, and nowhere else: `https://` and the host, with no path.
#[derive(Debug, Clone)]
pub struct Target(pub String);

/// Answers every request, whatever it names as its host.
pub async fn answer(req: HttpRequest, target: web::Data<Target>, tls: web::Data<Tls>) -> HttpResponse {
    if let Some(token) = req.path().strip_prefix(CHALLENGE) {
        return match tls.answer(token) {
            Some(proof) => HttpResponse::Ok().content_type("application/octet-stream").body(proof),
            None => ApiError::not_found().error_response(),
        };
    }
    if !matches!(*req.method(), Method::GET | Method::HEAD) {
        // What was sent has crossed the network in clear; to send it again elsewhere would hide that.
        let error = ApiError::new(StatusCode::FORBIDDEN, "https_only", "This node is reached over TLS alone.");
        return error.hint("Come by its public address, which begins with https://.").error_response();
    }
    let rest = req.uri().path_and_query().map(|rest| rest.as_str()).filter(|rest| rest.starts_with('/'));
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, format!("{}{}", target.0, rest.unwrap_or("/"))))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::test::TestRequest;

    use super::*;

    #[actix_web::test]
    async fn browsers_are_sent_to_the_public_address_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let options = gateway_tls::InternalOptions { dir: dir.path().join("certs"), host: None, listening: None };
        let tls = Tls::open(gateway_tls::Source::Internal(options), Arc::new(|| 1_800_000_000)).unwrap();
        let (tls, target) = (web::Data::from(tls), web::Data::new(Target("https://cloud.example.org".to_owned())));
        let sent = async |request: TestRequest| {
            let answer = answer(request.to_http_request(), target.clone(), tls.clone()).await;
            let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
            (answer.status().as_u16(), to)
        };
        for (path, to) in [
            ("/", "https://cloud.example.org/"),
            ("/a%20b?c=d&e=https://x", "https://cloud.example.org/a%20b?c=d&e=https://x"),
            ("//evil.example/x", "https://cloud.example.org//evil.example/x"),
            ("http://evil.example/x?y", "https://cloud.example.org/x?y"),
            ("/\\\\evil.example", "https://cloud.example.org/\\\\evil.example"),
            ("/@evil.example", "https://cloud.example.org/@evil.example"),
        ] {
            let request = TestRequest::get().uri(path).insert_header(("host", "evil.example"));
            assert_eq!(sent(request).await, (308, Some(to.to_owned())), "{path}");
        }
        assert_eq!(sent(TestRequest::post().uri("/api/v1/session")).await, (403, None));
        assert_eq!(sent(TestRequest::get().uri("/.well-known/acme-challenge/x")).await, (404, None));
    }
}
