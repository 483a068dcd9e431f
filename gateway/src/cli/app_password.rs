//! `allod app-password`: passwords of the node's own making, for tools that can do no OAuth.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Common;
use super::output::{Exit, Failure, lines, print};
use super::people::json_file;
use super::remote::segment;
use crate::grants::unreadable;

#[derive(Debug, Subcommand)]
pub enum AppPassword {
    /// Make one; it is told once, and the tool sends it beside your name
    Add {
        /// What you recognise it by
        name: String,
        /// The collections that the tool may use, by name
        #[arg(long, value_delimiter = ',', value_name = "NAME,…", requires = "fields")]
        collection: Vec<String>,
        /// The fields of them that it may use
        #[arg(long, value_delimiter = ',', value_name = "FIELD,…", requires = "collection")]
        fields: Vec<String>,
        /// What it may do with them
        #[arg(
            long,
            value_delimiter = ',',
            value_name = "VERB,…",
            default_value = "read,search",
            requires = "collection"
        )]
        verbs: Vec<String>,
        /// Which documents: {"field": {"_eq": value}}, as in a grant [default: all]
        #[arg(long = "where", value_name = "JSON", requires = "collection")]
        rows: Option<String>,
        /// The space of the collections [default: your personal one]
        #[arg(long, value_name = "ID", requires = "collection")]
        space: Option<String>,
        /// What it may do as a file says, as in a grant
        #[arg(long, value_name = "FILE", conflicts_with_all = ["collection", "whole_space"])]
        access: Option<PathBuf>,
        /// Everything in this space, as its collections are now
        #[arg(long, value_name = "ID", conflicts_with = "collection")]
        whole_space: Option<String>,
        /// Until when: 2030-01-31T00:00:00Z, or a duration such as P90D [default: until it is removed]
        #[arg(long)]
        until: Option<String>,
    },
    /// List yours: what each may do, and when and from where it was last used
    List,
    /// Show one
    Show { id: String },
    /// Hold one to what a file says, within what it may do; the password stays
    Shrink { id: String, file: PathBuf },
    /// Let one end at another time
    Extend {
        id: String,
        /// An RFC 3339 instant, or `never`: until it is removed
        until: String,
    },
    /// Remove one; the next request by it is refused
    Remove { id: String },
}

fn path(id: &str) -> String {
    format!("/api/v1/app-passwords/{}", segment(id))
}

impl AppPassword {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = common.node()?;
        let value = match self {
            AppPassword::Add { name, collection, fields, verbs, rows, space, access, whole_space, until } => {
                let mut body = json!({ "name": name });
                match (access, whole_space) {
                    (Some(file), _) => body["access"] = json_file(&file)?,
                    (None, Some(space)) => body["whole_space"] = json!(space),
                    (None, None) if collection.is_empty() => {
                        let text = "say what it may do: --collection with --fields, --access or --whole-space";
                        return Err(Failure::usage("usage", text));
                    }
                    (None, None) => {
                        let mut entry = json!({ "type": "allod_doc", "datatypes": collection, "actions": verbs,
                            "fields": { "allow": fields } });
                        if let Some(space) = space {
                            entry["space"] = json!(space);
                        }
                        if let Some(rows) = rows {
                            entry["where"] = conditions(&rows)?;
                        }
                        body["access"] = json!([entry]);
                    }
                }
                if let Some(until) = until {
                    body["until"] = json!(until);
                }
                node.post("/api/v1/app-passwords", &body).await?
            }
            AppPassword::List => node.get("/api/v1/app-passwords").await?,
            AppPassword::Show { id } => node.get(&path(&id)).await?,
            AppPassword::Shrink { id, file } => {
                node.call(Method::PUT, &path(&id), Some(&json!({ "access": json_file(&file)? }))).await?
            }
            AppPassword::Extend { id, until } => {
                let until = if until == "never" { Value::Null } else { Value::String(until) };
                node.call(Method::PUT, &format!("{}/end", path(&id)), Some(&json!({ "until": until }))).await?
            }
            AppPassword::Remove { id } => node.call(Method::DELETE, &path(&id), None).await?,
        };
        print(common.json, &value, lines);
        Ok(Exit::Done)
    }
}

fn conditions(text: &str) -> Result<Value, Failure> {
    let not_json = |why: &str| Failure::usage("usage", &format!("--where {why}"));
    if let Some(why) = unreadable(text) {
        return Err(not_json(&format!("cannot be read: {why}")));
    }
    serde_json::from_str(text).map_err(|error| not_json(&format!("is not JSON: {error}")))
}
