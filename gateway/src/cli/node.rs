//! A node's life: init, serve, stop, doctor.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use gateway_trace::{Sending, Tracing};
use serde_json::{Value, json};
use vault::data_dir::{DataDir, Holds};
use vault::keyring::{DirectoryError, NodeKey};
use zeroize::Zeroizing;

use super::Common;
use super::config::{self, ServeFlags};
use super::output::{Exit, Failure, lines, print, progress};
use super::remote::Remote;
use crate::app;
use crate::doctor::{self, Check, State};
use crate::node_file::{Absent, NodeFile, Process, ServedBy};

#[derive(Debug, Args)]
pub struct Init {
    /// The owner's name
    #[arg(long)]
    owner: String,
    /// A file that holds the owner's password; `-` reads it from stdin
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// The owner's household or firm
    #[arg(long, default_value = "home")]
    tenant: String,
    /// Make recovery words, and write them to this new file: keep them where the machine is not
    #[arg(long, value_name = "FILE")]
    recovery_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub flags: Box<ServeFlags>,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Make every view anew from the log; the node must not run
    #[arg(long)]
    rebuild: bool,
    /// Go on without what an older log or node database has lost; what that is, `doctor` says without this
    #[arg(long, requires = "rebuild")]
    accept_loss: bool,
}

/// The password in a file (without the end of its line), or from stdin.
pub fn read_password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    use std::io::Read;
    let unreadable =
        |error: std::io::Error| Failure::usage("password_file_unreadable", &format!("{}: {error}", path.display()));
    let mut text = Zeroizing::new(String::new());
    if path == Path::new("-") {
        std::io::stdin().take(4_096).read_to_string(&mut text).map_err(unreadable)?;
    } else {
        std::fs::File::open(path).map_err(unreadable)?.take(4_096).read_to_string(&mut text).map_err(unreadable)?;
    }
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A secret that opens what lies on the disk, from a file or from stdin. One that others can read is warned of, since
/// container engines mount secrets so.
///
/// # Errors
/// If it cannot be read, is empty, or others can write it.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if path == Path::new("-") {
        return read_password(path);
    }
    let (text, warning) = gateway_config::read_secret(path)?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    Ok(text)
}

impl Init {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        let password = read_password(&self.password_file)?;
        if let Some(file) = &self.recovery_file {
            super::backup::is_fresh(file)?;
        }
        let words_wanted = self.recovery_file.is_some();
        let (value, words) = {
            let passphrase = common.passphrase(&dir)?;
            let passphrase = passphrase.as_ref().map(|text| text.as_str());
            crate::init::init(&dir, &self.owner, &self.tenant, &password, passphrase, words_wanted).await?
        };
        if let Some((file, words)) = self.recovery_file.zip(words) {
            super::backup::write_words(&file, &words)?;
        }
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

/// How long the end of a node waits for a collector of traces to take what is left.
const LAST_SPANS: Duration = Duration::from_secs(3);

impl Serve {
    pub async fn run(self, common: &Common, traces: Option<Tracing>) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        let passphrase = common.passphrase(&dir)?;
        let passphrase = passphrase.as_ref().map(|text| text.as_str());
        let (mut options, warnings) = config::options(&self.flags.load(common)?, &dir, common.json)?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let sending = traces.map(Tracing::send);
        options.traces = sending.as_ref().map(Sending::counts);
        let served = crate::server::serve(&dir, passphrase, options).await;
        if let Some(sending) = sending {
            sending.finish(LAST_SPANS).await;
        }
        served.map(|()| Exit::Done)
    }
}

