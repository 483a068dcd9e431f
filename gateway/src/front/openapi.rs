//! The description of the API (OpenAPI 3.1): made from the types of requests and answers, beside their handlers, and
//! served at `/openapi.json`.
//!
//! Each file of a front describes its operations; what holds of all alike (who may ask, how errors look, which ones
//! every request can meet) is added here.

use std::sync::OnceLock;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use crate::front::contract::{Front, Terms};
use crate::front::route::Routes;
use gateway_http::contract::LEAST_BODY;
use gateway_http::problem::{CODES, Problem, urn};

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

fn routes(routes: &mut Routes) {
    routes.get("/openapi.json", document).described::<Api>().open("/openapi.json");
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(document), components(schemas(Problem)))]
struct Api;

/// This description
#[utoipa::path(get, path = "/openapi.json", tag = "node", security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value)))]
async fn document() -> HttpResponse {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| finished(crate::front::table().described_so_far()).to_string().into());
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(text.clone())
}

/// What every request to `/api/v1` can meet, by status: the words are codes.
const OF_ALL: [(&str, &str); 8] = [
    ("400", "`bad_request`: what was sent does not fit"),
    (
        "401",
        "`unauthenticated`, `invalid_token`: nobody is signed in; `invalid_dpop_proof`: the proof beside a token does not fit",
    ),
    ("403", "`forbidden`, `operator_only`, `not_for_apps`: whoever asks may not do this"),
    ("408", "`limit_time`: the request took too long"),
    ("421", "`host_unknown`: the node does not answer under this name"),
    ("429", "`busy`: too many attempts at a time"),
    ("500", "`internal`: the node failed"),
    ("503", "`unavailable`, `policy_unavailable`: not possible now"),
];
/// Of them what a request to a place can meet, whose secret opens nothing else; and where no place can be called so.
const OF_PLACES: [(&str, &str); 7] = [
    ("401", "`unauthenticated`, `invalid_token`: no such place, or another secret"),
    ("404", "`not_found`: there is no such route"),
    OF_ALL[3],
    OF_ALL[4],
    ("429", "`busy`: too many requests at a time"),
    OF_ALL[6],
    ("503", "`unavailable`, `not_set_up`: not possible now"),
];
/// Beside them, what a request with a body can meet.
const OF_BODIES: [(&str, &str); 2] = [
    ("413", "`limit_body`: the body is too large"),
    ("415", "`unsupported_media_type`: the body is of another type, or compressed"),
];

/// The document, with what holds of all operations alike.
pub fn finished(api: OpenApi) -> Value {
    let mut api = serde_json::to_value(api).unwrap_or_default();
    api["info"] = json!({
        "title": "Allod", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "MIT OR Apache-2.0" },
        "description": "The HTTP interface of a node. Lists are arrays: `limit` and `cursor` ask for a part of one, and \
            `Link: rel=\"next\"` leads to the next. Errors are problems (RFC 9457). `X-Request-Id` names every request.",
    });
    api["servers"] = json!([{ "url": "/" }]);
    api["components"]["securitySchemes"]["bearer"] = json!({ "type": "http", "scheme": "bearer",
        "description": "The `access_token` of `POST /api/v1/session`, of a grant, or the node's own `local.token`." });
    api["components"]["securitySchemes"]["app_password"] = json!({ "type": "http", "scheme": "basic",
        "description": "The name of a person, and a password of `POST /api/v1/app-passwords`." });
    api["components"]["securitySchemes"]["dpop"] = json!({ "type": "http", "scheme": "dpop",
        "description": "A token of `token_type` DPoP, and beside it, in the header `DPoP`, a proof of the key that it is \
            bound to (RFC 9449): a JWT signed by ES256 with the method (`htm`), the address (`htu`: the node's public address \
            and the path), the time (`iat`), an id that is used once (`jti`), and the hash of the token (`ath`)." });
    api["security"] = json!([{ "bearer": [] }, { "dpop": [] }]);
    api["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] =
        CODES.iter().map(|(code, _)| Value::from(*code)).collect();
    let other = |shape: Value| json!({ "type": "object", "properties": shape, "required": ["error"] });
    let word = json!({ "type": "string" });
    api["components"]["schemas"]["OAuthError"] = other(json!({ "error": word, "error_description": word }));
    api["components"]["schemas"]["OtherError"] = other(json!({ "error": { "type": "object",
        "properties": { "code": word, "message": word, "hint": word } } }));
    api["components"]["schemas"]["GraphQLErrors"] = json!({ "type": "object", "required": ["errors"],
        "properties": { "errors": { "type": "array", "items": { "type": "object", "properties": {
            "message": word, "extensions": { "type": "object", "properties": { "code": word, "hint": word } } } } } } });
    for (path, item) in api["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if ["get", "post", "put", "delete"].contains(&method.as_str()) {
                operation["operationId"] = name(method, path).into();
                finish(method, path, operation);
            }
        }
    }
    api
}

