//! `allod login`: the command line for people who are no operators. What a node gives them lies in a file that is theirs
//! alone; passwords are asked for, or read from a file, and never stand in a list of processes.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Host, Url};
use vault::data_dir::{is_exposed, write_private};
use zeroize::Zeroizing;

use super::output::{Exit, Failure, lines, print};
use super::remote::Remote;
use super::{Common, node};

/// The longest token file, in bytes.
const MAX_TOKEN_FILE_BYTES: u64 = 8_192;

/// A session at a node, as it lies in a file (0600).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    url: String,
    user: String,
    access_token: String,
    /// RFC 3339.
    expires: String,
}

impl TokenFile {
    /// # Errors
    /// If it cannot be read, if others can read it, or if it is somebody else's: whoever wrote it chose the node that
    /// would be told what is meant for another.
    pub fn read(path: &Path) -> Result<TokenFile, Failure> {
        let fail = |code: &str, why: &str| Failure::usage(code, &format!("{}: {why}", path.display()));
        let unreadable = |error: std::io::Error| fail("token_file_unreadable", &error.to_string());
        let file = File::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(fail("token_file_foreign", "it is another user's file").hint("sign in yourself: `allod login`"));
        }
        if is_exposed(&file).map_err(unreadable)? {
            return Err(fail("token_file_exposed", "others can read it; run `chmod 600` on it"));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        serde_json::from_str(&text).map_err(|_| fail("token_file_damaged", "it is no file of `allod login`"))
    }

    /// The node, as the person of the file.
    pub fn node(&self) -> Result<Remote, Failure> {
        Remote::bearing(&address(&self.url)?, Zeroizing::new(self.access_token.clone()))
    }
}

/// The address of a node to which a password or a token may be sent.
fn address(text: &str) -> Result<String, Failure> {
    let bad = |why: &str| Failure::usage("bad_url", &format!("`{text}` is no address of a node: {why}"));
    let address = crate::server::public_url(text).map_err(|why| bad(&why))?;
    let url = Url::parse(&address).map_err(|error| bad(&error.to_string()))?;
    let here = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    };
    if url.scheme() == "http" && !here {
        let text = "over http:// anybody on the way would read what is sent to a node on another machine";
        return Err(Failure::usage("login_in_clear", text).hint("use its https:// address"));
    }
    Ok(address)
}

/// A password from a file, or asked for where a person can answer.
pub fn password(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(file) => node::read_password(file),
        None if std::io::stdin().is_terminal() => rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| Failure::usage("password_unreadable", &error.to_string())),
        None => Err(Failure::usage("password_missing", "there is nobody to ask: name a file with --password-file")),
    }
}

/// A code of the second factor, asked for.
pub fn code() -> Result<String, Failure> {
    let code = rpassword::prompt_password("Code of the second factor: ");
    code.map(|code| code.trim().to_owned()).map_err(|error| Failure::usage("code_unreadable", &error.to_string()))
}

fn wanted(common: &Common) -> Result<&PathBuf, Failure> {
    let missing = || Failure::usage("token_file_missing", "say by --token-file in which file the session lies");
    common.token_file.as_ref().ok_or_else(missing)
}

#[derive(Debug, Args)]
pub struct Login {
    /// The node's address
    url: String,
    /// The name to sign in with
    #[arg(long)]
    user: String,
    /// A file that holds the password; `-` reads it from stdin [default: asked for]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A code of the second factor, or one of recovery [default: asked for where one is needed]
    #[arg(long, value_name = "CODE")]
    totp: Option<String>,
}

impl Login {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let path = wanted(common)?;
        let url = address(&self.url)?;
        let password = password(self.password_file.as_deref(), "Password: ")?;
        let mut body = json!({ "user": self.user, "password": password.as_str() });
        if let Some(code) = &self.totp {
            body["totp"] = code.as_str().into();
        }
        let node = Remote::anybody(&url)?;
        let given = match node.post("/api/v1/session", &body).await {
            Err(failure) if failure.code == "totp_needed" && std::io::stdin().is_terminal() => {
                body["totp"] = code()?.into();
                node.post("/api/v1/session", &body).await?
            }
            given => given?,
        };
        let text = |name: &str| given[name].as_str().map(str::to_owned);
        let (Some(token), Some(expires)) = (text("access_token"), text("expires")) else {
            return Err(Failure::failed("not_a_node", "what answers there is no node of ours"));
        };
        let file = TokenFile { url, user: self.user, access_token: token, expires };
        let text = Zeroizing::new(serde_json::to_vec(&file).unwrap_or_default());
        write_private(path, &text)
            .map_err(|error| Failure::failed("token_file_unwritable", &format!("{}: {error}", path.display())))?;
        let shown = json!({ "url": file.url, "user": file.user, "expires": file.expires, "token_file": path });
        print(common.json, &shown, lines);
        Ok(Exit::Done)
    }
}

#[derive(Debug, Args)]
pub struct Logout {
    /// End every session of the person, and not this one alone
    #[arg(long)]
    everywhere: bool,
}

impl Logout {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let path = wanted(common)?;
        let route = if self.everywhere { "/api/v1/sessions" } else { "/api/v1/session" };
        let answer = TokenFile::read(path)?.node()?.send(Method::DELETE, route, None).await?;
        // A session that has ended already is as ended as it can be.
        if answer.status != 401 {
            answer.ok()?;
        }
        std::fs::remove_file(path)
            .map_err(|error| Failure::failed("token_file_kept", &format!("{}: {error}", path.display())))?;
        print(common.json, &json!({ "signed_out": true }), |_| "signed out".to_owned());
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_in_clear_to_this_machine_alone() {
        for good in ["http://127.0.0.1:8420", "http://[::1]:1", "http://allod.localhost:8420", "https://cloud.example"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in
            ["http://cloud.example", "http://192.168.1.5", "http://localhost.example", "http://127.0.0.1.example"]
        {
            assert_eq!(address(bad).unwrap_err().code, "login_in_clear", "{bad}");
        }
        for bad in ["cloud.example", "ftp://cloud.example", "https://a:b@cloud.example", "https://cloud.example/x", ""]
        {
            assert_eq!(address(bad).unwrap_err().code, "bad_url", "{bad}");
        }
    }
}
