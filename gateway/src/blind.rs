//! `allod replica init | serve | allow`: a blind replica in a directory.

use std::path::{Path, PathBuf};

use policy_core::UserId;
use serde_json::{Value, json};
use sync::Identity;
use sync::blind::{Allowed, QUOTA, Replica, ReplicaOptions};
use vault::keyring::DirectoryLock;
use vault::log::Log;
use zeroize::Zeroizing;

use crate::cli::{Exit, Failure};
use crate::node_file::write_private;

const KEY: &str = "replica.key";
const ADDRESS: &str = "replica.addr";

fn key_path(dir: &Path) -> PathBuf {
    dir.join(KEY)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// The replica's transport identity: its only secret, and of no use to anybody's data.
fn identity(dir: &Path) -> Result<Identity, Failure> {
    let missing = || {
        Failure::failed("not_a_replica", &format!("{} does not hold a replica", dir.display()))
            .hint("run `allod replica init` first")
    };
    let text = Zeroizing::new(std::fs::read_to_string(key_path(dir)).map_err(|_| missing())?);
    let seed = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|seed| seed.try_into().ok());
    let damaged = || Failure::failed("replica_key_damaged", "replica.key is not a key; put it back from your backup");
    Ok(Identity::from_seed(seed.ok_or_else(damaged)?))
}

/// Makes the directory a replica.
pub async fn init(dir: &Path) -> Result<Value, Failure> {
    let _lock = DirectoryLock::take(dir)?;
    if key_path(dir).exists() || vault::keyring::NodeKey::exists(dir) {
        return Err(vault::keyring::DirectoryError::AlreadyANode(dir.to_owned()).into());
    }
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *seed).map_err(failed)?;
    let text = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed));
    write_private(&key_path(dir), text.as_bytes()).map_err(failed)?;
    Ok(json!({ "peer": Identity::from_seed(*seed).peer_id() }))
}

async fn open_allowed(dir: &Path) -> Result<Allowed, Failure> {
    let db = vault::database::open_replica(dir).await.map_err(failed)?;
    Allowed::open(db).await.map_err(failed)
}

/// Serves until the process is told to end.
pub async fn serve(dir: &Path, listen: &str, json_wanted: bool) -> Result<(), Failure> {
    let identity = identity(dir)?;
    let _lock = DirectoryLock::take(dir)?;
    let allowed = open_allowed(dir).await?;
    let log = Log::open(vault::database::open_log(dir).await.map_err(failed)?).await.map_err(failed)?;
    let remembered = std::fs::read_to_string(dir.join(ADDRESS)).ok();
    let options = ReplicaOptions {
        listen: vec![listen.to_owned()],
        identity,
        quota: QUOTA,
        trace: std::env::var_os("ALLOD_SYNC_TRACE").map(PathBuf::from),
    };
    let replica = Replica::start(log, allowed, options, remembered.as_deref()).await.map_err(failed)?;
    let addr = replica.addrs().first().cloned().unwrap_or_default();
    write_private(&dir.join(ADDRESS), addr.as_bytes()).map_err(failed)?;
    if json_wanted {
        println!("{}", json!({ "event": "ready", "peer": replica.peer(), "addr": addr }));
    } else {
        println!("Serving {addr}\nAdd it at home: allod replica add {addr}");
    }
    crate::server::ended().await;
    replica.shutdown().await;
    Ok(())
}

/// Lets an account store here.
pub async fn allow(dir: &Path, account: &str) -> Result<Value, Failure> {
    identity(dir)?;
    let user: UserId = account
        .parse()
        .map_err(|_| Failure::new(Exit::Usage, "invalid_account", "an account id has 32 hexadecimal digits"))?;
    let allowed = open_allowed(dir).await?;
    let done = allowed.allow(user).await.map_err(failed);
    allowed.close().await;
    done?;
    Ok(json!({ "account": user.to_string(), "allowed": true }))
}
