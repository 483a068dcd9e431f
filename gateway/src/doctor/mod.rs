//! What `allod doctor` says of a node: whether its files are there and belong together, and a digest of every space.

pub mod files;

use std::sync::Arc;

use gateway_people::realm::Realm as _;
use policy_core::Timestamp;
use sea_orm::{ConnectionTrait, Statement};
use serde::Serialize;
use serde_json::{Value, json};
use vault::data_dir::DataFile;
use vault::{Health, LogHealth, VaultError};

use crate::app::App;
use crate::failure::Failure;
use crate::front::console::{clock_trouble, policy_trouble};
use crate::grants::rfc3339;
use crate::letters::Standing;
use crate::passkeys::RelyingParty;

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
    all.into_iter()
        .chain(peers(app).await)
        .chain(forks(app).await)
        .chain(tls)
        .chain([backups(app)])
        .chain(mail(app).await)
        .chain(places(app).await)
        .chain(passkeys(app).await)
        .collect()
}

/// Of a node that runs, and was told of a server for letters.
async fn mail(app: &App) -> Option<Check> {
    let (name, mail) = ("mail", app.mail.get()?);
    let figures = match app.directory.outbox().await {
        Ok(figures) => figures,
        Err(error) => return Some(Check::bad(name, format!("letters do not read: {error}"), "see node_pages")),
    };
    let crate::directory::mail::OutboxFigures { waiting, sent, given_up } = figures;
    let waits = format!("{waiting} letters wait, {sent} went within a day, {given_up} were given up");
    Some(match mail.standing() {
        Standing { trouble: Some(trouble), .. } => {
            let fix =
                "see to `[mail]` of the settings, and try by `allod mail test ADDRESS`; what waits is tried again";
            Check::warn(name, format!("{trouble}; {waits}"), fix)
        }
        Standing { taken: None, .. } if given_up > 0 => {
            let fix = "try by `allod mail test ADDRESS`";
            Check::warn(name, format!("{} took nothing since the start; {waits}", mail.place()), fix)
        }
        Standing { taken: None, .. } => {
            Check::ok(name, format!("{} was not asked since the start; {waits}", mail.place()))
        }
        Standing { .. } => Check::ok(name, format!("{} takes letters; {waits}", mail.place())),
    })
}

