//! What a person does with their own account: their password, their sessions.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::output::{Exit, Failure, lines, print};
use super::remote::segment;
use super::{Common, login};

/// Who has a second factor, and gave no code of it.
const NOT_CONFIRMED: &str = "insufficient_user_authentication";

#[derive(Debug, Subcommand)]
pub enum Password {
    /// Change one's own, as the person of --token-file; their other sessions end
    Change {
        /// A file that holds the current password; `-` reads it from stdin [default: asked for]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// A file that holds the new password [default: asked for]
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
        /// A code of the second factor, or one of recovery [default: asked for where one is needed]
        #[arg(long, value_name = "CODE")]
        totp: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Session {
    /// List one's sessions: from where and by what each was last used
    List,
    /// End one of them
    End { id: String },
    /// End all but the one of --token-file
    EndOthers,
}

impl Password {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let Password::Change { password_file, new_password_file, totp } = self;
        let node = common.node()?;
        let current = login::password(password_file.as_deref(), "Current password: ")?;
        let new = login::password(new_password_file.as_deref(), "New password: ")?;
        let mut body = json!({ "current": current.as_str(), "new": new.as_str() });
        if let Some(code) = totp {
            body["totp"] = code.into();
        }
        let value = match node.call(Method::PUT, "/api/v1/me/password", Some(&body)).await {
            // The password is right, and a code is needed as well.
            Err(failure) if failure.code == NOT_CONFIRMED && std::io::stdin().is_terminal() => {
                body["totp"] = login::code()?.into();
                node.call(Method::PUT, "/api/v1/me/password", Some(&body)).await?
            }
            Err(failure) if failure.code == NOT_CONFIRMED => {
                return Err(failure.hint("name a code of the second factor by --totp"));
            }
            value => value?,
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl Session {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Session::List => node.get("/api/v1/sessions").await?,
            Session::End { id } => {
                node.call(Method::DELETE, &format!("/api/v1/sessions/{}", segment(&id)), None).await?;
                json!({ "session": id, "ended": true })
            }
            Session::EndOthers => node.call(Method::DELETE, "/api/v1/sessions?others=true", None).await?,
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}
