//! `allod replica init | serve | allow`: a blind replica in a directory.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy_core::UserId;
use serde_json::{Value, json};
use sync::Identity;
use sync::blind::{Allowed, QUOTA, Replica, ReplicaOptions};
use vault::data_dir::{Holds, REPLICA_KEY_FILE as KEY, is_exposed, mark_opened, write_private};
use vault::database::{DatabaseError, LOG_FILE, REPLICA_FILE};
use vault::keyring::{DirectoryError, DirectoryLock};
use vault::log::Log;
use vault::witness::{Loss, Witness, WitnessError};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::node_file::{NodeFile, Of};
use crate::stdout::say;

const ADDRESS: &str = "replica.addr";

fn key_path(dir: &Path) -> PathBuf {
    dir.join(KEY)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// The replica's transport identity: its only secret, and of no use to anybody's data.
fn identity(dir: &Path) -> Result<Identity, Failure> {
    let path = key_path(dir);
    let missing = |error: std::io::Error| match Holds::of(dir) {
        Holds::Replica if error.kind() == std::io::ErrorKind::NotFound => Failure::failed(
            "replica_key_missing",
            &format!("{} is missing; put it back from your backup, nothing was changed", path.display()),
        ),
        Holds::Replica => Failure::failed("io", &format!("{}: {error}", path.display())),
        _ => Failure::failed("not_a_replica", &format!("{} does not hold a replica", dir.display()))
            .hint("run `allod replica init` first"),
    };
    let file = std::fs::File::open(&path).map_err(missing)?;
    if is_exposed(&file).map_err(failed)? {
        return Err(DirectoryError::KeyExposed { code: "replica_key_exposed", path }.into());
    }
    let mut text = Zeroizing::new(String::new());
    file.take(1_024).read_to_string(&mut text).map_err(failed)?;
    let seed = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|seed| seed.try_into().ok());
    let damaged = || Failure::failed("replica_key_damaged", "replica.key is not a key; put it back from your backup");
    Ok(Identity::from_seed(seed.ok_or_else(damaged)?))
}

/// Makes the directory a replica.
pub async fn init(dir: &Path) -> Result<Value, Failure> {
    let _lock = DirectoryLock::take(dir)?;
    match Holds::of(dir) {
        Holds::Nothing => {}
        Holds::Replica if !key_path(dir).exists() => return identity(dir).map(|_| Value::Null),
        Holds::Node | Holds::Replica => return Err(DirectoryError::AlreadyANode(dir.to_owned()).into()),
    }
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *seed).map_err(failed)?;
    let text = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed));
    write_private(&key_path(dir), text.as_bytes()).map_err(failed)?;
    Ok(json!({ "peer": Identity::from_seed(*seed).peer_id() }))
}

async fn open_database(dir: &Path) -> Result<sea_orm::DatabaseConnection, Failure> {
    vault::database::open_replica(dir).await.map_err(|error| match error {
        DatabaseError::Loss(loss) => lost(&loss),
        other => failed(other),
    })
}

fn lost(loss: &Loss) -> Failure {
    Failure::coded(Exit::Failed, &loss.to_string())
        .hint("nothing was changed; a new replica gets everything again from the devices whose data this one held")
}

/// The log, if it is the one that the replica's database knows.
async fn open_log(dir: &Path, witness: &Witness, in_use: bool) -> Result<Log, Failure> {
    // Who is allowed before the first start has not brought anything yet: only marks say that there must be a log.
    if !dir.join(LOG_FILE).exists() && witness.expects_a_log(false) {
        return Err(lost(&Loss::LogMissing));
    }
    let log = Log::open(vault::database::open_log(dir).await.map_err(failed)?).await.map_err(failed)?;
    match witness.begin(&log, in_use).await {
        Ok(()) => mark_opened(dir).map(|()| log).map_err(failed),
        Err(WitnessError::Loss(loss)) => Err(lost(&loss)),
        Err(error) => Err(failed(error)),
    }
}

/// Serves until the process is told to end.
pub async fn serve(dir: &Path, listen: &str, json_wanted: bool) -> Result<(), Failure> {
    let identity = identity(dir)?;
    let _lock = DirectoryLock::take(dir)?;
    let database = open_database(dir).await?;
    let witness = Witness::open(database.clone(), REPLICA_FILE).await.map_err(failed)?;
    let allowed = Allowed::open(database).await.map_err(failed)?;
    let log = open_log(dir, &witness, !allowed.users().is_empty()).await?;
    let noted = log.clone();
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
    NodeFile::new(dir, "", std::slice::from_ref(&addr))
        .and_then(|file| file.write(dir, Of::Replica))
        .map_err(failed)?;
    if json_wanted {
        say(&json!({ "event": "ready", "peer": replica.peer(), "addr": addr }).to_string());
    } else {
        say(&format!("Serving {addr}\nAdd it at home: allod replica add {addr}"));
    }
    let mut every = tokio::time::interval(NOTED);
    let mut ended = std::pin::pin!(crate::server::ended());
    loop {
        tokio::select! {
            () = &mut ended => break,
            _ = every.tick() => note(&witness, &noted).await,
        }
    }
    note(&witness, &noted).await;
    NodeFile::remove(dir, Of::Replica);
    replica.shutdown().await;
    Ok(())
}

/// How often it is noted how far the log has come.
const NOTED: Duration = Duration::from_secs(5);

async fn note(witness: &Witness, log: &Log) {
    if let Err(error) = witness.note(log).await {
        tracing::warn!(%error, "it was not noted how far the log has come");
    }
}

/// Lets an account store here.
pub async fn allow(dir: &Path, account: &str) -> Result<Value, Failure> {
    identity(dir)?;
    let user: UserId = account
        .parse()
        .map_err(|_| Failure::new(Exit::Usage, "invalid_account", "an account id has 32 hexadecimal digits"))?;
    let allowed = Allowed::open(open_database(dir).await?).await.map_err(failed)?;
    let done = allowed.allow(user).await.map_err(failed);
    allowed.close().await;
    done?;
    Ok(json!({ "account": user.to_string(), "allowed": true }))
}
