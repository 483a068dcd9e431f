//! The ways to read: queries, and what changed.

use std::sync::Arc;

use policy_core::{Permits, Read};
use vault_core::query::{Filter, Operand, Operator, Query, RootKind};
use vault_core::schema::Schema;

use super::Vault;
use crate::asked::Asked;
use crate::reading::{self, Stage};
use crate::shares::Payer;
use crate::space::{Space, SpaceError};
use crate::turn::to_its_end;
use crate::view::{
    Answer, Cells, Changes, ChangesError, Limits, PAGE_MAX, Position, ReadError, Reader, Sink, Text, ViewError,
};

/// A read that asks for more than this is not even compiled on the caller's thread: members and conditions, bytes of
/// values, documents.
const PARTS: usize = 100;
const BYTES: usize = 4 << 10;
const DOCUMENTS: usize = 64;

impl Vault {
    /// Answers a query as text of JSON: an object of its roots.
    pub async fn read(&self, permits: Permits<Read>, query: Query) -> Result<Answer<Text>, ReadError> {
        self.read_into(permits, query, Text::with_capacity(1_024)).await
    }

    /// Answers a query in typed cells: a row of its roots.
    pub async fn cells(&self, permits: Permits<Read>, query: Query) -> Result<Answer<Cells>, ReadError> {
        self.read_into(permits, query, Cells::default()).await
    }

    /// Answers a query into what a front makes of it.
    ///
    /// A query that an index bounds is answered on the caller's thread, in 2 ms at most; any other goes to a bounded
    /// pool, where it has a moment among short reads and then goes on among long ones, each by the caller's share.
    pub async fn read_into<S: Sink + Send + 'static>(
        &self,
        permits: Permits<Read>,
        query: Query,
        sink: S,
    ) -> Result<Answer<S>, ReadError> {
        let (payer, all) = (Payer::from(permits.caller()), Limits::of(permits.caller()));
        self.read_within(permits, query, sink, (payer, all)).await
    }

    /// As [`Vault::read`], within limits of the caller's choice, and at the cost of the person alone: of a grant that is
    /// not given there are as many ids as one draws, and none has a share of its own.
    pub async fn preview(
        &self,
        permits: Permits<Read>,
        query: Query,
        limits: Limits,
    ) -> Result<Answer<Text>, ReadError> {
        let payer = Payer::Person(permits.caller().user);
        self.read_within(permits, query, Text::with_capacity(1_024), (payer, limits)).await
    }

    async fn read_within<S: Sink + Send + 'static>(
        &self,
        permits: Permits<Read>,
        query: Query,
        sink: S,
        (payer, all): (Payer, Limits),
    ) -> Result<Answer<S>, ReadError> {
        let space = self.space(permits.space()).await.map_err(|error| unavailable(&error))?;
        let settled = self.settled(&space).await?;
        let schema = space.schema();
        let mut answer = Answer::new(sink, self.0.reading.room(payer, all.bytes).await?);
        if settled && is_bounded(&schema, &query) && !self.0.reading.is_crowded(payer) {
            let limits = Limits { time: reading::INLINE, ..all };
            let admits = || self.0.seal.admits(&permits, space.schema().version, (self.0.clock)());
            let read = |reader: &Reader| reader.read(&permits, &schema, &query, &limits, &mut answer, admits);
            match space.with_reader_now(read)? {
                None | Some(Err(ReadError::Time(_))) => {}
                Some(done) => return done.map(|()| answer),
            }
        }
        let asked = Arc::new((permits, query));
        for (stage, time) in [(Stage::Short, reading::SHORT), (Stage::Long, all.time)] {
            let place = self.0.reading.place(stage, payer).await?;
            answer.sink.clear();
            let (seal, clock) = (self.0.seal.clone(), Arc::clone(&self.0.clock));
            let (space, schema, asked) = (Arc::clone(&space), Arc::clone(&schema), Arc::clone(&asked));
            let run = move || {
                // Held by the thread and not by who waits for it: who goes away leaves the work running.
                let _place = place;
                let (permits, query) = &*asked;
                let limits = Limits { time: time.min(all.time), ..all };
                let admits = || seal.admits(permits, space.schema().version, clock());
                let done =
                    space.with_reader(|reader| reader.read(permits, &schema, query, &limits, &mut answer, admits));
                (done, answer)
            };
            let (done, rest) = self.0.reading.run(stage, run).await?;
            answer = rest;
            match done? {
                Err(ReadError::Time(_)) if stage == Stage::Short => {}
                done => return done.map(|()| answer),
            }
        }
        Err(ReadError::Time(all.time))
    }

    /// What was applied to a space from a position on, as the permits show it: at most `limit` documents, fewer where
    /// they are large or many do not show. Whoever waits for more is told by [`Vault::feed`] when to ask again.
    pub async fn changes(
        &self,
        permits: Permits<Read>,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Answer<Changes>, ChangesError> {
        let payer = Payer::from(permits.caller());
        let space = self.space(permits.space()).await.map_err(|error| unavailable(&error))?;
        self.settled(&space).await?;
        let schema = space.schema();
        let mut room = self.0.reading.room(payer, PAGE_MAX).await?;
        let place = self.0.reading.place(Stage::Short, payer).await?;
        let limits = Limits { time: reading::SHORT, ..Limits::of(permits.caller()) };
        let (seal, clock) = (self.0.seal.clone(), Arc::clone(&self.0.clock));
        let read = move || {
            // Held by the thread and not by who waits for it.
            let _place = place;
            let admits = || seal.admits(&permits, space.schema().version, clock());
            let after = after.as_ref();
            let changes = space
                .with_reader(|reader| reader.changes(&permits, &schema, after, limit, (&limits, &mut room), admits));
            Ok(Answer::new(changes??, room))
        };
        self.0.reading.run(Stage::Short, read).await.map_err(ChangesError::from)?
    }

    /// Lets a view that is behind the log catch up. Whether a reader sees everything acknowledged
    /// already; false: it has to wait for the writer first.
    pub(super) async fn settled(&self, space: &Arc<Space>) -> Result<bool, ViewError> {
        match space.try_settle() {
            Ok(settled) if !space.is_behind() => return Ok(settled),
            Ok(_) | Err(ViewError::Behind) => {}
            Err(error) => return Err(error),
        }
        let (following, admission) = (Arc::clone(space), Arc::clone(&self.0.admission));
        let follow = async move {
            let _reserved = following.reserve().await;
            if following.is_replaced() {
                return Err(SpaceError::Replaced);
            }
            following.catch_up(&admission).await
        };
        let followed = to_its_end(self.0.admission.runtime(), follow).await;
        followed.unwrap_or_else(|error| Err(error.into())).map(|()| true).map_err(|error| {
            tracing::error!(space = %space.id, %error, "the view cannot catch up with the log");
            ViewError::Behind
        })
    }
}

