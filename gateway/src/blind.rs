//! `allod replica init | serve | allow`: a blind replica in a directory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App as HttpApp, HttpResponse, web};
use policy_core::UserId;
use serde_json::{Value, json};
use sync::blind::{Allowed, QUOTA, Replica, ReplicaOptions};
use sync::{Announced, Identity};
use tokio::sync::Notify;
use vault::LogHealth;
use vault::data_dir::{DataDir, DataFile, Holds, SecretError};
use vault::database::DatabaseError;
use vault::keyring::DirectoryError;
use vault::log::Log;
use vault::replica::ReplicaLog;
use vault::witness::{Loss, Witness, WitnessError};
use zeroize::Zeroizing;

use crate::doctor;
use crate::failure::{Exit, Failure, no_socket};
use crate::node_file::{NodeFile, ServedBy};
use crate::stdout::say;

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// The replica's transport identity: its only secret, and of no use to anybody's data.
fn identity(dir: &DataDir) -> Result<Identity, Failure> {
    let damaged = || Failure::failed("replica_key_damaged", "replica.key is not a key; put it back from your backup");
    let text = match dir.read_secret(DataFile::ReplicaKey) {
        Ok(text) => text,
        Err(SecretError::Exposed(path)) => {
            return Err(DirectoryError::KeyExposed { code: "replica_key_exposed", path }.into());
        }
        Err(SecretError::Missing(path)) if dir.holds() == Holds::Replica => {
            let message = format!("{} is missing; put it back from your backup, nothing was changed", path.display());
            return Err(Failure::failed(DataFile::ReplicaKey.missing_code(), &message));
        }
        Err(SecretError::Missing(_)) => {
            let message = format!("{} does not hold a replica", dir.path().display());
            return Err(Failure::failed("not_a_replica", &message).hint("run `allod replica init` first"));
        }
        Err(SecretError::Damaged(_)) => return Err(damaged()),
        Err(SecretError::Io { path, source }) => {
            return Err(Failure::failed("io", &format!("{}: {source}", path.display())));
        }
    };
    let seed = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok().and_then(|seed| seed.try_into().ok());
    Ok(Identity::from_seed(seed.ok_or_else(damaged)?))
}

/// Makes the directory a replica.
pub async fn init(dir: &DataDir) -> Result<Value, Failure> {
    let _lock = dir.lock()?;
    match dir.holds() {
        Holds::Nothing => {}
        Holds::Replica if !dir.file(DataFile::ReplicaKey).exists() => return identity(dir).map(|_| Value::Null),
        Holds::Node | Holds::Replica => return Err(DirectoryError::AlreadyANode(dir.path().to_owned()).into()),
    }
    let mut seed = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *seed).map_err(failed)?;
    let text = Zeroizing::new(data_encoding::HEXLOWER.encode(&*seed));
    dir.write(DataFile::ReplicaKey, text.as_bytes()).map_err(failed)?;
    Ok(json!({ "peer": Identity::from_seed(*seed).peer_id() }))
}

async fn open_database(dir: &DataDir) -> Result<sea_orm::DatabaseConnection, Failure> {
    vault::database::open_replica(dir).await.map_err(|error| match error {
        DatabaseError::Loss(loss) => lost(&loss),
        other => failed(other),
    })
}

fn lost(loss: &Loss) -> Failure {
    Failure::coded(Exit::Failed, &loss.to_string())
        .hint("nothing was changed; a new replica gets everything again from the devices whose data this one held")
}

/// Opens the databases of a replica, if nothing of them was lost and they belong together. The caller holds the lock of its
/// directory.
async fn opened(dir: &DataDir) -> Result<(Witness, Allowed, Log), Failure> {
    crate::upgrade::leftover(dir)?;
    vault::database::look_at_frames(dir).map_err(|loss| lost(&loss))?;
    dir.mark_closed().map_err(failed)?;
    crate::upgrade::replica(dir).await?;
    let database = open_database(dir).await?;
    let witness = Witness::open(database.clone(), DataFile::ReplicaDatabase).await.map_err(failed)?;
    let allowed = Allowed::open(database).await.map_err(failed)?;
    let log = open_log(dir, &witness, !allowed.users().is_empty()).await?;
    Ok((witness, allowed, log))
}

