//! Tenants, users, apps, grants, and questions to policy.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::duration::seconds;
use super::output::{Exit, Failure, lines, print};
use super::remote::segment;
use super::{Common, login, node};
use crate::grants::unreadable;

#[derive(Debug, Subcommand)]
pub enum Tenant {
    /// Add a tenant
    Add { name: String },
    /// List tenants
    List,
    /// Suspend a tenant with all of its people: their sessions end, and their apps and links are refused; what they have stays
    Suspend { name: String },
    /// End the suspension of a tenant
    Resume { name: String },
    /// Remove a tenant and all of its people for good, as `user remove` does with one
    Remove { name: String },
}

#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a person
    Add {
        name: String,
        /// The tenant [default: the owner's]
        #[arg(long)]
        tenant: Option<String>,
        /// A file that holds the password; `-` reads it from stdin
        #[arg(long, value_name = "FILE")]
        password_file: PathBuf,
    },
    /// List people
    List,
    /// Give a person another password; all their sessions end
    Password {
        name: String,
        /// A file that holds the new password; `-` reads it from stdin [default: asked for]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Make a link by which a person sets their own password, once and within a day; who is not there yet is added
    Invite {
        name: String,
        /// The tenant of somebody new [default: the owner's]
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Make a person an operator, who administers the node in the browser; nobody's documents show to them for it
    Operator {
        name: String,
        /// Take it away again; the last operator stays
        #[arg(long)]
        remove: bool,
    },
    /// Suspend a person: their sessions end, and their apps and links are refused; what they have stays
    Suspend {
        name: String,
        /// End it again
        #[arg(long)]
        end: bool,
    },
    /// Remove a person for good: the keys of their spaces are destroyed, and nobody brings back what lies there
    ///
    /// Nothing that was issued in their name counts any more, and what they shared is gone for others too. What others own
    /// stays, with what the person wrote there. Copies that were made before are not reached: backups, their own devices,
    /// replicas. Their name is free, and whoever gets it has nothing of theirs.
    Remove { name: String },
    /// Take a person's second factor away, who lost what makes the codes and the codes of recovery
    RemoveTotp { name: String },
    /// Remove all passkeys of a person, into whose account somebody else may have come; their sessions end
    Passkeys {
        name: String,
        /// Remove them
        #[arg(long, required = true)]
        remove: bool,
    },
    /// Make an access token for a person
    Token {
        name: String,
        /// How long it lasts: 30s, 10m, 1h, 7d
        #[arg(long, default_value = "1h", value_parser = seconds)]
        ttl: u64,
    },
}

#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Register an app by its manifest
    ///
    /// A file of JSON: `name`, `redirect_uris`, what the app asks for (`access`; left out: it only signs people in), and where it
    /// applies `confidential` (it keeps a secret), `devices` (RFC 8628), `require_pushed_authorization_requests` (RFC 9126),
    /// `dpop_bound_access_tokens` (it gets tokens by the proof of a key alone, RFC 9449), `client_uri`, `logo_uri`,
    /// `post_logout_redirect_uris` and `backchannel_logout_uri`.
    #[command(verbatim_doc_comment)]
    Add { manifest: PathBuf },
    /// List apps
    List,
    /// Remove an app; everything that it was granted is revoked first
    Remove { client_id: String },
    /// Make a token by which apps register themselves at /oauth/register, where `oauth.registration` is `token`
    RegistrationToken {
        /// How many apps may come by it
        #[arg(long, default_value_t = 1)]
        count: u32,
        /// How long it is good: 10m, 1h, 7d; at most 90d
        #[arg(long = "for", value_name = "DURATION", default_value = "1d", value_parser = seconds)]
        ttl: u64,
        /// List those that are good, in place of making one
        #[arg(long, conflicts_with_all = ["count", "ttl", "end"])]
        list: bool,
        /// End the one of this id; the apps that came by it stay
        #[arg(long, value_name = "ID", conflicts_with_all = ["count", "ttl"])]
        end: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Grant {
    /// Grant an app what a file says, without the consent page
    Add {
        #[arg(long)]
        user: String,
        #[arg(long, value_name = "CLIENT_ID")]
        app: String,
        file: PathBuf,
    },
    /// List grants
    List,
    /// Show one grant
    Show { id: String },
    /// Hold a grant to what a file says, within what it is; the app keeps its tokens, and the grant gets another id
    Shrink { id: String, file: PathBuf },
    /// Let a grant end at another time
    Extend {
        id: String,
        /// An RFC 3339 instant, or `never`: until it is revoked
        until: String,
    },
    /// Revoke a grant; the app's next request fails
    Revoke { id: String },
}

#[derive(Debug, Args)]
pub struct Check {
    #[arg(long)]
    user: String,
    #[arg(long, value_name = "CLIENT_ID")]
    app: Option<String>,
    /// The space [default: the user's personal one]
    #[arg(long, value_name = "ID")]
    space: Option<String>,
    /// Say why
    #[arg(long)]
    explain: bool,
    /// create, read, update, delete, search or history
    verb: String,
    /// COLLECTION or COLLECTION.FIELD
    what: String,
    /// A document id
    doc: Option<String>,
}

/// A JSON file, at most 1 MiB, in which no object has a key twice.
pub fn json_file(path: &std::path::Path) -> Result<Value, Failure> {
    use std::io::Read;
    const MAX_JSON_BYTES: u64 = 1 << 20;
    let fail = |error: String| Failure::usage("file_unreadable", &format!("{}: {error}", path.display()));
    let mut text = String::new();
    // A device or pipe has no length that could be asked for first.
    let file = std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
    file.take(MAX_JSON_BYTES + 1).read_to_string(&mut text).map_err(|error| fail(error.to_string()))?;
    if text.len() as u64 > MAX_JSON_BYTES {
        return Err(fail("the file is larger than 1 MiB".into()));
    }
    let not_json = |reason: &str| Failure::usage("file_not_json", &format!("{} {reason}", path.display()));
    let value = serde_json::from_str(&text).map_err(|error| not_json(&format!("is not JSON: {error}")))?;
    // What is sent on is written anew: a doubled key would be gone, and with it what its author meant.
    match unreadable(&text) {
        None => Ok(value),
        Some(why) => Err(not_json(&format!("has a key twice in one object: {why}"))),
    }
}

impl Tenant {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Tenant::Add { name } => node.post("/api/v1/tenants", &json!({ "name": name })).await?,
            Tenant::List => node.get("/api/v1/tenants").await?,
            Tenant::Suspend { name } => {
                node.call(Method::PUT, &format!("/api/v1/tenants/{}/suspension", segment(&name)), None).await?
            }
            Tenant::Resume { name } => {
                node.call(Method::DELETE, &format!("/api/v1/tenants/{}/suspension", segment(&name)), None).await?
            }
            Tenant::Remove { name } => {
                node.call(Method::DELETE, &format!("/api/v1/tenants/{}", segment(&name)), None).await?
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl User {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            User::Add { name, tenant, password_file } => {
                let password = node::read_password(&password_file)?;
                let mut body = json!({ "name": name, "password": password.as_str() });
                if let Some(tenant) = tenant {
                    body["tenant"] = tenant.into();
                }
                node.post("/api/v1/users", &body).await?
            }
            User::Password { name, password_file } => {
                let password = login::password(password_file.as_deref(), "New password: ")?;
                let path = format!("/api/v1/users/{}/password", segment(&name));
                node.call(Method::PUT, &path, Some(&json!({ "password": password.as_str() }))).await?
            }
            User::Invite { name, tenant } => {
                let path = format!("/api/v1/users/{}/invite", segment(&name));
                match node.post(&path, &json!({})).await {
                    Err(failure) if failure.code == "unknown_user" => {
                        let mut body = json!({ "name": name });
                        if let Some(tenant) = tenant {
                            body["tenant"] = tenant.into();
                        }
                        node.post("/api/v1/users", &body).await?;
                        node.post(&path, &json!({})).await?
                    }
                    made => made?,
                }
            }
            User::Operator { name, remove } => {
                let method = if remove { Method::DELETE } else { Method::PUT };
                node.call(method, &format!("/api/v1/users/{}/operator", segment(&name)), None).await?
            }
            User::Suspend { name, end } => {
                let method = if end { Method::DELETE } else { Method::PUT };
                node.call(method, &format!("/api/v1/users/{}/suspension", segment(&name)), None).await?
            }
            User::Remove { name } => {
                node.call(Method::DELETE, &format!("/api/v1/users/{}", segment(&name)), None).await?
            }
            User::RemoveTotp { name } => {
                node.call(Method::DELETE, &format!("/api/v1/users/{}/totp", segment(&name)), None).await?;
                json!({ "user": name, "removed": true })
            }
            User::Passkeys { name, remove: _ } => {
                node.call(Method::DELETE, &format!("/api/v1/users/{}/passkeys", segment(&name)), None).await?;
                json!({ "user": name, "removed": true })
            }
            User::List => node.get("/api/v1/users").await?,
            User::Token { name, ttl } => {
                node.post(&format!("/api/v1/users/{}/token", segment(&name)), &json!({ "ttl_s": ttl })).await?
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl AppCommand {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let value = match self {
            AppCommand::Add { manifest } => {
                let manifest = json_file(&manifest)?;
                common.node()?.post("/api/v1/apps", &manifest).await?
            }
            AppCommand::List => common.node()?.get("/api/v1/apps").await?,
            AppCommand::Remove { client_id } => {
                let path = format!("/api/v1/apps/{}", segment(&client_id));
                common.node()?.call(Method::DELETE, &path, None).await?
            }
            AppCommand::RegistrationToken { list: true, .. } => {
                common.node()?.get("/api/v1/registration-tokens").await?
            }
            AppCommand::RegistrationToken { end: Some(id), .. } => {
                let path = format!("/api/v1/registration-tokens/{}", segment(&id));
                common.node()?.call(Method::DELETE, &path, None).await?;
                json!({ "registration_token": id, "ended": true })
            }
            AppCommand::RegistrationToken { count, ttl, .. } => {
                let body = json!({ "count": count, "ttl_s": ttl });
                common.node()?.post("/api/v1/registration-tokens", &body).await?
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl Grant {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            Grant::Add { user, app, file } => {
                let access = json_file(&file)?;
                node.post("/api/v1/grants", &json!({ "user": user, "client_id": app, "access": access })).await?
            }
            Grant::List => node.get("/api/v1/grants").await?,
            Grant::Show { id } => node.get(&format!("/api/v1/grants/{}", segment(&id))).await?,
            Grant::Shrink { id, file } => {
                let body = json!({ "access": json_file(&file)? });
                node.call(Method::PUT, &format!("/api/v1/grants/{}", segment(&id)), Some(&body)).await?
            }
            Grant::Extend { id, until } => {
                let until = if until == "never" { Value::Null } else { Value::String(until) };
                let path = format!("/api/v1/grants/{}/end", segment(&id));
                node.call(Method::PUT, &path, Some(&json!({ "until": until }))).await?
            }
            Grant::Revoke { id } => {
                node.call(Method::DELETE, &format!("/api/v1/grants/{}", segment(&id)), None).await?;
                json!({ "grant": id, "revoked": true })
            }
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

impl Check {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let (collection, field) = match self.what.split_once('.') {
            Some((collection, field)) => (collection.to_owned(), Some(field.to_owned())),
            None => (self.what.clone(), None),
        };
        let body = json!({ "user": self.user, "app": self.app, "verb": self.verb, "collection": collection,
            "field": field, "doc": self.doc, "space": self.space, "explain": self.explain });
        let value = node.post("/api/v1/check", &body).await?;
        print(common.json, &value, lines);
        Ok(if value["allowed"] == true { Exit::Done } else { Exit::Refused })
    }
}
