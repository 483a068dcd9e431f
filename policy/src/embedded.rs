//! The engine.

mod exceptions;
mod named;
mod service;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use policy_core::{
    Check, CollectionResource, Context, Decision, Engine, EngineUnavailable, EpochClock, Grant, GrantId, Lookup,
    LookupResources, Nesting, Permissionship, Schema, SpaceId, TenantId, Timestamp, Traced, Tuple, Tuples, Update,
    UserId,
};
use sea_orm::DatabaseConnection;
use sea_orm_migration::MigratorTrait;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::catalogue::{self, Catalogue};
use crate::history::{History, Kept};
use crate::spicedb::{Outbox, OutboxError, Put};
use crate::store::{self, Change, Tip};
use crate::timeline::{Clock, Timeline};
use crate::{
    AuditRow, Consistency, Delivery, Explainer, MAX_CHANGES, Migrator, PolicyError, Reason, ServiceError, Standing,
    Token, facts, lookup, schema,
};

pub use named::NamedSubjects;
pub use service::EmbeddedService;

/// The policy engine of a node that needs no other: one process, one database.
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    db: DatabaseConnection,
    clock: Arc<EpochClock>,
    /// What checks see. Replaced as a whole, under `catalogue`.
    snapshot: ArcSwap<Snapshot>,
    catalogue: Mutex<Catalogue>,
    /// The same relationships for those who ask through the relationship service, and what changed for those who watch.
    timeline: Timeline,
    /// Where changes go besides, if another engine answers.
    outbox: OnceLock<Arc<Outbox>>,
    /// Edges of the catalogue, which are not stored here, on their way into the outbox.
    undelivered: Mutex<Vec<Update>>,
    writer: tokio::sync::Mutex<Writer>,
    /// One place for each list of resources that is put together at this moment: each may hold much, and has a
    /// thread of its own.
    lookups: Arc<Semaphore>,
    /// One place for each call of many checks that is answered at this moment, on a thread of its own.
    large: Arc<Semaphore>,
}

/// So many checks are answered at once where they are asked; more, on a thread of their own.
const SHORT_CHECKS: usize = 1_000;

/// Everything that decisions rest on, at one instant.
#[derive(Clone)]
struct Snapshot {
    tuples: Tuples,
    grants: Arc<HashMap<GrantId, Arc<Grant>>>,
    revoked: Arc<HashSet<GrantId>>,
}

/// What only the one writer needs.
struct Writer {
    tip: Tip,
    /// The stored relationships of each grant.
    of_grant: HashMap<GrantId, Vec<Tuple>>,
    /// False after a transaction whose end is unknown: the tables are read again before the next.
    fresh: bool,
}

impl Embedded {
    /// Creates the tables if they are not there and reads them. `clock` tells the time of what is written.
    ///
    /// Grants are enforced once [`Embedded::put_grant`] has brought their terms.
    ///
    /// # Errors
    /// If the database cannot be used, or a row in it cannot be understood: nothing is enforced by halves.
    pub async fn open(db: DatabaseConnection, clock: Clock) -> Result<Arc<Embedded>, PolicyError> {
        Migrator::up(&db, None).await?;
        let empty = Tuples::new(Arc::new(schema::platform()?));
        let empty = Snapshot { tuples: empty, grants: Arc::default(), revoked: Arc::default() };
        let inner = Inner {
            db,
            clock: Arc::default(),
            snapshot: ArcSwap::from_pointee(empty),
            catalogue: Mutex::default(),
            timeline: Timeline::new(clock, history(Tuples::new(Arc::default()), 0)),
            outbox: OnceLock::new(),
            undelivered: Mutex::default(),
            writer: tokio::sync::Mutex::new(Writer { tip: Tip::default(), of_grant: HashMap::new(), fresh: false }),
            lookups: places(),
            large: places(),
        };
        let mut writer = inner.writer.lock().await;
        inner.reload(&mut writer).await?;
        // What was read is where the history of this process begins, not its first change.
        *inner.timeline.history.lock() = history(inner.snapshot.load().tuples.clone(), writer.tip.seq.unsigned_abs());
        drop(writer);
        Ok(Arc::new(Embedded { inner: Arc::new(inner) }))
    }

