//! What `allod doctor` says of a node: whether its files are there and belong together, and a digest of every space.

pub mod files;

use policy_core::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use vault::data_dir::DataFile;
use vault::{Health, VaultError};

use crate::app::App;
use crate::failure::Failure;
use crate::front::{clock_trouble, policy_trouble};
use crate::grants::rfc3339;
use crate::node::Node as _;

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
    /// Worth a look; the node does what it ought to.
    Warn,
    Bad,
}

impl Check {
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Check {
        Check { name, state: State::Ok, detail: detail.into(), fix: String::new() }
    }
    pub fn warn(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { name, state: State::Warn, detail: detail.into(), fix: fix.into() }
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

/// What is looked at in an open node without reading its data.
pub async fn checks(app: &App) -> Vec<Check> {
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
    let policy = match policy_trouble(&app.access.policy_standing().await) {
        Some((detail, fix)) => Check::bad("policy", detail, fix),
        None => Check::ok("policy", "policy answers"),
    };
    let all = [
        file("node_key", DataFile::NodeKey),
        file("node_database", DataFile::NodeDatabase),
        file("log", DataFile::Log),
        files::modes(&app.dir),
        files::disk(&app.dir),
        writing,
        clock(app),
        policy,
    ];
    all.into_iter().chain(peers(app).await).chain(tls).chain(backups(app)).collect()
}

/// Nothing of this is older: a clock that says so was never set.
const NOT_BEFORE_S: i64 = 1_735_689_600;

fn clock(app: &App) -> Check {
    let name = "clock";
    if app.now().0 / 1_000_000 < NOT_BEFORE_S {
        return Check::bad(name, "the clock of this machine is years behind", "set it, best by NTP");
    }
    match clock_trouble(app.vault.clock_ahead(None)) {
        Some(trouble) => Check::warn(name, trouble.detail, trouble.fix),
        None => Check::ok(name, "nothing was written ahead of the clock"),
    }
}

/// Whether devices and replicas have what they ought to; `None` where nothing syncs, since the node does not run.
async fn peers(app: &App) -> Option<Check> {
    let name = "peers";
    let all = app.sync.get()?.peers(&app.vault.users()).await;
    let waiting: Vec<_> = all.iter().filter(|peer| peer.lag_commits > 0).collect();
    if waiting.is_empty() {
        let text = match all.len() {
            0 => "there is no other device, and no replica: what is here is nowhere else".to_owned(),
            n => format!("{n} devices and replicas have everything"),
        };
        return Some(Check::ok(name, text));
    }
    let most = waiting.iter().map(|peer| peer.lag_s).max().unwrap_or_default();
    let away = waiting.iter().filter(|peer| !peer.reachable).count();
    let detail = format!(
        "{} of {} devices and replicas lack something, for {most} s at most; {away} of them are not reached",
        waiting.len(),
        all.len()
    );
    let fix = "start them, or look whether the network lets them through: `allod sync wait` names them";
    Some(Check::warn(name, detail, fix))
}

async fn log_chain(app: &App) -> Check {
    let name = "log_chain";
    let fix = "stop the node and put log.db back from a backup, or join a new directory by a device that has the data";
    match app.vault.look_at_log().await {
        Err(error) => Check::bad(name, format!("the log does not read: {error}"), fix),
        Ok(health) if health.faults.is_empty() => {
            Check::ok(name, format!("{} commits read, in chains without a gap", health.commits))
        }
        Ok(health) => Check::bad(name, health.faults.join("; "), fix),
    }
}

/// Of a node that makes backups by itself, or of which there is one.
fn backups(app: &App) -> Option<Check> {
    let (standing, now) = (app.backups.standing(), app.now());
    let as_of = match &standing.last {
        Some(last) => format!("restorable as of {}", rfc3339(Timestamp(last.at))),
        None => "nothing was backed up yet".to_owned(),
    };
    let trouble =
        standing.trouble.clone().or_else(|| standing.is_late(now).then(|| "no backup was made in time".into()));
    match trouble {
        Some(trouble) => Some(Check::bad(
            "backups",
            format!("{as_of}; {trouble}"),
            "see to the place of `[backup]`, and make one by `allod backup create`",
        )),
        None if standing.every.is_none() && standing.last.is_none() => None,
        None => Some(Check::ok("backups", as_of)),
    }
}

/// The whole answer: `checks`, and the digest of every space.
///
/// # Errors
/// If spaces cannot be looked at: the log or the databases do not answer.
pub async fn report(
    app: &App,
    rebuild: bool,
    more: Vec<Check>,
    progress: impl FnMut(usize, usize),
) -> Result<Value, VaultError> {
    let chain = log_chain(app).await;
    let done = if rebuild { "were made anew from the log" } else { "read to the end of the log" };
    let (views, spaces) = match app.vault.doctor(rebuild, progress).await {
        Ok(spaces) => (Check::ok("views", format!("the views of {} spaces {done}", spaces.len())), spaces),
        // What does not read is a finding like others: the rest of the list helps to see where it comes from.
        Err(error @ (VaultError::Space(_) | VaultError::View(_) | VaultError::Refused(_))) => {
            let fix = "if log_chain is well, stop the node and run `allod doctor --rebuild`; else see there";
            (Check::bad("views", format!("{error} (damaged)"), fix), Vec::new())
        }
        Err(other) => return Err(other),
    };
    let spaces: Vec<Value> = spaces.iter().map(shown).collect();
    let checks: Vec<Check> = more.into_iter().chain(checks(app).await).chain([chain, views]).collect();
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
