//! How the node reaches buckets: `backup.s3_…`.

use gateway_config::{Secret, Settings};
use vault_s3::S3Settings;
use zeroize::Zeroizing;

use super::output::Failure;

fn read(secret: &Secret, warnings: &mut Vec<String>) -> Result<Zeroizing<String>, Failure> {
    let (text, warning) = secret.read()?;
    warnings.extend(warning);
    Ok(text)
}

/// How buckets are reached; `None`: nobody said.
///
/// # Errors
/// `config_value`, `config_incomplete`, or a secret that cannot be read.
pub fn settings(settings: &Settings, warnings: &mut Vec<String>) -> Result<Option<S3Settings>, Failure> {
    let clear = settings.switch("backup.s3_allow_http")?;
    let endpoint = settings.get_by("backup.s3_endpoint", |text| {
        S3Settings::parse_endpoint(text, clear).map_err(|error| match error {
            vault_s3::SettingsError::Clear => format!("{error}: backup.s3_allow_http"),
            other => other.to_string(),
        })
    })?;
    let needs =
        |key: &str, other: &str| Failure::usage("config_incomplete", &format!("backup.{key} needs backup.{other}"));
    let key = settings.get::<String>("backup.s3_access_key_id")?;
    let (access_key_id, secret) = match (key, settings.secret("backup.s3_secret_access_key")?) {
        (None, None) if endpoint.is_none() => return Ok(None),
        (None, None) => return Err(needs("s3_endpoint", "s3_access_key_id")),
        (Some(_), None) => return Err(needs("s3_access_key_id", "s3_secret_access_key_file")),
        (None, Some(_)) => return Err(needs("s3_secret_access_key", "s3_access_key_id")),
        (Some(key), Some(secret)) => (key, secret),
    };
    let session_token = match settings.secret("backup.s3_session_token")? {
        Some(token) => Some(read(&token, warnings)?),
        None => None,
    };
    Ok(Some(S3Settings {
        endpoint,
        region: settings.get::<String>("backup.s3_region")?.unwrap_or_else(|| S3Settings::REGION.to_owned()),
        access_key_id,
        secret_access_key: read(&secret, warnings)?,
        session_token,
        virtual_hosted: settings.switch("backup.s3_virtual_hosted")?,
    }))
}
