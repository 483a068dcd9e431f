//! The log: verified frames, append-only, one row each, in one order per scope.
//!
//! A scope is an account's control lane or a space with all its lanes. Rows are sealed and carry
//! their own proof. There is nothing beside them to keep in step: where every chain ends
//! is read from an index when the log is opened, so that appending a row is one statement. Large bodies
//! are put on disk ahead of their rows, in parts (`parts`).

mod body;
mod disk;
pub(crate) mod identity;
mod parts;
mod table;
#[cfg(test)]
mod tests;
mod told;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use cid::Cid;
use parking_lot::Mutex;
use policy_core::{DeviceId, SpaceId, UserId};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement, TransactionTrait,
};

use sea_orm_migration::MigratorTrait;
use vault_core::commit::{cid_from_digest, digest_of};
use vault_core::frame::{Frame, FrameError};
use vault_core::tags::LaneTag;

use crate::turn::Turn;
use body::Body;
use disk::Disk;
pub use table::Migrator;
use told::Told;
pub(crate) use told::{TOLD_OTHERWISE, told_of};

/// At most so many rows go into one statement.
const ROWS: usize = 256;

/// From a tenth of a millisecond to 1.6 seconds, each bucket twice the one before.
fn commit_times() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 15))
}

/// What has one order: the control lane of an account, or a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Account(UserId),
    Space(SpaceId),
}

impl Scope {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let (kind, id) = match self {
            Scope::Account(id) => (0, *id.as_bytes()),
            Scope::Space(id) => (1, *id.as_bytes()),
        };
        let mut bytes = Vec::with_capacity(17);
        bytes.push(kind);
        bytes.extend_from_slice(&id);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, id) = bytes.split_first()?;
        let id: [u8; 16] = id.try_into().ok()?;
        match kind {
            0 => Some(Scope::Account(UserId::from_bytes(id))),
            1 => Some(Scope::Space(SpaceId::from_bytes(id))),
            _ => None,
        }
    }
}

/// A row that may be stored: there is none but of frames that `vault_core` has sealed or verified.
#[derive(Debug, Clone)]
pub(crate) struct NewRow {
    scope: Scope,
    lane: LaneTag,
    device: DeviceId,
    first: u64,
    last: u64,
    tip: Cid,
    body: Body,
}

impl NewRow {
    /// The row of a frame that this node built itself.
    pub(crate) fn built(scope: Scope, frame: vault_core::build::SealedFrame) -> Self {
        NewRow {
            scope,
            lane: frame.lane(),
            device: frame.device(),
            first: frame.first(),
            last: frame.tip().seq,
            tip: frame.tip().cid,
            body: Body::Whole(frame.into_bytes()),
        }
    }

    /// The row of a frame that was verified.
    pub(crate) fn verified(scope: Scope, frame: vault_core::frame::Verified<Frame>) -> Self {
        let (frame, body) = frame.into_parts();
        let last = frame.last();
        NewRow {
            scope,
            lane: frame.lane,
            device: frame.txn.device,
            first: frame.first().commit.seq,
            last: last.commit.seq,
            tip: last.cid,
            body: Body::Whole(body),
        }
    }

    pub(crate) fn lane(&self) -> LaneTag {
        self.lane
    }
    pub(crate) fn first(&self) -> u64 {
        self.first
    }
    pub(crate) fn last(&self) -> u64 {
        self.last
    }
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    /// How many commits it holds.
    pub(crate) fn commits(&self) -> usize {
        (self.last - self.first + 1) as usize
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }
}

/// Where a device's chain in a lane ends: number and CID of its last commit, `None` if none is left.
pub(crate) type ChainEnd = (Scope, LaneTag, DeviceId, Option<(u64, Cid)>);

/// A row as it lies in the log. It is read from there, and nowhere else is one made.
///
/// What is in one can be looked at,
/// ```
/// fn position(row: &vault::log::Row) -> u64 {
///     row.position()
/// }
/// ```
/// but not changed,
/// ```compile_fail,E0616
/// fn position(row: &mut vault::log::Row) {
///     row.position = 7
/// }
/// ```
/// and its bytes can be taken out,
/// ```
/// fn again(row: vault::log::Row) -> Vec<u8> {
///     row.into_body()
/// }
/// ```
/// but not put into another:
/// ```compile_fail,E0451
/// fn again(row: vault::log::Row) -> vault::log::Row {
///     vault::log::Row { body: Vec::new(), ..row }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Row {
    position: u64,
    lane: LaneTag,
    device: DeviceId,
    first: u64,
    last: u64,
    tip: Cid,
    body: Vec<u8>,
}

