//! What `allod doctor` says of a node: whether its files are there and belong together, and a digest of every space.

use serde::Serialize;
use serde_json::{Value, json};
use vault::data_dir::DataFile;
use vault::{Health, VaultError};

use crate::app::App;
use crate::failure::Failure;
use crate::front::policy_trouble;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub state: State,
    pub detail: String,
    /// What to do about it; empty if there is nothing to do.
    pub fix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Something was given up, as the operator wished.
    Accepted,
    Bad,
}

impl Check {
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Check {
        Check { name, state: State::Ok, detail: detail.into(), fix: String::new() }
    }
    pub fn bad(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { name, state: State::Bad, detail: detail.into(), fix: fix.into() }
    }

    /// Of a node that could not be opened.
    pub fn refused(failure: &Failure) -> Check {
        let name = match failure.code.as_str() {
            code if code.starts_with("log_") => "log",
            code if code.starts_with("node_key") || code.starts_with("passphrase") => "node_key",
            code if code.starts_with("node_database") || code == "database_unreadable" => "node_database",
            _ => "node",
        };
        let detail = format!("{} ({})", failure.message, failure.code);
        Check::bad(name, detail, failure.hint.clone().unwrap_or_default())
    }
}

/// What is looked at in an open node beside its spaces.
pub fn checks(app: &App) -> Vec<Check> {
    let missing = app.files.missing();
    let put_back = "stop the node and put the file back from your backup: what is written now is lost with it";
    let file = |check, file: DataFile| {
        let (name, code) = (file.name(), file.missing_code());
        if missing.contains(&file) {
            return Check::bad(check, format!("{name} was deleted or replaced while the node runs ({code})"), put_back);
        }
        Check::ok(check, format!("{name} is there"))
    };
    let writing = match app.vault.is_writing() {
        true => Check::ok("writing", "what is written is kept"),
        false => Check::bad(
            "writing",
            "the log cannot be written, or a view cannot follow it",
            "make room on the disk and start the node again",
        ),
    };
    let tls = app.tls.get().map(|tls| {
        let standing = tls.standing();
        match standing.trouble {
            Some(trouble) => Check::bad("tls", format!("{} ({})", trouble.detail, trouble.code), trouble.fix),
            None => Check::ok("tls", format!("the certificate is good until {}", standing.until.unwrap_or_default())),
        }
    });
    let all = [
        file("node_key", DataFile::NodeKey),
        file("node_database", DataFile::NodeDatabase),
        file("log", DataFile::Log),
        writing,
    ];
    all.into_iter().chain(tls).collect()
}

/// The whole answer: `checks`, and the digest of every space.
///
/// # Errors
/// If a space cannot be read to its end.
pub async fn report(
    app: &App,
    rebuild: bool,
    more: Vec<Check>,
    progress: impl FnMut(usize, usize),
) -> Result<Value, VaultError> {
    let spaces: Vec<Value> = app.vault.doctor(rebuild, progress).await?.iter().map(shown).collect();
    let policy = match policy_trouble(&app.access.policy_standing().await) {
        Some((detail, fix)) => Check::bad("policy", detail, fix),
        None => Check::ok("policy", "policy answers"),
    };
    let checks: Vec<Check> = more.into_iter().chain(checks(app)).chain([policy]).collect();
    Ok(json!({ "checks": checks, "spaces": spaces }))
}

/// Whether nothing of an answer is bad.
pub fn is_well(report: &Value) -> bool {
    report["checks"].as_array().is_some_and(|checks| checks.iter().all(|check| check["state"] != "bad"))
}

fn shown(health: &Health) -> Value {
    let digest = data_encoding::HEXLOWER.encode(&health.digest);
    json!({ "id": health.space.to_string(), "position": health.position, "documents": health.documents, "digest": digest })
}