    /// From now on every change is put into the outbox too, in the transaction that makes it, and one that takes
    /// access away is acknowledged when it has been delivered. Once only; a second outbox is not taken.
    pub fn deliver_to(&self, outbox: Arc<Outbox>) -> bool {
        self.inner.outbox.set(outbox).is_ok()
    }

    /// Reads again what another process has changed in the database. Whether anything had.
    ///
    /// # Errors
    /// If the database cannot be read, or a row in it cannot be understood.
    pub async fn catch_up(&self) -> Result<bool, PolicyError> {
        let mut writer = self.inner.writer.lock().await;
        if writer.fresh && store::tip_of(&self.inner.db).await? == writer.tip {
            return Ok(false);
        }
        self.inner.reload(&mut writer).await?;
        Ok(true)
    }

    /// Notes a tenant, and who owns it if anybody does.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn declare_tenant(&self, tenant: TenantId, owner: Option<UserId>) -> Result<(), PolicyError> {
        let put = owner.into_iter().map(|owner| facts::tenant_owner(tenant, owner)).collect();
        self.change(Change { action: "declare_tenant", put, ..Change::default() }).await
    }

    /// Makes a user a member of a tenant. That shows them nothing of anybody's space.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn add_member(&self, tenant: TenantId, user: UserId) -> Result<(), PolicyError> {
        let put = vec![facts::tenant_member(tenant, user)];
        self.change(Change { action: "add_member", put, ..Change::default() }).await
    }

    /// Notes a space of a tenant and its owner.
    ///
    /// # Errors
    /// [`PolicyError::Conflict`] if the space has another owner or tenant; or if it cannot be stored.
    pub async fn declare_space(&self, space: SpaceId, tenant: TenantId, owner: UserId) -> Result<(), PolicyError> {
        let put = facts::space(space, tenant, owner).to_vec();
        self.change(Change { action: "declare_space", put, ..Change::default() }).await
    }

    /// Puts and removes relationships: shares, groups, sites.
    ///
    /// # Errors
    /// If the schema does not allow one of them, if a group or folder would come to contain itself, if
    /// there are more than [`MAX_CHANGES`], or if it cannot be stored. Then nothing is changed; but after
    /// [`PolicyError::Undelivered`] it is, and pending.
    pub async fn write(&self, put: Vec<Tuple>, remove: Vec<Tuple>) -> Result<(), PolicyError> {
        self.write_by(put, remove, Context::new()).await
    }

    /// As [`Embedded::write`]; `by` says in the audit who asked for it, through which app and in which request.
    ///
    /// # Errors
    /// As [`Embedded::write`].
    pub async fn write_by(&self, put: Vec<Tuple>, remove: Vec<Tuple>, by: Context) -> Result<(), PolicyError> {
        self.written(put, remove, by).await?.or_undelivered()
    }

    /// As [`Embedded::write_by`], where it is told apart what is made and pending.
    pub(crate) async fn written(
        &self,
        put: Vec<Tuple>,
        remove: Vec<Tuple>,
        by: Context,
    ) -> Result<Delivery, PolicyError> {
        self.changed(Change { action: "write", put, remove, metadata: by, ..Change::default() }).await
    }

    /// Brings a grant: its relationships are stored, its terms kept in memory. Again is no change; other
    /// entries under the same id take the place of the first. `by` is as in [`Embedded::write_by`].
    ///
    /// # Errors
    /// [`PolicyError::Revoked`] if it was ever revoked; [`PolicyError::Conflict`] if the id belongs to
    /// another person, app or space; or if it cannot be stored.
    pub async fn put_grant(&self, grant: Arc<Grant>, by: Context) -> Result<(), PolicyError> {
        self.granted(grant, by).await?.or_undelivered()
    }

    /// As [`Embedded::put_grant`], where it is told apart what is made and pending.
    pub(crate) async fn granted(&self, grant: Arc<Grant>, by: Context) -> Result<Delivery, PolicyError> {
        self.run(|inner| async move { inner.put_grant(grant, by).await }).await
    }

    /// Takes a grant away for good: when this returns, no permit rests on it. Whether it was there. `by` is as in
    /// [`Embedded::write_by`].
    ///
    /// # Errors
    /// If it cannot be stored; then it is not revoked. After [`PolicyError::Undelivered`] it is, and pending.
    pub async fn revoke_grant(&self, id: GrantId, by: Context) -> Result<bool, PolicyError> {
        let (there, delivery) = self.revoked(id, by).await?;
        delivery.or_undelivered().map(|()| there)
    }

    /// As [`Embedded::revoke_grant`], where it is told apart what is made and pending.
    pub(crate) async fn revoked(&self, id: GrantId, by: Context) -> Result<(bool, Delivery), PolicyError> {
        self.run(move |inner| async move { inner.revoke_grant(id, by).await }).await
    }

    /// Whether the grant was ever revoked here.
    pub fn is_revoked(&self, id: GrantId) -> bool {
        self.inner.snapshot.load().revoked.contains(&id)
    }

    /// Notes the collections and fields of a space. In memory only; the schema of the space is the truth.
    /// A collection that another space has named too belongs to nobody from then on.
    pub fn declare_collections(&self, space: SpaceId, collections: &[CollectionResource]) {
        let mut catalogue = self.inner.catalogue.lock();
        let mut edges = catalogue.declare(space, collections);
        if edges.put.is_empty() && edges.remove.is_empty() {
            return;
        }
        let mut next = Snapshot::clone(&self.inner.snapshot.load());
        edges.remove.iter().for_each(|edge| {
            next.tuples.remove(edge);
        });
        // What is not put here, as the edge of a sealed field, must not be told to anybody else either.
        edges.put.retain(|edge| {
            catalogue::put(&mut next.tuples, edge).unwrap_or_else(|error| {
                tracing::error!(%edge, %error, "an edge of the catalogue does not fit the schema");
                false
            })
        });
        let removed = edges.remove.into_iter().map(Update::Delete);
        let updates: Vec<Update> = removed.chain(edges.put.into_iter().map(Update::Touch)).collect();
        if self.inner.outbox.get().is_some() {
            self.inner.undelivered.lock().extend(updates.iter().cloned());
        }
        self.inner.publish(next, updates, Context::new());
    }

    /// Waits until the other engine, if there is one, has what was declared and written so far.
    ///
    /// # Errors
    /// If it has not: it would answer by what was before.
    pub async fn settle(&self) -> Result<(), PolicyError> {
        if self.inner.outbox.get().is_none() {
            return Ok(());
        }
        self.run(|inner| async move { inner.settle().await }).await
    }

    /// Makes every permit stale: for what decides outside these tables, as sessions and tokens.
    pub fn advance_epoch(&self) {
        self.inner.clock.advance();
    }

    /// Answers one check and names the relationships that made it true, from the resource to the
    /// subject. A check that has no answer is a denial, with the reason in place of the path.
    pub fn check_one(&self, check: &Check, now: Timestamp) -> (Decision, Vec<String>) {
        match self.inner.snapshot.load().tuples.explain(check, now) {
            Ok(answer) => answer,
            Err(error) => (
                Decision { permissionship: Permissionship::No, missing: Vec::new(), valid_until: None },
                vec![format!("{}: {error}", error.code())],
            ),
        }
    }

    /// The audit rows after `after`, oldest first, at most `limit`. The chain is checked whole.
    ///
    /// # Errors
    /// [`PolicyError::Damaged`] if a row was changed or is missing.
    pub async fn audit(&self, after: i64, limit: usize) -> Result<Vec<AuditRow>, PolicyError> {
        store::audit_rows(&self.inner.db, after, limit).await
    }

    /// The schema that is in force, in normal form.
    pub fn schema(&self) -> String {
        self.inner.snapshot.load().tuples.schema().to_source()
    }

    /// Whether [`Embedded::write_schema`] would put the text into force now. It changes nothing.
    ///
    /// # Errors
    /// As there.
    pub fn try_schema(&self, text: &str) -> Result<(), PolicyError> {
        let next = Arc::new(schema::effective(&schema::added(text)?)?);
        self.inner.snapshot.load_full().tuples.with_schema(next, self.inner.timeline.now())?;
        Ok(())
    }

    /// Puts a whole schema into force: the definitions of the platform as they are, and whatever else. What
    /// [`Embedded::schema`] answers can be edited and written back. Whether anything changed.
    ///
    /// # Errors
    /// If the text is wrong, if it changes a definition of the platform, if relationships exist that it does not
    /// allow, or if it cannot be stored. Then nothing is changed.
    pub async fn write_schema(&self, text: &str, by: Context) -> Result<bool, PolicyError> {
        let added = schema::added(text)?;
        let next = Arc::new(schema::effective(&added)?);
        self.run(move |inner| async move {
            let mut writer = inner.writer().await?;
            inner.write_schema(&mut writer, added, next, by).await
        })
        .await
    }

    /// A change that takes nothing away.
    async fn change(&self, change: Change) -> Result<(), PolicyError> {
        self.changed(change).await?.or_undelivered()
    }

    async fn changed(&self, change: Change) -> Result<Delivery, PolicyError> {
        self.run(|inner| async move {
            let mut writer = inner.writer().await?;
            let put = inner.apply(&mut writer, change, |_| {}).await?;
            drop(writer);
            Ok(inner.deliver(put).await)
        })
        .await
    }

    /// Runs a change to its end even if the caller goes away: what is committed is also published.
    async fn run<T, F>(&self, change: impl FnOnce(Arc<Inner>) -> F) -> Result<T, PolicyError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PolicyError>> + Send + 'static,
    {
        let running = tokio::spawn(change(Arc::clone(&self.inner)));
        running.await.map_err(|error| PolicyError::Conflict(format!("the change did not end: {error}")))?
    }
}

