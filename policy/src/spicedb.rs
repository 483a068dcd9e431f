//! SpiceDB over gRPC: the engine for those who outgrow one machine.
//!
//! Every call has a deadline. What may be made again safely is made again, with pauses of random length; whatever else
//! goes wrong is an error, and an error allows nothing. No read is satisfied with whatever SpiceDB has at hand: it
//! asks for every change that this process knows of.

mod check;
mod config;
mod connection;
mod convert;
mod cursor;
mod engine;
mod error;
mod follower;
mod forwarded;
mod freshness;
mod lookup;
mod outbox;
mod trace;
mod tuples;
mod watch;

use std::sync::Arc;

use async_trait::async_trait;
use policy_core::{
    Check, Expanded, Filter, Found, FoundSubject, LookupResources, LookupSubjects, Object, Traced, Tuple,
};
use spicedb_grpc_tonic::v1;
use v1::consistency::Requirement;
use v1::permissions_service_client::PermissionsServiceClient;
use v1::schema_service_client::SchemaServiceClient;

pub use config::{PresharedKey, PresharedKeyError, SpiceDbConfig, Tls};
use connection::{Connection, Repeat};
pub(crate) use convert::canonical;
pub use engine::{DEFAULT_HORIZON, SpiceDbEngine};
pub use forwarded::Forwarded;
use freshness::{Began, Freshness};
pub(crate) use outbox::Migration as OutboxMigration;
pub use outbox::{Effect, Outbox, OutboxError, Parked, Put};

use crate::service::{
    Answers, Consistency, Delete, Deleted, Events, Page, RelationshipService, ServiceError, Token, WatchRequest,
    Window, Write,
};

/// A client of one SpiceDB.
pub struct SpiceDb {
    connection: Connection,
    freshness: Arc<Freshness>,
}

/// A configuration by which no connection can be made.
#[derive(Debug, thiserror::Error)]
#[error("SpiceDB cannot be configured like this: {0}")]
pub struct SpiceDbConfigError(#[from] tonic::transport::Error);

impl SpiceDb {
    /// Connects when it is first asked. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// If address or certificates are malformed.
    pub fn new(config: &SpiceDbConfig) -> Result<Self, SpiceDbConfigError> {
        Ok(SpiceDb { connection: Connection::new(config)?, freshness: Arc::default() })
    }

    /// The same server over a connection of its own.
    fn apart(&self) -> Self {
        SpiceDb { connection: self.connection.another(), freshness: Arc::clone(&self.freshness) }
    }

    /// The consistency to ask for. What asks for nothing asks for every change that is known here.
    fn requirement(&self, at: &Consistency) -> Requirement {
        let known;
        let at = match at {
            Consistency::MinimizeLatency => {
                known = self.freshness.required();
                &known
            }
            other => other,
        };
        match at {
            Consistency::AtLeast(token) => Requirement::AtLeastAsFresh(convert::zed_token(token)),
            Consistency::Exactly(token) => Requirement::AtExactSnapshot(convert::zed_token(token)),
            Consistency::Full | Consistency::MinimizeLatency => Requirement::FullyConsistent(true),
        }
    }

    /// Notes what an answer tells of how far the history of the store goes.
    fn answered(&self, began: Began, asked: &Requirement, at: &Token) {
        if matches!(asked, Requirement::FullyConsistent(_)) {
            self.freshness.read(began, at);
        }
    }

    /// The point that a read with this consistency would be made at, from an answer that costs nearly nothing.
    async fn point(&self, at: &Consistency) -> Result<Token, ServiceError> {
        let (began, asked) = (self.freshness.begin(), self.requirement(at));
        let at = self.ask_nothing(asked.clone()).await?;
        self.answered(began, &asked, &at);
        Ok(at)
    }

    /// Whether SpiceDB answers.
    async fn probe(&self) -> Result<(), ServiceError> {
        self.ask_nothing(Requirement::MinimizeLatency(true)).await.map(drop)
    }

    async fn ask_nothing(&self, requirement: Requirement) -> Result<Token, ServiceError> {
        let nobody = || Some(v1::ObjectReference { object_type: "nobody".to_owned(), object_id: "nobody".to_owned() });
        let item = v1::CheckBulkPermissionsRequestItem {
            resource: nobody(),
            permission: "nothing".to_owned(),
            subject: Some(v1::SubjectReference { object: nobody(), optional_relation: String::new() }),
            context: None,
        };
        let consistency = convert::required(requirement);
        let message = v1::CheckBulkPermissionsRequest { consistency, items: vec![item], with_tracing: false };
        let answer = self
            .connection
            .call(Repeat::Safely, self.connection.deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { PermissionsServiceClient::new(attempt.channel).check_bulk_permissions(request).await }
            })
            .await?;
        convert::to_token(answer.into_inner().checked_at)
    }
}

#[async_trait]
impl RelationshipService for SpiceDb {
    async fn read_schema(&self) -> Result<(String, Token), ServiceError> {
        let answer = self
            .connection
            .call(Repeat::Safely, self.connection.deadline, |attempt| {
                let request = attempt.request(v1::ReadSchemaRequest {});
                async move { SchemaServiceClient::new(attempt.channel).read_schema(request).await }
            })
            .await?
            .into_inner();
        Ok((answer.schema_text, convert::to_token(answer.read_at)?))
    }

    async fn write_schema(&self, schema: &str) -> Result<Token, ServiceError> {
        let began = self.freshness.begin();
        let message = v1::WriteSchemaRequest { schema: schema.to_owned() };
        let answer = self
            .connection
            .call(Repeat::Safely, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { SchemaServiceClient::new(attempt.channel).write_schema(request).await }
            })
            .await?;
        let at = convert::to_token(answer.into_inner().written_at)?;
        self.freshness.wrote(began, &at);
        Ok(at)
    }

    async fn write(&self, write: Write) -> Result<Token, ServiceError> {
        self.write_tuples(write).await
    }

    async fn delete(&self, delete: Delete) -> Result<Deleted, ServiceError> {
        self.delete_tuples(delete).await
    }

    async fn create(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        self.create_tuples(&tuples).await
    }

    async fn import(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        self.import_tuples(tuples).await
    }

    async fn read(&self, filter: &Filter, window: &Window, at: &Consistency) -> Result<Page<Tuple>, ServiceError> {
        self.read_tuples(filter, window, at).await
    }

    async fn check(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        self.check_all(checks, at).await
    }

    async fn trace(&self, check: &Check, at: &Consistency) -> Result<(Traced, Token), ServiceError> {
        self.trace_check(check, at).await
    }

    async fn lookup_resources(
        &self,
        lookup: &LookupResources,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Found>, ServiceError> {
        self.find_resources(lookup, window, at).await
    }

    async fn lookup_subjects(
        &self,
        lookup: &LookupSubjects,
        at: &Consistency,
    ) -> Result<Page<FoundSubject>, ServiceError> {
        self.find_subjects(lookup, at).await
    }

    async fn expand(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        self.expand_tree(resource, permission, at).await
    }

    async fn watch(&self, request: WatchRequest) -> Result<Events, ServiceError> {
        self.follow(request).await
    }
}
