//! `allod policy serve-testing`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures::FutureExt;
use futures::future::try_join_all;
use gateway_authzed::{Front, Stores};
use parking_lot::Mutex;
use policy::{Memory, RelationshipService, wall_clock};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Status;

use crate::cli::Common;
use crate::cli::output::{Exit, Failure, say};
use crate::server::ended;

/// Stores live until the process ends; beyond these, new tokens are refused.
const MAX_STORES: usize = 10_000;
/// The longest token that names a store, in bytes.
const MAX_TOKEN: usize = 4_096;
/// How long answers that are under way may take at the end.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct ServeTesting {
    /// Where to listen; port 0 picks one
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    listen: String,
    /// Where to listen for clients that may only read
    #[arg(long, value_name = "ADDRESS")]
    readonly_listen: Option<String>,
}

impl ServeTesting {
    pub async fn run(self, common: &Common) -> Result<Exit, Failure> {
        let front = Front::new(Arc::new(PerToken::default()));
        let (listener, listening) = listen(&self.listen).await?;
        let mut fronts = vec![(front.clone(), listener)];
        let mut read_only = None;
        if let Some(address) = &self.readonly_listen {
            let (listener, listening) = listen(address).await?;
            fronts.push((front.read_only(), listener));
            read_only = Some(listening);
        }
        if common.json {
            say(&json!({ "event": "ready", "listen": listening, "readonly_listen": read_only }).to_string());
        } else {
            say(&format!("Serving authzed.api.v1 at {listening}, from memory: one empty store for each bearer token"));
            if let Some(listening) = read_only {
                say(&format!("The same, for reading only, at {listening}"));
            }
        }
        let ended = ended().shared();
        let serving = try_join_all(fronts.into_iter().map(|(front, listener)| front.serve(listener, ended.clone())));
        tokio::select! {
            served = serving => {
                served.map_err(|error| Failure::failed("serving_failed", &error.to_string()))?;
            }
            // Watches never end by themselves.
            () = ended.clone().then(|()| tokio::time::sleep(PATIENCE)) => {}
        }
        Ok(Exit::Done)
    }
}

async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed =
        |error: std::io::Error| Failure::failed("listen_failed", &format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let listening = listener.local_addr().map_err(failed)?;
    Ok((listener, listening))
}

/// A store in memory for whoever names it by a token; without a token, the store of the empty one.
#[derive(Default)]
struct PerToken(Mutex<HashMap<String, Memory>>);

impl Stores for PerToken {
    fn store(&self, token: Option<&str>) -> Result<Arc<dyn RelationshipService>, Status> {
        let token = token.unwrap_or_default();
        if token.len() > MAX_TOKEN {
            return Err(Status::unauthenticated(format!("a token has at most {MAX_TOKEN} bytes")));
        }
        let mut stores = self.0.lock();
        if let Some(store) = stores.get(token) {
            return Ok(Arc::new(store.clone()));
        }
        if stores.len() == MAX_STORES {
            let message = format!("there are {MAX_STORES} stores already; please start a new server for more");
            return Err(Status::resource_exhausted(message));
        }
        let store = Memory::new(Arc::new(wall_clock));
        stores.insert(token.to_owned(), store.clone());
        Ok(Arc::new(store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_token_has_its_own_store_until_there_are_too_many() {
        let stores = PerToken::default();
        let schema = "definition user {}";
        stores.store(Some("a")).unwrap().write_schema(schema).await.unwrap();
        assert!(stores.store(Some("a")).unwrap().read_schema().await.is_ok());
        assert!(stores.store(Some("b")).unwrap().read_schema().await.is_err());
        assert!(stores.store(None).unwrap().read_schema().await.is_err());
        for i in 3..MAX_STORES {
            stores.store(Some(&i.to_string())).unwrap();
        }
        let refused = stores.store(Some("one too many")).err().unwrap();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(stores.store(Some("a")).is_ok());
        assert!(stores.store(Some(&"x".repeat(MAX_TOKEN + 1))).is_err());
    }
}
