//! Lists, page by page.

use policy_core::{CheckError, Filter, Found, LookupResources, Tuple};

use super::Timeline;
use crate::history::Snapshot;
use crate::token::{self, Request};
use crate::{Consistency, Page, Reason, ServiceError, Window, filter, refusal};

impl Timeline {
    /// Where a list begins: behind a cursor, at its point, or at the wished point.
    fn begin(
        &self,
        request: Request,
        window: &Window,
        at: &Consistency,
    ) -> Result<(Snapshot, Option<String>), ServiceError> {
        let Some(cursor) = &window.after else { return Ok((self.at(at)?, None)) };
        let store = self.history.lock().store();
        let (sequence, position) = token::position(cursor, store, request)?;
        Ok((self.reach(sequence)?, Some(position)))
    }

    /// The items with their cursors. Whoever has one may read on: the snapshot stays at hand.
    fn page<T>(
        &self,
        snapshot: &Snapshot,
        request: Request,
        items: impl Iterator<Item = T>,
        position: impl Fn(&T) -> String,
    ) -> Page<T> {
        let store = {
            let mut history = self.history.lock();
            history.pin(snapshot);
            history.store()
        };
        let cursor = |item: &T| Some(token::cursor(store, snapshot.sequence, request, &position(item)));
        let items = items.map(|item| {
            let cursor = cursor(&item);
            (item, cursor)
        });
        Page { items: items.collect(), at: snapshot.token.clone() }
    }

    pub(crate) fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        let request = Request::of("read", &(filter, window.limit, at));
        let (snapshot, position) = self.begin(request, window, at)?;
        filter::check_list(filter, snapshot.tuples.schema())?;
        let after = position.map(|text| text.parse::<Tuple>()).transpose().map_err(|_| {
            ServiceError::new(Reason::InvalidCursor, "error decoding cursor: its position is no relationship")
        })?;
        let found = snapshot.tuples.select_after(filter, after.as_ref(), self.now()).take(most(window));
        Ok(self.page(&snapshot, request, found, ToString::to_string))
    }

    pub(crate) fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        let request = Request::of("lookup_resources", &(lookup, window.limit, at));
        let (snapshot, position) = self.begin(request, window, at)?;
        let found = snapshot.tuples.lookup_resources(lookup, self.now()).map_err(|error| match error {
            CheckError::Everyone => refusal::everyone("cannot perform lookup resources on wildcard", "subject_id"),
            error => error.into(),
        })?;
        let rest =
            found.found.into_iter().skip_while(|found| position.as_ref().is_some_and(|after| found.id <= *after));
        Ok(self.page(&snapshot, request, rest.take(most(window)), |found| found.id.clone()))
    }
}

fn most(window: &Window) -> usize {
    window.limit.map_or(usize::MAX, |limit| limit as usize)
}
