//! The composition root: the one place where engines are named and the gate is made.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use policy::{Delivery, Embedded, Explainer, RelationshipService, Relationships, SpiceDbConfig, Standing, wall_clock};
use policy_core::{Caller, Context, Engine, Gate, GrantId, SealRefusal, SpaceId, TenantId, Timestamp, UserId};
use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::Notify;
use vault::data_dir::{OpenFiles, forget_opened};
use vault::database::DatabaseError;
use vault::feed::Moved;
use vault::keyring::{DirectoryLock, NodeKey};
use vault::shares::Pool;
use vault::witness::Loss;
use vault::{SpaceError, Vault, VaultError};
use vault_core::control::GrantRecord;
use vault_core::schema::Schema;

use crate::access::{AccessError, Catalogue};
use crate::directory::{Directory, Secret, SecretHash, SpaceRow};
use crate::failure::{Exit, Failure};
use crate::node::{Node, NodeError, OwnSpace};
use crate::tasks::Tasks;
use gateway_graphql::Caches;

/// Compiled GraphQL schemas kept at most, and bytes of prepared operations.
const SCHEMAS: usize = 256;
const OPERATIONS: usize = 16 << 20;
/// Where people are whose tenant is known at another node (a joined device).
const ELSEWHERE: TenantId = TenantId::from_bytes([0; 16]);

/// Everything a handler works with.
pub struct App {
    /// The one clock of the node.
    clock: vault::Clock,
    /// What runs beside requests, until [`App::shutdown`].
    pub(crate) tasks: Tasks,
    pub vault: Vault,
    /// What changes relationships; it answers nothing.
    pub policy: Relationships,
    /// What answers, with reasons: the engine that the gate asks too.
    pub engine: Arc<dyn Explainer>,
    /// SpiceDB's API of this node.
    pub(crate) policy_api: Arc<dyn RelationshipService>,
    pub gate: Gate,
    pub directory: Directory,
    pub caches: Caches,
    /// The memory for bodies of requests.
    pub(crate) bodies: Pool,
    /// Where large operations are read and planned.
    pub(crate) planning: Pool,
    pub sync: OnceLock<sync::Node>,
    pub stop: Notify,
    /// What the node works with on disk.
    pub files: OpenFiles,
    /// Held by whoever changes groups, shares and field rules: two at once could close a circle together.
    pub(crate) sharing: tokio::sync::Mutex<()>,
    pub(crate) catalogues: RwLock<HashMap<SpaceId, Catalogue>>,
    personal: RwLock<HashMap<UserId, SpaceId>>,
    /// What spaces are called, as it is noted.
    names: RwLock<HashMap<SpaceId, String>>,
    granted: RwLock<HashMap<GrantId, SpaceId>>,
    /// Who gives a grant, as long as it is being given: its record arrives here too.
    giving: Mutex<HashMap<GrantId, Context>>,
    /// Grants that are taken back, and whose spaces do not say so yet: whose they are, and where.
    unrecorded: Mutex<HashMap<GrantId, (UserId, SpaceId)>>,
    /// How it stood with policy, and when.
    standing: tokio::sync::Mutex<Option<(std::time::Instant, Standing)>>,
    pub(crate) url: OnceLock<String>,
    pub(crate) local_token: OnceLock<SecretHash>,
    pub(crate) database: sea_orm::DatabaseConnection,
}

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

fn vault_failed(error: VaultError) -> Failure {
    match error {
        VaultError::Loss(loss) => lost(&loss),
        VaultError::Space(SpaceError::Loss(loss)) => lost(&loss),
        other => failed(other),
    }
}

/// Opens a node's directory. The caller holds its lock. `accept_loss`: go on without what was lost of its files.
pub async fn open(dir: &Path, passphrase: Option<&str>, accept_loss: bool) -> Result<App, Failure> {
    let key = NodeKey::load(dir, passphrase)?;
    open_with(dir, key, None, accept_loss).await
}

