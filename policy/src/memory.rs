//! A relationship service that lives in memory and forgets everything at its end: for tests of what relies on it.

mod list;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use policy_core::{
    Check, CheckError, Context, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object, Schema,
    Timestamp, Traced, Tuple, Tuples, Update,
};
use uuid::Uuid;

use crate::history::{Change, History, Kept, Snapshot};
use crate::{
    Answers, Consistency, Delete, Deleted, Events, Page, Reason, RelationshipService, ServiceError, Token,
    WatchRequest, Window, Write, filter, limits, refusal,
};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A store in memory. Clones are the same store.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    clock: Clock,
    /// Held by the one writer, from reading what is there to putting what is there next.
    writing: Mutex<()>,
    history: Mutex<History>,
}

impl Memory {
    /// An empty store without a schema.
    pub fn new(clock: Clock) -> Self {
        let empty = Tuples::new(Arc::default());
        let history = Mutex::new(History::new(Uuid::new_v4(), 0, empty, "", Kept::default()));
        Memory(Arc::new(Inner { clock, writing: Mutex::default(), history }))
    }

    /// Runs what may take long where it holds nobody up.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|error| Err(ServiceError::new(Reason::Internal, error.to_string())))
    }

    /// Answers from one snapshot.
    async fn ask<T: Send + 'static>(
        &self,
        at: &Consistency,
        work: impl FnOnce(&Snapshot, Timestamp) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let at = at.clone();
        self.run(move |inner| work(&inner.at(&at)?, inner.now())).await
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn at(&self, at: &Consistency) -> Result<Snapshot, ServiceError> {
        let sequence = self.history.lock().point(at, self.now())?;
        self.reach(sequence)
    }

    fn reach(&self, sequence: u64) -> Result<Snapshot, ServiceError> {
        let way = {
            let mut history = self.history.lock();
            let sequence = history.reachable(sequence, self.now())?;
            history.way_to(sequence)
        };
        way.go()
    }

    /// Changes relationships by `updates`, which are decided upon what is there.
    fn change<T>(
        &self,
        metadata: Context,
        decide: impl FnOnce(&mut Tuples, Timestamp) -> Result<(Vec<Update>, T), ServiceError>,
    ) -> Result<(Token, T), ServiceError> {
        let _writing = self.writing.lock();
        let mut head = self.history.lock().head();
        let now = self.now();
        let (updates, decided) = decide(&mut head.tuples, now)?;
        if updates.is_empty() {
            return Ok((head.token, decided));
        }
        let change = Change { updates, metadata };
        Ok((self.history.lock().relationships_changed(head.tuples, change, now), decided))
    }

    fn write_schema(&self, text: &str) -> Result<Token, ServiceError> {
        let schema = Schema::parse(text)?;
        let text = schema.to_source();
        let _writing = self.writing.lock();
        let head = self.history.lock().head();
        if head.tuples.schema().to_source() == text {
            return Ok(head.token);
        }
        let now = self.now();
        let next = head.tuples.with_schema(Arc::new(schema), now)?;
        Ok(self.history.lock().schema_changed(next, &text, now))
    }

    fn delete(&self, delete: &Delete) -> Result<Deleted, ServiceError> {
        let Delete { filter, preconditions, limit, partial, metadata } = delete;
        let decide = |tuples: &mut Tuples, now| {
            filter::check(filter, tuples.schema())?;
            filter::check_all(preconditions, tuples.schema())?;
            tuples.apply(&[], preconditions, now)?;
            let most = limit.map_or(usize::MAX, |limit| limit as usize);
            let mut found: Vec<Update> =
                tuples.select(filter, now).take(most.saturating_add(1)).map(Update::Delete).collect();
            if let Some(limit) = limit
                && found.len() > most
                && !partial
            {
                return Err(refusal::too_many_to_delete(filter, *limit));
            }
            found.truncate(most);
            let complete = found.len() < most;
            let deleted = tuples.apply(&found, &[], now)?;
            Ok((deleted, (found.len() as u64, complete)))
        };
        let (at, (count, complete)) = self.change(metadata.clone(), decide)?;
        Ok(Deleted { count, complete, at })
    }
}

#[async_trait]
impl RelationshipService for Memory {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        let head = self.0.history.lock().head();
        let schema = head.tuples.schema();
        if schema.definition_count() == 0 {
            let message = "no schema has been defined; please call WriteSchema to start";
            return Err(ServiceError::new(Reason::NoSchema, message));
        }
        Ok((schema.to_source(), head.token))
    }

    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError> {
        let text = schema.to_owned();
        self.run(move |inner| inner.write_schema(&text)).await
    }

    async fn write(&self, write: Write) -> Result<Token, ServiceError> {
        write.within_limits()?;
        let Write { updates, preconditions, metadata } = write;
        self.run(move |inner| {
            let decide = |tuples: &mut Tuples, now| {
                filter::check_all(&preconditions, tuples.schema())?;
                Ok((tuples.apply(&updates, &preconditions, now)?, ()))
            };
            inner.change(metadata, decide).map(|(token, ())| token)
        })
        .await
    }

    async fn create(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        let updates: Vec<Update> = tuples.into_iter().map(Update::Create).collect();
        self.run(move |inner| {
            let decide = |tuples: &mut Tuples, now| Ok((tuples.apply(&updates, &[], now)?, ()));
            inner.change(Context::new(), decide).map(drop)
        })
        .await
    }

    async fn delete(&self, delete: Delete) -> Result<Deleted, ServiceError> {
        delete.within_limits()?;
        self.run(move |inner| inner.delete(&delete)).await
    }

    async fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        let (filter, window, at) = (filter.clone(), window.clone(), at.clone());
        self.run(move |inner| inner.read(&filter, &window, &at)).await
    }

    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        limits::checks(checks.len())?;
        let checks = checks.to_vec();
        self.ask(at, move |snapshot, now| {
            let decisions = snapshot.tuples.check_all(&checks, now);
            Ok(Answers { decisions, at: snapshot.token.clone() })
        })
        .await
    }

    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        let check = check.clone();
        self.ask(at, move |snapshot, now| {
            let (_, traced) = snapshot.tuples.trace(&check, now)?;
            Ok((traced, snapshot.token.clone()))
        })
        .await
    }

    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        let (lookup, window, at) = (lookup.clone(), window.clone(), at.clone());
        self.run(move |inner| inner.lookup_resources(&lookup, &window, &at)).await
    }

    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        let lookup = lookup.clone();
        self.ask(at, move |snapshot, now| {
            let found = match snapshot.tuples.lookup_subjects(&lookup, now) {
                // Nobody has anything of what cannot be an object.
                Err(CheckError::ObjectId { .. }) => Vec::new(),
                found => found?,
            };
            Ok(Page { items: found.into_iter().map(|found| (found, None)).collect(), at: snapshot.token.clone() })
        })
        .await
    }

    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let (resource, permission) = (resource.clone(), permission.to_owned());
        self.ask(at, move |snapshot, now| {
            let expanded = snapshot.tuples.expand(&resource, &permission, now)?;
            Ok((expanded, snapshot.token.clone()))
        })
        .await
    }

    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        if !request.kinds.is_empty() && !request.filters.is_empty() {
            let message = "cannot specify both object types and relationship filters";
            return Err(ServiceError::new(Reason::InvalidArgument, message));
        }
        let mut history = self.0.history.lock();
        let head = history.head();
        request.filters.iter().try_for_each(|each| filter::check(each, head.tuples.schema()))?;
        history.watch(request, self.0.now())
    }
}
