//! The composition root: the one place where engines are named and the gate is made.

use std::sync::{Arc, LazyLock, OnceLock};

use gateway_graphql::Caches;
use gateway_people::realm::Realm as _;
use policy::{Embedded, Explainer, RelationshipService, Relationships, SpiceDbConfig, wall_clock};
use policy_core::{Engine, Gate};
use rand::RngExt;
use tokio::sync::Notify;
use vault::admission::AdmissionError;
use vault::data_dir::{DataDir, OpenFiles};
use vault::database::DatabaseError;
use vault::keyring::NodeKey;
use vault::witness::Loss;
use vault::{SpaceError, Vault, VaultError};
use vault_hosted::Keeper;

use crate::access::Access;
use crate::back_channel::BackChannel;
use crate::backup_standing::Backups;
use crate::client_documents::ClientDocuments;
use crate::directory::{Directory, SecretHash};
use crate::exporting::Exporting;
use crate::failure::{Exit, Failure};
use crate::metrics::{Metrics, Timed};
use crate::oidc::Providers;
use crate::passkeys::Ceremonies;
use crate::places::PlaceAccess;
use crate::pools::Pools;
use crate::records::Records;
use crate::registration::Registrations;
use crate::restoring::Restoring;
use crate::spaces::Spaces;
use crate::tasks::Tasks;
use crate::turns::Turns;
use crate::upgrade;

/// Bytes of compiled GraphQL schemas that are kept, and of prepared operations.
const SCHEMAS: usize = 64 << 20;
const OPERATIONS: usize = 16 << 20;

/// Everything a handler works with.
pub struct App {
    /// The one clock of the node.
    pub(crate) clock: vault::Clock,
    /// What is counted and timed.
    pub(crate) metrics: Metrics,
    /// What runs beside requests, until [`App::shutdown`].
    pub(crate) tasks: Tasks,
    pub vault: Vault,
    /// What changes relationships; it answers nothing.
    pub policy: Relationships,
    /// What answers, with reasons: the engine that the gate asks too.
    pub engine: Arc<dyn Explainer>,
    /// SpiceDB's API of this node.
    pub(crate) policy_api: Arc<dyn RelationshipService>,
    pub access: Arc<Access>,
    pub spaces: Arc<Spaces>,
    pub records: Records,
    pub directory: Arc<Directory>,
    pub caches: Caches,
    /// What requests share of memory and time.
    pub(crate) pools: Arc<Pools>,
    pub sync: OnceLock<sync::SyncNode>,
    pub stop: Notify,
    /// Where the node's files lie.
    pub(crate) dir: DataDir,
    pub(crate) backups: Backups,
    /// How places for backups are reached that are no directories.
    pub(crate) access_to_places: OnceLock<PlaceAccess>,
    /// The places that this node keeps for others.
    pub(crate) keeper: Arc<Keeper>,
    /// What takes the place of a node that nobody owns.
    pub(crate) restoring: Arc<Restoring>,
    /// Who is being handed everything of theirs.
    pub(crate) exporting: Exporting,
    /// What the node works with on disk.
    pub files: OpenFiles,
    /// Held by whoever changes groups, shares and field rules: two at once could close a circle together.
    pub(crate) sharing: Turns,
    /// Held while what hangs on somebody who is removed is undone.
    pub(crate) removing: tokio::sync::Mutex<()>,
    pub(crate) url: OnceLock<String>,
    /// The outside providers by which people sign in.
    pub(crate) providers: OnceLock<Providers>,
    /// The server for letters, if one was named.
    pub(crate) mail: OnceLock<crate::letters::Mail>,
    /// The ceremonies of passkeys that are on their way.
    pub(crate) ceremonies: Ceremonies,
    /// By which apps are told that somebody signed out.
    pub(crate) back_channel: OnceLock<BackChannel>,
    /// What reads the documents in which apps describe themselves.
    pub(crate) client_documents: OnceLock<ClientDocuments>,
    /// Whether apps may register themselves.
    pub(crate) registrations: OnceLock<Registrations>,
    /// The certificates of the node, if it speaks TLS.
    pub(crate) tls: OnceLock<Arc<gateway_tls::Tls>>,
    pub(crate) local_token: OnceLock<SecretHash>,
    pub(crate) database: sea_orm::DatabaseConnection,
    /// Accounts that were made for people who were never named.
    pub(crate) spare: parking_lot::Mutex<Vec<vault::CreatedAccount>>,
}