/// Of a node that runs, and has passkeys that count no more since it is reached under another name.
pub async fn passkeys(app: &App) -> Option<Check> {
    let name = "passkeys";
    let party = RelyingParty::of(app.url.get()?);
    let here = party.as_ref().map(RelyingParty::id);
    let dead = match app.directory.dead_passkeys(here).await {
        Ok(dead) if dead.passkeys == 0 => return None,
        Ok(dead) => dead,
        Err(error) => return Some(Check::bad(name, format!("passkeys do not read: {error}"), "see node_pages")),
    };
    let now = match here {
        Some(here) => format!("passkeys count for {here} now"),
        None => "the node's pages have no name now".to_owned(),
    };
    let left = match dead.locked_out {
        0 => String::new(),
        n => format!(" {n} of them have no other way in."),
    };
    let detail = format!(
        "{} passkeys of {} people count no more: they were made for {}, and {now}.{left}",
        dead.passkeys,
        dead.people,
        dead.names.join(", ")
    );
    let fix = "set http.public_url to the former name again; or tell people to add new passkeys, and let in whoever has \
               no other way by `allod user password NAME`";
    Some(Check::warn(name, detail, fix))
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

/// Whether a device has signed two histories; `None` where nothing syncs, or none has.
async fn forks(app: &App) -> Option<Check> {
    let sync = app.sync.get()?;
    let mut all = Vec::new();
    for user in app.vault.users() {
        all.extend(sync.forks(user, None).await);
    }
    let first = all.first()?;
    let detail = format!(
        "{} chains have two histories, and what one side has of them the other does not get: device {} signed number {} \
         twice; {} has the other",
        all.len(),
        first.device,
        first.number,
        first.peer
    );
    let fix = "compare the two nodes, and enter again what one of them lacks; `allod sync wait --forks-seen` then says that \
               you know";
    Some(Check::bad("forks", detail, fix))
}

async fn log_chain(app: &App) -> Check {
    let fix = "stop the node and put log.db back from a backup, or join a new directory by a device that has the data";
    chain_check(app.vault.look_at_log().await, fix)
}

/// What reading the log from its begin to its end has shown.
pub fn chain_check<E: std::fmt::Display>(read: Result<LogHealth, E>, fix: &str) -> Check {
    let name = "log_chain";
    match read {
        Err(error) => Check::bad(name, format!("the log does not read: {error}"), fix),
        Ok(health) if health.faults.is_empty() => {
            Check::ok(name, format!("{} commits read, signed and in chains without a gap", health.commits))
        }
        Ok(health) => Check::bad(name, health.faults.join("; "), fix),
    }
}

/// Reads the whole node database: each page of it authenticates itself.
async fn node_pages(app: &App) -> Check {
    let name = "node_pages";
    let ask = Statement::from_string(app.database.get_database_backend(), "PRAGMA quick_check(1)");
    let said = app.database.query_one_raw(ask).await.and_then(|row| row.map(|row| row.try_get_by_index(0)).transpose());
    let trouble = match said {
        Ok(said) => said.filter(|said: &String| said != "ok"),
        Err(error) => Some(error.to_string()),
    };
    match trouble {
        None => Check::ok(name, "node.db was read to its end"),
        Some(trouble) => Check::bad(
            name,
            format!("node.db is damaged: {trouble}"),
            "stop the node and put node.db back from a backup of the whole directory",
        ),
    }
}

/// As of when the node can be restored, and whether that was tried.
fn backups(app: &App) -> Check {
    let (standing, now) = (app.backups.standing(), app.now());
    let as_of = match &standing.last {
        Some(last) => {
            let tested = match last.tested {
                Some(at) => format!("last tested {}", rfc3339(Timestamp(at))),
                None => "never tested".to_owned(),
            };
            let age = ago(standing.age_s(now).unwrap_or_default());
            format!("restorable as of {}, {age} ago; {tested}", rfc3339(Timestamp(last.at)))
        }
        None => "nothing was ever backed up from here".to_owned(),
    };
    let trouble =
        standing.trouble.clone().or_else(|| standing.is_late(now).then(|| "no backup was made in time".into()));
    match trouble {
        Some(trouble) => Check::bad(
            "backups",
            format!("{as_of}; {trouble}"),
            "see to the place of `[backup]`, and make one by `allod backup create`",
        ),
        None => Check::ok("backups", as_of),
    }
}

/// Seconds, as people say them.
fn ago(seconds: i64) -> String {
    match seconds {
        s if s < 2 * 3_600 => format!("{} min", s / 60),
        s if s < 2 * 86_400 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

/// Of a node that keeps places for the backups of others.
async fn places(app: &App) -> Vec<Check> {
    const NAME: &str = "places";
    let keeper = Arc::clone(&app.keeper);
    let counted = tokio::task::spawn_blocking(move || {
        let all: Vec<_> = keeper.all().iter().map(|place| (place.label().to_string(), place.standing())).collect();
        (all, keeper.broken().to_vec())
    });
    let Ok((all, broken)) = counted.await else { return Vec::new() };
    let mut checks = Vec::new();
    let (mut told, mut full) = (Vec::new(), Vec::new());
    for (name, standing) in all {
        match standing {
            Ok(standing) => {
                let (taken, quota) = (standing.taken / 1_000_000, standing.quota / 1_000_000);
                told.push(format!("{name} takes {taken} MB of {quota} MB"));
                if standing.taken > standing.quota / 10 * 9 {
                    full.push(name);
                }
            }
            Err(error) => checks.push(Check::bad(NAME, format!("{name}: {error}"), "look at the disk")),
        }
    }
    for (name, why) in broken {
        let fix = "tell whoever backs up there, and make another place for them";
        checks.push(Check::bad(NAME, format!("{name} cannot be opened: {why}"), fix));
    }
    if !told.is_empty() {
        let detail = format!("{}; the node's own backups do not hold what lies there", told.join(", "));
        checks.push(match full.is_empty() {
            true => Check::ok(NAME, detail),
            false => Check::warn(NAME, detail, format!("soon nothing more goes into {}: tell them", full.join(", "))),
        });
    }
    checks
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
    let (chain, pages) = (log_chain(app).await, node_pages(app).await);
    let done = if rebuild { "were made anew from the log" } else { "read to the end of the log" };
    let (views, spaces) = match app.vault.doctor(rebuild, progress).await {
        Ok(spaces) => {
            let left_out: usize = spaces.iter().map(|space| space.left_out).sum();
            let done = format!("the views of {} spaces {done}", spaces.len());
            let check = match left_out {
                0 => Check::ok("views", done),
                n => {
                    let detail =
                        format!("{done}; {n} definitions or grants that a device sent say nothing, and are left out");
                    Check::warn("views", detail, "see the devices (`allod device list`): one is newer, or is not yours")
                }
            };
            (check, spaces)
        }
        // What does not read is a finding like others: the rest of the list helps to see where it comes from.
        Err(error @ (VaultError::Space(_) | VaultError::View(_) | VaultError::Refused(_))) => {
            let fix = "if log_chain is well, stop the node and run `allod doctor --rebuild`; else see there";
            (Check::bad("views", format!("{error} (damaged)"), fix), Vec::new())
        }
        Err(other) => return Err(other),
    };
    let spaces: Vec<Value> = spaces.iter().map(health_json).collect();
    let checks: Vec<Check> = more.into_iter().chain(checks(app).await).chain([pages, chain, views]).collect();
    Ok(json!({ "checks": checks, "spaces": spaces }))
}

/// Whether nothing of an answer is bad.
pub fn is_well(report: &Value) -> bool {
    report["checks"].as_array().is_some_and(|checks| checks.iter().all(|check| check["state"] != "bad"))
}

fn health_json(health: &Health) -> Value {
    let digest = data_encoding::HEXLOWER.encode(&health.digest);
    json!({ "id": health.space.to_string(), "position": health.position, "documents": health.documents, "digest": digest })
}
