//! The evaluator alone behind the service's trait: one schema and its relationships, no history, no log.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use parking_lot::Mutex;
use policy::{
    Answers, Consistency, Delete, Deleted, Events, Page, Reason, RelationshipService, ServiceError, Token,
    WatchRequest, Window, Write,
};
use policy_core::{
    Check, CheckError, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object, Schema,
    Timestamp, Traced, Tuple, Tuples,
};

#[derive(Default)]
pub struct OnTuples(Mutex<Option<(String, Tuples)>>);

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

fn at() -> Token {
    Token("now".to_owned())
}

fn wrong(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::new(Reason::InvalidArgument, error.to_string())
}

impl OnTuples {
    fn stored(&self) -> Result<Tuples, ServiceError> {
        let store = self.0.lock();
        store.as_ref().map(|(_, tuples)| tuples.clone()).ok_or_else(|| ServiceError::new(Reason::NoSchema, "no schema"))
    }
}

fn page<T>(items: Vec<T>) -> Page<T> {
    Page { items: items.into_iter().map(|item| (item, None)).collect(), at: at() }
}

#[async_trait]
impl RelationshipService for OnTuples {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        let store = self.0.lock();
        let text = store.as_ref().map(|(text, _)| text.clone());
        text.map(|text| (text, at())).ok_or_else(|| ServiceError::new(Reason::NoSchema, "no schema"))
    }
    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError> {
        let parsed =
            Schema::parse(schema).map_err(|error| ServiceError::new(Reason::SchemaParse, error.to_string()))?;
        *self.0.lock() = Some((schema.to_owned(), Tuples::new(Arc::new(parsed))));
        Ok(at())
    }
    async fn write(&self, write: Write) -> Result<Token, ServiceError> {
        let mut store = self.0.lock();
        let (_, tuples) = store.as_mut().ok_or_else(|| ServiceError::new(Reason::NoSchema, "no schema"))?;
        tuples.apply(&write.updates, &write.preconditions, now()).map_err(wrong)?;
        Ok(at())
    }
    async fn delete(&self, _: Delete) -> Result<Deleted, ServiceError> {
        Err(wrong("not here"))
    }
    async fn read(&self, filter: &Filter, _: &Window, _: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        Ok(page(self.stored()?.select(filter, now()).collect()))
    }
    async fn check(&self, checks: &[Check], _: &Consistency) -> Result<Answers, ServiceError> {
        Ok(Answers { decisions: self.stored()?.check_all(checks, now()), at: at() })
    }
    async fn trace(&self, check: &Check, _: &Consistency) -> Result<(Traced, Token), ServiceError> {
        let (_, traced) = self.stored()?.trace(check, now()).map_err(wrong)?;
        Ok((traced, at()))
    }
    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        _: &Window,
        _: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        Ok(page(self.stored()?.lookup_resources(lookup, now()).map_err(wrong)?))
    }
    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        _: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        Ok(page(self.stored()?.lookup_subjects(lookup, now()).map_err(wrong)?))
    }
    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        _: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let expanded = self.stored()?.expand(resource, permission, now()).map_err(|error: CheckError| wrong(error))?;
        Ok((expanded, at()))
    }
    async fn watch(&self, _: WatchRequest) -> Result<Events, ServiceError> {
        Err(wrong("not here"))
    }
}
