//! Lookups. SpiceDB streams answers in no order and may name one id twice, with different certainty; they are gathered,
//! merged and sorted here, so that lists are complete and the same every time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use policy_core::{EVERYONE, Found, FoundSubject, LookupResources, LookupSubjects, Permissionship};
use spicedb_grpc_tonic::v1;
use v1::permissions_service_client::PermissionsServiceClient;

use super::connection::Repeat;
use super::cursor::CursorBody;
use super::error::garbled;
use super::{SpiceDb, convert};
use crate::service::{Consistency, Page, Reason, ServiceError, Token, Window};

/// More answers than this are refused, rather than cut off or kept without end.
const MAX_FOUND: usize = 1_000_000;

impl SpiceDb {
    /// A page costs as much as the whole list: SpiceDB knows no order of ids to go on from.
    pub(super) async fn find_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        let place = window.after.as_ref().map(|cursor| CursorBody::decode(cursor, lookup)).transpose()?;
        let at = match &place {
            Some(place) => Consistency::Exactly(Token(place.at.clone())),
            None => at.clone(),
        };
        let (found, at) = self.all_resources(lookup, &at).await?;
        let limit = window.limit.map_or(usize::MAX, |limit| limit as usize);
        let after = place.map(|place| place.after);
        let items = found
            .into_values()
            .skip_while(|found| after.as_ref().is_some_and(|after| found.id <= *after))
            .take(limit)
            .map(|found| {
                let cursor = CursorBody::new(lookup, &at, &found.id, None).encode();
                (found, Some(cursor))
            })
            .collect();
        Ok(Page { items, at })
    }

    async fn all_resources(
        &self,
        lookup: &LookupResources,
        at: &Consistency,
    ) -> Result<(BTreeMap<String, Found>, Token), ServiceError> {
        let (began, asked) = (self.freshness.begin(), self.requirement(at));
        let message = v1::LookupResourcesRequest {
            consistency: convert::required(asked.clone()),
            resource_object_type: lookup.kind.clone(),
            permission: lookup.permission.clone(),
            subject: Some(convert::subject(&lookup.subject)),
            context: convert::request_context(&lookup.context),
            optional_limit: 0,
            optional_cursor: None,
        };
        let (found, token) = self
            .connection
            .call(Repeat::Safely, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move {
                    let mut stream =
                        PermissionsServiceClient::new(attempt.channel).lookup_resources(request).await?.into_inner();
                    let (mut found, mut token) = (BTreeMap::new(), None);
                    while let Some(row) = stream.message().await? {
                        token = token.or(row.looked_up_at);
                        let new = resolved(row.resource_object_id, row.permissionship, row.partial_caveat_info);
                        match new {
                            Ok(new) => merge(&mut found, new),
                            Err(error) => return Ok(Err(error)),
                        }
                        if found.len() > MAX_FOUND {
                            return Ok(Err(too_many()));
                        }
                    }
                    Ok(Ok((found, token)))
                }
            })
            .await??;
        match token {
            Some(token) => {
                let token = Token(token.token);
                self.answered(began, &asked, &token);
                Ok((found, token))
            }
            None => match at {
                Consistency::Exactly(token) => Ok((found, token.clone())),
                // An answer of nothing does not say when.
                _ => {
                    let token = self.point(at).await?;
                    Box::pin(self.all_resources(lookup, &Consistency::Exactly(token))).await
                }
            },
        }
    }

    pub(super) async fn find_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        let (began, asked) = (self.freshness.begin(), self.requirement(at));
        let message = v1::LookupSubjectsRequest {
            consistency: convert::required(asked.clone()),
            resource: Some(convert::object(&lookup.resource)),
            permission: lookup.permission.clone(),
            subject_object_type: lookup.kind.clone(),
            optional_subject_relation: lookup.relation.clone().unwrap_or_default(),
            context: convert::request_context(&lookup.context),
            ..v1::LookupSubjectsRequest::default()
        };
        let (found, everyone, token) = self
            .connection
            .call(Repeat::Safely, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move {
                    let mut stream =
                        PermissionsServiceClient::new(attempt.channel).lookup_subjects(request).await?.into_inner();
                    let (mut found, mut everyone, mut token) = (BTreeMap::new(), None, None);
                    while let Some(row) = stream.message().await? {
                        token = token.or_else(|| row.looked_up_at.clone());
                        match subject(row) {
                            Ok((one, excluded)) if one.id == EVERYONE => {
                                everyone = Some(match everyone {
                                    None => Everyone::new(one, excluded),
                                    Some(before) => Everyone::new(one, excluded).or(before),
                                });
                            }
                            Ok((one, _)) => merge(&mut found, one),
                            Err(error) => return Ok(Err(error)),
                        }
                        if found.len() > MAX_FOUND {
                            return Ok(Err(too_many()));
                        }
                    }
                    Ok(Ok((found, everyone, token)))
                }
            })
            .await??;
        let token = match (token, at) {
            (Some(token), _) => Token(token.token),
            (None, Consistency::Exactly(token)) => token.clone(),
            (None, _) => {
                let token = self.point(at).await?;
                return Box::pin(self.find_subjects(lookup, &Consistency::Exactly(token))).await;
            }
        };
        self.answered(began, &asked, &token);
        let everyone = everyone.map(|everyone: Everyone| everyone.beside(&found));
        let ones = found.into_values().map(|found| FoundSubject { found, excluded: Vec::new() });
        let items = ones.chain(everyone).map(|subject| (subject, None)).collect();
        Ok(Page { items, at: token })
    }
}