/// Asks the node to end and waits until its process has let go of the directory.
pub async fn stop(common: &Common) -> Result<Exit, Failure> {
    let dir = common.dir()?;
    let of = if NodeFile::read(&dir, ServedBy::Replica) == Err(Absent::NotRunning) {
        ServedBy::Node
    } else {
        ServedBy::Replica
    };
    let running = Remote::running(&dir, of)?;
    running.post("/api/v1/stop", &json!({})).await?;
    let process = running.process();
    // Its connection is let go, or it would be waited for.
    drop(running);
    let deadline = Instant::now() + Duration::from_secs(60);
    while process.is_some_and(Process::is_running) {
        if Instant::now() > deadline {
            return Err(Failure::failed("still_running", "the node still runs after a minute"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    print(common.json, &json!({ "stopped": true }), |_| "stopped".to_owned());
    Ok(Exit::Done)
}

impl Doctor {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        if !self.rebuild && NodeFile::read(&dir, ServedBy::Node).is_ok() {
            let report = Remote::of(&dir)?.get("/api/v1/doctor").await?;
            return Ok(print_report(common, &report));
        }
        let replica = dir.holds() == Holds::Replica && !self.rebuild;
        if replica && NodeFile::read(&dir, ServedBy::Replica).is_ok() {
            let report = Remote::running(&dir, ServedBy::Replica)?.get("/api/v1/doctor").await?;
            return Ok(print_report(common, &report));
        }
        if !replica && !NodeKey::exists(&dir) {
            return Err(DirectoryError::NotANode(dir.path().to_owned()).into());
        }
        let _lock = dir.lock()?;
        let examined = if replica {
            crate::blind::examine(&dir).await
        } else {
            let passphrase = common.passphrase(&dir)?;
            self.examine(&dir, passphrase.as_ref().map(|text| text.as_str())).await
        };
        match examined {
            Ok(report) => Ok(print_report(common, &report)),
            Err(failure) if common.json => {
                let hint = failure.hint.as_deref().filter(|hint| !hint.is_empty());
                let error = json!({ "code": failure.code, "message": failure.message, "hint": hint });
                let report = json!({ "error": error, "checks": [Check::refused(&failure)], "spaces": [] });
                print(true, &report, lines);
                Ok(failure.exit)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn examine(&self, dir: &DataDir, passphrase: Option<&str>) -> Result<Value, Failure> {
        let (app, accepted) = match app::open(dir, passphrase, false).await {
            Ok(app) => (app, Vec::new()),
            Err(failure) if self.accept_loss => {
                let app = app::open(dir, passphrase, true).await?;
                let detail = format!("{} ({})", failure.message, failure.code);
                (app, vec![Check { name: "loss", state: State::Accepted, detail, fix: String::new() }])
            }
            Err(failure) => return Err(failure),
        };
        crate::backup::remember(&app).await;
        let bar = progress(if self.rebuild { "rebuilding" } else { "checking" });
        let report = doctor::report(&app, self.rebuild, accepted, |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        })
        .await;
        bar.finish_and_clear();
        app.shutdown().await;
        report.map_err(|error| Failure::failed("damaged", &error.to_string()))
    }
}

/// A line a check, and below it what to do.
fn checklist(checks: &Value) -> String {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let one = |check: &Value| {
        let fix = text(check, "fix");
        let fix = if fix.is_empty() { fix } else { format!("\n{:19}-> {fix}", "") };
        format!("{:<5} {:<13} {}{fix}", text(check, "state"), text(check, "name"), text(check, "detail"))
    };
    checks.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join("\n")
}

fn print_report(common: &Common, report: &Value) -> Exit {
    print(common.json, report, |report| format!("{}\n{}", checklist(&report["checks"]), lines(&report["spaces"])));
    if doctor::is_well(report) { Exit::Done } else { Exit::Failed }
}

/// `allod setup-link`: a new link to the set-up page of the running node.
pub async fn setup_link(common: &Common) -> Result<Exit, Failure> {
    let link = Remote::of(&common.dir()?)?.post("/api/v1/setup-link", &json!({})).await?;
    print(common.json, &link, |link| link["url"].as_str().unwrap_or_default().to_owned());
    Ok(Exit::Done)
}

/// `allod wait`: until the node or replica of the directory answers.
#[derive(Debug, Args)]
pub struct Wait {
    /// For so long at most
    #[arg(long, default_value = "20s", value_parser = super::duration::seconds)]
    timeout: u64,
}

impl Wait {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        loop {
            let answered = match Remote::running(&dir, ServedBy::Replica).or_else(|_| Remote::of(&dir)) {
                Ok(running) => running.get("/healthz").await,
                Err(failure) => Err(failure),
            };
            match answered {
                Ok(value) => {
                    print(common.json, &value, |_| "running".to_owned());
                    return Ok(Exit::Done);
                }
                Err(failure) if Instant::now() >= deadline => return Err(failure),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// `allod healthcheck`: whether a node can serve, or a replica answers.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The node's address [default: the node of the data directory]
    #[arg(long)]
    url: Option<String>,
    /// Ask again for so long [default: ask once]
    #[arg(long, value_parser = super::duration::seconds)]
    wait: Option<u64>,
    /// A node that only waits for its set-up is well too: what a container is asked
    #[arg(long)]
    before_setup: bool,
}

impl Healthcheck {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let deadline = Instant::now() + Duration::from_secs(self.wait.unwrap_or_default());
        loop {
            match self.ask(common).await {
                Ok(value) => {
                    let text = if value["ready"] == true { "ready" } else { "waits for its set-up" };
                    print(common.json, &value, |_| text.to_owned());
                    return Ok(Exit::Done);
                }
                Err(failure) if Instant::now() >= deadline => return Err(failure),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn ask(&self, common: &Common) -> Result<Value, Failure> {
        let node = match &self.url {
            Some(url) => Remote::anybody(url)?,
            None => {
                let dir = common.dir()?;
                // A replica answers, or it does not.
                if let Ok(replica) = Remote::running(&dir, ServedBy::Replica) {
                    replica.get("/healthz").await?;
                    return Ok(json!({ "ready": true }));
                }
                Remote::of(&dir)?
            }
        };
        let answer = node.send(reqwest::Method::GET, "/readyz", None).await?;
        if answer.status == 200 {
            return Ok(json!({ "ready": true }));
        }
        if self.before_setup && answer.json["set_up"] == false && answer.json["writing"] == true {
            return Ok(json!({ "ready": false, "set_up": false }));
        }
        Err(Failure::failed("not_ready", "the node answers, but cannot serve").hint("`allod doctor` says more"))
    }
}
