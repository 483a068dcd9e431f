//! `allod client`: the running node's data, as its operator sees them.

use std::io::Read;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{Exit, Failure, lines, print, say};
use super::remote::{Remote, Response};
use super::{Common, transfer};

#[derive(Debug, Args)]
pub struct Client {
    /// The node's address [default: the node of the data directory]
    #[arg(long, global = true)]
    url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Is the node there?
    Ping,
    /// Definitions of collections
    #[command(subcommand)]
    Schema(Schema),
    /// Documents to and from a file, as in 2023
    #[command(subcommand)]
    Backup(Backup),
    /// Run a GraphQL operation
    Query {
        /// The operation, or `-` for stdin
        text: String,
        /// The spelling: v0 (of 2023) or v1 (current) [default: the one in which the operation is valid, current first]
        #[arg(long, value_parser = ["v0", "v1"])]
        api: Option<String>,
        /// Variables, as a JSON object
        #[arg(long)]
        variables: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Backup {
    /// Write documents into a file; the same as `allod export`
    Export(transfer::Export),
    /// Add the documents of a file; the same as `allod import`
    Import(transfer::Import),
}

#[derive(Debug, Subcommand)]
enum Schema {
    /// Add collections from SDL
    Add {
        /// The SDL, or `-` for stdin
        text: Option<String>,
        /// A file that holds the SDL
        #[arg(short, long)]
        file: Option<std::path::PathBuf>,
    },
}

const MAX_INPUT: u64 = 16 << 20;

fn text_or_stdin(text: String) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text);
    }
    let mut read = String::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut read)
        .map_err(|error| Failure::usage("stdin_unreadable", &error.to_string()))?;
    Ok(read)
}

async fn ask(node: &Remote, api: &str, body: &Value) -> Result<Response, Failure> {
    let sent = Some(("application/json", body.to_string().into_bytes()));
    node.send(Method::POST, &format!("/api/{api}/graphql"), sent).await
}

/// The answer in the current spelling; in the older one if the operation is valid in that alone. Nothing is run twice:
/// what is not valid is not run.
async fn ask_in_either(node: &Remote, body: &Value) -> Result<Response, Failure> {
    let current = ask(node, "v1", body).await?;
    if !current.is_invalid_operation() {
        return Ok(current);
    }
    let older = ask(node, "v0", body).await?;
    Ok(if older.is_invalid_operation() { current } else { older })
}

impl Client {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let node = match &self.url {
            Some(_) if common.token_file.is_some() => {
                return Err(Failure::usage("url_and_token_file", "the token file says the address: leave --url away"));
            }
            Some(url) => Remote::at(url, &common.dir()?)?,
            None => common.node()?,
        };
        match self.command {
            Command::Ping => {
                let response = node.send(Method::GET, "/healthz", None).await?;
                if response.status != 200 {
                    return Err(Failure::failed("unhealthy", "the node answers, but is not well"));
                }
                print(common.json, &json!({ "ping": "pong" }), |_| "pong".to_owned());
            }
            // The backup JSON is what these spellings have always meant, whatever the file is called.
            Command::Backup(Backup::Export(export)) => return export.or_json().run_on(node, common).await,
            Command::Backup(Backup::Import(import)) => return import.or_json().run_on(node, common).await,
            Command::Schema(Schema::Add { text, file }) => {
                let sdl = match (text, file) {
                    (Some(text), None) => match std::fs::read_to_string(&text) {
                        // `schema add FILE`: the interface takes a file or `-`; SDL itself is taken as well.
                        Ok(sdl) if text != "-" => sdl,
                        _ => text_or_stdin(text)?,
                    },
                    (None, Some(file)) => std::fs::read_to_string(&file)
                        .map_err(|error| Failure::usage("file_unreadable", &format!("{}: {error}", file.display())))?,
                    _ => return Err(Failure::usage("usage", "name one file, or `-`, or the SDL itself")),
                };
                let response =
                    node.send(Method::POST, "/api/v1/collections", Some(("text/plain", sdl.into_bytes()))).await?;
                print(common.json, &response.ok()?, lines);
            }
            Command::Query { text, api, variables } => {
                let mut body = json!({ "query": text_or_stdin(text)? });
                if let Some(variables) = variables {
                    body["variables"] = serde_json::from_str(&variables)
                        .map_err(|error| Failure::usage("variables_not_json", &error.to_string()))?;
                }
                let response = match api {
                    Some(api) => ask(&node, &api, &body).await?,
                    None => ask_in_either(&node, &body).await?,
                };
                if response.json.get("data").is_none() && response.json.get("errors").is_none() {
                    return response.ok().map(|_| Exit::Failed);
                }
                if common.json {
                    say(&response.text);
                } else {
                    let value: Value = response.json.clone();
                    say(&serde_json::to_string_pretty(&value).unwrap_or(response.text));
                }
                let errors = response.json["errors"].as_array().is_some_and(|errors| !errors.is_empty());
                return Ok(if errors { Exit::Failed } else { Exit::Done });
            }
        }
        Ok(Exit::Done)
    }
}
