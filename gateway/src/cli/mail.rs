//! Letters to people: the section `mail` of the settings, and whether they arrive.

use std::path::PathBuf;

use clap::Subcommand;
use gateway_config::Settings;
use gateway_mail::{MailSettings, MailTls, Sender};
use reqwest::Method;
use serde_json::json;

use super::Common;
use super::output::{Exit, Failure, lines, print};

/// No certificate is longer, in bytes.
const MAX_ROOT: u64 = 1 << 16;

#[derive(Debug, Subcommand)]
pub enum Mail {
    /// Send a letter to an address now, and say what the server said
    Test { address: String },
}

impl Mail {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Mail::Test { address } = self;
        let body = json!({ "address": address });
        let value = common.node()?.call(Method::POST, "/api/v1/mail/test", Some(&body)).await?;
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

/// The server that takes letters; `None`: nobody named one.
///
/// # Errors
/// `config_value`, `config_incomplete`, or a file that cannot be read.
pub fn settings(settings: &Settings, warnings: &mut Vec<String>) -> Result<Option<MailSettings>, Failure> {
    let needs = |key: &str, other: &str| Failure::usage("config_incomplete", &format!("mail.{key} needs mail.{other}"));
    let user = settings.get::<String>("mail.user")?;
    let (host, secret) = (settings.get::<String>("mail.host")?, settings.secret("mail.password")?);
    let from = settings.get_by("mail.from", |text| text.parse::<Sender>().map_err(|error| error.to_string()))?;
    let Some(host) = host else {
        return match (from, user) {
            (Some(_), _) => Err(needs("from", "host")),
            (None, Some(_)) => Err(needs("user", "host")),
            (None, None) => Ok(None),
        };
    };
    let from = from.ok_or_else(|| needs("host", "from"))?;
    let tls = settings.get_by("mail.tls", |text| text.parse::<MailTls>().map_err(|error| error.to_string()))?;
    let tls = tls.unwrap_or(MailTls::StartTls);
    let login = match (user, secret) {
        (None, None) => None,
        (Some(_), None) => return Err(needs("user", "password_file")),
        (None, Some(_)) => return Err(needs("password", "user")),
        (Some(user), Some(secret)) => {
            let (password, warning) = secret.read()?;
            warnings.extend(warning);
            Some((user, password))
        }
    };
    let root = settings.get::<PathBuf>("mail.root")?.map(|path| read_root(&path)).transpose()?;
    let port = settings.get::<u16>("mail.port")?.unwrap_or_else(|| tls.port());
    let mail = MailSettings { host, port, tls, login, from, root };
    mail.look_at().map_err(|error| Failure::usage("config_value", &error.to_string()))?;
    Ok(Some(mail))
}

fn read_root(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let fail = |why: String| Failure::usage("config_value", &format!("mail.root: {}: {why}", path.display()));
    let about = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?;
    if !about.is_file() || about.len() > MAX_ROOT {
        return Err(fail("it is no file of certificates".to_owned()));
    }
    std::fs::read(path).map_err(|error| fail(error.to_string()))
}