impl Row {
    pub(crate) fn told(&self) -> Told {
        (self.lane, self.device, self.first, self.last, self.tip)
    }

    /// The frame, if it is what the row says of it: nothing else holds the two together, and a bit that flips beside a frame
    /// breaks no hash.
    ///
    /// # Errors
    /// If the body is no frame, or another than the row says.
    pub fn frame(&self) -> Result<Frame, FrameError> {
        let frame = Frame::decode(&self.body)?;
        if told_of(&frame) == self.told() { Ok(frame) } else { Err(TOLD_OTHERWISE) }
    }

    pub fn position(&self) -> u64 {
        self.position
    }
    pub fn lane(&self) -> LaneTag {
        self.lane
    }
    pub fn device(&self) -> DeviceId {
        self.device
    }
    /// The number of its first commit.
    pub fn first(&self) -> u64 {
        self.first
    }
    /// The number of its last commit.
    pub fn last(&self) -> u64 {
        self.last
    }
    /// The last commit.
    pub fn tip(&self) -> Cid {
        self.tip
    }
    /// The frame, as it travels.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// The end of every chain of a scope: number and CID by lane and device.
pub type Chains = HashMap<(LaneTag, DeviceId), (u64, Cid)>;

/// The log of a node. From outside it can be opened and read.
///
/// Where it ends can be asked,
/// ```
/// fn end(log: &vault::log::Log, scope: vault::log::Scope) -> u64 {
///     log.position(scope)
/// }
/// ```
/// but nothing can be appended to it:
/// ```compile_fail,E0599
/// fn end(log: &vault::log::Log, scope: vault::log::Scope) {
///     log.append(Vec::new());
/// }
/// ```
/// That is what a turn does, with rows of its own. Rows that are there can be named,
/// ```
/// use vault::log::Row;
/// ```
/// new ones cannot:
/// ```compile_fail,E0603
/// use vault::log::NewRow;
/// ```
/// What may be appended can be looked at, the turn in which it is done can be had by nobody else:
/// ```
/// use vault::admission::Admission;
/// ```
/// ```compile_fail,E0603
/// use vault::turn::Turn;
/// ```
#[derive(Clone)]
pub struct Log {
    disk: Arc<Disk>,
    heads: Arc<Mutex<HashMap<Scope, Head>>>,
    /// What is on disk may not be what is known of it: nothing is appended until the log is opened again.
    stopped: Arc<AtomicBool>,
    /// How often rows were taken out.
    rewritten: Arc<AtomicU64>,
    /// How long each transaction took, in seconds: until it is on disk.
    commits: Histogram,
}

/// Is dropped when an append was broken off between the disk and what is known of it.
struct Unknown<'a>(&'a Log);

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        tracing::error!("the log was broken off in the middle of an append; the node stops writing");
        self.0.stop();
    }
}

#[derive(Debug, Clone, Default)]
struct Head {
    position: u64,
    /// The last commit of the row at `position`.
    tip: Option<Cid>,
    chains: Chains,
}

impl Log {
    /// Runs the log's migrations and reads where every scope stands.
    pub async fn open(db: DatabaseConnection) -> Result<Self, DbErr> {
        Migrator::up(&db, None).await?;
        let mut heads: HashMap<Scope, Head> = HashMap::new();
        for (scope, end) in ends(&db).await? {
            let head = heads.entry(scope).or_default();
            if end.position > head.position {
                (head.position, head.tip) = (end.position, Some(end.tip));
            }
            head.chains.insert((end.lane, end.device), (end.last, end.tip));
        }
        let (disk, heads) = (Disk::new(db), Arc::new(Mutex::new(heads)));
        let log = Log { disk, heads, stopped: Arc::default(), rewritten: Arc::default(), commits: commit_times() };
        log.sweep().await?;
        Ok(log)
    }

    /// The id of commit `seq` of a chain; `None`: it is not held.
    pub(crate) async fn commit_at(
        &self,
        scope: Scope,
        lane: LaneTag,
        device: DeviceId,
        seq: u64,
    ) -> Result<Option<Cid>, DbErr> {
        use table::row::Column;
        let row = Self::of_chain(scope, lane, device)
            .filter(Column::First.lte(seq as i64))
            .filter(Column::Last.gte(seq as i64))
            .one(&self.disk.db)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.last as u64 == seq {
            return Ok(Some(cid_from_digest(row.commit.try_into().map_err(|_| unreadable())?)));
        }
        let row = Row::try_from(self.whole(row).await?)?;
        let frame = Frame::decode(&row.body)
            .map_err(|error| DbErr::Custom(format!("position {} of the log: {error}", row.position)))?;
        Ok(frame.entries.iter().find(|entry| entry.commit.seq == seq).map(|entry| entry.cid))
    }

