//! Changes on their way to SpiceDB: written in the transaction that makes them here, delivered until they are there.
//!
//! A relationship has one row at most, the last word about it: what was put and then removed before it was delivered is
//! only removed. Deliveries touch and delete, so that twice is the same as once, and go out one after the other, those
//! that take access away before all others.

mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policy_core::{EpochClock, Timestamp, Tuple, Update};
use rand::RngExt;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
};
use tokio::sync::Notify;

use crate::service::{MAX_UPDATES, Reason, RelationshipService, ServiceError, Token, Write};
use crate::timeline::Clock;
pub(crate) use table::Migration;
use table::{row, token};

/// Rows of one statement.
const ROWS: usize = 500;
/// How much text one delivery carries, about; SpiceDB takes 4 MiB.
const DELIVERY_BYTES: usize = 2 << 20;
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Who can go on without a delivery waits for it so long.
const SOON: Duration = Duration::from_secs(2);
/// What was refused is tried again after so long, then after twice as long, up to [`IDLE`].
const AGAIN: Duration = Duration::from_secs(2);
/// Without anything to do, the table is looked at this often.
const IDLE: Duration = Duration::from_secs(60);

/// What a change does to what people may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    Gives,
    /// A removed relationship mostly, but also one that is put where it takes away: `blocked`, `hidden`.
    Takes,
}

/// The changes that SpiceDB has not seen yet.
pub struct Outbox {
    db: DatabaseConnection,
    service: Arc<dyn RelationshipService>,
    clock: Arc<EpochClock>,
    time: Clock,
    /// One delivery at a time, so that they arrive in order.
    delivering: tokio::sync::Mutex<()>,
    /// Transactions that have put something, and how many of them there were when nothing was left to take away.
    ended: AtomicU64,
    taken: AtomicU64,
    wake: Notify,
}

/// A change that SpiceDB refused for what it is, not for how it went: it waits for somebody to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    pub update: Update,
    pub effect: Effect,
    pub why: String,
}

/// Why changes are not delivered. They stay and are tried again.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("the changes for SpiceDB cannot be read or written: {0}")]
    Storage(#[from] DbErr),
    #[error("a change for SpiceDB is damaged: {0}")]
    Damaged(String),
    #[error("a change was not delivered to SpiceDB: {0}")]
    Undelivered(#[from] ServiceError),
    /// Until it is there, SpiceDB allows what is not allowed any more.
    #[error("SpiceDB refuses a revocation: {0}")]
    Refused(String),
}

/// Changes that were put in a transaction. To be kept until it has ended.
#[must_use = "changes are delivered after their transaction has ended"]
pub struct Put<'a> {
    outbox: &'a Outbox,
}

impl Put<'_> {
    /// Called after the commit: when it returns, SpiceDB has seen what takes away. What gives follows by itself.
    ///
    /// # Errors
    /// If it has not; the change must not be acknowledged then, though it is made and will be delivered.
    pub async fn deliver(self) -> Result<(), OutboxError> {
        let outbox = self.outbox;
        drop(self);
        outbox.deliver_revocations().await
    }
}

impl Drop for Put<'_> {
    fn drop(&mut self) {
        self.outbox.ended.fetch_add(1, Ordering::SeqCst);
        self.outbox.wake.notify_one();
    }
}

