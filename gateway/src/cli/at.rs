//! A place for backups, as commands name it.

use std::path::PathBuf;

use clap::Args;

use super::node::read_private;
use super::output::Failure;
use super::places::read_root;
use crate::places::{PlaceKey, PlaceName};

/// What opens a place at another node, as a command says it.
#[derive(Debug, Args)]
pub struct KeyFlags {
    /// A file that holds the secret of the place at another node [default: of the place that backup.to names, backup.place_secret_file]
    #[arg(long, value_name = "FILE")]
    place_secret_file: Option<PathBuf>,
    /// PEM: the root of that node, if it is an authority of its own
    #[arg(long, value_name = "FILE", requires = "place_secret_file")]
    place_root_file: Option<PathBuf>,
}

impl KeyFlags {
    /// # Errors
    /// If a file cannot be read, or is none of a secret.
    pub fn read(&self) -> Result<Option<PlaceKey>, Failure> {
        let Some(file) = &self.place_secret_file else { return Ok(None) };
        let secret = read_private(file)?;
        let key = PlaceKey {
            secret: secret.trim().to_owned(),
            root: self.place_root_file.as_deref().map(read_root).transpose()?,
        };
        key.read().map(|_| Some(key))
    }
}

/// A place, as a command names it.
#[derive(Debug, Args)]
pub struct At {
    /// A directory on another disk, which is made if it is not there, s3://BUCKET/PREFIX, or https://HOST/places/NAME
    #[arg(long, value_name = "PLACE")]
    to: PlaceName,
    #[command(flatten)]
    key: KeyFlags,
}

impl At {
    /// The whole path, as the node is told, and what opens it.
    ///
    /// # Errors
    /// As [`KeyFlags::read`].
    pub fn read(self) -> Result<(PlaceName, Option<PlaceKey>), Failure> {
        Ok((whole(self.to)?, self.key.read()?))
    }
}

/// The whole path of what a person names.
///
/// # Errors
/// If the working directory is not known.
pub fn whole(place: PlaceName) -> Result<PlaceName, Failure> {
    place.whole().map_err(|error| Failure::usage("path", &error.to_string()))
}