    /// The rows of a chain that end behind `seq`, in order.
    pub(crate) async fn chain_rows(
        &self,
        scope: Scope,
        lane: LaneTag,
        device: DeviceId,
        seq: u64,
    ) -> Result<Vec<Row>, DbErr> {
        use table::row::Column;
        let select = Self::of_chain(scope, lane, device).filter(Column::Last.gt(seq as i64));
        self.read(select.order_by_asc(Column::First)).await
    }

    /// The rows that are selected, whole.
    async fn read(&self, select: Select<table::row::Entity>) -> Result<Vec<Row>, DbErr> {
        let mut rows = Vec::new();
        for row in select.all(&self.disk.db).await? {
            rows.push(Row::try_from(self.whole(row).await?)?);
        }
        Ok(rows)
    }

    /// The row of a chain that has `later` rows behind it.
    pub(crate) async fn row_before_end(
        &self,
        scope: Scope,
        lane: LaneTag,
        device: DeviceId,
        later: u64,
    ) -> Result<Option<Row>, DbErr> {
        use table::row::Column;
        let select = Self::of_chain(scope, lane, device).order_by_desc(Column::Position).offset(later).limit(1);
        Ok(self.read(select).await?.pop())
    }

    fn of_chain(scope: Scope, lane: LaneTag, device: DeviceId) -> Select<table::row::Entity> {
        use table::row::Column;
        table::row::Entity::find()
            .filter(Column::Scope.eq(scope.bytes()))
            .filter(Column::Lane.eq(lane.0.to_vec()))
            .filter(Column::Device.eq(device.as_bytes().to_vec()))
    }

    /// Ends the writing: nothing is appended until the log is opened again.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether nothing is appended any more.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// How often rows were taken out since the log was opened: what was read before may be there no more.
    pub(crate) fn rewritten(&self) -> u64 {
        self.rewritten.load(Ordering::Acquire)
    }

    /// All of it, or nothing.
    async fn store(&self, gone: &[(Scope, u64)], rows: Vec<(NewRow, u64)>) -> Result<(), DbErr> {
        let begun = Instant::now();
        let bytes = rows.iter().filter(|(row, _)| matches!(row.body, Body::Whole(_))).map(|(row, _)| row.len()).sum();
        let _alone = self.disk.alone().await;
        let stored = self.transact(gone, rows).await;
        self.commits.observe(begun.elapsed().as_secs_f64());
        self.disk.grew(bytes);
        stored
    }

    /// How long its transactions took until they were on disk, in seconds.
    pub(crate) fn commits(&self) -> &Histogram {
        &self.commits
    }

    async fn transact(&self, gone: &[(Scope, u64)], rows: Vec<(NewRow, u64)>) -> Result<(), DbErr> {
        let mut ahead = Vec::new();
        let mut models = Vec::with_capacity(rows.len());
        for (row, position) in rows {
            let commit = digest_of(&row.tip).to_vec();
            let body = match row.body {
                Body::Whole(bytes) => bytes,
                Body::Ahead { .. } => {
                    ahead.push(commit.clone());
                    Vec::new()
                }
            };
            models.push(table::row::ActiveModel {
                scope: Set(row.scope.bytes()),
                position: Set(position as i64),
                lane: Set(row.lane.0.to_vec()),
                device: Set(row.device.as_bytes().to_vec()),
                first: Set(row.first as i64),
                last: Set(row.last as i64),
                commit: Set(commit),
                body: Set(body),
            });
        }
        if models.len() <= ROWS && gone.is_empty() && ahead.is_empty() {
            // One statement is one transaction: it saves two ways to the connection's thread.
            if !models.is_empty() {
                table::row::Entity::insert_many(models).exec_without_returning(&self.disk.db).await?;
            }
        } else {
            let txn = self.disk.db.begin().await?;
            for (scope, position) in gone {
                parts::remove_with_row(&txn, scope.bytes(), *position as i64).await?;
                table::row::Entity::delete_by_id((scope.bytes(), *position as i64)).exec(&txn).await?;
            }
            let mut models = models.into_iter().peekable();
            while models.peek().is_some() {
                let chunk: Vec<_> = models.by_ref().take(ROWS).collect();
                table::row::Entity::insert_many(chunk).exec_without_returning(&txn).await?;
            }
            if !ahead.is_empty() {
                parts::settle(&txn, ahead).await?;
            }
            txn.commit().await?;
        }
        Ok(())
    }