async fn open_with(
    dir: &Path,
    key: NodeKey,
    spicedb: Option<&SpiceDbConfig>,
    accept_loss: bool,
) -> Result<App, Failure> {
    let unreadable = |error: DatabaseError| match error {
        DatabaseError::Loss(loss) => lost(&loss),
        other => Failure::failed("database_unreadable", &other.to_string()).hint("is the node key the right one?"),
    };
    let database = vault::database::open_node(dir, &key).await.map_err(unreadable)?;
    let embedded = Embedded::open(database.clone()).await.map_err(failed)?;
    let tasks = Tasks::default();
    let clock: vault::Clock = Arc::new(wall_clock);
    let chosen = crate::engine::start(&embedded, &database, spicedb, &tasks)?;
    // The only gate of this process: the vault recognises its permits and no others.
    #[expect(clippy::disallowed_methods, reason = "this is the composition root")]
    let gate = Gate::new(rand::rng().random(), Arc::clone(&chosen.engine) as Arc<dyn Engine>);
    let options = vault::Options {
        dir: dir.to_owned(),
        key,
        node: database.clone(),
        seal: gate.seal(),
        clock: Arc::clone(&clock),
        accept_loss,
    };
    let vault = Vault::open(options).await.map_err(vault_failed)?;
    let directory = Directory::open(database.clone()).await.map_err(failed)?;
    Ok(App {
        clock,
        tasks,
        vault,
        policy: Relationships::new(embedded),
        engine: chosen.engine,
        policy_api: chosen.api,
        gate,
        directory,
        caches: Caches::new(SCHEMAS, OPERATIONS),
        bodies: crate::front::intake::bodies(),
        planning: crate::front::data::planning(),
        sync: OnceLock::new(),
        stop: Notify::new(),
        files: OpenFiles::of_node(dir),
        sharing: tokio::sync::Mutex::default(),
        catalogues: RwLock::default(),
        personal: RwLock::default(),
        names: RwLock::default(),
        granted: RwLock::default(),
        giving: Mutex::default(),
        unrecorded: Mutex::default(),
        standing: tokio::sync::Mutex::default(),
        url: OnceLock::new(),
        local_token: OnceLock::new(),
        database,
    })
}

/// Opens a directory that may be empty: an empty one gets its key. With `spicedb`, that answers policy.
pub async fn open_or_create(
    dir: &Path,
    passphrase: Option<&str>,
    spicedb: Option<&SpiceDbConfig>,
) -> Result<App, Failure> {
    let key = if NodeKey::exists(dir) { NodeKey::load(dir, passphrase)? } else { NodeKey::create(dir, passphrase)? };
    open_with(dir, key, spicedb, false).await
}

/// `allod init`: the same result as the setup page.
pub async fn init(
    dir: &Path,
    owner: &str,
    tenant: &str,
    password: &str,
    passphrase: Option<&str>,
) -> Result<Value, Failure> {
    let _lock = DirectoryLock::take(dir)?;
    let fresh = !NodeKey::exists(dir);
    let app = open_or_create(dir, passphrase, None).await?;
    if app.owner().is_some() {
        app.shutdown().await;
        let error = vault::keyring::DirectoryError::AlreadyANode(dir.to_owned());
        return Err(error.into());
    }
    let done = match crate::front::account::setup(&app, owner, tenant, password).await {
        Ok(done) => done,
        Err(error) => {
            app.shutdown().await;
            drop(app);
            if fresh {
                // Nothing was set up: the directory is left as it was found.
                remove_fresh(dir);
            }
            return Err(Failure::new(Exit::Usage, error.code(), &error.to_string()));
        }
    };
    app.shutdown().await;
    Ok(json!({ "node": done.node, "user": done.user, "tenant": done.tenant, "space": done.space }))
}

