//! The control plane: tenants, people, sessions, apps, tokens, audit rows.
//!
//! It lies in the node database under tables of its own (`dir_…`), on SQLite and PostgreSQL alike.
//! Of every credential only a hash is kept: SHA-256 of what the node drew (256 random bits need no
//! slow hash), Argon2id of what a person chose.

pub mod app_passwords;
mod apps;
mod assignments;
mod audit;
mod browsers;
mod codes;
pub mod credentials;
pub mod daily_rows;
pub mod exchange;
mod folders;
mod grants;
mod groups;
mod guesses;
mod held;
mod invites;
mod lifetimes;
mod links;
pub mod mail;
mod migration;
mod names;
pub mod notices;
mod offers;
mod opened;
mod openid;
pub mod outside;
pub mod passkeys;
pub mod password_change;
mod passwords;
mod people;
pub mod proofs;
pub mod pushed;
mod put_back;
mod quotas;
mod refresh;
mod refusals;
pub mod registrations;
pub mod removals;
pub mod requests;
mod room;
mod secret;
pub mod sessions;
mod settings;
pub mod sign_in;
pub mod sign_ins;
pub mod signing;
mod spaces;
mod standing;
mod tables;
pub mod tenants;
mod tokens;
pub mod totp;
mod turns;
pub mod usage;
pub mod waiting;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use policy_core::{GrantId, TenantId, Timestamp, UserId};
use sea_orm::{DatabaseConnection, DbErr};
use sea_orm_migration::MigratorTrait;

pub use apps::{AppSource, RegisteredApp};
pub use assignments::Assignment;
pub use audit::{Act, Actor, ActorKind, AuditRow, Wanted};
pub use browsers::{BROWSER_SECONDS, KnownBrowser};
pub use codes::{Code, NewCode, Taken};
pub use folders::Folder;
pub use grants::GrantRow;
pub use groups::{Group, MAX_NESTED_GROUPS, Membership, Role};
pub use lifetimes::Lifetimes;
pub use links::LinkRow;
pub use migration::Migrator;
pub use names::name_of;
pub use offers::{Offer, Offered};
pub use openid::{Family, Openid, OpenidScope};
pub use passwords::MIN_PASSWORD;
pub use people::{ELSEWHERE, Tenant, User};
pub use quotas::QuotaKind;
pub use refresh::{Bound, Exchanger, FOLLOWED, Pair, Rotation};
pub use secret::{Secret, SecretHash};
pub use settings::SETUP_SECONDS;
pub use spaces::SpaceRow;
pub use standing::{OperatorRemoved, Suspension};
pub use tokens::{Token, TokenKind};
pub use turns::Network;

