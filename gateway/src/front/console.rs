//! The web console: files that were built before the binary, and the state that its page shows.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web;
use policy::Standing;
use rust_embed::RustEmbed;
use serde_json::{Value, json};
use vault::data_dir::DataFile;

use crate::app::App;
use crate::front::contract::LEAST_BODY;
use crate::front::{Front, Routes, Terms};
use crate::node::Node as _;

#[derive(RustEmbed)]
#[folder = "../admin-ui/dist"]
struct Console;

const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

pub const FRONT: Front = Front { routes, terms: Terms::own(LEAST_BODY) };

fn routes(routes: &mut Routes) {
    routes
        .get("/", root)
        .get("/healthz", healthz)
        .get("/readyz", readyz)
        .get("/admin", root)
        .get("/admin/{path:.*}", file);
}

async fn root() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/admin/")).finish()
}

/// The process is there.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// The node can serve: it is set up, it writes, and policy answers.
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
        state["clock"] = clock;
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

/// What it means that clock readings are so many seconds ahead, and what to do.
pub fn clock_trouble(ahead: Option<u64>) -> Option<Value> {
    let seconds = ahead?;
    let detail = format!(
        "What was written here has clock readings {seconds} s ahead of the clock: other devices do not take it yet."
    );
    let fix = "If the clock is right now, this heals by itself as soon as another device is reachable (without another \
               device, within a quarter of an hour). If it is behind, set it.";
    Some(json!({ "ahead_s": seconds, "detail": detail, "fix": fix }))
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

async fn file(path: web::Path<String>) -> HttpResponse {
    let path = if path.is_empty() { "index.html".to_owned() } else { path.into_inner() };
    // A page of the console that is not a file is the console itself, which routes within.
    let Some(file) = Console::get(&path).or_else(|| Console::get("index.html")) else {
        return HttpResponse::NotFound()
            .content_type("text/plain; charset=utf-8")
            .body("The console was not built into this binary; `make build` builds it.");
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .content_type(file.metadata.mimetype())
        .body(file.data)
}
