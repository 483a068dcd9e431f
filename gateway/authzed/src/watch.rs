//! `WatchService`.

use futures::{StreamExt, TryStreamExt, stream};
use policy::{Event, Reason, WatchRequest};
use spicedb_grpc_tonic::v1::{self, WatchKind, WatchResponse};
use tonic::{Request, Response, Status};

use super::status::Failed;
use super::stubs::watch_service_server::WatchService;
use super::validate::Valid;
use super::{Answers, Front, convert};

#[tonic::async_trait]
impl WatchService for Front {
    type WatchStream = Answers<WatchResponse>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let admitted = self.admit_to(&self.watches, request.metadata())?;
        let request = request.into_inner();
        request.valid()?;
        let kinds = &request.optional_update_kinds;
        let wants = |kind: WatchKind| kinds.contains(&i32::from(kind));
        let updates = kinds.is_empty() || wants(WatchKind::Unspecified) || wants(WatchKind::IncludeRelationshipUpdates);
        if updates && !request.optional_object_types.is_empty() && !request.optional_relationship_filters.is_empty() {
            return Err(Failed::invalid("cannot specify both object types and relationship filters").into());
        }
        let watch = WatchRequest {
            schema: wants(WatchKind::IncludeSchemaUpdates),
            checkpoints: wants(WatchKind::IncludeCheckpoints),
            after: request.optional_start_cursor.map(|token| policy::Token(token.token)),
            kinds: request.optional_object_types,
            filters: request.optional_relationship_filters.into_iter().map(convert::filter).collect(),
        };
        let events = admitted.store.watch(watch).await.map_err(Failed::from)?;
        let place = admitted.place;
        let answers = events.map_err(failed).map_ok(move |event| {
            let _ = &place;
            stream::iter(answers(event)).map(Ok)
        });
        Ok(Response::new(answers.try_flatten().boxed()))
    }
}

fn failed(mut error: policy::ServiceError) -> Status {
    if error.reason == Reason::TooSlow {
        error.message = format!("watch disconnected: {}", error.message);
    }
    Failed::from(error).into()
}

/// One answer for each thing that an event tells. Updates of relationships come whatever kinds were asked for, as they do
/// from SpiceDB.
fn answers(event: Event) -> Vec<WatchResponse> {
    let metadata = (!event.metadata.is_empty()).then(|| convert::struct_message(&event.metadata));
    let base = WatchResponse {
        changes_through: convert::token(event.through),
        optional_transaction_metadata: metadata.clone(),
        full_revision_metadata: metadata.into_iter().collect(),
        ..WatchResponse::default()
    };
    let mut answers = Vec::new();
    if !event.updates.is_empty() {
        let updates = event.updates.iter().map(convert::update_message).collect();
        answers.push(WatchResponse { updates, ..base.clone() });
    }
    if event.schema_changed {
        answers.push(WatchResponse { schema_updated: true, ..base.clone() });
    }
    if event.checkpoint {
        answers.push(WatchResponse { is_checkpoint: true, ..base });
    }
    answers
}
