//! From a caller and a space to permits: the one way to the vault.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::RwLock;
use policy::facts::Resource;
use policy::{Explainer, Reason, Relationships, Standing};
use policy_core::{
    AppCaller, Caller, Check, CollectionId, CollectionResource, Decision, Gate, Grant, GrantId, LookupResources,
    MAX_DOCUMENTS, Object, PeerKey, Permits, Read, Refusal, Replicate, Resources, SpaceId, Subject, Timestamp, UserId,
    Write,
};
use vault::feed::Moved;
use vault::shares::{Lease, Payer, Pool, Shares};
use vault::{Clock, Vault};
use vault_core::schema::Schema;

use crate::directory::{Directory, DirectoryError};
use crate::node::NodeError;
use crate::spaces::Spaces;

/// What a space holds, as policy names it. Made once a version of its definitions.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub schema: Arc<Schema>,
    pub resources: Arc<Resources>,
}

/// The resources of a space.
pub fn resources(space: SpaceId, schema: &Schema) -> Resources {
    let collections = schema
        .collections
        .iter()
        .map(|collection| CollectionResource {
            id: collection.id,
            fields: collection.fields.iter().map(|field| field.id).collect(),
        })
        .collect();
    Resources { space, schema: schema.version, collections }
}

/// Why a request does not reach a space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Foreign and unknown spaces answer alike.
    #[error("There is no such space.")]
    NotFound,
    #[error("The node cannot do this at this moment ({0}); try again.")]
    Unavailable(String),
    /// Policy gives no answer, and without one nothing is allowed; the engine's word for why.
    #[error("Policy cannot decide this now: {}.", crate::engine::sentence(.0).0)]
    Policy(String),
    #[error("Policy is moving; try again.")]
    Moving,
    #[error("The node tells at most {MAX_DOCUMENTS} single documents of a collection apart for one person.")]
    TooManyDocuments,
}

impl From<policy_core::EngineUnavailable> for AccessError {
    fn from(error: policy_core::EngineUnavailable) -> Self {
        AccessError::Policy(error.reason)
    }
}

impl From<Refusal> for AccessError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => AccessError::NotFound,
            Refusal::TooManyDocuments => AccessError::TooManyDocuments,
            Refusal::Unavailable(reason) => AccessError::Policy(reason),
        }
    }
}

impl From<AccessError> for NodeError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound => NodeError::NotFound,
            AccessError::Unavailable(reason) => NodeError::Unavailable(reason),
            AccessError::Moving => NodeError::Unavailable("policy is moving".into()),
            AccessError::Policy(reason) => NodeError::Policy(reason),
            AccessError::TooManyDocuments => NodeError::Failed(error.to_string()),
        }
    }
}

/// How often work is begun because policy moved meanwhile, or the permits lapsed while it waited for its turn.
const TRIES: usize = 8;

/// Fresh permits for each time that work is begun, until it is done or they held no more each time.
pub struct Attempts<'a> {
    access: &'a Access,
    caller: &'a Caller,
    space: SpaceId,
    left: usize,
}

impl Attempts<'_> {
    fn next(&mut self) -> Result<(), AccessError> {
        self.left = self.left.checked_sub(1).ok_or(AccessError::Moving)?;
        Ok(())
    }

    /// Permits to read, and the definitions that they were minted for.
    ///
    /// # Errors
    /// If there are none, or this was asked too often.
    pub async fn read(&mut self) -> Result<(Catalogue, Permits<Read>), AccessError> {
        self.next()?;
        self.access.read_permits(self.caller, self.space).await
    }

    /// [`Attempts::read`], of these collections alone.
    ///
    /// # Errors
    /// As there.
    pub async fn read_of(&mut self, collections: &[CollectionId]) -> Result<(Catalogue, Permits<Read>), AccessError> {
        self.next()?;
        self.access.read_permits_to(self.caller, self.space, collections).await
    }

    /// [`Attempts::read`], to write.
    ///
    /// # Errors
    /// As there.
    pub async fn write(&mut self) -> Result<(Catalogue, Permits<Write>), AccessError> {
        self.next()?;
        self.access.write_permits(self.caller, self.space).await
    }
}

/// Hears of somebody who sees nothing of a space and comes to it.
#[async_trait]
pub trait Newcomers: Send + Sync {
    /// Whether they have something of it now.
    async fn comes(&self, user: UserId, space: SpaceId) -> bool;
}

