//! How the node reaches the places of its backups, as its settings say: `backup.…`.

use std::path::{Path, PathBuf};

use gateway_config::Settings;

use super::output::Failure;
use super::s3;
use crate::places::{HostedKey, HostedPlace, PlaceAccess, PlaceName};

/// The longest bundle of certificates that is read.
const MAX_ROOT_BYTES: u64 = 256 << 10;

/// What settings say.
///
/// # Errors
/// `config_value`, `config_incomplete`, or a secret that cannot be read.
pub fn access(settings: &Settings, warnings: &mut Vec<String>) -> Result<PlaceAccess, Failure> {
    let hosted = hosted(settings, warnings)?;
    let reach = sync::Reach::new(settings.list("http.outbound_allow")?);
    Ok(PlaceAccess { s3: s3::settings(settings, warnings)?, hosted, reach })
}

/// The place at another node that `backup.to` names, with what opens it.
fn hosted(settings: &Settings, warnings: &mut Vec<String>) -> Result<Option<HostedPlace>, Failure> {
    let root = settings.get::<PathBuf>("backup.place_root")?;
    let Some(secret) = settings.secret("backup.place_secret")? else {
        let text = "backup.place_root needs backup.place_secret_file";
        return if root.is_some() { Err(Failure::usage("config_incomplete", text)) } else { Ok(None) };
    };
    let root = root.as_deref().map(read_root).transpose()?;
    let (text, warning) = secret.read()?;
    warnings.extend(warning);
    let key = HostedKey::read(&text, root.as_deref().map(str::as_bytes))?;
    let Some(PlaceName::Hosted(at)) = settings.get("backup.to")? else {
        warnings.push("backup.place_secret_file is not used: backup.to is no place at another node".to_owned());
        return Ok(None);
    };
    Ok(Some(HostedPlace { at, key }))
}

/// The certificates of a file.
///
/// # Errors
/// If it is none, or cannot be read.
pub fn read_root(path: &Path) -> Result<String, Failure> {
    let failed =
        |why: String| Failure::usage("backup_place_secret_wrong", &format!("{} is not read: {why}", path.display()));
    let found = path.metadata().map_err(|error| failed(error.to_string()))?;
    if !found.is_file() || found.len() > MAX_ROOT_BYTES {
        return Err(failed("it is no file of certificates".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}