/// By how much `ALLOD_CLOCK_AHEAD` (seconds) shifts the clock of this process: for tests of clocks that are wrong, and
/// in development builds alone.
static AHEAD_US: LazyLock<i64> = LazyLock::new(|| {
    let said = if cfg!(debug_assertions) { std::env::var("ALLOD_CLOCK_AHEAD").ok() } else { None };
    let seconds = said.and_then(|text| text.parse::<i32>().ok());
    i64::from(seconds.unwrap_or_default()) * 1_000_000
});

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// What was lost of a node's files, in plain words.
fn lost(loss: &Loss) -> Failure {
    let failure = Failure::coded(Exit::Failed, &loss.to_string());
    if loss.can_be_accepted() {
        return failure
            .hint("nothing was changed; `allod doctor --rebuild --accept-loss` goes on without what is lost");
    }
    failure.hint(
        "nothing was changed; a new directory can join by `allod device invite` on another device that has the data",
    )
}

fn log_damaged(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed("log_damaged", &error.to_string()).hint(
        "nothing was changed; put log.db back from your backup, or join a new directory by `allod device invite` on another \
         device that has the data",
    )
}

fn vault_failed(error: VaultError) -> Failure {
    match error {
        VaultError::Loss(loss) => lost(&loss),
        VaultError::Space(SpaceError::Loss(loss)) => lost(&loss),
        VaultError::Admission(error @ AdmissionError::Damaged { .. }) => log_damaged(&error),
        VaultError::Space(error @ SpaceError::Frame { .. }) => log_damaged(&error),
        other => failed(other),
    }
}

/// Opens a node's directory. The caller holds its lock. `accept_loss`: go on without what was lost of its files.
pub async fn open(dir: &DataDir, passphrase: Option<&str>, accept_loss: bool) -> Result<App, Failure> {
    crate::restoring::finish(dir).map_err(failed)?;
    let key = NodeKey::load(dir, passphrase)?;
    open_with(dir, key, None, accept_loss).await
}

async fn open_with(
    dir: &DataDir,
    key: NodeKey,
    spicedb: Option<&SpiceDbConfig>,
    accept_loss: bool,
) -> Result<App, Failure> {
    composed(dir, key, spicedb, accept_loss, |engine| engine).await
}

/// A fresh node whose policy is answered by what is made of its engine.
#[cfg(test)]
pub(crate) async fn open_answered_by(
    dir: &DataDir,
    answering: impl FnOnce(Arc<dyn Explainer>) -> Arc<dyn Explainer>,
) -> Result<App, Failure> {
    composed(dir, NodeKey::create(dir, None)?, None, false, answering).await
}