/// Removes what a first start has made in a directory: in an order that, broken off, leaves what can be begun with.
pub fn remove_fresh(dir: &Path) {
    forget_opened(dir);
    let _ = std::fs::remove_dir_all(dir.join("views"));
    for name in ["log.db", "node.db", "node.key"] {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.join(format!("{name}{suffix}")));
        }
    }
}

impl App {
    /// A person's own space.
    pub async fn personal_space(&self, user: UserId) -> Result<SpaceId, AccessError> {
        if let Some(space) = self.personal.read().get(&user) {
            return Ok(*space);
        }
        let spaces = self.named_spaces(&self.vault.space_ids(user)).await.map_err(|error| {
            tracing::error!(%error, "spaces could not be listed");
            AccessError::Unavailable("the spaces cannot be opened".into())
        })?;
        let space = spaces.iter().find(|space| space.personal).ok_or(AccessError::NotFound)?.id;
        self.personal.write().insert(user, space);
        Ok(space)
    }

    /// What these spaces are called, of those that are here; one whose name is not noted yet is opened for it.
    pub async fn named_spaces(&self, ids: &[SpaceId]) -> Result<Vec<SpaceRow>, NodeError> {
        let failed = |error: crate::directory::DirectoryError| NodeError::Failed(error.to_string());
        let mut named = self.directory.noted_spaces(ids).await.map_err(failed)?;
        for id in ids {
            if named.iter().any(|space| space.id == *id) {
                continue;
            }
            match self.vault.policy(*id).await {
                Ok(terms) => {
                    let space = SpaceRow { id: *id, name: terms.name.clone(), personal: terms.personal };
                    self.directory.note_space(&space).await.map_err(failed)?;
                    named.push(space);
                }
                // Offered by another device, its keys not sealed to this one yet.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(node_error(error)),
            }
        }
        Ok(named)
    }

    /// Notes what a space is called, if that is news.
    async fn note_name(&self, space: SpaceId, terms: &vault::Policy) -> Result<(), NodeError> {
        let row = SpaceRow { id: space, name: terms.name.clone(), personal: terms.personal };
        if self.names.read().get(&space) == Some(&row.name) {
            return Ok(());
        }
        self.directory.note_space(&row).await.map_err(|error| NodeError::Failed(error.to_string()))?;
        self.names.write().insert(space, row.name);
        Ok(())
    }

    /// The space that a grant is on.
    pub async fn grant_space(&self, grant: GrantId) -> Result<SpaceId, AccessError> {
        if let Some(space) = self.granted.read().get(&grant) {
            return Ok(*space);
        }
        let unreadable = |error: crate::directory::DirectoryError| {
            tracing::error!(%error, "a grant could not be read");
            AccessError::Unavailable("the grant cannot be read".into())
        };
        let space = match self.directory.grant_row(grant).await.map_err(unreadable)? {
            Some(row) => row.space,
            None => self.directory.link_row(grant).await.map_err(unreadable)?.ok_or(AccessError::NotFound)?.space,
        };
        self.granted.write().insert(grant, space);
        Ok(space)
    }

    /// Makes a space and its grants known to policy. Idempotent.
    pub async fn project(&self, space: SpaceId) -> Result<(), NodeError> {
        let policy_failed = |error: policy::PolicyError| NodeError::Failed(error.to_string());
        let owner = self.vault.owner_of(space).ok_or(NodeError::NotFound)?;
        let tenant = match self.directory.user(owner).await.map_err(|error| NodeError::Failed(error.to_string()))? {
            Some(user) => user.tenant,
            None => ELSEWHERE,
        };
        let terms = self.vault.policy(space).await.map_err(node_error)?;
        self.note_name(space, &terms).await?;
        self.policy.declare_space(space, tenant, owner).await.map_err(policy_failed)?;
        for record in &terms.grants {
            if !self.policy.is_revoked(record.grant.id) {
                let given = self.giving.lock().get(&record.grant.id).cloned();
                let by = given.unwrap_or_else(|| arrived("grant.arrived"));
                // What is pending is looked at by whoever asks.
                let _ = self.policy.put_grant(Arc::new(record.grant.clone()), by).await.map_err(policy_failed)?;
            } else if !terms.revoked.contains(&record.grant.id) {
                self.unrecorded.lock().insert(record.grant.id, (owner, space));
            }
        }
        for id in &terms.revoked {
            if !self.policy.is_revoked(*id) {
                let by = arrived("revocation.arrived");
                let _ = self.policy.revoke_grant(*id, by).await.map_err(policy_failed)?;
            }
        }
        Ok(())
    }