impl Inner {
    /// The one writer, knowing what is stored.
    async fn writer(&self) -> Result<tokio::sync::MutexGuard<'_, Writer>, PolicyError> {
        let mut writer = self.writer.lock().await;
        if !writer.fresh {
            self.reload(&mut writer).await?;
        }
        Ok(writer)
    }

    async fn settle(&self) -> Result<(), PolicyError> {
        let Some(outbox) = self.outbox.get() else { return Ok(()) };
        let undelivered = |error: OutboxError| PolicyError::Undelivered(error.to_string());
        // Held until they are in the outbox, so that who comes second does not go on before the first.
        let writer = self.writer().await?;
        let updates = std::mem::take(&mut *self.undelivered.lock());
        if !updates.is_empty() {
            let put = store::put_into(&self.db, outbox, &updates).await;
            if put.is_err() {
                self.undelivered.lock().splice(0..0, updates);
            }
            put?;
        }
        drop(writer);
        match outbox.deliver().await {
            // What it will not take back is known, and asked about here as well until it does.
            Ok(_) | Err(OutboxError::Refused(_)) => Ok(()),
            Err(error) => Err(undelivered(error)),
        }
    }

    async fn reload(&self, writer: &mut Writer) -> Result<(), PolicyError> {
        let stored = store::load(&self.db).await?;
        let mut of_grant: HashMap<GrantId, Vec<Tuple>> = HashMap::new();
        for (tuple, source) in &stored.tuples {
            if let Some(grant) = source {
                of_grant.entry(*grant).or_default().push(tuple.clone());
            }
        }
        let tuples = stored.tuples.into_iter().map(|(tuple, _)| tuple);
        let schema = schema::effective(&stored.schema)
            .map_err(|error| PolicyError::Damaged(format!("the stored schema does not fit: {error}")))?;
        let mut tuples = Tuples::load(Arc::new(schema), tuples).map_err(|(tuple, error)| {
            PolicyError::Damaged(format!("the stored relationship {tuple} does not fit: {error}"))
        })?;
        let revoked: HashSet<GrantId> = stored.revoked.into_iter().collect();
        let catalogue = self.catalogue.lock();
        for edge in catalogue.edges() {
            catalogue::put(&mut tuples, &edge)?;
        }
        let mut grants = HashMap::clone(&self.snapshot.load().grants);
        grants.retain(|id, _| !revoked.contains(id));
        let before = self.snapshot.load_full();
        let next = Snapshot { tuples, grants: Arc::new(grants), revoked: Arc::new(revoked) };
        if before.tuples.schema().to_source() == next.tuples.schema().to_source() {
            let updates = before.tuples.changes_to(&next.tuples);
            self.publish(next, updates, Context::new());
        } else {
            self.publish_schema(next);
        }
        drop(catalogue);
        *writer = Writer { tip: stored.tip, of_grant, fresh: true };
        Ok(())
    }

    async fn write_schema(
        &self,
        writer: &mut Writer,
        added: String,
        schema: Arc<Schema>,
        by: Context,
    ) -> Result<bool, PolicyError> {
        let before = self.snapshot.load_full();
        if before.tuples.schema().to_source() == schema.to_source() {
            return Ok(false);
        }
        // Before anything is stored, so that what does not fit is refused; and again below, since the catalogue may
        // have brought edges meanwhile.
        before.tuples.with_schema(Arc::clone(&schema), self.timeline.now())?;
        if let Some(outbox) = self.outbox.get() {
            let written = outbox.write_schema(&schema.to_source()).await;
            written.map_err(|error| PolicyError::Undelivered(error.to_string()))?;
        }
        let change = Change { action: "write_schema", schema: Some(added), metadata: by, ..Change::default() };
        writer.fresh = false;
        writer.tip = store::commit(&self.db, &change, writer.tip, self.timeline.now()).await?;
        let catalogue = self.catalogue.lock();
        let mut next = Snapshot::clone(&self.snapshot.load());
        next.tuples = next.tuples.with_schema(schema, self.timeline.now())?;
        self.publish_schema(next);
        drop(catalogue);
        writer.fresh = true;
        Ok(true)
    }

    /// Stores what the change really changes, publishes it and what `publish` adds, moves the epoch. What is in the
    /// outbox then is for [`Inner::deliver`], when others can write again.
    async fn apply<'a>(
        &'a self,
        writer: &mut Writer,
        mut change: Change,
        publish: impl FnOnce(&mut Snapshot) + Send,
    ) -> Result<Option<Put<'a>>, PolicyError> {
        change.put.extend(exceptions::marks(&change.put));
        let now = self.timeline.now();
        let (put, asked) = {
            let mut next = self.snapshot.load().tuples.clone();
            change.remove.retain(|tuple| next.remove(tuple));
            let mut put = Vec::new();
            for tuple in std::mem::take(&mut change.put) {
                if next.holds(&tuple) {
                    continue;
                }
                no_circle(&next, &tuple)?;
                only_one(&next, &tuple)?;
                next.put(&tuple)?;
                put.push(tuple);
            }
            let asked = put.len() + change.remove.len();
            change.remove.extend(exceptions::unmark(&mut next, &change.remove, &put, now));
            (put, asked)
        };
        change.put = put;
        let remove = change.remove.clone();
        if asked > MAX_CHANGES {
            return Err(PolicyError::Conflict(format!("one change may hold {MAX_CHANGES} relationships at most")));
        }
        let schema = Arc::clone(self.snapshot.load().tuples.schema());
        let mut delivery = None;
        let stores = change.revoke || !change.put.is_empty() || !remove.is_empty();
        if stores {
            // Until the end of the transaction is known, it is not known what is stored.
            writer.fresh = false;
            let outbox = self.outbox.get().map(Arc::as_ref);
            let (tip, put) = store::commit_with(&self.db, &change, writer.tip, now, outbox, &schema).await?;
            writer.tip = tip;
            writer.fresh = true;
            delivery = put;
        }
        let catalogue = self.catalogue.lock();
        let before = self.snapshot.load_full();
        let mut next = Snapshot::clone(&before);
        remove.iter().for_each(|tuple| {
            next.tuples.remove(tuple);
        });
        for tuple in &change.put {
            next.tuples.put(tuple)?;
        }
        publish(&mut next);
        let moved = stores || !Arc::ptr_eq(&before.grants, &next.grants);
        if moved {
            let removed = remove.into_iter().map(Update::Delete);
            let updates = removed.chain(change.put.into_iter().map(Update::Touch)).collect();
            self.publish(next, updates, change.metadata);
        }
        drop(catalogue);
        Ok(delivery)
    }

    /// Waits until the other engine, if there is one, has seen what a change takes away.
    async fn deliver(&self, put: Option<Put<'_>>) -> Delivery {
        let Some(put) = put else { return Delivery::Done };
        if let Err(error) = put.deliver().await {
            tracing::warn!(%error, "what is taken away is not in SpiceDB yet");
            return Delivery::Pending(error.to_string());
        }
        // What gives may come later, but mostly it is asked for at once.
        if let Some(outbox) = self.outbox.get()
            && let Err(error) = outbox.deliver().await
        {
            tracing::warn!(%error, "a change is not in SpiceDB yet");
        }
        Delivery::Done
    }

    /// Puts the next snapshot before everybody, and tells those who watch. Under `catalogue`.
    fn publish(&self, next: Snapshot, updates: Vec<Update>, metadata: Context) {
        if !updates.is_empty() {
            let told = crate::history::Change { updates, metadata };
            self.timeline.history.lock().relationships_changed(next.tuples.clone(), told, self.timeline.now());
        }
        self.snapshot.store(Arc::new(next));
        self.clock.advance();
    }

    /// As [`Inner::publish`], where the schema is another.
    fn publish_schema(&self, next: Snapshot) {
        let text = next.tuples.schema().to_source();
        self.timeline.history.lock().schema_changed(next.tuples.clone(), &text, self.timeline.now());
        self.snapshot.store(Arc::new(next));
        self.clock.advance();
    }

    async fn put_grant(&self, grant: Arc<Grant>, by: Context) -> Result<Delivery, PolicyError> {
        let mut writer = self.writer().await?;
        let id = grant.id;
        let snapshot = self.snapshot.load_full();
        if snapshot.revoked.contains(&id) {
            return Err(PolicyError::Revoked(id));
        }
        if let Some(known) = snapshot.grants.get(&id) {
            if *known == grant {
                return Ok(Delivery::Done);
            }
            if (known.grantor, known.holder, known.space) != (grant.grantor, grant.holder, grant.space) {
                return Err(PolicyError::Conflict(format!("grant {id} is another person's, app's or space's")));
            }
        }
        let put = facts::grant(&grant);
        let stale: Vec<Tuple> =
            writer.of_grant.get(&id).into_iter().flatten().filter(|old| !put.contains(old)).cloned().collect();
        let change = Change {
            action: "put_grant",
            put: put.clone(),
            remove: stale,
            source: Some(id),
            metadata: by,
            ..Change::default()
        };
        let terms = |snapshot: &mut Snapshot| {
            Arc::make_mut(&mut snapshot.grants).insert(id, grant);
        };
        let delivery = self.apply(&mut writer, change, terms).await?;
        writer.of_grant.insert(id, put);
        drop(writer);
        Ok(self.deliver(delivery).await)
    }

    async fn revoke_grant(&self, id: GrantId, by: Context) -> Result<(bool, Delivery), PolicyError> {
        let mut writer = self.writer().await?;
        let snapshot = self.snapshot.load_full();
        if snapshot.revoked.contains(&id) {
            drop(writer);
            return Ok((false, self.standing_of_revocations().await));
        }
        let rows = writer.of_grant.get(&id).cloned().unwrap_or_default();
        let there = !rows.is_empty() || snapshot.grants.contains_key(&id);
        let change = Change {
            action: "revoke_grant",
            remove: rows,
            source: Some(id),
            revoke: true,
            metadata: by,
            ..Change::default()
        };
        let gone = |snapshot: &mut Snapshot| {
            Arc::make_mut(&mut snapshot.grants).remove(&id);
            Arc::make_mut(&mut snapshot.revoked).insert(id);
        };
        let delivery = self.apply(&mut writer, change, gone).await?;
        writer.of_grant.remove(&id);
        drop(writer);
        Ok((there, self.deliver(delivery).await))
    }

    /// Whether the other engine, if there is one, has seen everything that was taken away.
    async fn standing_of_revocations(&self) -> Delivery {
        let Some(outbox) = self.outbox.get() else { return Delivery::Done };
        outbox
            .deliver_revocations()
            .await
            .map_or_else(|error| Delivery::Pending(error.to_string()), |()| Delivery::Done)
    }
}