/// What an operation is called: `get_grants_by_id`.
fn name(method: &str, path: &str) -> String {
    let steps = path.trim_start_matches("/api/v1").split(['/', '.']).filter(|step| !step.is_empty());
    let word = |step: &str| match step.strip_prefix('{').and_then(|step| step.strip_suffix('}')) {
        Some(parameter) => format!("by_{parameter}"),
        None => step.replace('-', "_"),
    };
    // The API does what these pages do, under the same words.
    let page = path.starts_with("/setup/").then(|| "page".to_owned());
    std::iter::once(method.to_owned()).chain(page).chain(steps.map(word)).collect::<Vec<_>>().join("_")
}

/// Says of an operation which errors every request can meet, and how errors look.
fn finish(method: &str, path: &str, operation: &mut Value) {
    let (kind, schema) = match path {
        _ if path.ends_with("/graphql") => ("application/json", "GraphQLErrors"),
        _ if path.starts_with("/api/v1/") || path.starts_with("/places/") => {
            (gateway_http::problem::MEDIA_TYPE, "Problem")
        }
        _ if path.starts_with("/oauth/") => ("application/json", "OAuthError"),
        _ => ("application/json", "OtherError"),
    };
    let for_data =
        operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == "data" || tag == "graphql"));
    if for_data && operation["responses"]["401"].is_null() {
        let words = "`unauthenticated`, `invalid_token`, `app_password_wrong`: nobody is signed in; `invalid_dpop_proof`: the proof beside a token does not fit";
        operation["responses"]["401"] = json!({ "description": words });
    }
    let body = operation.get("requestBody").is_some();
    let all = OF_ALL.iter().chain(OF_BODIES.iter().filter(|_| body));
    for (status, words) in all.filter(|_| path.starts_with("/api/")) {
        let told = &mut operation["responses"][*status];
        if told.is_null() {
            *told = json!({ "description": words });
        }
    }
    for (status, words) in OF_PLACES.iter().filter(|_| path.starts_with("/places/")) {
        let told = &mut operation["responses"][*status];
        if told.is_null() {
            *told = json!({ "description": words });
        }
    }
    let opens = operation["security"].is_null();
    let header = |name: &str, words: &str| json!({ "name": name, "in": "header", "required": false, "description": words, "schema": { "type": "string" } });
    let mut headers = Vec::new();
    if method == "post" && path.starts_with("/api/") && opens {
        let mut key = header("Idempotency-Key", "The request is done once, however often it is sent with this key");
        key["schema"]["minLength"] = 1.into();
        key["schema"]["maxLength"] = 255.into();
        key["schema"]["pattern"] = "^[ -~]+$".into();
        key["example"] = "0190a3c5-d2e4-7f6b-8a9b-0c1d2e3f4a5b".into();
        headers.push(key);
        operation["responses"]["422"] =
            json!({ "description": "`idempotency_key_reused`: the key is another request's" });
        if operation["responses"]["409"].is_null() {
            operation["responses"]["409"] = json!({ "description": "`idempotency_in_progress`: the request with this key is being done; or `idempotency_answer_gone`: it was done, and its answer is not kept" });
        }
    }
    if method == "get" && path.starts_with("/api/v1/") && schema == "Problem" {
        headers.push(header("If-None-Match", "The `ETag` of what its sender has"));
        operation["responses"]["304"] = json!({ "description": "It is as the sender has it" });
        let tag = json!({ "ETag": { "schema": { "type": "string" }, "description": "Stands for what is shown" } });
        operation["responses"]["200"]["headers"] = tag;
    }
    if method == "put" && operation["responses"].get("412").is_some() {
        headers.push(header("If-Match", "The `ETag` of what is to be replaced"));
    }
    if !headers.is_empty() {
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.extend(headers),
            None => operation["parameters"] = headers.into(),
        }
    }
    if for_data && opens {
        operation["security"] = json!([{ "bearer": [] }, { "app_password": [] }, { "dpop": [] }]);
    }
    for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
        if status.as_str() < "400" || answer.get("content").is_some() {
            continue;
        }
        let mut content = json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } });
        if schema == "Problem" {
            content["example"] = example(status, answer["description"].as_str().unwrap_or_default());
        }
        answer["content"] = json!({ kind: content });
    }
}

