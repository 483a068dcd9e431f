//! `ReadRelationships`, `WriteRelationships` and `DeleteRelationships`.

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use policy::{Consistency, Delete, MAX_LIMIT, Page, RelationshipService, Window, Write};
use policy_core::{Context, Filter, Tuple};
use prost::Message;
use prost_types::Struct;
use spicedb_grpc_tonic::v1::delete_relationships_response::DeletionProgress;
use spicedb_grpc_tonic::v1::{
    DeleteRelationshipsRequest, DeleteRelationshipsResponse, Precondition, ReadRelationshipsRequest,
    ReadRelationshipsResponse, RelationshipUpdate, WriteRelationshipsRequest, WriteRelationshipsResponse,
};
use tonic::{Request, Response, Status};

use super::lookup::limit;
use super::status::Failed;
use super::validate::Valid;
use super::{Answers, Front, convert};

/// The most bytes of the values that are stored with a relationship.
const MAX_STORED_CONTEXT: usize = 25_000;
/// The most bytes of the metadata of a transaction, as JSON.
const MAX_METADATA: usize = 65_000;

/// A list that is read page by page, so that however long it is, one page of it is in memory.
pub struct Reading {
    pub store: Arc<dyn RelationshipService>,
    pub filter: Filter,
    pub at: Consistency,
    pub after: Option<policy::Cursor>,
    /// The most that is read; without it, all, in pages of `page`.
    pub limit: Option<u32>,
    pub page: u32,
}

impl Reading {
    pub fn pages(self) -> impl Stream<Item = Result<Page<Tuple>, Failed>> + Send {
        stream::try_unfold(Some(self), |reading| async move {
            let Some(mut reading) = reading else { return Ok(None) };
            let limit = reading.limit.unwrap_or(reading.page);
            let window = Window { limit: Some(limit), after: reading.after.take() };
            let page = reading.store.read(&reading.filter, &window, &reading.at).await?;
            reading.after = page.items.last().and_then(|(_, cursor)| cursor.clone());
            let full = u32::try_from(page.items.len()).is_ok_and(|read| read >= limit);
            let more = reading.limit.is_none() && full && reading.after.is_some();
            Ok(Some((page, more.then_some(reading))))
        })
    }
}

pub async fn read(
    front: &Front,
    request: Request<ReadRelationshipsRequest>,
) -> Result<Response<Answers<ReadRelationshipsResponse>>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    let reading = Reading {
        store: admitted.store,
        limit: limit(request.optional_limit, MAX_LIMIT)?,
        filter: convert::filter(request.relationship_filter.unwrap_or_default()),
        at: convert::consistency(request.consistency),
        after: convert::cursor(request.optional_cursor),
        page: MAX_LIMIT,
    };
    let place = admitted.place;
    let answers = reading.pages().map_ok(move |page| {
        let _ = &place;
        let read_at = convert::token(page.at);
        stream::iter(page.items).map(move |(tuple, cursor)| {
            Ok(ReadRelationshipsResponse {
                read_at: read_at.clone(),
                relationship: Some(convert::relationship(&tuple)),
                after_result_cursor: convert::cursor_message(cursor),
            })
        })
    });
    Ok(Response::new(answers.map_err(Status::from).try_flatten().boxed()))
}

pub async fn write(
    front: &Front,
    request: Request<WriteRelationshipsRequest>,
) -> Result<Response<WriteRelationshipsResponse>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    front.writable()?;
    let metadata = metadata(request.optional_transaction_metadata)?;
    request.updates.iter().try_for_each(bounded)?;
    let write = Write {
        updates: request.updates.into_iter().map(convert::update).collect::<Result<_, _>>()?,
        preconditions: preconditions(request.optional_preconditions)?,
        metadata,
    };
    let at = admitted.store.write(write).await.map_err(Failed::from)?;
    Ok(Response::new(WriteRelationshipsResponse { written_at: convert::token(at) }))
}

pub async fn delete(
    front: &Front,
    request: Request<DeleteRelationshipsRequest>,
) -> Result<Response<DeleteRelationshipsResponse>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    front.writable()?;
    let metadata = metadata(request.optional_transaction_metadata)?;
    let delete = Delete {
        filter: convert::filter(request.relationship_filter.unwrap_or_default()),
        preconditions: preconditions(request.optional_preconditions)?,
        limit: limit(request.optional_limit, MAX_LIMIT)?,
        partial: request.optional_allow_partial_deletions,
        metadata,
    };
    let deleted = admitted.store.delete(delete).await.map_err(Failed::from)?;
    let progress = if deleted.complete { DeletionProgress::Complete } else { DeletionProgress::Partial };
    Ok(Response::new(DeleteRelationshipsResponse {
        deleted_at: convert::token(deleted.at),
        deletion_progress: progress.into(),
        relationships_deleted_count: deleted.count,
    }))
}

fn preconditions(preconditions: Vec<Precondition>) -> Result<Vec<policy_core::Precondition>, Failed> {
    preconditions.into_iter().map(convert::precondition).collect()
}

fn metadata(metadata: Option<Struct>) -> Result<Context, Failed> {
    let metadata = convert::context(metadata)?;
    let size = serde_json::to_vec(&metadata).map_or(usize::MAX, |json| json.len());
    if size > MAX_METADATA {
        let message = format!("metadata size of {size} is greater than maximum allowed of {MAX_METADATA}");
        return Err(Failed::invalid(message)
            .reason("TRANSACTION_METADATA_TOO_LARGE")
            .with("metadata_byte_size", size)
            .with("maximum_allowed_metadata_byte_size", MAX_METADATA));
    }
    Ok(metadata)
}

/// Whether the values that come with a relationship are few enough.
fn bounded(update: &RelationshipUpdate) -> Result<(), Failed> {
    let Some(relationship) = &update.relationship else { return Ok(()) };
    let size = relationship.optional_caveat.as_ref().map_or(0, Message::encoded_len);
    if size <= MAX_STORED_CONTEXT {
        return Ok(());
    }
    let name = Tuple::new(
        convert::object(relationship.resource.clone()),
        &relationship.relation,
        convert::subject(relationship.subject.clone()),
    );
    let message =
        format!("provided relationship `{name}` exceeded maximum allowed caveat size of {MAX_STORED_CONTEXT}");
    Err(Failed::invalid(message)
        .reason("MAX_RELATIONSHIP_CONTEXT_SIZE")
        .with("relationship", name)
        .with("max_allowed_size", MAX_STORED_CONTEXT)
        .with("context_size", relationship.encoded_len()))
}