/// The history of this process: tokens of an earlier one are another store's, and answered by the present.
fn history(tuples: Tuples, sequence: u64) -> History {
    let text = tuples.schema().to_source();
    History::new(Uuid::new_v4(), sequence, tuples, &text, Kept::default())
}

/// Groups in groups, folders in folders: so many levels at most, far below what a check can walk.
const MAX_NESTING: usize = 20;

/// Refuses a relationship by which something would come to contain itself or nest too deep. The evaluator would not
/// hang, but could not answer either.
fn no_circle(tuples: &Tuples, tuple: &Tuple) -> Result<(), PolicyError> {
    match tuples.nesting(tuple) {
        Some(Nesting::Circle) => Err(PolicyError::Conflict(format!("{tuple} would make it contain itself"))),
        Some(Nesting::Levels(levels)) if levels > MAX_NESTING => {
            Err(PolicyError::Conflict(format!("{tuple} would nest deeper than {MAX_NESTING} levels")))
        }
        _ => Ok(()),
    }
}

/// A space has one owner and one tenant. Handing it over removes the first in the same change.
fn only_one(tuples: &Tuples, tuple: &Tuple) -> Result<(), PolicyError> {
    let single = tuple.resource.kind == "space" && matches!(tuple.relation.as_str(), "owner" | "tenant");
    if single && !tuples.subjects(&tuple.resource, &tuple.relation).is_empty() {
        return Err(PolicyError::Conflict(format!("{} has another {}", tuple.resource, tuple.relation)));
    }
    Ok(())
}

