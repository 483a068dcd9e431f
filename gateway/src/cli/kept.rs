//! `allod backup place`: the places that this node keeps for the backups of others.

use clap::Subcommand;
use gateway_config::Flags;
use reqwest::Method;
use serde_json::{Value, json};
use vault::keyring::{DirectoryError, NodeKey};
use vault_hosted::Keeper;

use super::Common;
use super::output::Failure;
use super::remote::{Remote, segment};
use super::size::bytes;
use crate::failure::to_json;
use crate::front::places::made::{self, NewPlace};
use crate::node_file::{Absent, NodeFile, ServedBy};

#[derive(Debug, Subcommand)]
pub enum KeptPlaces {
    /// Make a place for the backups of another node: prints its address, and its secret this once
    Add {
        /// 1 to 40 small letters, digits and hyphens
        name: String,
        /// How much it may take: a number of bytes, or with MB, GB, TB behind it [default: 50GB]
        #[arg(long, value_name = "SIZE", value_parser = bytes)]
        quota: Option<u64>,
    },
    /// The places that this node keeps, and what they take
    List,
    /// Remove a place, with the backups of others in it
    Remove { name: String },
}

impl KeptPlaces {
    /// Has the node of the directory do it, or does it in its place.
    pub async fn run(self, common: &Common) -> Result<Value, Failure> {
        let dir = common.dir()?;
        if !matches!(NodeFile::read(&dir, ServedBy::Node), Err(Absent::NotRunning)) {
            let remote = Remote::of(&dir)?;
            return match self {
                KeptPlaces::Add { name, quota } => {
                    remote.post("/api/v1/places", &to_json(NewPlace { name, quota })?).await
                }
                KeptPlaces::List => remote.get("/api/v1/places").await,
                KeptPlaces::Remove { name } => {
                    let path = format!("/api/v1/places/{}", segment(&name));
                    remote.call(Method::DELETE, &path, None).await.map(|_| json!({ "removed": name }))
                }
            };
        }
        if !NodeKey::exists(&dir) {
            return Err(DirectoryError::NotANode(dir.path().to_owned()).into());
        }
        let settings = super::config::load(common, &Flags::default())?;
        // A node that does not run has the address that it will be reached under, if somebody said which.
        let url = settings.get_by("http.public_url", crate::server::public_url)?;
        let url = url.unwrap_or_else(|| "https://THIS-NODE".to_owned());
        let _lock = dir.lock()?;
        let keeper = Keeper::open(dir.places());
        match self {
            KeptPlaces::Add { name, quota } => {
                to_json(made::make(&keeper, &NewPlace { name, quota }, &url, policy::wall_clock())?)
            }
            KeptPlaces::List => to_json(made::all(&keeper, &url)?),
            KeptPlaces::Remove { name } => {
                let removed = made::drop_place(&keeper, &name)?;
                removed.delete().map_err(|error| Failure::failed("failed", &error.to_string()))?;
                Ok(json!({ "removed": name }))
            }
        }
    }
}