/// The log, if it is the one that the replica's database knows.
async fn open_log(dir: &DataDir, witness: &Witness, in_use: bool) -> Result<Log, Failure> {
    // Who is allowed before the first start has not brought anything yet: only marks say that there must be a log.
    if !dir.file(DataFile::Log).exists() && witness.expects_a_log(false) {
        return Err(lost(&Loss::LogMissing));
    }
    let log = Log::open(vault::database::open_log(dir).await.map_err(failed)?).await.map_err(failed)?;
    match witness.begin(&log, in_use).await {
        Ok(()) => dir.mark_opened().map(|()| log).map_err(failed),
        Err(WitnessError::Loss(loss)) => Err(lost(&loss)),
        Err(error) => Err(failed(error)),
    }
}

/// The address to tell at home: of those of a machine (who listens on all of them has several) one that others can reach.
fn reachable_address(addrs: &[String]) -> String {
    let own = |addr: &&String| addr.starts_with("/ip4/127.") || addr.starts_with("/ip6/::1/");
    addrs.iter().find(|addr| !own(addr)).or(addrs.first()).cloned().unwrap_or_default()
}

/// Serves until the process is told to end.
///
/// `announce`: where others reach it, if not where it listens.
pub async fn serve(
    dir: &DataDir,
    listen: &str,
    announce: Option<&Announced>,
    json_wanted: bool,
) -> Result<(), Failure> {
    let identity = identity(dir)?;
    let _lock = dir.lock()?;
    let (witness, allowed, log) = opened(dir).await?;
    let noted = log.clone();
    let remembered = std::fs::read_to_string(dir.file(DataFile::ReplicaListen)).ok();
    let options = ReplicaOptions {
        listen: vec![listen.to_owned()],
        identity,
        quota: QUOTA,
        trace: std::env::var_os("ALLOD_SYNC_TRACE").map(PathBuf::from),
    };
    let replica = Arc::new(Replica::start(log, allowed, options, remembered.as_deref()).await.map_err(failed)?);
    let listening = reachable_address(replica.addrs());
    dir.write(DataFile::ReplicaListen, listening.as_bytes()).map_err(failed)?;
    let addr = announce.map_or(listening, |announced| announced.of(&replica.peer()));
    let control = control(dir, &replica)?;
    NodeFile::new(dir, "", std::slice::from_ref(&addr))
        .and_then(|file| file.write(dir, ServedBy::Replica))
        .map_err(failed)?;
    let in_use = dir.mark_in_use().map_err(failed)?;
    if json_wanted {
        say(&json!({ "event": "ready", "peer": replica.peer(), "addr": addr }).to_string());
    } else {
        say(&format!("Serving {addr}\nAdd it at home: allod replica add {addr}"));
    }
    tracing::info!(target: "allod::node", version = env!("CARGO_PKG_VERSION"), addr, "a replica started");
    let mut every = tokio::time::interval(NOTED);
    let mut ended = std::pin::pin!(crate::server::ended());
    let asked_by = loop {
        tokio::select! {
            () = &mut ended => break "a signal",
            () = control.stop.notified() => break "the operator",
            _ = every.tick() => note(&witness, &noted).await,
        }
    };
    tracing::info!(target: "allod::node", asked_by, "stopping");
    note(&witness, &noted).await;
    NodeFile::remove(dir, ServedBy::Replica);
    control.handle.stop(true).await;
    drop(control);
    drop(in_use);
    replica.shutdown().await;
    tracing::info!(target: "allod::node", "stopped");
    Ok(())
}

