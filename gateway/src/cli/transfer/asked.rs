//! What a node is asked in GraphQL, again where it has no room for a moment.

use std::time::Duration;

use gateway_transfer::Definitions;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::output::{Exit, Failure};
use super::super::remote::Remote;

/// How often what a node has no room for is asked again, each time after a longer pause.
const TRIES: u32 = 9;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Why a node did not do what it was asked.
pub enum Refused {
    /// It said why.
    Answered { code: String, message: String },
    /// Nothing was heard of it.
    Failed(Failure),
}

impl Refused {
    /// As the end of a command.
    pub fn failure(self) -> Failure {
        match self {
            Refused::Failed(failure) => failure,
            Refused::Answered { code, message } => {
                let exit = match code.as_str() {
                    "forbidden" | "unauthenticated" => Exit::Refused,
                    "unavailable" | "internal" => Exit::Failed,
                    _ => Exit::Usage,
                };
                Failure::new(exit, &code, &message)
            }
        }
    }
}

/// `data` of the answer to a request whose body is this.
pub async fn graphql(node: &Remote, body: &str) -> Result<Value, Refused> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES {
        let sent = Some(("application/json", body.as_bytes().to_vec()));
        let mut answer = node.send(Method::POST, "/api/v1/graphql", sent).await.map_err(Refused::Failed)?;
        let error = &answer.json["errors"][0];
        let code = error["extensions"]["code"].as_str();
        if !(matches!(answer.status, 429 | 503) || matches!(code, Some("unavailable" | "busy"))) {
            if let Some(code) = code {
                let message = error["message"].as_str().unwrap_or("the node refused the request");
                return Err(Refused::Answered {
                    code: code.to_owned(),
                    message: message.trim_end_matches('.').to_owned(),
                });
            }
            if answer.json.get("data").is_none() {
                let refused = |_| Failure::failed("not_a_node", "what answers there is no node of ours");
                return Err(Refused::Failed(answer.ok().map_or_else(|failure| failure, refused)));
            }
            return Ok(answer.json["data"].take());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    let text = "the node has no room for this, asked again and again";
    Err(Refused::Failed(Failure::failed("unavailable", text).hint("try again when it has less to do")))
}

/// The definitions of the space, as far as one sees them.
pub async fn definitions(node: &Remote) -> Result<Definitions, Failure> {
    Ok(Definitions::of_answer(&node.get("/api/v1/schema").await?)?)
}

/// How many documents one finds in a collection.
pub async fn count(node: &Remote, collection: &str) -> Result<u64, Failure> {
    let body = json!({ "query": format!("{{ n: COUNT({collection}: {{}}) }}") }).to_string();
    let data = graphql(node, &body).await.map_err(Refused::failure)?;
    Ok(data["n"].as_u64().unwrap_or_default())
}
