//! What people call the places that backups go to, and how each is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sync::Reach;
use url::Url;
use utoipa::ToSchema;
use vault_backup::{Directory, PlaceError, Store};
use vault_hosted::{HostedAddress, HostedSettings, HostedStore, Judge, PlaceSecret};
use vault_s3::{S3Address, S3Settings, S3Store};

use crate::failure::{Exit, Failure};
use crate::outbound;

/// A directory by its whole path, `s3://BUCKET/PREFIX`, or the place at another node, `https://HOST/places/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PlaceName {
    Directory(PathBuf),
    S3(S3Address),
    Hosted(HostedAddress),
}

/// How places are reached that are no directories.
#[derive(Clone, Default)]
pub struct PlaceAccess {
    /// How buckets are, if that was said.
    pub s3: Option<S3Settings>,
    /// What opens one place at another node, if that was said.
    pub hosted: Option<HostedPlace>,
    /// What may be called beside public addresses.
    pub reach: Reach,
}

/// A place, and what opens it if that is not what the node was told.
pub struct Target {
    pub to: PlaceName,
    pub key: Option<HostedKey>,
}

/// What opens a place at another node, as a request says it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceKey {
    /// What the other node printed when the place was made.
    #[schema(format = Password, examples("allod_place_s3cr3t"))]
    pub secret: String,
    /// The authority of the other node in PEM, if it is one of its own.
    #[serde(default)]
    #[schema(required = false)]
    pub root: Option<String>,
}

impl fmt::Debug for PlaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaceKey(…)")
    }
}

impl PlaceKey {
    /// # Errors
    /// `backup_place_secret_wrong` if it is none.
    pub fn read(&self) -> Result<HostedKey, Failure> {
        HostedKey::read(&self.secret, self.root.as_deref().map(str::as_bytes))
    }
}

impl HostedKey {
    /// # Errors
    /// `backup_place_secret_wrong` if one of them is none.
    pub fn read(secret: &str, root: Option<&[u8]>) -> Result<HostedKey, Failure> {
        let wrong = |text: &str| Failure::usage("backup_place_secret_wrong", text);
        let secret = secret.trim().parse().map_err(wrong)?;
        if root.is_some_and(|root| !vault_hosted::is_root(root)) {
            return Err(wrong("the root of the other node is no certificate in PEM"));
        }
        Ok(HostedKey { secret, root: root.map(<[u8]>::to_vec) })
    }
}

/// What opens a place at another node.
#[derive(Clone)]
pub struct HostedKey {
    pub secret: PlaceSecret,
    /// PEM: the authority of the other node, if it is one of its own.
    pub root: Option<Vec<u8>>,
}

/// A place at another node with what opens it, which is sent to no other: whoever has it is that place.
#[derive(Clone)]
pub struct HostedPlace {
    pub at: HostedAddress,
    pub key: HostedKey,
}

impl PlaceAccess {
    /// The same, where a request itself brings what opens the place that it names.
    #[must_use]
    pub fn with(self, to: &PlaceName, key: Option<HostedKey>) -> Self {
        match (to, key) {
            (PlaceName::Hosted(at), Some(key)) => {
                PlaceAccess { hosted: Some(HostedPlace { at: at.clone(), key }), ..self }
            }
            _ => self,
        }
    }

    /// The rules of whatever the node calls because somebody named an address.
    fn judge(&self) -> Judge {
        let reach = self.reach.clone();
        Arc::new(move |url: &Url, ip| outbound::may(&reach, url, ip))
    }
}

impl FromStr for PlaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if S3Address::is_meant(text) {
            return text.parse().map(PlaceName::S3).map_err(|error: vault_s3::AddressError| error.to_string());
        }
        if HostedAddress::is_meant(text) {
            return text.parse().map(PlaceName::Hosted).map_err(|error: vault_hosted::AddressError| error.to_string());
        }
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(PlaceName::Directory(text.into())) }
    }
}

impl TryFrom<String> for PlaceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PlaceName> for String {
    fn from(name: PlaceName) -> String {
        name.to_string()
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceName::Directory(path) => write!(f, "{}", path.display()),
            PlaceName::S3(address) => address.fmt(f),
            PlaceName::Hosted(address) => address.fmt(f),
        }
    }
}

impl PlaceName {
    /// The same, a directory by its whole path.
    ///
    /// # Errors
    /// If the working directory is not known.
    pub fn whole(self) -> std::io::Result<Self> {
        match self {
            PlaceName::Directory(path) => Ok(PlaceName::Directory(std::path::absolute(path)?)),
            elsewhere => Ok(elsewhere),
        }
    }