/// What `allod doctor` shows of a replica: whether what it stores can be handed to anybody. No keys are needed for that.
fn report<E: std::fmt::Display>(dir: &DataDir, read: Result<LogHealth, E>) -> Value {
    let fix = "stop the replica and put log.db back from a backup, or make a new one by `allod replica init`: it gets \
               everything again from the devices; until then they do not get from this one what is damaged";
    let checks = [doctor::files::modes(dir), doctor::files::disk(dir), doctor::chain_check(read, fix)];
    json!({ "checks": checks, "spaces": [] })
}

/// Looks at a replica that does not run. The caller holds the lock of its directory.
///
/// # Errors
/// If files are missing, or do not belong together.
pub async fn examine(dir: &DataDir) -> Result<Value, Failure> {
    identity(dir)?;
    let (_witness, allowed, log) = opened(dir).await?;
    // A control lane that does not verify is a finding like others, and none can be read without it.
    let (read, closed) = match ReplicaLog::open(log.clone()).await {
        Ok(open) => (open.look_at_log().await.map_err(|error| error.to_string()), open.close().await.map_err(failed)),
        Err(error) => (Err(error.to_string()), log.close().await.map_err(failed)),
    };
    allowed.close().await;
    closed?;
    Ok(report(dir, read))
}

/// Where the command line reaches a replica: it says that it runs and how its log reads, and ends when it is told to.
struct Control {
    handle: actix_web::dev::ServerHandle,
    stop: Arc<Notify>,
    _place: crate::control::SocketFile,
}

fn control(dir: &DataDir, replica: &Arc<Replica>) -> Result<Control, Failure> {
    let (looked_at, at) = (web::Data::from(Arc::clone(replica)), web::Data::new(dir.clone()));
    let stop = Arc::new(Notify::new());
    let told = web::Data::from(Arc::clone(&stop));
    let routes = move || {
        HttpApp::new()
            .app_data(told.clone())
            .app_data(looked_at.clone())
            .app_data(at.clone())
            .wrap(from_fn(crate::front::machine::admitted))
            .route("/healthz", web::get().to(async || HttpResponse::Ok().json(json!({ "status": "ok" }))))
            .route("/api/v1/doctor", web::get().to(looked_into))
            .route("/api/v1/stop", web::post().to(stopped))
    };
    let (running, place) = crate::control::serve(dir, routes).map_err(no_socket)?;
    let handle = running.handle();
    tokio::spawn(running);
    Ok(Control { handle, stop, _place: place })
}

async fn looked_into(replica: web::Data<Replica>, dir: web::Data<DataDir>) -> HttpResponse {
    HttpResponse::Ok().json(report(&dir, replica.look_at_log().await))
}

async fn stopped(stop: web::Data<Notify>) -> HttpResponse {
    stop.notify_one();
    HttpResponse::Accepted().json(json!({ "stopping": true }))
}

/// How often it is noted how far the log has come.
const NOTED: Duration = Duration::from_secs(5);

async fn note(witness: &Witness, log: &Log) {
    if let Err(error) = witness.note(log).await {
        tracing::warn!(%error, "it was not noted how far the log has come");
    }
}

/// Lets an account store here.
pub async fn allow(dir: &DataDir, account: &str) -> Result<Value, Failure> {
    identity(dir)?;
    let user: UserId = account
        .parse()
        .map_err(|_| Failure::new(Exit::Usage, "invalid_account", "an account id has 32 hexadecimal digits"))?;
    // A replica that runs has brought its directory to its version; else that is done first, or it is a later one's.
    let _stopped = match dir.lock() {
        Ok(lock) => {
            crate::upgrade::leftover(dir)?;
            vault::database::look_at_frames(dir).map_err(|loss| lost(&loss))?;
            dir.mark_closed().map_err(failed)?;
            crate::upgrade::replica(dir).await?;
            Some(lock)
        }
        Err(DirectoryError::InUse(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let allowed = Allowed::open(open_database(dir).await?).await.map_err(failed)?;
    let done = allowed.allow(user).await.map_err(failed);
    allowed.close().await;
    done?;
    Ok(json!({ "account": user.to_string(), "allowed": true }))
}
