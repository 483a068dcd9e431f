//! A relationship service that lives in memory and forgets everything at its end: for tests of what relies on it.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use policy_core::{
    Check, Context, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object, Schema, Timestamp,
    Traced, Tuple, Tuples, Update,
};
use uuid::Uuid;

use crate::history::{Change, History, Kept};
use crate::timeline::{Clock, Timeline, to_delete};
use crate::{
    Answers, Consistency, Delete, Deleted, Events, Page, Reason, RelationshipService, ServiceError, Token,
    WatchRequest, Window, Write, filter, timeline,
};

/// A store in memory. Clones are the same store.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    timeline: Timeline,
    /// Held by the one writer, from reading what is there to putting what is there next.
    writing: Mutex<()>,
}

impl Memory {
    /// An empty store without a schema.
    pub fn new(clock: Clock) -> Self {
        let empty = Tuples::new(Arc::default());
        let history = History::new(Uuid::new_v4(), 0, empty, "", Kept::default());
        Memory(Arc::new(Inner { timeline: Timeline::new(clock, history), writing: Mutex::default() }))
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
}

impl Inner {
    /// Changes relationships by `updates`, which are decided upon what is there.
    fn change<T>(
        &self,
        metadata: Context,
        decide: impl FnOnce(&mut Tuples, Timestamp) -> Result<(Vec<Update>, T), ServiceError>,
    ) -> Result<(Token, T), ServiceError> {
        let _writing = self.writing.lock();
        let mut head = self.timeline.head();
        let now = self.timeline.now();
        let (updates, decided) = decide(&mut head.tuples, now)?;
        if updates.is_empty() {
            return Ok((head.token, decided));
        }
        let change = Change { updates, metadata };
        Ok((self.timeline.history.lock().relationships_changed(head.tuples, change, now), decided))
    }

    fn write_schema(&self, text: &str) -> Result<Token, ServiceError> {
        let schema = Schema::parse(text)?;
        let text = schema.to_source();
        let _writing = self.writing.lock();
        let head = self.timeline.head();
        if head.tuples.schema().to_source() == text {
            return Ok(head.token);
        }
        let now = self.timeline.now();
        let next = head.tuples.with_schema(Arc::new(schema), now)?;
        Ok(self.timeline.history.lock().schema_changed(next, &text, now))
    }

    fn delete(&self, delete: &Delete) -> Result<Deleted, ServiceError> {
        let decide = |tuples: &mut Tuples, now| {
            let (found, complete) = to_delete(tuples, delete, now, |_| true)?;
            let deleted = tuples.apply(&found, &[], now)?;
            Ok((deleted, (found.len() as u64, complete)))
        };
        let (at, (count, complete)) = self.change(delete.metadata.clone(), decide)?;
        Ok(Deleted { count, complete, at })
    }
}

#[async_trait]
impl RelationshipService for Memory {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        self.0.timeline.read_schema()
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
            let decide = |tuples: &mut Tuples, now| Ok((timeline::create(tuples, &updates, now)?, ()));
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
        self.run(move |inner| inner.timeline.read(&filter, &window, &at)).await
    }

    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        let (checks, at) = (checks.to_vec(), at.clone());
        self.run(move |inner| inner.timeline.check(&checks, &at)).await
    }

    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        let (check, at) = (check.clone(), at.clone());
        self.run(move |inner| inner.timeline.trace(&check, &at)).await
    }

    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        let (lookup, window, at) = (lookup.clone(), window.clone(), at.clone());
        self.run(move |inner| inner.timeline.lookup_resources(&lookup, &window, &at)).await
    }

    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        let (lookup, at) = (lookup.clone(), at.clone());
        self.run(move |inner| inner.timeline.lookup_subjects(&lookup, &at)).await
    }

    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let (resource, permission, at) = (resource.clone(), permission.to_owned(), at.clone());
        self.run(move |inner| inner.timeline.expand(&resource, &permission, &at)).await
    }

    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        self.0.timeline.watch(request)
    }
}