/// Why the directory did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("The node database failed: {0}")]
    Database(#[from] DbErr),
    #[error("A row of {0} is damaged.")]
    Damaged(&'static str),
    #[error("The name `{0}` is taken.")]
    Taken(String),
    #[error("{0}")]
    Unfit(&'static str),
    #[error("You have {most} {} at most, which is your quota; remove some, or ask the operator for more.", kind.things())]
    Quota { kind: QuotaKind, most: u64 },
    #[error("Too many people are signing in at this moment; try again in a few seconds.")]
    Busy,
}

/// The directory of a node. Cheap to share behind an `Arc`; reads of tokens come from memory.
#[derive(Debug)]
pub struct Directory {
    db: DatabaseConnection,
    tokens: tokens::Cache,
    lifetimes: OnceLock<Lifetimes>,
    passwords: passwords::Passwords,
    refusals: refusals::Refusals,
    /// What was used of grants, not yet written.
    usage: Mutex<HashMap<GrantId, usage::Usage>>,
    /// What was told today under grants that limit it.
    daily_rows: daily_rows::DailyRows,
    /// When each grant was last used, not yet written.
    used: Mutex<HashMap<GrantId, Timestamp>>,
    owner: Arc<RwLock<Option<UserId>>>,
    tenant_of: RwLock<HashMap<UserId, TenantId>>,
    /// Held while the node is set up, so that it is set up once.
    setup: tokio::sync::Mutex<()>,
    asleep: put_back::Asleep,
    standings: standing::Standings,
    making: quotas::Making,
    mail: mail::Outbox,
    /// Held by whoever counts requests for access and adds one.
    requests: tokio::sync::Mutex<()>,
    guesses: guesses::Guesses,
    proofs: proofs::Proofs,
    form_key: [u8; 32],
    /// Authenticates what browsers keep of a sign-in.
    browser_key: [u8; 32],
    /// Derives the successors of refresh tokens.
    refresh_key: [u8; 32],
    /// Names people to apps, to each sector otherwise.
    subject_key: [u8; 32],
    node: String,
}

impl Directory {
    /// Opens the directory in `db`, making its tables if they are missing.
    pub async fn open(db: DatabaseConnection) -> Result<Directory, DirectoryError> {
        Migrator::up(&db, None).await?;
        let form_key = settings::key(&db, "form_key").await?;
        let browser_key = settings::key(&db, "browser_key").await?;
        let refresh_key = settings::key(&db, "refresh_key").await?;
        let subject_key = settings::key(&db, "subject_key").await?;
        let mail_key = settings::key(&db, "mail_key").await?;
        let node = data_encoding::HEXLOWER.encode(&settings::key(&db, "node").await?[..16]);
        let owner = match settings::get(&db, "owner").await? {
            Some(text) => Some(text.parse().map_err(|_| DirectoryError::Damaged("dir_setting"))?),
            None => None,
        };
        let asleep = put_back::Asleep::read(&db).await?;
        let standings = standing::Standings::read(&db).await?;
        Ok(Directory {
            db,
            asleep,
            standings,
            tokens: tokens::Cache::default(),
            lifetimes: OnceLock::new(),
            passwords: passwords::Passwords::default(),
            refusals: refusals::Refusals::default(),
            usage: Mutex::default(),
            daily_rows: daily_rows::DailyRows::default(),
            used: Mutex::default(),
            owner: Arc::new(RwLock::new(owner)),
            tenant_of: RwLock::default(),
            setup: tokio::sync::Mutex::default(),
            making: quotas::Making::default(),
            mail: mail::Outbox::new(mail_key),
            requests: tokio::sync::Mutex::default(),
            guesses: guesses::Guesses::default(),
            proofs: proofs::Proofs::default(),
            form_key,
            browser_key,
            refresh_key,
            subject_key,
            node,
        })
    }

    /// How many passwords wait to be checked.
    pub fn sign_ins_waiting(&self) -> usize {
        self.passwords.waiting()
    }

    /// The id of the node: 32 hexadecimal digits, drawn once.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The person who set the node up; `None` before that.
    pub fn owner(&self) -> Option<UserId> {
        *self.owner.read()
    }

    /// What was taken of proofs of keys.
    pub fn proofs(&self) -> &proofs::Proofs {
        &self.proofs
    }

    /// The key under which forms are authenticated; the same in every process on this database.
    pub fn form_key(&self) -> &[u8; 32] {
        &self.form_key
    }

    /// Writes what is buffered and drops what has lapsed. Called now and then, and before the end.
    pub async fn tend(&self, now: Timestamp) -> Result<(), DirectoryError> {
        self.write_last_used().await?;
        self.write_usage().await?;
        self.tell_refusals(now).await?;
        self.drop_signing_keys(now).await?;
        self.drop_pushed(now).await?;
        self.drop_waiting(now).await?;
        self.drop_old_marks(now).await?;
        self.drop_letters(now).await?;
        self.drop_requests(now).await?;
        self.drop_unused_apps(now).await?;
        self.drop_registration_tokens(now).await?;
        self.drop_old_days(now);
        self.drop_lapsed(now).await
    }
}

/// Changes the database and what is known of it in memory: both, whoever asked and goes away.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, DirectoryError>> + Send + 'static,
) -> Result<T, DirectoryError> {
    let broken = |_| Err(DbErr::Custom("the change was broken off".to_owned()).into());
    tokio::spawn(work).await.unwrap_or_else(broken)
}

/// A stored id of sixteen bytes.
fn id<T>(bytes: &[u8], make: impl FnOnce([u8; 16]) -> T, table: &'static str) -> Result<T, DirectoryError> {
    bytes.try_into().map(make).map_err(|_| DirectoryError::Damaged(table))
}

#[cfg(test)]
pub(crate) async fn in_memory() -> Directory {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    Directory::open(sea_orm::Database::connect(options).await.unwrap()).await.unwrap()
}

/// One in a file, as a node has it: several connections, of which one writes at a time.
#[cfg(test)]
pub(crate) async fn in_a_file() -> (Directory, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut options =
        sea_orm::ConnectOptions::new(format!("sqlite://{}?mode=rwc", dir.path().join("node.db").display()));
    options.max_connections(4).sqlx_logging(false).map_sqlx_sqlite_opts(|sqlite| {
        sqlite.pragma("journal_mode", "WAL").busy_timeout(std::time::Duration::from_secs(60))
    });
    (Directory::open(sea_orm::Database::connect(options).await.unwrap()).await.unwrap(), dir)
}

/// Does `work` while somebody else writes, who ends after a while.
#[cfg(test)]
pub(crate) async fn beside_a_writer<T>(directory: &Directory, work: impl Future<Output = T>) -> T {
    use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
    let writer = directory.db.begin().await.unwrap();
    writer.execute_unprepared("INSERT INTO dir_setting (name, value) VALUES ('beside', 'x')").await.unwrap();
    let ends = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        writer.execute_unprepared("DELETE FROM dir_setting WHERE name = 'beside'").await.unwrap();
        writer.commit().await.unwrap();
    };
    futures::join!(work, ends).0
}

/// A fresh directory on SQLite, and one on the PostgreSQL server that `ALLOD_TEST_POSTGRES` names.
#[cfg(test)]
pub(crate) async fn on_each_backend() -> Vec<Directory> {
    use sea_orm::{ConnectionTrait, Database};
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let mut all = vec![in_memory().await];
    match std::env::var("ALLOD_TEST_POSTGRES") {
        Err(_) => eprintln!("note: ALLOD_TEST_POSTGRES is not set; PostgreSQL is not tested"),
        Ok(server) => {
            let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let name = format!("directory_{}_{n}", std::process::id());
            let admin = Database::connect(&server).await.expect("the PostgreSQL server of ALLOD_TEST_POSTGRES");
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            let base = server.rsplit_once('/').map_or(server.as_str(), |(base, _)| base);
            let db = Database::connect(format!("{base}/{name}")).await.unwrap();
            all.push(Directory::open(db).await.unwrap());
        }
    }
    all
}