    /// Projects control entries that arrive, for as long as the node runs.
    pub async fn follow(self: Arc<Self>) {
        use tokio::sync::broadcast::error::RecvError;
        let mut news = self.vault.feed();
        loop {
            let spaces = match news.recv().await {
                Ok(Moved::Control(space)) => vec![space],
                Ok(_) => continue,
                // Some news was missed: everything is looked at again.
                Err(RecvError::Lagged(_)) => self.catalogues.read().keys().copied().collect(),
                Err(RecvError::Closed) => return,
            };
            for space in spaces {
                self.catalogues.write().remove(&space);
                if let Err(error) = self.project(space).await {
                    tracing::warn!(%space, %error, "a space could not be made known to policy");
                }
            }
        }
    }

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

    /// Records in their spaces what was taken back while policy could not answer.
    pub async fn record_revocations(&self) {
        let open: Vec<_> = self.unrecorded.lock().iter().map(|(id, of)| (*id, *of)).collect();
        for (id, (user, space)) in open {
            match self.record(user, space, PolicyChange::Revoke(id)).await {
                Ok(()) | Err(NodeError::NotFound) => {
                    self.unrecorded.lock().remove(&id);
                }
                Err(error) => {
                    tracing::warn!(grant = %id, %error, "a space does not say yet that a grant is taken back")
                }
            }
        }
    }

    /// How it stands with policy; found out once a second at most.
    pub async fn policy_standing(&self) -> Standing {
        let mut known = self.standing.lock().await;
        match &*known {
            Some((at, standing)) if at.elapsed() < std::time::Duration::from_secs(1) => standing.clone(),
            _ => {
                let standing = self.engine.standing().await;
                *known = Some((std::time::Instant::now(), standing.clone()));
                standing
            }
        }
    }

    /// Records a change of a space's grants, again if policy moves meanwhile.
    async fn record(&self, user: UserId, space: SpaceId, change: PolicyChange) -> Result<(), NodeError> {
        let caller = Caller { user, app: None, device: None };
        for _ in 0..5 {
            let (_, permits) = self.write_permits(&caller, space).await.map_err(|error| match error {
                AccessError::NotFound => NodeError::NotFound,
                AccessError::Unavailable(reason) => NodeError::Unavailable(reason),
                AccessError::Policy(reason) => NodeError::Policy(reason),
                AccessError::TooManyDocuments => NodeError::Failed(error.to_string()),
            })?;
            let done = match &change {
                PolicyChange::Put(record) => self.vault.put_grant(&permits, record.clone()).await,
                PolicyChange::Revoke(id) => self.vault.revoke_grant(&permits, *id).await,
            };
            match done {
                Err(VaultError::Permit(SealRefusal::Moved)) => {}
                other => return other.map_err(node_error),
            }
        }
        Err(NodeError::Unavailable("policy is moving".into()))
    }
}

/// Who gives a grant, until it is given or whoever asked has gone away.
struct Giving<'a> {
    all: &'a Mutex<HashMap<GrantId, Context>>,
    id: GrantId,
}

impl<'a> Giving<'a> {
    fn begin(all: &'a Mutex<HashMap<GrantId, Context>>, id: GrantId, by: Context) -> Self {
        all.lock().insert(id, by);
        Giving { all, id }
    }
}

impl Drop for Giving<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

/// What the audit of policy says of what a space says by itself: the entry in the space tells who wrote it.
fn arrived(action: &str) -> Context {
    [("action", action), ("actor", "space")].map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect()
}