/// Whether every root looks at a few documents that their ids or an index lead to, by few and cheap conditions: no
/// more is done on the thread of whoever asks, which is everybody's.
fn is_bounded(schema: &Schema, query: &Query) -> bool {
    let bounded = |kind: &RootKind| match kind {
        RootKind::Constant(_) => true,
        RootKind::Select(select) if select.args.cids.is_none() && select.args.group_by.is_none() => {
            let few = select.args.doc_ids.is_some();
            let indexed = |field| {
                let collection = schema.collection(select.collection);
                collection.is_some_and(|collection| {
                    collection.indexes.iter().any(|index| index.keys.first().is_some_and(|key| key.field == field))
                })
            };
            let by_index = match &select.args.filter {
                Some(Filter::Is(Operand::Field(field), Operator::Eq(_))) => indexed(*field),
                _ => false,
            };
            let mut asked = Asked::default();
            asked.arguments(&select.args);
            asked.items(&select.items);
            (few || by_index)
                && !asked.wide
                && asked.parts <= PARTS
                && asked.bytes <= BYTES
                && asked.documents <= DOCUMENTS
        }
        _ => false,
    };
    query.roots.len() <= 4 && query.roots.iter().all(|root| bounded(&root.kind))
}

/// A space that cannot be opened answers no reads; the log of the node says why.
fn unavailable(error: &SpaceError) -> ReadError {
    tracing::error!(%error, "a space could not be opened");
    ReadError::Unsupported("the space cannot be opened")
}

#[cfg(test)]
mod tests {
    use policy_core::{CollectionId, DocId, FieldId, Scalar, SchemaVersion};
    use vault_core::query::{Item, ItemKind, Root, Select, SelectArgs};
    use vault_core::value::Value;

    use super::*;

    fn inline(select: Select) -> bool {
        let root = Root { key: "a".into(), kind: RootKind::Select(select) };
        let schema = Schema { version: SchemaVersion(1), collections: Vec::new() };
        is_bounded(&schema, &Query { roots: vec![root] })
    }

    fn of(documents: usize, filter: Option<Filter>, items: Vec<Item>) -> Select {
        let doc_ids = Some(vec![DocId::from_bytes([1; 16]); documents]);
        let args = SelectArgs { filter, doc_ids, ..SelectArgs::default() };
        Select { collection: CollectionId::from_bytes([1; 16]), args, items }
    }

    #[test]
    fn what_holds_up_the_caller_s_thread_is_not_done_there() {
        let field = FieldId::from_bytes([2; 16]);
        let is = |operator| Filter::Is(Operand::Field(field), operator);
        let values = |n| Operator::In((0..n).map(|n| Value::Scalar(Scalar::Int(n))).collect());
        let like = Operator::Like { pattern: "%a%".into(), fold: false, negated: false };
        let related = |filter| {
            let select = Box::new(of(1, Some(filter), Vec::new()));
            vec![Item { key: "r".into(), kind: ItemKind::Relation { field, select } }]
        };
        for held in [
            of(65, None, Vec::new()),
            of(1, Some(is(values(1_000))), Vec::new()),
            of(1, Some(is(Operator::Any(vec![values(1)]))), Vec::new()),
            of(1, Some(is(like)), Vec::new()),
            of(1, Some(Filter::Or(vec![is(values(1)); 200])), Vec::new()),
            of(1, None, related(is(values(1_000)))),
        ] {
            assert!(!inline(held));
        }
        for few in
            [of(64, None, Vec::new()), of(1, Some(is(values(10))), Vec::new()), of(1, None, related(is(values(10))))]
        {
            assert!(inline(few), "control");
        }
    }
}
