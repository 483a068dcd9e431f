//! Blind replicas: one's own, and those that hold one's data.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;
use sync::{Announced, AnnouncedError};
use vault::data_dir::Holds;

use super::Common;
use super::output::{Exit, Failure, lines, print};
use super::remote::segment;

#[derive(Debug, Subcommand)]
pub enum Replica {
    /// Make the data directory a blind replica
    Init,
    /// Run the blind replica of the data directory
    Serve {
        #[arg(long, default_value = "/ip4/127.0.0.1/tcp/0")]
        listen: String,
        /// Where nodes reach it, if not where it listens: behind a published port, as /ip4/203.0.113.7/tcp/4002
        #[arg(
            long,
            value_name = "MULTIADDR",
            env = "ALLOD_P2P_ANNOUNCE",
            default_value = "",
            hide_default_value = true
        )]
        announce: String,
        /// Make the directory a blind replica first, if there is nothing in it
        #[arg(long)]
        init: bool,
    },
    /// Let a replica hold this account's spaces
    Add {
        /// Its address, which ends in /p2p/PEER
        addr: String,
        /// One space [default: all, future ones too]
        #[arg(long)]
        space: Option<String>,
        /// Keep the address also if no replica answers there yet
        #[arg(long)]
        unseen: bool,
    },
    /// Give a replica nothing more and forget it; what it holds it keeps
    Remove {
        /// Its peer id, as `replica list` shows it
        replica: String,
    },
    /// The replicas that hold this account's spaces, and how far they are behind
    List,
    /// Let an account store on the replica of the data directory
    Allow { account: String },
}

/// Where nodes reach a replica; a variable that is empty says nothing.
fn announced(text: &str) -> Result<Option<Announced>, Failure> {
    let wrong =
        |error: AnnouncedError| Failure::usage("config_value", &format!("--announce (ALLOD_P2P_ANNOUNCE): {error}"));
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(wrong) }
}

impl Replica {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        match self {
            Replica::Init => {
                let value = crate::blind::init(&dir).await?;
                print(common.json, &value, lines);
            }
            Replica::Serve { listen, announce, init } => {
                let announce = announced(&announce)?;
                if init && dir.holds() == Holds::Nothing {
                    crate::blind::init(&dir).await?;
                }
                crate::blind::serve(&dir, &listen, announce.as_ref(), common.json).await?;
            }
            Replica::Remove { replica } => {
                let path = format!("/api/v1/replicas/{}", segment(&replica));
                print(common.json, &common.node()?.call(Method::DELETE, &path, None).await?, lines);
            }
            Replica::Add { addr, space, unseen } => {
                let body = json!({ "addr": addr, "space": space, "unseen": unseen });
                print(common.json, &common.node()?.post("/api/v1/replicas", &body).await?, lines);
            }
            Replica::List => print(common.json, &common.node()?.get("/api/v1/replicas").await?, lines),
            Replica::Allow { account } => {
                let value = crate::blind::allow(&dir, &account).await?;
                print(common.json, &value, lines);
            }
        }
        Ok(Exit::Done)
    }
}