/// What decides who reaches what: the gate, the engine that answers it, and what they are asked about.
pub struct Access {
    gate: Gate,
    /// The engine that the gate asks too.
    engine: Arc<dyn Explainer>,
    policy: Relationships,
    vault: Vault,
    directory: Arc<Directory>,
    spaces: Arc<Spaces>,
    clock: Clock,
    catalogues: RwLock<HashMap<SpaceId, Catalogue>>,
    personal: RwLock<HashMap<UserId, SpaceId>>,
    granted: RwLock<HashMap<GrantId, SpaceId>>,
    /// How it stood with policy, and when.
    standing: tokio::sync::Mutex<Option<(Instant, Standing)>>,
    newcomers: OnceLock<Weak<dyn Newcomers>>,
    /// Where policy is asked about many fields at once, by turns.
    minting: Pool,
}

/// Of definitions with more fields permits are minted by turns, as long as they are not known.
const MANY_FIELDS: usize = 300;
/// How many such of one person wait, and how long.
const MINTS_WAITING: usize = 128;
const PATIENCE: Duration = Duration::from_secs(15);

impl Access {
    pub fn new(gate: Gate, engine: Arc<dyn Explainer>, spaces: Arc<Spaces>, clock: Clock) -> Access {
        let cores = std::thread::available_parallelism().map_or(2, usize::from) as u64;
        Access {
            gate,
            engine,
            policy: spaces.policy.clone(),
            vault: spaces.vault.clone(),
            directory: Arc::clone(&spaces.directory),
            spaces,
            clock,
            catalogues: RwLock::default(),
            personal: RwLock::default(),
            granted: RwLock::default(),
            standing: tokio::sync::Mutex::default(),
            newcomers: OnceLock::new(),
            minting: Pool::new(Shares::of(cores.clamp(2, 8), MINTS_WAITING)),
        }
    }

    /// The caller's turn to have permits minted that take long; `None`: these do not.
    async fn turn(&self, caller: &Caller, resources: &Resources) -> Result<Option<Lease>, AccessError> {
        let fields: usize = resources.collections.iter().map(|collection| collection.fields.len()).sum();
        if fields <= MANY_FIELDS || self.gate.knows(caller, resources, self.now()) {
            return Ok(None);
        }
        let busy = |_| AccessError::Unavailable("you ask for too much at a time".to_owned());
        self.minting.take(Payer::from(caller), 1, PATIENCE).await.map(Some).map_err(busy)
    }

    async fn minted_read(
        &self,
        caller: &Caller,
        resources: &Resources,
    ) -> Result<Result<Permits<Read>, Refusal>, AccessError> {
        let _turn = self.turn(caller, resources).await?;
        Ok(self.gate.read(caller, resources, self.now()).await)
    }

    async fn minted_write(
        &self,
        caller: &Caller,
        resources: &Resources,
    ) -> Result<Result<Permits<Write>, Refusal>, AccessError> {
        let _turn = self.turn(caller, resources).await?;
        Ok(self.gate.write(caller, resources, self.now()).await)
    }