    /// What keeps its files.
    ///
    /// # Errors
    /// `backup_s3_unset`, `backup_place_secret_unset` if nobody said how; a place that cannot be named so.
    pub fn store(&self, access: &PlaceAccess) -> Result<Arc<dyn Store>, Failure> {
        match self {
            PlaceName::Directory(path) => Ok(Arc::new(Directory::new(path))),
            PlaceName::S3(address) => {
                let settings = access.s3.as_ref().ok_or_else(|| {
                    let text = "nobody said with which key buckets are opened";
                    Failure::usage("backup_s3_unset", text)
                        .hint("set backup.s3_access_key_id and backup.s3_secret_access_key_file")
                })?;
                let store = S3Store::new(address, settings).map_err(place_failed)?;
                Ok(Arc::new(store))
            }
            PlaceName::Hosted(address) => {
                let known = access.hosted.as_ref().filter(|known| known.at == *address);
                let HostedKey { secret, root } = known.map(|known| known.key.clone()).ok_or_else(|| {
                    let text = "nobody has said by which secret this place at another node is opened";
                    Failure::usage("backup_place_secret_unset", text)
                        .hint("say --place-secret-file; backup.place_secret_file is for the place that backup.to names")
                })?;
                let settings = HostedSettings { secret, root, judge: access.judge() };
                Ok(Arc::new(HostedStore::new(address, &settings).map_err(place_failed)?))
            }
        }
    }

    /// Refuses a place for backups of `home` that is not named whole, or that is lost with it.
    ///
    /// # Errors
    /// `backup_place_relative`, `backup_place_inside`.
    pub fn is_apart_from(&self, home: &Path) -> Result<(), Failure> {
        let PlaceName::Directory(to) = self else { return Ok(()) };
        if !to.is_absolute() {
            return Err(Failure::usage("backup_place_relative", "the place for backups is named by its whole path"));
        }
        let there = to.ancestors().find_map(|part| part.canonicalize().ok()).unwrap_or_else(|| to.clone());
        let home = home.canonicalize().map_err(|error| Failure::failed("failed", &error.to_string()))?;
        if there.starts_with(&home) || home.starts_with(to.canonicalize().unwrap_or_else(|_| to.clone())) {
            let text = "the place for backups lies within the data directory, or around it: one disk would lose both";
            return Err(Failure::usage("backup_place_inside", text).hint("choose a directory on another disk"));
        }
        Ok(())
    }
}

/// What a person hears of a place that cannot be used.
pub fn place_failed(error: PlaceError) -> Failure {
    let failure = Failure::coded(Exit::Failed, &error.to_string());
    match error {
        PlaceError::Full { .. } => {
            failure.hint("prune old backups, or ask whoever keeps the place for more room; nothing was taken away")
        }
        PlaceError::Unreachable { .. } => failure.hint("look at the address and the network, and try again"),
        PlaceError::Refused { .. } => failure.hint("look at the keys or the secret, and at what they may do"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_a_bucket_or_at_another_node_and_reads_back() {
        for text in ["/mnt/backups", "s3://backups/home", "https://box.example.org/places/anna"] {
            let name: PlaceName = serde_json::from_value(text.into()).unwrap();
            assert_eq!((name.to_string(), serde_json::to_value(&name).unwrap()), (text.to_owned(), text.into()));
        }
        for text in [
            "",
            "s3://",
            "S3://backups",
            "s3://key:secret@backups/x",
            "https://box.example.org",
            "https://x@y/places/z",
        ] {
            assert!(text.parse::<PlaceName>().is_err(), "{text}");
        }
        let bucket: PlaceName = "s3://backups".parse().unwrap();
        assert_eq!(bucket.store(&PlaceAccess::default()).unwrap_err().code, "backup_s3_unset");
        assert!(bucket.is_apart_from(Path::new("/")).is_ok());
        let hosted: PlaceName = "https://127.0.0.1/places/anna".parse().unwrap();
        assert_eq!(hosted.store(&PlaceAccess::default()).unwrap_err().code, "backup_place_secret_unset");
        let secret = PlaceSecret::draw().unwrap();
        let access = PlaceAccess::default().with(&hosted, Some(HostedKey { secret, root: None }));
        // What opens one place is sent to no other, however alike it is.
        for other in [
            "https://127.0.0.2/places/anna",
            "https://127.0.0.1:8443/places/anna",
            "http://127.0.0.1/places/anna",
            "https://127.0.0.1/places/ann",
        ] {
            let other: PlaceName = other.parse().unwrap();
            assert_eq!(other.store(&access).unwrap_err().code, "backup_place_secret_unset", "{other}");
        }
        let refused = hosted.store(&access).unwrap_err();
        assert_eq!(refused.code, "backup_place_refused", "nothing within is called unless it is allowed");
        assert!(refused.message.contains("outbound_allow"), "{}", refused.message);
    }
}