/// A change of a space's grants.
enum PolicyChange {
    Put(GrantRecord),
    Revoke(GrantId),
}

pub(crate) fn node_error(error: VaultError) -> NodeError {
    if error.is_not_found() { NodeError::NotFound } else { NodeError::Failed(error.to_string()) }
}

#[async_trait]
impl Node for App {
    fn directory(&self) -> &Directory {
        &self.directory
    }
    fn now(&self) -> Timestamp {
        (self.clock)()
    }
    fn url(&self) -> String {
        self.url.get().cloned().unwrap_or_default()
    }
    fn local_token(&self) -> SecretHash {
        *self.local_token.get_or_init(|| Secret::draw().hash())
    }
    /// Who set the node up, or whose device this is.
    fn owner(&self) -> Option<UserId> {
        self.directory.owner().or_else(|| self.vault.joined().first().copied())
    }
    fn advance_epoch(&self) {
        self.policy.advance_epoch();
    }

    async fn create_account(&self) -> Result<(UserId, SpaceId), NodeError> {
        // Before anybody owns the node, an account here is that of a set-up which was broken off.
        let left = match self.owner() {
            None => self.vault.resume_account().await.map_err(node_error)?,
            Some(_) => None,
        };
        let made = match left {
            Some(made) => made,
            None => self.vault.create_account().await.map_err(node_error)?,
        };
        Ok((made.user, made.space))
    }

    async fn declare_tenant(&self, tenant: TenantId, owner: Option<UserId>) -> Result<(), NodeError> {
        self.policy.declare_tenant(tenant, owner).await.map_err(|error| NodeError::Failed(error.to_string()))
    }

    async fn enrol(&self, tenant: TenantId, user: UserId, space: SpaceId) -> Result<(), NodeError> {
        let policy_failed = |error: policy::PolicyError| NodeError::Failed(error.to_string());
        self.policy.add_member(tenant, user).await.map_err(policy_failed)?;
        self.policy.declare_space(space, tenant, user).await.map_err(policy_failed)
    }

    async fn spaces(&self, user: UserId) -> Result<Vec<OwnSpace>, NodeError> {
        let spaces = self.vault.spaces(user).await.map_err(node_error)?;
        let own = |space: vault::SpaceInfo| OwnSpace {
            id: space.id,
            name: space.name,
            personal: space.personal,
            owner: space.owner,
        };
        Ok(spaces.into_iter().map(own).collect())
    }

    async fn schema(&self, space: SpaceId) -> Result<Arc<Schema>, NodeError> {
        self.vault.schema(space).await.map_err(node_error)
    }

    async fn put_grant(&self, record: GrantRecord, by: Context) -> Result<(), NodeError> {
        let grant = Arc::new(record.grant.clone());
        let id = grant.id;
        let _giving = Giving::begin(&self.giving, id, by.clone());
        self.record(grant.grantor, grant.space, PolicyChange::Put(record)).await?;
        let put = self.policy.put_grant(grant, by).await;
        put.map(drop).map_err(|error| NodeError::Failed(error.to_string()))
    }

    async fn revoke_grant(
        &self,
        grantor: UserId,
        space: SpaceId,
        id: GrantId,
        by: Context,
    ) -> Result<Delivery, NodeError> {
        let revoked = self.policy.revoke_grant(id, by).await;
        let delivery = revoked.map_err(|error| NodeError::Failed(error.to_string()))?;
        match self.record(grantor, space, PolicyChange::Revoke(id)).await {
            Err(NodeError::Policy(reason)) => {
                // The space says so as soon as policy answers again; nobody is served by the grant meanwhile.
                self.unrecorded.lock().insert(id, (grantor, space));
                Ok(delivery.and(Delivery::Pending(reason)))
            }
            recorded => recorded.map(|()| delivery),
        }
    }

    async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, NodeError> {
        self.vault.grants(space).await.map_err(node_error)
    }
}