/// A problem of the first code that the description of an answer names.
fn example(status: &str, words: &str) -> Value {
    let code = words.split('`').nth(1).unwrap_or("bad_request");
    let title = CODES.iter().find(|(known, _)| *known == code).map_or("", |(_, title)| title);
    json!({ "type": urn(code), "title": title, "status": status.parse::<u16>().unwrap_or_default(),
        "detail": words.split_once(": ").map_or(words, |(_, detail)| detail), "code": code, "hint": "",
        "request_id": "5f0c2a9b7e4d1836a0b1c2d3" })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn document() -> Value {
        finished(crate::front::table().described_so_far())
    }

    /// `{name:pattern}` is `{name}`.
    fn plain(path: &str) -> String {
        let step = |step: &str| match step.split_once(':') {
            Some((name, _)) => format!("{name}}}"),
            None => step.to_owned(),
        };
        path.split('/').map(step).collect::<Vec<_>>().join("/")
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let methods = |methods: Vec<actix_web::http::Method>| -> BTreeSet<String> {
            let own = methods.iter().map(|method| method.as_str().to_lowercase());
            own.filter(|method| method != "head" && method != "options").collect()
        };
        let served: BTreeMap<String, BTreeSet<String>> =
            crate::front::table().table().map(|(path, all)| (plain(path), methods(all))).collect();
        let document = document();
        let of = |item: &Value| item.as_object().unwrap().keys().cloned().collect();
        let described: BTreeMap<String, BTreeSet<String>> =
            document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), of(item))).collect();
        assert!(served.len() > 40, "control: the table holds the routes");
        assert_eq!(described, served);
    }

    #[test]
    fn the_front_of_data_takes_app_passwords_and_each_of_its_operations_says_so() {
        let front = crate::front::Routes::default().front(&crate::front::data::FRONT);
        let served: BTreeSet<String> = front.table().map(|(path, _)| plain(path)).collect();
        let document = document();
        let says =
            |item: &Value| item.as_object().unwrap().values().all(|one| one["security"][1]["app_password"].is_array());
        let paths = document["paths"].as_object().unwrap().iter();
        let described: BTreeSet<String> = paths.filter(|(_, item)| says(item)).map(|(path, _)| path.clone()).collect();
        assert!(!served.is_empty(), "control");
        assert_eq!(described, served);
    }

    fn each<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| each(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| each(value, found)),
            _ => {}
        }
    }

    #[test]
    fn what_is_described_is_there_and_says_what_it_asks_and_answers() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut found = Vec::new();
        each(&document, &mut found);
        assert!(found.len() > 200, "control: {} references", found.len());
        for reference in found {
            let at = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(at).is_some(), "{reference} leads nowhere");
        }
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let what = format!("{method} {path}");
                assert!(names.insert(operation["operationId"].as_str().unwrap()), "{what}: the name is another's");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.keys().any(|status| status.as_str() < "400"), "{what}: no success");
                for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
                    assert!(answer["content"].is_object(), "{what}: {status}");
                    let problem = &answer["content"]["application/problem+json"];
                    if path.starts_with("/api/v1/") && !path.ends_with("/graphql") {
                        let code = problem["example"]["code"].as_str().unwrap();
                        assert!(CODES.iter().any(|(known, _)| *known == code), "{what}: {status} {code}");
                    }
                }
                let in_path = path.matches('{').count();
                let told = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
                assert_eq!(told.iter().filter(|one| one["in"] == "path").count(), in_path, "{what}");
            }
        }
    }
}