fn too_many() -> ServiceError {
    let message = format!("there are more than {MAX_FOUND} answers; ask a narrower question");
    ServiceError::new(Reason::InvalidArgument, message)
}

fn resolved(id: String, permissionship: i32, info: Option<v1::PartialCaveatInfo>) -> Result<Found, ServiceError> {
    let permissionship = convert::lookup_permissionship(permissionship)?;
    let missing = if permissionship == Permissionship::Conditional { convert::missing(info) } else { Vec::new() };
    Ok(Found { id, permissionship, missing })
}

fn subject(row: v1::LookupSubjectsResponse) -> Result<(Found, Vec<Found>), ServiceError> {
    let one = |subject: v1::ResolvedSubject| {
        resolved(subject.subject_object_id, subject.permissionship, subject.partial_caveat_info)
    };
    let found = one(row.subject.ok_or_else(|| garbled("a found subject without id"))?)?;
    Ok((found, row.excluded_subjects.into_iter().map(one).collect::<Result<_, _>>()?))
}

/// How sure something is, and what a conditional answer lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sure {
    No,
    If(Vec<String>),
    Yes,
}

impl Sure {
    fn of(found: &Found) -> Self {
        match found.permissionship {
            Permissionship::Yes => Sure::Yes,
            Permissionship::Conditional => Sure::If(found.missing.clone()),
            Permissionship::No => Sure::No,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Sure::Yes, _) | (_, Sure::Yes) => Sure::Yes,
            (Sure::No, other) | (other, Sure::No) => other,
            (Sure::If(one), Sure::If(two)) => Sure::If(union(one, two)),
        }
    }

    fn without(self, other: &Self) -> Self {
        match (self, other) {
            (Sure::No, _) | (_, Sure::Yes) => Sure::No,
            (sure, Sure::No) => sure,
            (Sure::Yes, Sure::If(lacks)) => Sure::If(lacks.clone()),
            (Sure::If(one), Sure::If(two)) => Sure::If(union(one, two.clone())),
        }
    }

    fn found(self, id: String) -> Option<Found> {
        match self {
            Sure::No => None,
            Sure::If(missing) => Some(Found { id, permissionship: Permissionship::Conditional, missing }),
            Sure::Yes => Some(Found { id, permissionship: Permissionship::Yes, missing: Vec::new() }),
        }
    }
}

fn union(mut one: Vec<String>, two: Vec<String>) -> Vec<String> {
    one.extend(two);
    one.sort_unstable();
    one.dedup();
    one
}

/// The same id twice: two ways to it.
fn merge(found: &mut BTreeMap<String, Found>, new: Found) {
    match found.entry(new.id.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(new);
        }
        Entry::Occupied(mut entry) => {
            if let Some(both) = Sure::of(entry.get()).or(Sure::of(&new)).found(new.id) {
                entry.insert(both);
            }
        }
    }
}

/// Everyone of a type, but for some.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Everyone {
    sure: Sure,
    /// How surely each is meant not to be meant.
    excluded: BTreeMap<String, Sure>,
}

impl Everyone {
    fn new(found: Found, excluded: Vec<Found>) -> Self {
        let excluded = excluded.into_iter().map(|one| (one.id.clone(), Sure::of(&one))).collect();
        Everyone { sure: Sure::of(&found), excluded }
    }

    fn has(&self, id: &str) -> Sure {
        self.sure.clone().without(self.excluded.get(id).unwrap_or(&Sure::No))
    }

    /// Everyone by either of two ways.
    fn or(self, other: Self) -> Self {
        let ids: Vec<String> = self.excluded.keys().chain(other.excluded.keys()).cloned().collect();
        let sure = self.sure.clone().or(other.sure.clone());
        let excluded = ids.into_iter().map(|id| {
            let out = exclusion(&sure, self.has(&id).or(other.has(&id)));
            (id, out)
        });
        let excluded = excluded.filter(|(_, out)| *out != Sure::No).collect();
        Everyone { sure, excluded }
    }

    /// Who is found by name is not excluded, as far as that is sure.
    fn beside(self, found: &BTreeMap<String, Found>) -> FoundSubject {
        let mut excluded = Vec::new();
        for (id, out) in &self.excluded {
            let out = match found.get(id) {
                None => out.clone(),
                Some(named) => exclusion(&self.sure, self.has(id).or(Sure::of(named))),
            };
            excluded.extend(out.found(id.clone()));
        }
        let found = self.sure.found(EVERYONE.to_owned());
        let none = Found { id: EVERYONE.to_owned(), permissionship: Permissionship::No, missing: Vec::new() };
        FoundSubject { found: found.unwrap_or(none), excluded }
    }
}

/// How surely one is excluded of whom so much remains, where everyone else is there so surely.
fn exclusion(everyone: &Sure, remains: Sure) -> Sure {
    match (everyone, remains) {
        (_, Sure::No) => Sure::Yes,
        (_, Sure::Yes) => Sure::No,
        (Sure::If(all), Sure::If(lacks)) if *all == lacks => Sure::No,
        (_, Sure::If(lacks)) => Sure::If(lacks),
    }
}

#[cfg(test)]
mod tests;