    /// Who hears of newcomers; said once.
    pub fn tell_of_newcomers(&self, newcomers: Weak<dyn Newcomers>) {
        let _ = self.newcomers.set(newcomers);
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// After a restore, apps and links sleep, and so does what is shared: everybody reaches what is theirs, alone.
    fn awake(&self, caller: &Caller, space: SpaceId) -> Result<(), AccessError> {
        let own = || caller.app.is_none() && self.vault.owner_of(space) == Some(caller.user);
        if self.directory.asleep_since().is_none() || own() {
            return Ok(());
        }
        let text = "it was restored from a backup, and what was given out before waits for its owner's confirmation";
        Err(AccessError::Unavailable(text.into()))
    }

    /// For work that begins again, under fresh permits, when what it was begun under holds no more.
    pub fn attempts<'a>(&'a self, caller: &'a Caller, space: SpaceId) -> Attempts<'a> {
        Attempts { access: self, caller, space, left: TRIES }
    }

    /// Permits to read, and the definitions that they were minted for.
    pub async fn read_permits(
        &self,
        caller: &Caller,
        space: SpaceId,
    ) -> Result<(Catalogue, Permits<Read>), AccessError> {
        self.awake(caller, space)?;
        let catalogue = self.catalogue(space).await?;
        let mut permits = self.minted_read(caller, &catalogue.resources).await?;
        if matches!(permits, Err(Refusal::Denied)) && self.comes_for_something(caller, space).await {
            permits = self.minted_read(caller, &catalogue.resources).await?;
        }
        Ok((catalogue, permits?))
    }

    /// Whether somebody who sees nothing of a space has been offered something of it, and has it now.
    async fn comes_for_something(&self, caller: &Caller, space: SpaceId) -> bool {
        // What is taken up is checked by the permits of whoever offered it: this leads here again, once.
        let newcomers = self.newcomers.get().and_then(Weak::upgrade);
        match newcomers {
            Some(newcomers) if caller.app.is_none() => newcomers.comes(caller.user, space).await,
            _ => false,
        }
    }

    /// Permits to read under a grant that is not given yet, as there would be if it were; see [`Gate::preview`].
    pub async fn preview_permits(&self, grant: &Grant) -> Result<(Catalogue, Permits<Read>), AccessError> {
        let app = AppCaller::new(grant.holder, grant.id);
        self.awake(&Caller { user: grant.grantor, app: Some(app), device: None }, grant.space)?;
        let catalogue = self.catalogue(grant.space).await?;
        let permits = self.gate.preview(grant, &catalogue.resources, self.now()).await?;
        Ok((catalogue, permits))
    }

    /// As [`Access::read_permits`], to these collections alone.
    pub async fn read_permits_to(
        &self,
        caller: &Caller,
        space: SpaceId,
        collections: &[CollectionId],
    ) -> Result<(Catalogue, Permits<Read>), AccessError> {
        self.awake(caller, space)?;
        let catalogue = self.catalogue(space).await?;
        let all = &catalogue.resources;
        let collections = all.collections.iter().filter(|one| collections.contains(&one.id)).cloned().collect();
        let resources = Resources { space, schema: all.schema, collections };
        let permits = self.minted_read(caller, &resources).await??;
        Ok((catalogue, permits))
    }

    /// Permits to write, and the definitions that they were minted for.
    pub async fn write_permits(
        &self,
        caller: &Caller,
        space: SpaceId,
    ) -> Result<(Catalogue, Permits<Write>), AccessError> {
        self.awake(caller, space)?;
        let catalogue = self.catalogue(space).await?;
        let mut permits = self.minted_write(caller, &catalogue.resources).await?;
        if matches!(permits, Err(Refusal::Denied)) && self.comes_for_something(caller, space).await {
            permits = self.minted_write(caller, &catalogue.resources).await?;
        }
        Ok((catalogue, permits?))
    }

    /// The permit of one batch for a peer; see [`Gate::replicate`]. A space that policy has not heard of is made known to
    /// it, and asked about once more.
    pub async fn replicate_permits(
        &self,
        caller: &Caller,
        peer: PeerKey,
        space: SpaceId,
    ) -> Result<Permits<Replicate>, Refusal> {
        self.awake(caller, space).map_err(|error| Refusal::Unavailable(error.to_string()))?;
        let permits = self.gate.replicate(caller, peer, space, self.now()).await;
        if !matches!(permits, Err(Refusal::Denied)) {
            return permits;
        }
        match self.spaces.introduce(space).await {
            Ok(false) => permits,
            Ok(true) => self.gate.replicate(caller, peer, space, self.now()).await,
            Err(error) => Err(Refusal::Unavailable(error.to_string())),
        }
    }

    /// Whether a person has a permission on a resource.
    pub async fn may(&self, user: UserId, resource: Resource, permission: &str) -> Result<bool, AccessError> {
        Ok(self.allowed(&[Check::new(resource.object(), permission, Subject::object("user", user))]).await? == [true])
    }

    /// Which of these checks are allowed, in their order.
    pub async fn allowed(&self, checks: &[Check]) -> Result<Vec<bool>, AccessError> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.engine.check(checks, self.now()).await?;
        if answers.len() != checks.len() {
            return Err(AccessError::Policy("unanswered".to_owned()));
        }
        Ok(answers.iter().map(Decision::allowed).collect())
    }

    /// The relationships by which a check is allowed; `None`: it is not, or has no answer.
    pub async fn path(&self, check: &Check) -> Result<Option<Vec<String>>, AccessError> {
        let traced = match self.engine.trace(check).await {
            Ok((traced, _)) => traced,
            Err(error) => {
                let down = matches!(error.reason, Reason::Unavailable | Reason::Unauthenticated | Reason::Internal);
                tracing::warn!(%check, %error, "a check has no answer");
                return if down { Err(AccessError::Policy(unanswered(&error))) } else { Ok(None) };
            }
        };
        let allowed = traced.permissionship == policy_core::Permissionship::Yes;
        Ok(allowed.then(|| traced.path().into_iter().map(policy_core::Tuple::to_text).collect()))
    }

