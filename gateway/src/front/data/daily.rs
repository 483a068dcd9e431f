//! What a question of an app is held to by the limits of its grant: so many rows a day.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use gateway_graphql::GraphQlError;
use gateway_people::realm::Realm as _;
use policy_core::{Grant, GrantId, Timestamp};
use vault_core::schema::Schema;

use super::looked_at::LookedAt;
use super::response::Shape;
use crate::app::App;
use crate::directory::daily_rows::{Counted, DailyLimit, next_day};
use crate::front::error::ApiError;
use crate::grants::rfc3339;

/// The limits of the entries of a grant that a question looks at.
pub(super) fn limits(grant: &Grant, seen: &LookedAt, schema: &Schema, now: Timestamp) -> Vec<DailyLimit> {
    let living = grant.entries.iter().enumerate().filter(|(_, entry)| entry.until.is_none_or(|until| until > now));
    let scopes = living.flat_map(|(n, entry)| entry.scopes.iter().map(move |scope| (n, scope)));
    let looked_at = scopes.filter(|(_, scope)| {
        seen.collections.contains(&scope.collection)
            && (scope.fields.iter().any(|field| seen.fields.contains(field))
                // Where no field of the type is looked at, it is its documents that are.
                || schema.collection(scope.collection).is_none_or(|collection| {
                    collection.fields.iter().all(|field| !seen.fields.contains(&field.id))
                }))
    });
    let limit = |(entry, scope): (usize, &policy_core::GrantScope)| {
        Some(DailyLimit { entry, collection: scope.collection, most: scope.rows_per_day? })
    };
    looked_at.filter_map(limit).collect()
}

/// A question that is counted.
pub(super) struct Asked {
    grant: GrantId,
    limits: Vec<DailyLimit>,
    seen: LookedAt,
    schema: Arc<Schema>,
    now: Timestamp,
}

/// Why an answer is not told.
pub(super) enum Untold {
    /// The day has no more rows, or not so many.
    Spent(GraphQlError, Timestamp),
    /// The grant is gone meanwhile.
    Gone,
}

impl Asked {
    /// The question, if the grant limits what it looks at.
    pub(super) async fn of(
        app: &App,
        grant: GrantId,
        seen: LookedAt,
        schema: &Arc<Schema>,
    ) -> Result<Option<Asked>, ApiError> {
        let Some(terms) = app.access.grant(grant).await? else { return Ok(None) };
        let now = app.now();
        let limits = limits(&terms, &seen, schema, now);
        Ok((!limits.is_empty()).then(|| Asked { grant, limits, seen, schema: Arc::clone(schema), now }))
    }

    /// Before anything is looked up: whether nothing is left of the day.
    pub(super) async fn may_be_asked(&self, app: &App) -> Result<Result<(), Untold>, ApiError> {
        let spent = app.directory.spent(self.grant, &self.limits, self.now).await?;
        Ok(spent.map_or(Ok(()), |limit| Err(self.spent(limit, "Today's rows are told"))))
    }

    /// Counts what is about to be told. `done`: what was asked was a change, and is done whatever is told of it.
    pub(super) async fn may_be_told(
        &self,
        app: &App,
        rows: Option<u64>,
        done: bool,
    ) -> Result<Result<(), Untold>, ApiError> {
        let questions = self.seen.questions;
        let rows = rows.map_or(questions, |rows| self.seen.cost(rows));
        let refused = if done { u64::MAX } else { questions };
        let why = match done {
            true => "It was done, and is not told: it is of more rows than are left of today",
            false => "These are more rows than are left of today",
        };
        Ok(match app.directory.count_rows(self.grant, &self.limits, (rows, refused), self.now).await? {
            Counted::Told => Ok(()),
            Counted::Spent(limit) => Err(self.spent(limit, why)),
            Counted::Gone => Err(Untold::Gone),
        })
    }

    fn spent(&self, limit: DailyLimit, why: &str) -> Untold {
        let again = next_day(self.now);
        let name = self.schema.collection(limit.collection).map_or("the type", |collection| &collection.name);
        let text = format!(
            "{why}: the grant gives {} of `{name}` a day (UTC). The next day begins at {}.",
            limit.most,
            rfc3339(again)
        );
        let wait = Timestamp(again.0.saturating_sub(self.now.0));
        Untold::Spent(GraphQlError::new("limit_rows_per_day", text), wait)
    }
}

