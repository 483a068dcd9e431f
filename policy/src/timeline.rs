//! What a store answers from: its history, and the time.

mod list;

use std::sync::Arc;

use parking_lot::Mutex;
use policy_core::{
    ApplyError, Check, CheckError, Decision, EVERYONE, Expanded, FoundSubject, LookupSubjects, Object, Permissionship,
    Timestamp, Traced, Tuple, Tuples, Update,
};

use crate::history::{History, Snapshot};
use crate::{
    Answers, Consistency, Delete, Events, Page, Reason, ServiceError, Token, WatchRequest, filter, limits, refusal,
};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The read half of a relationship service, the same for every store that keeps a [`History`].
pub(crate) struct Timeline {
    clock: Clock,
    pub(crate) history: Mutex<History>,
}

impl Timeline {
    pub(crate) fn new(clock: Clock, history: History) -> Self {
        Timeline { clock, history: Mutex::new(history) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn head(&self) -> Snapshot {
        self.history.lock().head()
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

    pub(crate) fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        let head = self.head();
        let schema = head.tuples.schema();
        if schema.definition_count() == 0 {
            let message = "no schema has been defined; please call WriteSchema to start";
            return Err(ServiceError::new(Reason::NoSchema, message));
        }
        Ok((schema.to_source(), head.token))
    }

    pub(crate) fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        limits::checks(checks.len())?;
        let snapshot = self.at(at)?;
        let decisions = snapshot.tuples.check_all(checks, self.now()).into_iter().map(|decision| match decision {
            Err(CheckError::ObjectId { id }) if id == EVERYONE => Ok(NOBODY),
            decision => decision,
        });
        Ok(Answers { decisions: decisions.collect(), at: snapshot.token })
    }

    pub(crate) fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        let snapshot = self.at(at)?;
        let (_, traced) = snapshot.tuples.trace(check, self.now())?;
        Ok((traced, snapshot.token))
    }

    pub(crate) fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        let snapshot = self.at(at)?;
        let found = match snapshot.tuples.lookup_subjects(lookup, self.now()) {
            // Nobody has anything of what cannot be an object.
            Err(CheckError::ObjectId { .. }) => Vec::new(),
            found => found?,
        };
        Ok(Page { items: found.into_iter().map(|found| (found, None)).collect(), at: snapshot.token })
    }

    pub(crate) fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let snapshot = self.at(at)?;
        let expanded = snapshot.tuples.expand(resource, permission, self.now())?;
        Ok((expanded, snapshot.token))
    }

    pub(crate) fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        if !request.kinds.is_empty() && !request.filters.is_empty() {
            let message = "cannot specify both object types and relationship filters";
            return Err(ServiceError::new(Reason::InvalidArgument, message));
        }
        let mut history = self.history.lock();
        let head = history.head();
        request.filters.iter().try_for_each(|each| filter::check(each, head.tuples.schema()))?;
        history.watch(request, self.now())
    }
}

/// Nobody has anything of everything.
const NOBODY: Decision = Decision { permissionship: Permissionship::No, missing: Vec::new(), valid_until: None };

/// Then nothing has lapsed yet.
const BEGINNING: Timestamp = Timestamp(i64::MIN);

/// What a deletion takes away of the relationships that it is `among`, and whether that is all that its filter selects
/// there. Preconditions are looked at.
///
/// # Errors
/// If a filter is wrong, a precondition does not hold, or more is selected than may be deleted at once.
pub(crate) fn to_delete(
    tuples: &Tuples,
    delete: &Delete,
    now: Timestamp,
    among: impl Fn(&Tuple) -> bool,
) -> Result<(Vec<Update>, bool), ServiceError> {
    let Delete { filter, preconditions, limit, partial, .. } = delete;
    filter::check(filter, tuples.schema())?;
    filter::check_all(preconditions, tuples.schema())?;
    tuples.clone().apply(&[], preconditions, now)?;
    let most = limit.map_or(usize::MAX, |limit| limit as usize);
    if let Some(limit) = limit
        && !partial
        && tuples.select(filter, now).filter(&among).nth(most).is_some()
    {
        return Err(refusal::too_many_to_delete(filter, *limit));
    }
    // What has lapsed goes too: as long as it is there, nobody can create it again.
    let found: Vec<Update> = tuples.select(filter, BEGINNING).filter(&among).take(most).map(Update::Delete).collect();
    let complete = found.len() < most;
    Ok((found, complete))
}

/// Puts all of them in, as creations; one that is named twice is there already when it comes the second time.
///
/// # Errors
/// If one is there or does not fit the schema.
pub(crate) fn create(tuples: &mut Tuples, creations: &[Update], now: Timestamp) -> Result<Vec<Update>, ServiceError> {
    tuples.apply(creations, &[], now).map_err(|error| match error {
        ApplyError::Twice(tuple) => ApplyError::Exists(tuple).into(),
        error => error.into(),
    })
}
