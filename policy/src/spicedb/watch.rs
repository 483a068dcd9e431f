//! What changes, as SpiceDB tells it.

use futures::{StreamExt, stream};
use spicedb_grpc_tonic::v1;
use tonic::Streaming;
use v1::watch_service_client::WatchServiceClient;

use super::error::{Failure, unavailable};
use super::{SpiceDb, convert};
use crate::service::{Consistency, Event, Events, ServiceError, WatchRequest};

/// One event holds a whole transaction, with the contexts of its caveats.
const MAX_EVENT_BYTES: usize = 64 << 20;

impl SpiceDb {
    /// The stream is opened when it is first read; what happens until then is in it.
    pub(super) async fn follow(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        let after = match request.after {
            Some(token) => token,
            None => self.point(&Consistency::Full).await?,
        };
        let mut kinds = vec![v1::WatchKind::IncludeRelationshipUpdates];
        kinds.extend(request.schema.then_some(v1::WatchKind::IncludeSchemaUpdates));
        kinds.extend(request.checkpoints.then_some(v1::WatchKind::IncludeCheckpoints));
        let message = v1::WatchRequest {
            optional_object_types: request.kinds,
            optional_start_cursor: Some(convert::zed_token(&after)),
            optional_relationship_filters: request.filters.iter().map(convert::filter).collect(),
            optional_update_kinds: kinds.into_iter().map(i32::from).collect(),
        };
        let (channel, message) = self.connection.endless(message);
        // SpiceDB answers with the first event, not before.
        let opened = async move {
            let client = WatchServiceClient::new(channel).max_decoding_message_size(MAX_EVENT_BYTES);
            let mut client = client;
            Ok::<_, ServiceError>(
                client.watch(message).await.map_err(|status| Failure::from(status).error)?.into_inner(),
            )
        };
        let events = stream::once(opened).flat_map(|opened| match opened {
            Ok(responses) => events(responses).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        });
        Ok(events.boxed())
    }
}

/// The events, and why there are no more.
fn events(responses: Streaming<v1::WatchResponse>) -> impl futures::Stream<Item = Result<Event, ServiceError>> {
    stream::unfold(Some(responses), |responses| async {
        let mut responses = responses?;
        match responses.message().await.map_err(|status| Failure::from(status).error) {
            Ok(Some(response)) => match event(response) {
                Ok(event) => Some((Ok(event), Some(responses))),
                Err(error) => Some((Err(error), None)),
            },
            Ok(None) => Some((Err(unavailable("SpiceDB ended the watch")), None)),
            Err(error) => Some((Err(error), None)),
        }
    })
}

fn event(response: v1::WatchResponse) -> Result<Event, ServiceError> {
    Ok(Event {
        updates: response.updates.into_iter().map(convert::to_update).collect::<Result<_, _>>()?,
        metadata: response.optional_transaction_metadata.map(convert::to_context).unwrap_or_default(),
        schema_changed: response.schema_updated,
        checkpoint: response.is_checkpoint,
        through: convert::to_token(response.changes_through)?,
    })
}
