//! A front that does next to nothing, made by the page "Adding a protocol": what it says of itself is what is served. And
//! what holds of every route of a node.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service, read_body, try_call_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use gateway_people::realm::Realm;
use policy_core::{Caller, TenantId, UserId};

use super::contract::{Front, LARGE_BODY, LEAST_BODY, Limits, SMALL_BODY, Terms};
use super::error::ApiError;
use super::route::Routes;
use crate::authn::{AuthError, Principal};
use crate::node::fake::Fake;
use crate::pools::Pools;

/// The largest body that the front takes, in bytes.
const LARGEST: usize = 128 << 10;

const FRONT: Front = Front {
    routes,
    terms: Terms {
        clients,
        errors,
        limits: Limits { body: LARGEST, deadline: Some(Duration::from_millis(50)), streamed: false },
    },
};

fn routes(routes: &mut Routes) {
    routes.post("/echo", echo).post("/echo/late", late).post("/echo/long", echo);
    routes.limited("/echo/long", Limits { body: 2 * LARGEST, deadline: None, streamed: false });
}

/// Whoever says a name is that person.
fn clients<'a>(request: &'a HttpRequest, _: &'a dyn Realm) -> LocalBoxFuture<'a, Result<Principal, AuthError>> {
    let named = request.headers().contains_key("echo-name");
    let caller = Caller { user: UserId::from_bytes([7; 16]), app: None, device: None };
    let principal = Principal::of_person(caller, TenantId::from_bytes([7; 16]));
    Box::pin(async move { if named { Ok(principal) } else { Err(AuthError::Missing) } })
}

fn errors(error: &ApiError) -> HttpResponse {
    HttpResponse::build(error.status).content_type("text/plain; charset=utf-8").body(format!("echo: {}", error.code))
}

async fn echo(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().body(body)
}

async fn late(body: Bytes) -> HttpResponse {
    if body.is_empty() {
        futures::future::pending::<()>().await;
    }
    HttpResponse::Ok().body(body)
}

/// Status, media type and text of an answer.
async fn asked<B: MessageBody + 'static>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    request: TestRequest,
) -> (u16, String, String) {
    let answer = match try_call_service(app, request.to_request()).await {
        Ok(answer) => answer.map_into_boxed_body().into_parts().1,
        Err(error) => error.error_response(),
    };
    let kind = answer.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = answer.status().as_u16();
    let text = actix_web::body::to_bytes(answer.into_body()).await.unwrap();
    (status, kind, String::from_utf8_lossy(&text).into_owned())
}

