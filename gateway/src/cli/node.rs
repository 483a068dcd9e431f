//! A node's life: init, serve, stop, doctor.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use vault::keyring::{DirectoryLock, NodeKey};
use zeroize::Zeroizing;

use super::Common;
use super::output::{Exit, Failure, lines, print, progress};
use super::remote::Remote;
use crate::app;
use crate::engine::SpiceDbArgs;
use crate::server::{Options, PolicyApi};

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
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen for HTTP; port 0 picks one
    #[arg(long, default_value = "127.0.0.1:8420")]
    listen: String,
    /// Where to listen for devices and replicas [default: the port of last time on loopback]
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// Addresses that people's replicas may have beside public ones; the operator may name any
    #[arg(long, value_name = "CIDR", env = "ALLOD_P2P_DIAL_ALLOW", value_delimiter = ',')]
    dial_allow: Vec<sync::IpNet>,
    #[command(flatten)]
    spicedb: SpiceDbArgs,
    /// Serve SpiceDB's API (authzed.api.v1 over gRPC) of this node here; for reading, unless --policy-write
    #[arg(long, value_name = "ADDRESS", requires = "policy_key_file")]
    policy_listen: Option<String>,
    /// A file that holds the key that clients of --policy-listen must bear
    #[arg(long, value_name = "FILE")]
    policy_key_file: Option<PathBuf>,
    /// Let clients of --policy-listen write too: audited, and never what the node keeps itself
    #[arg(long, requires = "policy_listen")]
    policy_write: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Make every view anew from the log
    #[arg(long)]
    rebuild: bool,
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

impl Init {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        let password = read_password(&self.password_file)?;
        let value = {
            let passphrase = common.passphrase(&dir)?;
            let passphrase = passphrase.as_ref().map(|text| text.as_str());
            app::init(&dir, &self.owner, &self.tenant, &password, passphrase).await?
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl Serve {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        let passphrase = common.passphrase(&dir)?;
        let passphrase = passphrase.as_ref().map(|text| text.as_str());
        let policy = match (&self.policy_listen, &self.policy_key_file) {
            (Some(listen), Some(file)) => {
                Some(PolicyApi { listen: listen.clone(), key: read_password(file)?, writes: self.policy_write })
            }
            _ => None,
        };
        let options = Options {
            listen: self.listen,
            p2p_listen: self.p2p_listen,
            dial_allow: self.dial_allow,
            json: common.json,
            spicedb: self.spicedb.config()?,
            policy,
        };
        crate::server::serve(&dir, passphrase, options).await?;
        Ok(Exit::Done)
    }
}

/// Asks the node to end and waits until its process has let go of the directory.
pub async fn stop(common: &Common) -> Result<Exit, Failure> {
    let dir = common.dir()?;
    let node = Remote::of(&dir)?;
    let pid = node.pid;
    node.post("/api/v1/stop", &json!({})).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while Path::new(&format!("/proc/{pid}")).exists() && !is_zombie(pid) {
        if Instant::now() > deadline {
            return Err(Failure::failed("still_running", "the node still runs after a minute"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    print(common.json, &json!({ "stopped": true }), |_| "stopped".to_owned());
    Ok(Exit::Done)
}

/// The process has ended, but its parent has not asked for its result yet.
fn is_zombie(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

impl Doctor {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        if !NodeKey::exists(&dir) {
            return Err(vault::keyring::DirectoryError::NotANode(dir).into());
        }
        let _lock = DirectoryLock::take(&dir)?;
        let passphrase = common.passphrase(&dir)?;
        let app = app::open(&dir, passphrase.as_ref().map(|text| text.as_str())).await?;
        let bar = progress(if self.rebuild { "rebuilding" } else { "checking" });
        let healths = app
            .vault
            .doctor(self.rebuild, |done, all| {
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            })
            .await
            .map_err(|error| Failure::failed("damaged", &error.to_string()))?;
        bar.finish_and_clear();
        app.shutdown().await;
        let spaces: Vec<_> = healths
            .iter()
            .map(|health| {
                let digest = data_encoding::HEXLOWER.encode(&health.digest);
                json!({ "id": health.space.to_string(), "position": health.position,
                    "documents": health.documents, "digest": digest })
            })
            .collect();
        print(common.json, &json!({ "spaces": spaces }), |value| lines(&value["spaces"]));
        Ok(Exit::Done)
    }
}
