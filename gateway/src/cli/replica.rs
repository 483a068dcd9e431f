//! Blind replicas: one's own, and those that hold one's data.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;
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

impl Replica {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let dir = common.dir()?;
        match self {
            Replica::Init => {
                let value = crate::blind::init(&dir).await?;
                print(common.json, &value, lines);
            }
            Replica::Serve { listen, init } => {
                if init && dir.holds() == Holds::Nothing {
                    crate::blind::init(&dir).await?;
                }
                crate::blind::serve(&dir, &listen, common.json).await?;
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
