//! The vault of a node: accounts, spaces, and the three ways in (read, write, replicate).

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use policy_core::{DeviceId, GateSeal, PeerKey, SealRefusal, SpaceId, UserId};
use sea_orm::DatabaseConnection;
use tokio::sync::broadcast;
use vault_core::build::SealError;
use vault_core::document::Hlc;
use vault_core::frame::FrameError;
use vault_core::identity::Signer;

mod answers;
mod arriving;
mod backing_up;
mod clock;
mod control;
mod doctor;
mod figures;
mod handing_over;
mod opening;
mod set_up;
mod shredding;
mod spaces;
mod succession;
mod write;

pub use doctor::Health;

use crate::accounts::{Accounts, AccountsError};
use crate::admission::{Admission, AdmissionError};
use crate::data_dir::{DataDir, DataFile, InUse};
use crate::database::DatabaseError;
use crate::define::DefinitionError;
use crate::feed::{FEED, Moved};
use crate::keyring::NodeKey;
use crate::reading::Reading;
use crate::space::{Space, SpaceError};
use crate::space_locks::{Ahead, SpaceLocks};
use crate::turn::{CutOff, Start, Turn};
use crate::view::ViewError;
use crate::witness::{Loss, Witness};
use crate::writer::{Clock, Parts, Writer};

/// What a vault is opened with.
pub struct Options {
    pub dir: DataDir,
    pub key: NodeKey,
    /// The node database, opened by the composition root.
    pub node: DatabaseConnection,
    /// The seal of the one gate whose permits count.
    pub seal: GateSeal,
    pub clock: Clock,
    /// Go on without what was lost of log or node database, where that can be done at all; by a new device of each account.
    pub accept_loss: bool,
}