#[actix_web::test]
async fn a_front_is_served_on_the_terms_that_it_names() {
    let node = Fake::fresh().await;
    let node: std::sync::Arc<dyn Realm> = node;
    let other = Front {
        routes: |routes| {
            routes.post("/json", echo);
        },
        terms: Terms::own(SMALL_BODY),
    };
    let table = move |config: &mut web::ServiceConfig| {
        config.app_data(web::PayloadConfig::new(LARGE_BODY));
        Routes::default().front(&FRONT).front(&other).install(config);
    };
    let app = App::new().app_data(web::Data::from(node)).app_data(web::Data::new(Pools::default())).configure(table);
    let app = init_service(app).await;
    let sent = |path: &str, length: usize| {
        let request = TestRequest::post().uri(path).insert_header(("content-length", length.to_string()));
        request.set_payload(vec![b'x'; length])
    };
    let named = |path: &str, length: usize| sent(path, length).insert_header(("echo-name", "ann"));
    let refused = |status: StatusCode, code: &str| {
        (status.as_u16(), "text/plain; charset=utf-8".to_owned(), format!("echo: {code}"))
    };

    let (status, _, text) = asked(&app, named("/echo", LARGEST)).await;
    assert_eq!((status, text.len()), (200, LARGEST), "its own limit, for whom it knows");
    assert_eq!(asked(&app, named("/echo", LARGEST + 1)).await, refused(StatusCode::PAYLOAD_TOO_LARGE, "limit_body"));
    let (status, _, text) = asked(&app, named("/echo/long", LARGEST + 1)).await;
    assert_eq!((status, text.len()), (200, LARGEST + 1), "a route with limits of its own");

    assert_eq!(asked(&app, sent("/echo", LEAST_BODY)).await.0, 200, "control: so much is taken of anybody");
    assert_eq!(asked(&app, sent("/echo", LEAST_BODY + 1)).await, refused(StatusCode::UNAUTHORIZED, "unauthenticated"));

    assert_eq!(asked(&app, named("/echo/late", 1)).await.0, 200, "control: an answer in time");
    assert_eq!(asked(&app, named("/echo/late", 0)).await, refused(StatusCode::REQUEST_TIMEOUT, "limit_time"));
    let put = TestRequest::put().uri("/echo");
    assert_eq!(asked(&app, put).await, refused(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));

    // The front beside it keeps its own terms.
    let (status, kind, text) = asked(&app, named("/json", LEAST_BODY + 1)).await;
    assert!(status == 401 || status == 503, "{status}: the name counts at the other front alone");
    assert_eq!(kind, "application/json");
    assert!(text.contains(r#""error""#), "{text}");
}

/// What clients rest on: documents and definitions may be large, forms are small.
#[test]
fn the_limits_of_every_route() {
    let table: Vec<(&str, Limits)> = super::table().limits().collect();
    let of = |wanted: usize| -> BTreeSet<&str> {
        table.iter().filter(|(_, limits)| limits.body == wanted).map(|(path, _)| *path).collect()
    };
    let large = of(LARGE_BODY);
    let data = ["/api/v1/graphql", "/api/graphql", "/api/v0/graphql", "/api/v1/collections", "/api/v0/schema"];
    for path in data {
        assert!(large.contains(path), "{path}");
    }
    assert!(large.iter().all(|path| data.contains(path) || path.starts_with("/api/v1/policy/")), "{large:?}");
    for (path, limits) in &table {
        // Objects of places go to the disk as they come.
        assert_eq!(limits.streamed, *path == "/places/{place}/object", "{path}");
        if limits.streamed {
            assert_eq!((limits.body as u64, limits.deadline), (vault_hosted::MAX_OBJECT_BYTES, None));
            continue;
        }
        let proofs = ["/api/v1/me/password", "/api/v1/me/totp/confirm"];
        let signs_in = path.starts_with("/api/v1/session")
            || path.starts_with("/api/v1/oidc")
            || path.starts_with("/api/v1/passkeys");
        // An address, a code, a tick.
        let told = path.starts_with("/api/v1/notices/address")
            || ["/api/v1/mail/test", "/api/v1/notices/kinds/{kind}"].contains(path);
        let form = !path.starts_with("/api/") || signs_in || told || proofs.contains(path);
        assert_eq!(limits.body == LEAST_BODY, form, "{path}");
        assert!([LARGE_BODY, SMALL_BODY, LEAST_BODY].contains(&limits.body), "{path}");
        let long = *path == "/api/v1/sync/wait" || path.starts_with("/api/v1/backups");
        assert_eq!(limits.deadline.is_none(), long, "{path}");
    }
}

/// A path that the pattern matches: each placeholder is a word.
fn example(pattern: &str) -> String {
    let steps = pattern.split('/').map(|step| if step.starts_with('{') { "word" } else { step });
    steps.collect::<Vec<_>>().join("/")
}

#[actix_web::test]
async fn every_path_says_what_it_takes_and_refuses_all_else() {
    let app = init_service(App::new().configure(super::routes)).await;
    let table: Vec<_> = super::table().table().collect();
    assert!(table.len() > 40, "control: the table holds the routes: {}", table.len());
    let paths: BTreeSet<&str> = table.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths.len(), table.len(), "each path stands once");
    let odd = Method::from_bytes(b"FROB").unwrap();
    let every = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
    for (pattern, allowed) in table {
        let wanted: BTreeSet<&str> = allowed.iter().map(Method::as_str).collect();
        assert_eq!(wanted.contains("GET"), wanted.contains("HEAD"), "{pattern}");
        for method in every.iter().chain([&Method::OPTIONS, &Method::TRACE, &odd]) {
            if allowed.contains(method) && method != Method::OPTIONS {
                continue;
            }
            let request = TestRequest::with_uri(&example(pattern)).method(method.clone()).to_request();
            let answer = call_service(&app, request).await;
            let status = if method == Method::OPTIONS { 204 } else { 405 };
            assert_eq!(answer.status().as_u16(), status, "{method} {pattern}");
            let allow = answer.headers().get(ALLOW).expect("Allow").to_str().unwrap().to_owned();
            assert_eq!(allow.split(", ").collect::<BTreeSet<_>>(), wanted, "{method} {pattern}");
            if status == 405 {
                let body: serde_json::Value = serde_json::from_slice(&read_body(answer).await).unwrap();
                let oauth = [
                    "/oauth/par",
                    "/oauth/device_authorization",
                    "/oauth/token",
                    "/oauth/introspect",
                    "/oauth/revoke",
                    "/oauth/userinfo",
                    "/oauth/jwks",
                    "/oauth/register",
                    "/oauth/register/{client}",
                ];
                let oauth = oauth.contains(&pattern);
                let code = if oauth { &body["error"] } else { &body["error"]["code"] };
                let wanted = if oauth { "invalid_request" } else { "method_not_allowed" };
                assert_eq!(code, wanted, "{method} {pattern}");
            }
        }
    }
    for unknown in ["/nowhere", "/api/v1/nowhere", "/api/v1/session/", "/API/v1/session", "/healthz/x"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS, odd.clone()] {
            let request = TestRequest::with_uri(unknown).method(method.clone()).to_request();
            assert_eq!(call_service(&app, request).await.status(), 404, "{method} {unknown}");
        }
    }
}

#[test]
fn what_refuses_before_a_route_is_found_goes_by_what_fronts_say_of_their_paths() {
    let paths = super::table().paths();
    let error = ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is no such route.");
    let kind = |path: &str| {
        let answer = paths.errors(path)(&error);
        answer.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    for path in ["/api/v1/users", "/api/v1/users/x", "/api/v1/nowhere", "/api/v1", "/places/x/nowhere", "/places"] {
        assert_eq!(kind(path), "application/problem+json", "{path}");
    }
    for path in
        ["/api/v1/graphql", "/oauth/token", "/oauth/nowhere", "/api/v0/nowhere", "/setup", "/l/x", "/nowhere", "/"]
    {
        assert_eq!(kind(path), "application/json", "{path}");
    }
    let open = [
        "/api/v1/graphql",
        "/api/graphql",
        "/api/v0/graphql",
        "/api/v1/collections",
        "/api/v1/schema",
        "/api/v0/schema",
    ];
    let oauth = ["/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/oauth/jwks", "/oauth/par"];
    let found = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/openapi.json"];
    for path in open.iter().chain(&oauth).chain(&found) {
        assert!(paths.is_open(path), "{path}");
    }
    for path in [
        "/",
        "/api/v1/session",
        "/oauth/authorize",
        "/setup",
        "/admin/",
        "/api/v1/graphql/x",
        "/api/v1/users",
        "/oauth/introspect",
    ] {
        assert!(!paths.is_open(path), "{path}");
    }
}
