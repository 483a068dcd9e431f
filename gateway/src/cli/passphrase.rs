//! `allod passphrase`: what the node key is sealed under.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use vault::keyring::{DirectoryError, NodeKey};

use super::output::{Exit, Failure, print};
use super::{Common, node};

#[derive(Debug, Subcommand)]
pub enum Passphrase {
    /// Seal the node key under another passphrase (or a first one); the node must not run
    Change {
        /// A file that holds the new passphrase; `-` reads it from stdin. The present one is in --passphrase-file
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: PathBuf,
    },
}

impl Passphrase {
    pub fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Passphrase::Change { new_passphrase_file } = self;
        let dir = common.dir()?;
        if !NodeKey::exists(&dir) {
            return Err(DirectoryError::NotANode(dir.path().to_owned()).into());
        }
        let _lock = dir.lock()?;
        let present = common.passphrase(&dir)?;
        let new = node::read_private(&new_passphrase_file)?;
        if new.is_empty() {
            return Err(Failure::usage("passphrase_empty", "the new passphrase is empty; nothing was changed"));
        }
        NodeKey::change_passphrase(&dir, present.as_ref().map(|text| text.as_str()), &new)?;
        print(common.json, &json!({ "changed": true }), |_| "changed".to_owned());
        Ok(Exit::Done)
    }
}