    /// Closes the log's connections and waits until their threads have let go of them.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.disk.db.clone().close().await
    }

    /// The newest position of a scope on disk, 0 if there is none.
    pub fn position(&self, scope: Scope) -> u64 {
        self.heads.lock().get(&scope).map_or(0, |head| head.position)
    }

    /// The ends of a scope's chains on disk.
    pub fn chains(&self, scope: Scope) -> Chains {
        self.heads.lock().get(&scope).map(|head| head.chains.clone()).unwrap_or_default()
    }

    pub fn chain(&self, scope: Scope, lane: LaneTag, device: DeviceId) -> Option<(u64, Cid)> {
        self.heads.lock().get(&scope).and_then(|head| head.chains.get(&(lane, device)).copied())
    }

    /// Whether anything of a scope is held.
    pub fn holds(&self, scope: Scope) -> bool {
        self.heads.lock().contains_key(&scope)
    }

    /// Every scope of which something is held.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes: Vec<_> = self.heads.lock().keys().copied().collect();
        scopes.sort();
        scopes
    }

    /// The newest position of every scope on disk, and the last commit there.
    pub(crate) fn ends(&self) -> Vec<(Scope, u64, Cid)> {
        let heads = self.heads.lock();
        heads.iter().filter_map(|(scope, head)| Some((*scope, head.position, head.tip?))).collect()
    }

    /// The last commit of the row at each of these places, where there is one.
    pub(crate) async fn commits_at(&self, places: &[(Scope, u64)]) -> Result<HashMap<(Scope, u64), Cid>, DbErr> {
        use sea_orm::Condition;
        use table::row::Column;
        let mut found = HashMap::new();
        for places in places.chunks(ROWS) {
            let any = places.iter().fold(Condition::any(), |any, (scope, position)| {
                let at = Condition::all().add(Column::Scope.eq(scope.bytes()));
                any.add(at.add(Column::Position.eq(*position as i64)))
            });
            let rows: Vec<(Vec<u8>, i64, Vec<u8>)> = table::row::Entity::find()
                .select_only()
                .columns([Column::Scope, Column::Position, Column::Commit])
                .filter(any)
                .into_tuple()
                .all(&self.disk.db)
                .await?;
            for (scope, position, commit) in rows {
                let commit: Option<[u8; 32]> = commit.try_into().ok();
                if let (Some(scope), Some(commit)) = (Scope::from_bytes(&scope), commit) {
                    found.insert((scope, position as u64), cid_from_digest(commit));
                }
            }
        }
        Ok(found)
    }

    /// How many bytes the frames of a scope take.
    pub async fn bytes(&self, scope: Scope) -> Result<u64, DbErr> {
        use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
        let length = Expr::expr(Func::cust(Alias::new("length")).arg(Expr::col(table::row::Column::Body)));
        let sum: Option<(Option<i64>,)> = table::row::Entity::find()
            .select_only()
            .expr(length.sum().cast_as(Alias::new("bigint")))
            .filter(table::row::Column::Scope.eq(scope.bytes()))
            .into_tuple()
            .one(&self.disk.db)
            .await?;
        Ok(u64::try_from(sum.and_then(|(sum,)| sum).unwrap_or(0)).unwrap_or(0) + self.bytes_of_parts(scope).await?)
    }

    /// The row that ends each chain of a scope.
    pub(crate) async fn last_rows(&self, scope: Scope) -> Result<Vec<Row>, DbErr> {
        use table::row::Column;
        let newest: Vec<i64> = table::row::Entity::find()
            .select_only()
            .expr(Column::Position.max())
            .filter(Column::Scope.eq(scope.bytes()))
            .group_by(Column::Lane)
            .group_by(Column::Device)
            .into_tuple()
            .all(&self.disk.db)
            .await?;
        let mut rows = Vec::with_capacity(newest.len());
        for position in newest {
            rows.extend(self.rows(scope, false, position.saturating_sub(1) as u64, 1).await?);
        }
        Ok(rows)
    }

    /// At most `limit` rows behind `after`, in order; `control`: of the control lane only.
    pub(crate) async fn rows(&self, scope: Scope, control: bool, after: u64, limit: u64) -> Result<Vec<Row>, DbErr> {
        use table::row::Column;
        let mut select = table::row::Entity::find()
            .filter(Column::Scope.eq(scope.bytes()))
            .filter(Column::Position.gt(after as i64))
            .order_by_asc(Column::Position)
            .limit(limit);
        if control {
            select = select.filter(Column::Lane.eq(LaneTag::CONTROL.0.to_vec()));
        }
        self.read(select).await
    }
}