/// A place for each processor.
fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)))
}

fn answered(tuples: &Tuples, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
    let told = |(check, answer): (&Check, Result<Decision, _>)| {
        answer.map_err(|error: policy_core::CheckError| {
            tracing::warn!(resource = %check.resource, permission = check.permission, %error, "a check has no answer");
            EngineUnavailable { reason: error.code().to_owned() }
        })
    };
    checks.iter().zip(tuples.check_all(checks, now)).map(told).collect()
}

#[async_trait]
impl Engine for Embedded {
    fn clock(&self) -> &Arc<EpochClock> {
        &self.inner.clock
    }

    async fn check(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        if checks.len() <= SHORT_CHECKS {
            return answered(&self.inner.snapshot.load().tuples, checks, now);
        }
        let cut_off = || EngineUnavailable { reason: "check_cut_off".to_owned() };
        let place = Arc::clone(&self.inner.large).acquire_owned().await.map_err(|_| cut_off())?;
        let (tuples, checks) = (self.inner.snapshot.load().tuples.clone(), checks.to_vec());
        let done = tokio::task::spawn_blocking(move || {
            // Free when the work ends, not when who asked goes away.
            let _place = place;
            answered(&tuples, &checks, now)
        });
        done.await.unwrap_or_else(|_| Err(cut_off()))
    }

    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        let cut_off = || EngineUnavailable { reason: "lookup_cut_off".to_owned() };
        let place = Arc::clone(&self.inner.lookups).acquire_owned().await.map_err(|_| cut_off())?;
        let (tuples, lookup) = (self.inner.snapshot.load().tuples.clone(), lookup.clone());
        let found = tokio::task::spawn_blocking(move || {
            // Free when the work ends, not when who asked goes away.
            let _place = place;
            lookup::resources(&tuples, &lookup, now)
        });
        found.await.unwrap_or_else(|_| Err(cut_off()))
    }

    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        Ok(self.inner.snapshot.load().grants.get(&id).cloned())
    }
}

#[async_trait]
impl Explainer for Embedded {
    async fn trace(&self, check: &Check) -> Result<(Traced, Token), ServiceError> {
        let (inner, check) = (Arc::clone(&self.inner), check.clone());
        let traced = tokio::task::spawn_blocking(move || inner.timeline.trace(&check, &Consistency::Full)).await;
        traced.unwrap_or_else(|error| Err(ServiceError::new(Reason::Internal, error.to_string())))
    }

    async fn standing(&self) -> Standing {
        Standing { engine: "embedded", ..Standing::default() }
    }
}
