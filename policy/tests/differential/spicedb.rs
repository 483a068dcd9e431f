//! A SpiceDB to compare with.

mod wire;

use std::time::Duration;

use policy_core::{Check, LookupResources, LookupSubjects, Tuple};
use spicedb_grpc_tonic::v1;
use spicedb_grpc_tonic::v1::permissions_service_client::PermissionsServiceClient;
use spicedb_grpc_tonic::v1::schema_service_client::SchemaServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::answer::{Answer, Entries, Entry, Fault, Truth};

/// One store of the server. Whoever has the same token has the same store.
#[derive(Clone)]
pub struct Store {
    channel: Channel,
    bearer: String,
    /// How long an answer may take.
    pub patience: Duration,
}

impl Store {
    /// The store of a token, at `host:port`. Connects at the first call.
    pub fn new(address: &str, token: &str) -> anyhow::Result<Store> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
        Ok(Store { channel, bearer: format!("Bearer {token}"), patience: Duration::from_secs(60) })
    }

    /// Takes every relationship away, and the schema.
    pub async fn clear(&self) -> Result<(), Status> {
        let read = self.request(v1::ReadSchemaRequest {});
        let schema = match SchemaServiceClient::new(self.channel.clone()).read_schema(read).await {
            Ok(response) => response.into_inner().schema_text,
            Err(status) if status.code() == Code::NotFound => return Ok(()),
            Err(status) => return Err(status),
        };
        let kinds = schema.lines().filter_map(|line| line.strip_prefix("definition ")?.split_whitespace().next());
        for kind in kinds {
            let filter = v1::RelationshipFilter { resource_type: kind.to_owned(), ..Default::default() };
            let message = v1::DeleteRelationshipsRequest { relationship_filter: Some(filter), ..Default::default() };
            self.permissions().delete_relationships(self.request(message)).await?;
        }
        self.write_schema("").await
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Ok(bearer) = self.bearer.parse() {
            request.metadata_mut().insert("authorization", bearer);
        }
        request.set_timeout(self.patience);
        request
    }
    fn permissions(&self) -> PermissionsServiceClient<Channel> {
        PermissionsServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    pub async fn write_schema(&self, text: &str) -> Result<(), Status> {
        let message = v1::WriteSchemaRequest { schema: text.to_owned() };
        SchemaServiceClient::new(self.channel.clone()).write_schema(self.request(message)).await.map(|_| ())
    }

    /// All or none, if there are at most a thousand.
    pub async fn write(&self, tuples: &[Tuple]) -> Result<(), Status> {
        self.update(tuples, v1::relationship_update::Operation::Touch).await
    }

    pub async fn remove(&self, tuple: &Tuple) -> Result<(), Status> {
        self.update(std::slice::from_ref(tuple), v1::relationship_update::Operation::Delete).await
    }

    async fn update(&self, tuples: &[Tuple], operation: v1::relationship_update::Operation) -> Result<(), Status> {
        let updates = tuples
            .iter()
            .map(|tuple| v1::RelationshipUpdate {
                operation: operation as i32,
                relationship: Some(wire::relationship(tuple)),
            })
            .collect();
        let message = v1::WriteRelationshipsRequest { updates, ..Default::default() };
        self.permissions().write_relationships(self.request(message)).await.map(|_| ())
    }

    pub async fn check(&self, check: &Check) -> Answer {
        let message = v1::CheckPermissionRequest {
            consistency: wire::latest(),
            resource: Some(wire::object(&check.resource)),
            permission: check.permission.clone(),
            subject: Some(wire::subject(&check.subject)),
            context: wire::context(&check.context),
            with_tracing: false,
        };
        match self.permissions().check_permission(self.request(message)).await {
            Ok(response) => {
                let response = response.into_inner();
                wire::answer(response.permissionship, response.partial_caveat_info)
            }
            Err(status) => Answer::Error(fault(status.code(), status.message())),
        }
    }

    /// Answers in the order of `checks`, of which there are at most ten thousand.
    pub async fn check_bulk(&self, checks: &[Check]) -> Vec<Answer> {
        use v1::check_bulk_permissions_pair::Response;
        let items = checks
            .iter()
            .map(|check| v1::CheckBulkPermissionsRequestItem {
                resource: Some(wire::object(&check.resource)),
                permission: check.permission.clone(),
                subject: Some(wire::subject(&check.subject)),
                context: wire::context(&check.context),
            })
            .collect();
        let message = v1::CheckBulkPermissionsRequest { consistency: wire::latest(), items, with_tracing: false };
        let response = self.permissions().check_bulk_permissions(self.request(message)).await;
        let pairs = match response {
            Ok(response) => response.into_inner().pairs,
            Err(status) => return vec![Answer::Error(fault(status.code(), status.message())); checks.len()],
        };
        let answer = |pair: v1::CheckBulkPermissionsPair| match pair.response {
            Some(Response::Item(item)) => wire::answer(item.permissionship, item.partial_caveat_info),
            Some(Response::Error(error)) => Answer::Error(fault(Code::from_i32(error.code), &error.message)),
            None => Answer::Error(Fault::Other("a pair without an answer".to_owned())),
        };
        pairs.into_iter().map(answer).collect()
    }

    pub async fn lookup_resources(&self, lookup: &LookupResources) -> Entries {
        let message = v1::LookupResourcesRequest {
            consistency: wire::latest(),
            resource_object_type: lookup.kind.clone(),
            permission: lookup.permission.clone(),
            subject: Some(wire::subject(&lookup.subject)),
            context: wire::context(&lookup.context),
            ..Default::default()
        };
        let failed = |status: Status| fault(status.code(), status.message());
        let mut stream = self.permissions().lookup_resources(self.request(message)).await.map_err(failed)?.into_inner();
        let mut entries = Vec::new();
        while let Some(found) = stream.message().await.map_err(failed)? {
            let (truth, missing) = wire::permissionship(found.permissionship, found.partial_caveat_info);
            entries.push(Entry { id: found.resource_object_id, truth, missing, excluded: Vec::new() });
        }
        Ok(entries)
    }

    pub async fn lookup_subjects(&self, lookup: &LookupSubjects) -> Entries {
        let message = v1::LookupSubjectsRequest {
            consistency: wire::latest(),
            resource: Some(wire::object(&lookup.resource)),
            permission: lookup.permission.clone(),
            subject_object_type: lookup.kind.clone(),
            optional_subject_relation: lookup.relation.clone().unwrap_or_default(),
            context: wire::context(&lookup.context),
            ..Default::default()
        };
        let failed = |status: Status| fault(status.code(), status.message());
        let mut stream = self.permissions().lookup_subjects(self.request(message)).await.map_err(failed)?.into_inner();
        let mut entries = Vec::new();
        while let Some(found) = stream.message().await.map_err(failed)? {
            let Some(subject) = found.subject else { continue };
            let entry = |subject: v1::ResolvedSubject| {
                let (truth, missing) = wire::permissionship(subject.permissionship, subject.partial_caveat_info);
                Entry { id: subject.subject_object_id, truth, missing, excluded: Vec::new() }
            };
            let excluded = found.excluded_subjects.into_iter().map(entry).collect();
            entries.push(Entry { excluded, ..entry(subject) });
        }
        Ok(entries)
    }
}

/// What an error of SpiceDB means.
fn fault(code: Code, message: &str) -> Fault {
    let says = |text: &str| message.contains(text);
    match code {
        _ if says("max depth exceeded") => Fault::Depth,
        Code::DeadlineExceeded | Code::Cancelled => Fault::Slow,
        Code::FailedPrecondition if says("not found") => Fault::Unknown,
        Code::InvalidArgument if says("wildcard") => Fault::Everyone,
        Code::InvalidArgument if says("type error for parameters") || says("evaluation error for caveat") => {
            Fault::Caveat
        }
        _ => Fault::Other(format!("{code:?}: {}", message.lines().next().unwrap_or_default())),
    }
}