impl Turn {
    /// Appends rows of any scopes in one transaction; returns after the fsync, with the position that
    /// each row got. On an error nothing was appended.
    pub(crate) async fn append(&self, rows: Vec<NewRow>) -> Result<Vec<u64>, DbErr> {
        self.exchange(&[], &[], rows).await
    }

    /// Takes the rows at `gone` out and appends others, in one transaction. `ends`: where chains that
    /// were cut end then, as far as `rows` do not go on with them.
    pub(crate) async fn exchange(
        &self,
        gone: &[(Scope, u64)],
        ends: &[ChainEnd],
        rows: Vec<NewRow>,
    ) -> Result<Vec<u64>, DbErr> {
        let log = self.log();
        if log.has_stopped() {
            return Err(DbErr::Custom("nothing is written until the node is started again".into()));
        }
        let mut moved: HashMap<Scope, Head> = HashMap::new();
        let mut positions = Vec::with_capacity(rows.len());
        let mut placed = Vec::with_capacity(rows.len());
        for row in rows {
            let head = match moved.entry(row.scope) {
                std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    let position = log.heads.lock().get(&row.scope).map_or(0, |head| head.position);
                    entry.insert(Head { position, tip: None, chains: Chains::new() })
                }
            };
            head.position += 1;
            head.tip = Some(row.tip);
            head.chains.insert((row.lane, row.device), (row.last, row.tip));
            positions.push(head.position);
            placed.push((row, head.position));
        }
        let unknown = Unknown(log);
        let stored = log.store(gone, placed).await;
        if stored.is_ok() {
            if !gone.is_empty() {
                log.rewritten.fetch_add(1, Ordering::AcqRel);
            }
            let mut heads = log.heads.lock();
            for (scope, lane, device, end) in ends {
                let Some(head) = heads.get_mut(scope) else { continue };
                match end {
                    Some(end) => drop(head.chains.insert((*lane, *device), *end)),
                    None => drop(head.chains.remove(&(*lane, *device))),
                }
            }
            for (scope, moved) in moved {
                let head = heads.entry(scope).or_default();
                (head.position, head.tip) = (moved.position, moved.tip);
                head.chains.extend(moved.chains);
            }
        }
        std::mem::forget(unknown);
        stored.map(|()| positions)
    }
}

fn unreadable() -> DbErr {
    DbErr::Custom("a row of the log is unreadable".into())
}

impl TryFrom<table::row::Model> for Row {
    type Error = DbErr;
    fn try_from(row: table::row::Model) -> Result<Self, DbErr> {
        Ok(Row {
            position: row.position as u64,
            lane: LaneTag(row.lane.try_into().map_err(|_| unreadable())?),
            device: DeviceId::from_slice(&row.device).ok_or_else(unreadable)?,
            first: row.first as u64,
            last: row.last as u64,
            tip: cid_from_digest(row.commit.try_into().map_err(|_| unreadable())?),
            body: row.body,
        })
    }
}

/// The end of a chain.
struct End {
    lane: LaneTag,
    device: DeviceId,
    last: u64,
    tip: Cid,
    position: u64,
}

/// The end of every chain of the log: the row with the newest position of each.
async fn ends(db: &DatabaseConnection) -> Result<Vec<(Scope, End)>, DbErr> {
    let sql = r#"SELECT r."scope", r."lane", r."device", r."last", r."commit", r."position" FROM log_row r
        JOIN (SELECT "scope" AS s, "lane" AS l, "device" AS d, MAX("position") AS p FROM log_row
              GROUP BY "scope", "lane", "device") newest
        ON r."scope" = newest.s AND r."position" = newest.p"#;
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.into_iter()
        .map(|row| {
            let (scope, lane, device): (Vec<u8>, Vec<u8>, Vec<u8>) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            let (last, commit, position): (i64, Vec<u8>, i64) =
                (row.try_get_by_index(3)?, row.try_get_by_index(4)?, row.try_get_by_index(5)?);
            let end = End {
                lane: LaneTag(lane.try_into().map_err(|_| unreadable())?),
                device: DeviceId::from_slice(&device).ok_or_else(unreadable)?,
                last: last as u64,
                tip: cid_from_digest(commit.try_into().map_err(|_| unreadable())?),
                position: position as u64,
            };
            Ok((Scope::from_bytes(&scope).ok_or_else(unreadable)?, end))
        })
        .collect()
}