    /// Every object of a kind on which a subject surely has a permission.
    pub async fn objects(&self, kind: &str, permission: &str, subject: &Subject) -> Result<Vec<Object>, AccessError> {
        let lookup = LookupResources {
            kind: kind.to_owned(),
            permission: permission.to_owned(),
            subject: subject.clone(),
            context: policy_core::Context::new(),
        };
        let found = self.engine.lookup_resources(&lookup, self.now()).await?.found.into_iter();
        let sure = found.filter(|one| one.permissionship == policy_core::Permissionship::Yes);
        Ok(sure.map(|one| Object::new(kind, one.id)).collect())
    }

    /// The catalogue of a space, made known to policy.
    pub async fn catalogue(&self, space: SpaceId) -> Result<Catalogue, AccessError> {
        let not_here = |error: vault::VaultError| {
            if error.is_not_found() {
                AccessError::NotFound
            } else {
                tracing::error!(%error, "a space could not be opened");
                AccessError::Unavailable("the space cannot be opened".into())
            }
        };
        let schema = self.vault.schema(space).await.map_err(not_here)?;
        if let Some(known) = self.catalogues.read().get(&space)
            && known.resources.schema == schema.version
        {
            return Ok(known.clone());
        }
        self.spaces.project(space).await.map_err(|error| {
            tracing::error!(%error, "a space could not be made known to policy");
            AccessError::Unavailable("policy is not ready".into())
        })?;
        let resources = Arc::new(resources(space, &schema));
        self.policy.declare_collections(space, &resources.collections);
        self.policy.settle().await.map_err(|error| {
            tracing::warn!(%error, "a space could not be made known to SpiceDB");
            AccessError::Policy("spicedb_unavailable".into())
        })?;
        let catalogue = Catalogue { schema, resources };
        self.catalogues.write().insert(space, catalogue.clone());
        Ok(catalogue)
    }

    /// Looks at the definitions of a space anew when it is asked for next.
    pub fn forget_catalogue(&self, space: SpaceId) {
        self.catalogues.write().remove(&space);
    }

    /// Forgets what is known of a person who is gone, and of their spaces.
    pub fn forget_person(&self, user: UserId, spaces: &[SpaceId]) {
        self.personal.write().remove(&user);
        self.granted.write().retain(|_, space| !spaces.contains(space));
        for space in spaces {
            self.forget_catalogue(*space);
            self.spaces.forget(*space);
        }
    }

    /// A grant that is in force, as it is enforced.
    pub async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, AccessError> {
        Ok(self.engine.grant(id).await?)
    }

    /// A person's own space.
    pub async fn personal_space(&self, user: UserId) -> Result<SpaceId, AccessError> {
        if let Some(space) = self.personal.read().get(&user) {
            return Ok(*space);
        }
        let spaces = self.spaces.named_spaces(&self.vault.space_ids(user)).await.map_err(|error| {
            tracing::error!(%error, "spaces could not be listed");
            AccessError::Unavailable("the spaces cannot be opened".into())
        })?;
        let space = spaces.iter().find(|space| space.personal).ok_or(AccessError::NotFound)?.id;
        self.personal.write().insert(user, space);
        Ok(space)
    }

    /// The space that a grant is on.
    pub async fn grant_space(&self, grant: GrantId) -> Result<SpaceId, AccessError> {
        if let Some(space) = self.granted.read().get(&grant) {
            return Ok(*space);
        }
        let unreadable = |error: DirectoryError| {
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
                self.forget_catalogue(space);
                if let Err(error) = self.spaces.project(space).await {
                    tracing::warn!(%space, %error, "a space could not be made known to policy");
                }
            }
        }
    }

    /// How it stands with policy; found out once a second at most.
    pub async fn policy_standing(&self) -> Standing {
        let mut known = self.standing.lock().await;
        match &*known {
            Some((at, standing)) if at.elapsed() < Duration::from_secs(1) => standing.clone(),
            _ => {
                let standing = self.engine.standing().await;
                *known = Some((Instant::now(), standing.clone()));
                standing
            }
        }
    }
}

#[async_trait]
impl sync::ReplicateGate for Access {
    async fn replicate(&self, caller: &Caller, peer: PeerKey, space: SpaceId) -> Result<Permits<Replicate>, Refusal> {
        self.replicate_permits(caller, peer, space).await
    }

    fn is_out(&self, user: UserId) -> bool {
        self.directory.is_suspended(user)
    }
}

/// The word for why an engine gave no answer.
pub fn unanswered(error: &policy::ServiceError) -> String {
    match error.reason {
        _ if error.message == "revocation_pending" => "revocation_pending",
        Reason::Unavailable => "spicedb_unavailable",
        Reason::Unauthenticated => "spicedb_refuses_the_key",
        _ => "unanswered",
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