async fn composed(
    dir: &DataDir,
    key: NodeKey,
    spicedb: Option<&SpiceDbConfig>,
    accept_loss: bool,
    answering: impl FnOnce(Arc<dyn Explainer>) -> Arc<dyn Explainer>,
) -> Result<App, Failure> {
    let unreadable = |error: DatabaseError| match error {
        DatabaseError::Loss(loss) => lost(&loss),
        other => Failure::failed("database_unreadable", &other.to_string()).hint("is the node key the right one?"),
    };
    let clock: vault::Clock = Arc::new(|| policy_core::Timestamp(wall_clock().0.saturating_add(*AHEAD_US)));
    upgrade::leftover(dir)?;
    match vault::database::look_at_frames(dir) {
        Err(loss) if !accept_loss => return Err(lost(&loss)),
        _ => dir.mark_closed().map_err(failed)?,
    }
    upgrade::node(dir, &key, &clock).await?;
    let database = vault::database::open_node(dir, &key).await.map_err(unreadable)?;
    upgrade::make_tables(&database).await.map_err(failed)?;
    let embedded = Embedded::open(database.clone(), Arc::clone(&clock)).await.map_err(failed)?;
    let tasks = Tasks::default();
    let chosen = crate::engine::start(&embedded, &database, spicedb, &tasks, &clock)?;
    let metrics = Metrics::default();
    let engine: Arc<dyn Explainer> = Arc::new(Timed::new(answering(chosen.engine), metrics.policy.clone()));
    // The only gate of this process: the vault recognises its permits and no others.
    #[expect(clippy::disallowed_methods, reason = "this is the composition root")]
    let gate = Gate::new(rand::rng().random(), Arc::clone(&engine) as Arc<dyn Engine>);
    let options = vault::Options {
        dir: dir.clone(),
        key,
        node: database.clone(),
        seal: gate.seal(),
        clock: Arc::clone(&clock),
        accept_loss,
    };
    let vault = Vault::open(options).await.map_err(vault_failed)?;
    let directory = Arc::new(Directory::open(database.clone()).await.map_err(failed)?);
    let policy = Relationships::new(embedded);
    let spaces = Arc::new(Spaces::new(vault.clone(), policy.clone(), Arc::clone(&directory)));
    let access = Arc::new(Access::new(gate, Arc::clone(&engine), Arc::clone(&spaces), Arc::clone(&clock)));
    let pools = Arc::new(Pools::new(vault.answers().clone()));
    Ok(App {
        clock,
        metrics,
        tasks,
        vault,
        policy,
        engine,
        policy_api: chosen.api,
        records: Records::new(Arc::clone(&access), Arc::clone(&spaces)),
        access,
        spaces,
        directory,
        caches: Caches::new(SCHEMAS, OPERATIONS),
        pools,
        sync: OnceLock::new(),
        stop: Notify::new(),
        dir: dir.clone(),
        backups: Backups::default(),
        access_to_places: OnceLock::new(),
        keeper: Arc::new(Keeper::open(dir.places())),
        restoring: Arc::default(),
        exporting: Exporting::default(),
        files: dir.open_files(),
        sharing: Turns::default(),
        removing: tokio::sync::Mutex::default(),
        url: OnceLock::new(),
        providers: OnceLock::new(),
        mail: OnceLock::new(),
        ceremonies: Ceremonies::default(),
        back_channel: OnceLock::new(),
        client_documents: OnceLock::new(),
        registrations: OnceLock::new(),
        tls: OnceLock::new(),
        local_token: OnceLock::new(),
        database,
        spare: parking_lot::Mutex::default(),
    })
}

/// Opens a directory that may be empty: an empty one gets its key. With `spicedb`, that answers policy.
pub async fn open_or_create(
    dir: &DataDir,
    passphrase: Option<&str>,
    spicedb: Option<&SpiceDbConfig>,
) -> Result<App, Failure> {
    crate::restoring::finish(dir).map_err(failed)?;
    if crate::restoring::is_broken_off(dir) {
        let text = "a restore into this directory was broken off: it is no node yet, and none is made beside it";
        return Err(Failure::failed("restore_unfinished", text).hint(
            "run `allod restore` again with this directory: it begins anew; to begin without it, empty the directory",
        ));
    }
    let key = if NodeKey::exists(dir) { NodeKey::load(dir, passphrase)? } else { NodeKey::create(dir, passphrase)? };
    open_with(dir, key, spicedb, false).await
}

impl App {
    /// Ends the node's work: what is acknowledged is safe, views are clean.
    pub async fn shutdown(&self) {
        self.tasks.end().await;
        if let Some(sync) = self.sync.get() {
            sync.shutdown().await;
        }
        if let Err(error) = self.directory.tend(self.now()).await {
            tracing::warn!(%error, "the directory was not written out");
        }
        if let Err(error) = self.vault.shutdown().await {
            tracing::warn!(%error, "the views were not closed cleanly; they are checked at the next start");
        }
        // A process that ends while a thread of its own still works in the cipher's library may crash.
        if let Err(error) = self.database.clone().close().await {
            tracing::warn!(%error, "the node database was not closed");
        }
    }
}