/// Why a vault operation failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    #[error(transparent)]
    Space(#[from] SpaceError),
    #[error("the log failed: {0}")]
    Log(#[from] sea_orm::DbErr),
    #[error(transparent)]
    CutOff(#[from] CutOff),
    #[error(transparent)]
    Loss(#[from] Loss),
    #[error("io: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error("an entry could not be sealed: {0}")]
    Seal(#[from] SealError),
    #[error("our own entry was refused: {0}")]
    Refused(#[from] FrameError),
    #[error(transparent)]
    Permit(SealRefusal),
    #[error("only who manages the space may do this")]
    Forbidden,
    #[error(transparent)]
    View(#[from] ViewError),
}

impl VaultError {
    /// Whether what was asked for is not there (or not ours, which answers alike).
    pub fn is_not_found(&self) -> bool {
        matches!(self, VaultError::Space(SpaceError::NotFound | SpaceError::Keys(_)))
    }
}

/// A new account.
#[derive(Debug, Clone, Copy)]
pub struct CreatedAccount {
    pub user: UserId,
    pub device: DeviceId,
    /// The personal space.
    pub space: SpaceId,
}

/// A space as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    pub id: SpaceId,
    pub name: String,
    pub personal: bool,
    pub owner: UserId,
}

/// The vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    /// Let go of before the databases.
    in_use: Mutex<Option<InUse>>,
    views: PathBuf,
    witness: Witness,
    accounts: Accounts,
    admission: Arc<Admission>,
    spaces: Mutex<HashMap<SpaceId, Arc<Space>>>,
    /// Read while a space is opened or closed, written by whoever closes them all.
    opening: Arc<tokio::sync::RwLock<()>>,
    /// Held while a space is opened or closed, so that it is not open twice.
    openings: SpaceLocks,
    /// Held while the view of a space is made ready; whoever holds it waits for no turn.
    preparing: SpaceLocks,
    /// How many views are made ready outside of turns at once.
    ahead: Ahead,
    seal: GateSeal,
    clock: Clock,
    writer: Writer,
    reading: Reading,
    feed: broadcast::Sender<Moved>,
    boot: String,
    /// How far the clock readings of spaces have come.
    readings: Mutex<clock::Readings>,
}

impl Vault {
    /// Opens the log, verifies its control lanes, and starts the writer.
    pub async fn open(options: Options) -> Result<Self, VaultError> {
        let witness = Witness::open(options.node.clone(), DataFile::NodeDatabase).await?;
        let accounts = Accounts::open(options.node, options.key).await?;
        let views = options.dir.views();
        let log = opening::log(&options.dir, &accounts, &witness, options.accept_loss).await?;
        DirBuilder::new().recursive(true).mode(0o700).create(&views)?;
        let admission = Arc::new(Admission::open(log).await?);
        opening::look_at_own_ends(&admission, &accounts).await?;
        let (feed, _) = broadcast::channel(FEED);
        let writer = Writer::start(Parts {
            admission: Arc::clone(&admission),
            seal: options.seal.clone(),
            clock: Arc::clone(&options.clock),
            feed: feed.clone(),
        })?;
        // Views survive the process, not the machine's crash: the boot id tells the two apart.
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let vault = Vault(Arc::new(Inner {
            in_use: Mutex::default(),
            views,
            witness,
            accounts,
            admission,
            spaces: Mutex::default(),
            opening: Arc::default(),
            openings: SpaceLocks::default(),
            preparing: SpaceLocks::default(),
            ahead: Ahead::default(),
            seal: options.seal,
            clock: options.clock,
            writer,
            reading: Reading::new(),
            feed,
            boot,
            readings: Mutex::default(),
        }));
        let copied = opening::is_copied(&options.dir, &vault.0.accounts).await?;
        for user in vault.0.accounts.users() {
            vault.in_turn(move |vault, turn| Box::pin(vault.begin_as(turn, user, copied))).await?;
            vault.heal_envelopes(user).await?;
        }
        opening::note_file(&options.dir, &vault.0.accounts).await?;
        *vault.0.in_use.lock() = Some(options.dir.mark_in_use()?);
        Ok(vault)
    }

    /// News of the log.
    pub fn feed(&self) -> broadcast::Receiver<Moved> {
        self.0.feed.subscribe()
    }

    /// Says to whoever syncs that other accounts are synced than before.
    pub fn sharing_moved(&self) {
        let _ = self.0.feed.send(Moved::Sharing);
    }

    /// The accounts that have a device here.
    pub fn users(&self) -> Vec<UserId> {
        self.0.accounts.users()
    }

    /// The node's own settings and keys.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// Does something in the turn of the log, to its end, whoever goes away meanwhile.
    async fn in_turn<T: Send + 'static, E: From<CutOff> + Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(&'a Vault, &'a Turn) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let start = self.0.admission.turn().await;
        self.begin(start, work).await
    }

    /// As [`Vault::in_turn`], where the turn has come.
    async fn begin<T: Send + 'static, E: From<CutOff> + Send + 'static>(
        &self,
        start: Start,
        work: impl for<'a> FnOnce(&'a Vault, &'a Turn) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
    ) -> Result<T, E> {
        let vault = self.clone();
        start.run(move |turn| Box::pin(async move { work(&vault, turn).await })).await?
    }

    fn tick(&self) -> Hlc {
        Hlc::default().tick((self.0.clock)())
    }

    /// The public transport key of this node.
    pub fn transport(&self) -> PeerKey {
        PeerKey(Signer::from_seed(self.0.accounts.transport_seed()).public())
    }

    /// Notes in the node database how far the log has come, so that an older one can be told from it.
    pub async fn note(&self) -> Result<(), VaultError> {
        Ok(self.0.witness.note(self.0.admission.log()).await?)
    }

    /// Whether the node writes: false once the log has failed, and while a view cannot follow it.
    pub fn is_writing(&self) -> bool {
        !self.0.admission.log().has_stopped() && self.0.spaces.lock().values().all(|space| !space.is_behind())
    }

    /// What the log holds, for sync.
    pub fn admission(&self) -> &Admission {
        &self.0.admission
    }
}

#[cfg(test)]
mod tests;
