//! Devices of an account, and waiting for sync.

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use super::Common;
use super::duration::seconds;
use super::node::read_password;
use super::output::{Exit, Failure, lines, print};

#[derive(Debug, Subcommand)]
pub enum Device {
    /// Print a one-time code that lets a new device join
    Invite,
    /// Make the data directory a new device of the account that gave the code
    Join {
        /// The code; `-` reads it from stdin, so that no list of processes shows it
        code: String,
    },
    /// List the devices of the account
    List,
}

#[derive(Debug, Subcommand)]
pub enum Sync {
    /// Wait until every device and replica of the account has on disk all that this node holds
    Wait {
        #[arg(long)]
        space: Option<String>,
        #[arg(long, default_value = "30s", value_parser = seconds)]
        timeout: u64,
        /// A device or replica that is not waited for, by its peer id
        #[arg(long, value_name = "PEER")]
        except: Vec<String>,
        /// You know of the devices that signed two histories: those are not told any more
        #[arg(long)]
        forks_seen: bool,
    },
}

impl Device {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        match self {
            Device::Invite => {
                let value = common.node()?.post("/api/v1/devices/invite", &json!({})).await?;
                print(common.json, &value, |value| {
                    let code = value["code"].as_str().unwrap_or_default();
                    let picture = qrcode::QrCode::new(code.as_bytes())
                        .map(|qr| qr.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build());
                    format!(
                        "{}\n{code}\n\nOn the new device: allod device join CODE --data DIR\nThe code works once, until {}.",
                        picture.unwrap_or_default(),
                        value["expires"].as_str().unwrap_or_default()
                    )
                });
            }
            Device::Join { code } => {
                let code = if code == "-" { read_password(Path::new("-"))?.to_string() } else { code };
                let value = {
                    let passphrase = common.passphrase(&dir)?;
                    crate::pairing::join(&dir, &code, passphrase.as_ref().map(|text| text.as_str())).await?
                };
                print(common.json, &json!(value), lines);
            }
            Device::List => print(common.json, &common.node()?.get("/api/v1/devices").await?, lines),
        }
        Ok(Exit::Done)
    }
}

impl Sync {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Sync::Wait { space, timeout, except, forks_seen } = self;
        let node = common.node()?;
        let body = json!({ "space": space, "timeout_s": timeout, "except": except, "forks_seen": forks_seen });
        let value = tokio::time::timeout(Duration::from_secs(timeout + 30), node.post("/api/v1/sync/wait", &body))
            .await
            .map_err(|_| Failure::failed("timeout", "the node did not answer"))??;
        let done = value["done"] == true;
        let mut shown = json!({ "peers": value["peers"] });
        if value["clock"].is_object() {
            shown["clock"] = value["clock"].clone();
        }
        if value["forked"].is_array() {
            shown["forked"] = value["forked"].clone();
        }
        print(common.json, &shown, |value| {
            let clock = value["clock"]["detail"].as_str().map(str::to_owned);
            let forked = value["forked"].as_array().map(|_| {
                format!(
                    "forked: a device signed two histories, and peers keep different ones\n{}",
                    lines(&value["forked"])
                )
            });
            let all = [Some(lines(&value["peers"])), clock, forked];
            all.into_iter().flatten().collect::<Vec<_>>().join("\n")
        });
        Ok(if done { Exit::Done } else { Exit::Failed })
    }
}
