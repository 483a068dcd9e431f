//! `ImportBulkRelationships` and `ExportBulkRelationships`: whole stores, in and out.

use std::collections::VecDeque;

use data_encoding::BASE64URL_NOPAD;
use futures::{StreamExt, TryStreamExt, stream};
use policy::{Consistency, Cursor, Reason, ServiceError, Token};
use policy_core::{Filter, MemberKind, Schema, SubjectFilter, SubjectRelation, Tuple};
use serde::{Deserialize, Serialize};
use spicedb_grpc_tonic::v1::{
    ExportBulkRelationshipsRequest, ExportBulkRelationshipsResponse, ImportBulkRelationshipsRequest,
    ImportBulkRelationshipsResponse,
};
use tonic::{Code, Request, Response, Status, Streaming};

use super::lookup::limit;
use super::relationships::Reading;
use super::status::Failed;
use super::validate::Valid;
use super::{Admitted, Answers, Front, convert};
use policy::MAX_LIMIT;

/// The most relationships that one answer of an export may be asked for.
const MAX_EXPORTED: u32 = 10_000;
/// The most relationships of one import, since all of it is one transaction.
const MAX_IMPORTED: usize = 1_000_000;

pub async fn import(
    front: &Front,
    request: Request<Streaming<ImportBulkRelationshipsRequest>>,
) -> Result<Response<ImportBulkRelationshipsResponse>, Status> {
    let admitted = front.admit(&request)?;
    let mut batches = request.into_inner();
    let mut relationships = Vec::new();
    while let Some(batch) = batches.message().await? {
        front.writable()?;
        batch.valid()?;
        if relationships.len() + batch.relationships.len() > MAX_IMPORTED {
            let message = format!("an import takes at most {MAX_IMPORTED} relationships; please make several");
            return Err(Failed::new(Code::ResourceExhausted, message).into());
        }
        for relationship in batch.relationships {
            relationships.push(convert::tuple(relationship)?);
        }
    }
    let loaded = relationships.len();
    admitted.store.create(relationships).await.map_err(Failed::from)?;
    Ok(Response::new(ImportBulkRelationshipsResponse { num_loaded: loaded as u64 }))
}

/// Where an export stands: at which point of the store, in which definition, after what.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    at: String,
    kind: String,
    after: String,
}

impl Position {
    fn to_cursor(&self) -> Cursor {
        Cursor(BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default()))
    }
    fn of(cursor: &Cursor) -> Result<Position, Failed> {
        let bytes = BASE64URL_NOPAD.decode(cursor.0.as_bytes()).ok();
        let position = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        position.ok_or_else(|| ServiceError::new(Reason::InvalidCursor, "the cursor is none of this call").into())
    }
}

pub async fn export(
    front: &Front,
    request: Request<ExportBulkRelationshipsRequest>,
) -> Result<Response<Answers<ExportBulkRelationshipsResponse>>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    let batch = limit(request.optional_limit, MAX_EXPORTED)?.unwrap_or(MAX_EXPORTED) as usize;
    let filter = request.optional_relationship_filter.map(convert::filter);
    if filter == Some(Filter::default()) {
        return Err(Failed::invalid("at least one filter field must be set").reason("INVALID_FILTER").into());
    }
    let filter = filter.unwrap_or_default();
    let position = convert::cursor(request.optional_cursor).as_ref().map(Position::of).transpose()?;
    let at = match &position {
        Some(position) => Consistency::Exactly(Token(position.at.clone())),
        None => convert::consistency(request.consistency),
    };
    let kinds = kinds(&admitted, &filter, position.as_ref()).await?;
    // The first list is read at the wished point; the others at the same.
    let pinned = admitted.store.check(&[], &at).await.map_err(Failed::from)?.at;
    let Admitted { store, place } = admitted;
    let mut after = position.map(|position| (position.kind, position.after));
    let lists = stream::iter(kinds).map(move |kind| {
        let _ = &place;
        let resumed = after.take().filter(|(of, _)| *of == kind);
        let reading = Reading {
            store: store.clone(),
            filter: Filter { resource_kind: Some(kind.clone()), ..filter.clone() },
            at: Consistency::Exactly(pinned.clone()),
            after: resumed.map(|(_, after)| Cursor(after)),
            limit: None,
            page: MAX_LIMIT,
        };
        let pinned = pinned.clone();
        let answers = reading.pages().map_ok(move |page| {
            let batches: Vec<_> = page.items.chunks(batch).map(|items| answer(&kind, &pinned, items)).collect();
            stream::iter(batches.into_iter().flatten().map(Ok::<_, Failed>))
        });
        answers.try_flatten()
    });
    Ok(Response::new(lists.flatten().map_err(Status::from).boxed()))
}

/// The definitions that are exported, in the order of their names, from where the cursor stands. What the schema has
/// not has no relationships.
async fn kinds(admitted: &Admitted, filter: &Filter, position: Option<&Position>) -> Result<VecDeque<String>, Failed> {
    let schema = match admitted.store.read_schema().await {
        Ok((text, _)) => Schema::parse(&text).map_err(ServiceError::from)?,
        Err(error) if error.reason == Reason::NoSchema => return Ok(VecDeque::new()),
        Err(error) => return Err(error.into()),
    };
    let lacks = |subject: &SubjectFilter| match &subject.relation {
        SubjectRelation::Is(relation) => schema.member_kind(&subject.kind, relation).is_none(),
        SubjectRelation::Any | SubjectRelation::None => !schema.defines(&subject.kind),
    };
    if filter.subject.as_ref().is_some_and(lacks) {
        return Ok(VecDeque::new());
    }
    let has = |kind: &&str, relation: &String| schema.member_kind(kind, relation) == Some(MemberKind::Relation);
    let mut kinds: Vec<&str> = schema
        .definition_names()
        .filter(|kind| filter.resource_kind.as_ref().is_none_or(|only| only == kind))
        .filter(|kind| filter.relation.as_ref().is_none_or(|relation| has(kind, relation)))
        .filter(|kind| position.is_none_or(|position| position.kind.as_str() <= *kind))
        .collect();
    kinds.sort_unstable();
    let kinds: Vec<String> = kinds.into_iter().map(str::to_owned).collect();
    Ok(kinds.into())
}

fn answer(kind: &str, at: &Token, items: &[(Tuple, Option<Cursor>)]) -> Option<ExportBulkRelationshipsResponse> {
    let after = items.last()?.1.clone()?;
    let position = Position { at: at.0.clone(), kind: kind.to_owned(), after: after.0 };
    Some(ExportBulkRelationshipsResponse {
        after_result_cursor: convert::cursor_message(Some(position.to_cursor())),
        relationships: items.iter().map(|(tuple, _)| convert::relationship(tuple)).collect(),
    })
}
