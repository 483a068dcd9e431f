//! A front that does next to nothing, made by the page "Adding a protocol": what it says of itself is what is served.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use policy_core::{Caller, TenantId, UserId};

use super::*;
use crate::front::error::ApiError;
use crate::node::fake::Fake;
use crate::pools::Pools;

/// The largest body that the front takes, in bytes.
const LARGEST: usize = 128 << 10;

const FRONT: Front = Front {
    routes,
    terms: Terms { clients, errors, limits: Limits { body: LARGEST, deadline: Some(Duration::from_millis(50)) } },
};

fn routes(routes: &mut Routes) {
    routes.post("/echo", echo).post("/echo/late", late).post("/echo/long", echo);
    routes.limited("/echo/long", Limits { body: 2 * LARGEST, deadline: None });
}

/// Whoever says a name is that person.
fn clients<'a>(request: &'a HttpRequest, _: &'a dyn Node) -> LocalBoxFuture<'a, Result<Principal, AuthError>> {
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
    let node: std::sync::Arc<dyn Node> = node;
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
    let table: Vec<(&str, Limits)> = crate::front::table().limits().collect();
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
        let proofs = ["/api/v1/me/password", "/api/v1/me/totp/confirm"];
        let form = !path.starts_with("/api/") || path.starts_with("/api/v1/session") || proofs.contains(path);
        assert_eq!(limits.body == LEAST_BODY, form, "{path}");
        assert!([LARGE_BODY, SMALL_BODY, LEAST_BODY].contains(&limits.body), "{path}");
        let long = *path == "/api/v1/sync/wait" || path.starts_with("/api/v1/backups");
        assert_eq!(limits.deadline.is_none(), long, "{path}");
    }
}