/// The answer to a question that is not told.
pub(super) fn refusal(shape: Shape, untold: Untold) -> Result<HttpResponse, ApiError> {
    match untold {
        Untold::Gone => Err(ApiError::not_found()),
        Untold::Spent(error, wait) => {
            let mut answer = shape.refused(&[error]);
            let seconds = HeaderValue::from(wait.seconds().max(1));
            answer.headers_mut().insert(RETRY_AFTER, seconds);
            Ok(answer)
        }
    }
}

/// How many rows stand in the text of an answer: objects, but for the outermost.
pub(super) fn rows_in(text: &[u8]) -> u64 {
    let (mut objects, mut within, mut escaped) = (0_u64, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            b'{' if !within => objects += 1,
            _ => {}
        }
    }
    objects.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use policy_core::{
        ClientId, CollectionId, FieldId, GrantEntry, GrantScope, Holder, Predicate, SchemaVersion, SpaceId, UserId,
        Verb, Verbs,
    };
    use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};

    use super::*;

    fn field(n: u8) -> FieldId {
        FieldId::from_bytes([n; 16])
    }
    fn collection(n: u8) -> CollectionId {
        CollectionId::from_bytes([n; 16])
    }

    #[test]
    fn a_question_is_held_to_the_entries_that_it_looks_at() {
        let of = |n: u8, fields: &[u8], rows: Option<u32>, until: Option<i64>| GrantEntry {
            verbs: Verbs::NONE.with(Verb::Read),
            scopes: vec![GrantScope {
                collection: collection(n),
                fields: fields.iter().map(|&n| field(n)).collect(),
                predicate: Predicate::default(),
                documents: None,
                rows_per_day: rows,
            }],
            purpose: None,
            until: until.map(Timestamp),
        };
        let entries = vec![
            of(1, &[1], Some(10), None),
            of(1, &[2], None, None),
            of(1, &[1, 2], Some(20), None),
            of(2, &[3], Some(30), None),
            of(1, &[1], Some(40), Some(100)),
        ];
        let grant = Grant {
            id: GrantId::from_bytes([1; 16]),
            grantor: UserId::from_bytes([2; 16]),
            holder: Holder::Client(ClientId::from_bytes([3; 16])),
            space: SpaceId::from_bytes([4; 16]),
            entries,
        };
        let defined = |n: u8, fields: &[u8]| Collection {
            id: collection(n),
            name: format!("C{n}"),
            fields: fields
                .iter()
                .map(|&n| Field {
                    id: field(n),
                    name: format!("f{n}"),
                    kind: FieldType::Scalar { of: ScalarType::String, not_null: false },
                    merge: Merge::Lww,
                    default: None,
                    size: None,
                })
                .collect(),
            indexes: Vec::new(),
            version: cid::Cid::default(),
        };
        let schema = Schema { version: SchemaVersion(1), collections: vec![defined(1, &[1, 2]), defined(2, &[3])] };
        let held = |collections: &[u8], fields: &[u8]| {
            let seen = LookedAt {
                fields: fields.iter().map(|&n| field(n)).collect(),
                collections: collections.iter().map(|&n| collection(n)).collect(),
                ..LookedAt::default()
            };
            limits(&grant, &seen, &schema, Timestamp(100)).iter().map(|limit| limit.most).collect::<Vec<_>>()
        };
        assert_eq!(held(&[1], &[1]), [10, 20]);
        assert_eq!(held(&[1], &[2]), [20], "one of no limit is none");
        assert_eq!(held(&[1], &[]), [10, 20], "ids and numbers are of all of them");
        assert_eq!(held(&[1, 2], &[2, 3]), [20, 30]);
        assert_eq!(held(&[2], &[1]), [30]);
        assert!(held(&[], &[1]).is_empty());
    }

    #[test]
    fn rows_are_the_objects_of_an_answer() {
        for (text, rows) in
            [("{}", 0), (r#"{"a":[{"b":"{\"{"},{"b":null}]}"#, 2), (r#"{"a":[{"b":{"c":1}}],"d":3}"#, 2), ("", 0)]
        {
            assert_eq!(rows_in(text.as_bytes()), rows, "{text}");
        }
    }
}