impl Outbox {
    /// The tables are those of [`crate::Migrator`]. `clock` moves with every delivery; `time` tells when a change was
    /// put.
    pub fn new(
        db: DatabaseConnection,
        service: Arc<dyn RelationshipService>,
        clock: Arc<EpochClock>,
        time: Clock,
    ) -> Arc<Self> {
        Arc::new(Outbox {
            db,
            service,
            clock,
            time,
            delivering: tokio::sync::Mutex::default(),
            // What an earlier process left is not known yet.
            ended: AtomicU64::new(1),
            taken: AtomicU64::new(0),
            wake: Notify::new(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.time)()
    }

    /// Puts changes into the transaction `db`. `scope` is whose they are (a tenant); its token follows the delivery.
    ///
    /// # Errors
    /// If they cannot be stored: the transaction must not be committed.
    pub async fn put<C: ConnectionTrait>(
        &self,
        db: &C,
        scope: &str,
        effect: Effect,
        updates: &[Update],
    ) -> Result<Put<'_>, OutboxError> {
        let put = Put { outbox: self };
        for updates in updates.chunks(ROWS) {
            let identities = updates.iter().map(|update| update.tuple().to_string());
            row::Entity::delete_many().filter(row::Column::Identity.is_in(identities)).exec(db).await?;
            let rows = updates.iter().map(|update| row::ActiveModel {
                seq: NotSet,
                identity: Set(update.tuple().to_string()),
                deletes: Set(matches!(update, Update::Delete(_))),
                takes: Set(effect == Effect::Takes),
                body: Set(update.tuple().to_text()),
                scope: Set(scope.to_owned()),
                created: Set(self.now().0),
                parked: Set(None),
            });
            row::Entity::insert_many(rows).exec_without_returning(db).await?;
        }
        Ok(put)
    }

    /// Delivers what takes access away. At once, if there is nothing.
    ///
    /// # Errors
    /// If something is left: what SpiceDB allows is not to be relied on.
    pub async fn deliver_revocations(&self) -> Result<(), OutboxError> {
        if self.taken.load(Ordering::SeqCst) < self.ended.load(Ordering::SeqCst) {
            let _one_at_a_time = self.delivering.lock().await;
            self.take_away().await?;
        }
        Ok(())
    }

    /// As [`Outbox::deliver_revocations`], for whoever can go on without: waits two seconds at most.
    ///
    /// # Errors
    /// As there.
    pub async fn deliver_revocations_soon(&self) -> Result<(), OutboxError> {
        let late = || ServiceError::new(Reason::Unavailable, "SpiceDB did not take it in time");
        tokio::time::timeout(SOON, self.deliver_revocations()).await.unwrap_or_else(|_| Err(late().into()))
    }

    /// Delivers what takes access away, unless that was done since the last transaction; how much it was.
    async fn take_away(&self) -> Result<usize, OutboxError> {
        let (ended, mut delivered) = (self.ended.load(Ordering::SeqCst), 0);
        if self.taken.load(Ordering::SeqCst) >= ended {
            return Ok(0);
        }
        loop {
            match self.deliver_some(Some(Effect::Takes)).await? {
                0 => break,
                more => delivered += more,
            }
        }
        let refused = row::Entity::find().filter(row::Column::Takes.eq(true)).one(&self.db).await?;
        if let Some(row) = refused {
            return Err(OutboxError::Refused(format!("{}: {}", row.identity, row.parked.unwrap_or_default())));
        }
        self.taken.store(ended, Ordering::SeqCst);
        Ok(delivered)
    }

    /// Delivers everything, what takes away first; how much it was.
    ///
    /// # Errors
    /// If something is left.
    pub async fn deliver(&self) -> Result<usize, OutboxError> {
        let _one_at_a_time = self.delivering.lock().await;
        let (mut delivered, refused) = match self.take_away().await {
            Ok(delivered) => (delivered, None),
            // Others need not wait for somebody to look at it.
            Err(refused @ OutboxError::Refused(_)) => (0, Some(refused)),
            Err(error) => return Err(error),
        };
        loop {
            match self.deliver_some(None).await? {
                0 => return refused.map_or(Ok(delivered), Err),
                more => delivered += more,
            }
        }
    }

    /// Delivers whatever is put, for as long as it is polled. What SpiceDB refused is tried again now and then: its
    /// schema may be another meanwhile, and nobody else would come back to it.
    pub async fn run(&self) {
        let mut pause = Duration::from_millis(50);
        let mut again = AGAIN;
        // What an earlier process left is tried first of all.
        let mut due = tokio::time::Instant::now();
        loop {
            if tokio::time::Instant::now() >= due {
                match self.retry_refused().await {
                    Ok(true) => again = (again * 2).min(IDLE),
                    Ok(false) => again = AGAIN,
                    Err(error) => tracing::warn!(%error, "what SpiceDB refused cannot be tried again"),
                }
                due = tokio::time::Instant::now() + again;
            }
            match self.deliver().await {
                Ok(_) => {
                    pause = Duration::from_millis(50);
                    let idle = if matches!(self.has_parked().await, Ok(false)) { IDLE } else { again };
                    let _ = tokio::time::timeout(idle, self.wake.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "changes wait to be delivered to SpiceDB");
                    let wait = rand::rng().random_range(pause / 2..=pause);
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    /// Tries again what was refused, if anything was.
    async fn retry_refused(&self) -> Result<bool, OutboxError> {
        let any = self.has_parked().await?;
        if any {
            self.retry_parked().await?;
        }
        Ok(any)
    }

    async fn has_parked(&self) -> Result<bool, OutboxError> {
        let parked = row::Entity::find().filter(row::Column::Parked.is_not_null()).limit(1);
        Ok(parked.one(&self.db).await?.is_some())
    }

    /// Puts a schema into force there, before it is here: relationships that it allows may follow at once.
    ///
    /// # Errors
    /// If SpiceDB does not take it.
    pub async fn write_schema(&self, text: &str) -> Result<(), OutboxError> {
        self.service.write_schema(text).await?;
        self.clock.advance();
        Ok(())
    }

    /// How many changes wait, parked ones not counted.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn waiting(&self) -> Result<u64, OutboxError> {
        Ok(row::Entity::find().filter(row::Column::Parked.is_null()).count(&self.db).await?)
    }

    /// How many changes that take something away are not there, parked ones counted.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn revocations(&self) -> Result<u64, OutboxError> {
        Ok(row::Entity::find().filter(row::Column::Takes.eq(true)).count(&self.db).await?)
    }

    /// What SpiceDB refused.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn parked(&self) -> Result<Vec<Parked>, OutboxError> {
        let rows = row::Entity::find().filter(row::Column::Parked.is_not_null()).order_by_asc(row::Column::Seq);
        let rows = rows.all(&self.db).await?;
        let parked = |row: row::Model| {
            let effect = if row.takes { Effect::Takes } else { Effect::Gives };
            Ok(Parked { update: update_of(&row)?, effect, why: row.parked.unwrap_or_default() })
        };
        rows.into_iter().map(parked).collect()
    }

    /// Tries again what was refused: the schema may be another now.
    ///
    /// # Errors
    /// If the table cannot be written.
    pub async fn retry_parked(&self) -> Result<(), OutboxError> {
        let none = sea_orm::sea_query::Expr::value(None::<String>);
        row::Entity::update_many().col_expr(row::Column::Parked, none).exec(&self.db).await?;
        drop(Put { outbox: self });
        Ok(())
    }

    /// The point in SpiceDB's history that has seen everything delivered for `scope`.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn token(&self, scope: &str) -> Result<Option<Token>, OutboxError> {
        let found = token::Entity::find_by_id(scope.to_owned()).one(&self.db).await?;
        Ok(found.map(|found| Token(found.token)))
    }

    /// One delivery; how many rows it settled.
    async fn deliver_some(&self, only: Option<Effect>) -> Result<usize, OutboxError> {
        let mut rows = row::Entity::find().filter(row::Column::Parked.is_null());
        if only == Some(Effect::Takes) {
            rows = rows.filter(row::Column::Takes.eq(true));
        }
        let rows = rows.order_by_desc(row::Column::Takes).order_by_asc(row::Column::Seq).limit(MAX_UPDATES as u64);
        let mut rows = rows.all(&self.db).await?;
        let mut bytes = 0;
        let fits = rows.iter().take_while(|row| {
            bytes += row.body.len();
            bytes <= DELIVERY_BYTES
        });
        rows.truncate(fits.count().max(1));
        let settled = rows.len();
        let mut open = vec![rows];
        while let Some(mut rows) = open.pop() {
            if rows.is_empty() {
                continue;
            }
            match self.send(&rows).await {
                Ok(()) => {}
                Err(OutboxError::Undelivered(error)) if is_about_the_change(error.reason) => {
                    if rows.len() > 1 {
                        // Which of them it is about is found by halves; the first half goes first.
                        let second = rows.split_off(rows.len() / 2);
                        open.extend([second, rows]);
                    } else if let Some(row) = rows.pop() {
                        self.refused(row, &error).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(settled)
    }

    async fn send(&self, rows: &[row::Model]) -> Result<(), OutboxError> {
        let updates = rows.iter().map(update_of).collect::<Result<_, _>>()?;
        let token = self.service.write(Write { updates, ..Write::default() }).await?;
        self.clock.advance();
        self.settle(rows, Some(&token)).await
    }

    /// Takes delivered rows out. One that has been replaced meanwhile is another row.
    async fn settle(&self, rows: &[row::Model], token: Option<&Token>) -> Result<(), OutboxError> {
        let transaction = self.db.begin().await?;
        let delivered = row::Column::Seq.is_in(rows.iter().map(|row| row.seq));
        row::Entity::delete_many().filter(delivered).exec(&transaction).await?;
        if let Some(token) = token {
            let mut scopes: Vec<&str> = rows.iter().map(|row| row.scope.as_str()).collect();
            scopes.sort_unstable();
            scopes.dedup();
            let tokens = scopes
                .into_iter()
                .map(|scope| token::ActiveModel { scope: Set(scope.to_owned()), token: Set(token.0.clone()) });
            let replace = OnConflict::column(token::Column::Scope).update_column(token::Column::Token).to_owned();
            token::Entity::insert_many(tokens).on_conflict(replace).exec_without_returning(&transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn refused(&self, row: row::Model, error: &ServiceError) -> Result<(), OutboxError> {
        if row.deletes && cannot_be_there(error.reason) {
            return self.settle(&[row], None).await;
        }
        tracing::error!(relationship = row.identity, %error, "SpiceDB refuses a change");
        row::Entity::update_many()
            .col_expr(row::Column::Parked, sea_orm::sea_query::Expr::value(error.message.clone()))
            .filter(row::Column::Seq.eq(row.seq))
            .exec(&self.db)
            .await?;
        Ok(())
    }
}

fn update_of(row: &row::Model) -> Result<Update, OutboxError> {
    let tuple: Tuple = row.body.parse().map_err(|error| OutboxError::Damaged(format!("{error}")))?;
    Ok(if row.deletes { Update::Delete(tuple) } else { Update::Touch(tuple) })
}

/// Whether another try of the same change would be refused again.
fn is_about_the_change(reason: Reason) -> bool {
    cannot_be_there(reason)
        || matches!(
            reason,
            Reason::InvalidArgument
                | Reason::WildcardNotAllowed
                | Reason::CaveatParameterType
                | Reason::CaveatEvaluation
                | Reason::TooManyUpdates
                | Reason::UpdatesOnSameRelationship
        )
}

/// Whether SpiceDB says that the schema has no place for such a relationship: then there is none to remove.
fn cannot_be_there(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UnknownDefinition
            | Reason::UnknownRelationOrPermission
            | Reason::UnknownCaveat
            | Reason::CannotUpdatePermission
            | Reason::InvalidSubjectType
    )
}
