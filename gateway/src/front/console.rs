//! The web console: files that were built before the binary, and the state that its page shows.

use actix_web::http::header;
use actix_web::web;
use actix_web::{HttpRequest, HttpResponse};
use gateway_people::realm::Realm as _;
use policy::Standing;
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use vault::data_dir::DataFile;

use crate::app::App;
use crate::front::contract::LEAST_BODY;
use crate::front::contract::{Front, Terms};
use crate::front::route::Routes;

#[derive(RustEmbed)]
#[folder = "../admin-ui/dist"]
struct Console;

const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Where files lie that are named by the hash of what is in them: another content is another name.
const HASHED: &str = "assets/";

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

fn routes(routes: &mut Routes) {
    routes
        .get("/", root)
        .get("/healthz", healthz)
        .get("/readyz", readyz)
        .get("/admin", admin)
        .get("/admin/{path:.*}", file)
        .described::<Api>();
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(root, admin, healthz, readyz, file))]
struct Api;

/// To the console
#[utoipa::path(get, path = "/", tag = "pages", security(()), responses((status = 302, description = "It is there")))]
async fn root() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/admin/")).finish()
}

/// To the console
#[utoipa::path(get, path = "/admin", tag = "pages", security(()), responses((status = 302, description = "It is there")))]
async fn admin() -> HttpResponse {
    root().await
}

/// Whether the process is there.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
    version: &'static str,
}

/// The process is there
#[utoipa::path(get, path = "/healthz", tag = "node", security(()), responses(
    (status = 200, description = "It is", body = Health)))]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The node can serve: it is set up, it writes, and policy answers
#[utoipa::path(get, path = "/readyz", tag = "node", security(()), responses(
    (status = 200, description = "It can", body = Object),
    (status = 503, description = "It cannot, and this is why", body = Object)))]
async fn readyz(app: web::Data<App>) -> HttpResponse {
    let (set_up, writing, missing) = (app.owner().is_some(), app.vault.is_writing(), app.files.missing());
    let missing: Vec<&str> = missing.into_iter().map(DataFile::missing_code).collect();
    let standing = app.access.policy_standing().await;
    let answers = standing.unanswered.is_none();
    let mut policy = json!({ "engine": standing.engine, "answers": answers, "pending": standing.pending,
        "revocations_pending": standing.revocations, "refused": standing.refused.len() });
    if let Some((detail, fix)) = policy_trouble(&standing) {
        policy["detail"] = json!(detail);
        policy["fix"] = json!(fix);
    }
    let mut state = json!({ "set_up": set_up, "writing": writing, "missing": missing, "policy": policy });
    if let Some(clock) = clock_trouble(app.vault.clock_ahead(None)) {
        // It serves; but what is written here waits before other devices.
        state["clock"] = json!(clock);
    }
    if let Some(tls) = app.tls.get() {
        // It is an answer for everybody: which files there are, the log and `allod doctor` say.
        let standing = tls.standing();
        state["tls"] = json!({ "mode": standing.mode, "until": standing.until });
        if let Some(trouble) = standing.trouble {
            state["tls"]["code"] = json!(trouble.code);
            state["tls"]["detail"] = json!(trouble.summary());
            state["tls"]["fix"] = json!("`allod doctor` says more.");
        }
    }
    if set_up && writing && missing.is_empty() && answers {
        HttpResponse::Ok().json(state)
    } else {
        HttpResponse::ServiceUnavailable().json(state)
    }
}

/// Clock readings are ahead of the clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockTrouble {
    ahead_s: u64,
    pub detail: String,
    pub fix: &'static str,
}

/// What it means that clock readings are so many seconds ahead, and what to do.
pub fn clock_trouble(ahead: Option<u64>) -> Option<ClockTrouble> {
    let seconds = ahead?;
    let detail = format!(
        "What was written here has clock readings {seconds} s ahead of the clock: other devices do not take it yet."
    );
    let fix = "If the clock is right now, this heals by itself as soon as another device is reachable (without another \
               device, within a quarter of an hour). If it is behind, set it.";
    Some(ClockTrouble { ahead_s: seconds, detail, fix })
}

/// What is wrong with policy, in a sentence, and what to do.
pub fn policy_trouble(standing: &Standing) -> Option<(String, &'static str)> {
    if let Some(reason) = &standing.unanswered {
        let (why, fix) = crate::engine::sentence(reason);
        let waiting = match standing.revocations {
            0 => String::new(),
            n => format!(" {n} changes that take something away wait for it."),
        };
        return Some((format!("Policy cannot answer: {why}. Nothing is allowed meanwhile.{waiting}"), fix));
    }
    if !standing.refused.is_empty() {
        let detail = format!("SpiceDB refuses {} changes; whoever they concern is refused.", standing.refused.len());
        return Some((
            detail,
            "Bring its schema and relationships up to date: `allod policy migrate --to spicedb --merge …`.",
        ));
    }
    (standing.revocations > 0).then(|| {
        let detail = format!("{} changes that take something away are on their way to SpiceDB.", standing.revocations);
        (detail, "They are delivered by themselves; if this stays so, look whether SpiceDB takes writes.")
    })
}

/// The console
#[utoipa::path(get, path = "/admin/{path}", tag = "pages", security(()),
    params(("path" = String, Path, description = "A file of it, or a page within")), responses(
    (status = 200, description = "A file of it", content((String = "text/html"), (String = "text/javascript"),
        (String = "text/css"), (String = "application/json"), (Vec<u8> = "application/octet-stream"))),
    (status = 404, description = "It is not in this binary", body = String, content_type = "text/plain; charset=utf-8")))]
async fn file(request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    let path = if path.is_empty() { "index.html".to_owned() } else { path.into_inner() };
    let hashed = path.starts_with(HASHED);
    // A page of the console that is not a file is the console itself, which routes within.
    let Some(file) = Console::get(&path).or_else(|| Console::get("index.html").filter(|_| !hashed)) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("The console was not built into this binary, or is of another version; `make build` builds it.");
    };
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::VARY, "accept-encoding"))
        .content_type(file.metadata.mimetype());
    if hashed {
        answer.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    }
    match Console::get(&format!("{path}.gz")) {
        Some(packed) if takes_gzip(&request) => {
            answer.insert_header((header::CONTENT_ENCODING, "gzip")).body(packed.data)
        }
        _ => answer.body(file.data),
    }
}

/// Whether who asks unpacks gzip (RFC 9110, 12.5.3).
fn takes_gzip(request: &HttpRequest) -> bool {
    let values = request.headers().get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn gzip_goes_to_whoever_takes_it() {
        let asks = |value: &str| {
            takes_gzip(&TestRequest::default().insert_header(("accept-encoding", value)).to_http_request())
        };
        for value in ["gzip", "gzip, deflate, br", "br;q=1, GZIP ;q=0.5"] {
            assert!(asks(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip"] {
            assert!(!asks(value), "{value}");
        }
        assert!(!takes_gzip(&TestRequest::default().to_http_request()));
    }
}
