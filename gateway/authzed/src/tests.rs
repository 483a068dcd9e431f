//! SpiceDB's API over a socket, asked by SpiceDB's messages.

mod questions;
mod relationships;
mod schemas;
mod watches;
mod wrong;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use policy::{Memory, RelationshipService, wall_clock};
use prost::Message;
use spicedb_grpc_tonic::v1::consistency::Requirement;
use spicedb_grpc_tonic::v1::permissions_service_client::PermissionsServiceClient;
use spicedb_grpc_tonic::v1::relationship_update::Operation;
use spicedb_grpc_tonic::v1::schema_service_client::SchemaServiceClient;
use spicedb_grpc_tonic::v1::watch_service_client::WatchServiceClient;
use spicedb_grpc_tonic::v1::{
    CheckPermissionRequest, Consistency, ContextualizedCaveat, ObjectReference, ReadSchemaRequest, Relationship,
    RelationshipUpdate, SubjectReference, WriteRelationshipsRequest, WriteSchemaRequest, check_permission_response,
};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::status::{ErrorInfo, RpcStatus};
use super::{Front, Stores, convert};

const SCHEMA: &str = "\
use expiration

caveat small(size int, most int) {
	size <= most
}

/** Somebody. */
definition user {}

definition group {
	relation member: user | group#member
}

definition doc {
	relation owner: user
	relation viewer: user | user with small | group#member | user with expiration
	relation guest: user:*
	relation banned: user
	permission view = owner + viewer - banned
	permission edit = owner & viewer
	permission public = guest - banned
}";

/// A store for each token; without one, nothing.
#[derive(Default)]
struct ByToken(Mutex<HashMap<String, Memory>>);

impl Stores for ByToken {
    fn store(&self, token: Option<&str>) -> Result<Arc<dyn RelationshipService>, Status> {
        let token = token.ok_or_else(|| Status::unauthenticated("a bearer token is needed"))?;
        let mut stores = self.0.lock();
        let store = stores.entry(token.to_owned()).or_insert_with(|| Memory::new(Arc::new(wall_clock)));
        Ok(Arc::new(store.clone()))
    }
}

/// A server that ends with it, and a bearer's clients of it.
struct Server {
    address: SocketAddr,
    front: Front,
    _end: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

type Connection = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
struct Client {
    channel: Channel,
    bearer: Bearer,
}

impl Client {
    fn connection(&self) -> Connection {
        InterceptedService::new(self.channel.clone(), self.bearer.clone())
    }
    fn permissions(&self) -> PermissionsServiceClient<Connection> {
        PermissionsServiceClient::new(self.connection())
    }
    fn schema(&self) -> SchemaServiceClient<Connection> {
        SchemaServiceClient::new(self.connection())
    }
    fn watch(&self) -> WatchServiceClient<Connection> {
        WatchServiceClient::new(self.connection())
    }

    async fn write_schema(&self, schema: &str) {
        self.schema().write_schema(WriteSchemaRequest { schema: schema.to_owned() }).await.unwrap();
    }
    async fn update(&self, updates: Vec<RelationshipUpdate>) -> Result<String, Status> {
        let request = WriteRelationshipsRequest { updates, ..WriteRelationshipsRequest::default() };
        let written = self.permissions().write_relationships(request).await?.into_inner();
        Ok(written.written_at.unwrap().token)
    }
    async fn touch(&self, texts: &[&str]) -> String {
        self.update(texts.iter().map(|text| update(Operation::Touch, text)).collect()).await.unwrap()
    }
    async fn allowed(&self, text: &str) -> bool {
        let answer = self.permissions().check_permission(question(text)).await.unwrap().into_inner();
        answer.permissionship() == check_permission_response::Permissionship::HasPermission
    }
}

impl Server {
    async fn start() -> Server {
        Server::of(Front::new(Arc::new(ByToken::default()))).await
    }

    async fn of(front: Front) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel();
        let serving = front.clone().serve(listener, async move { drop(ended.await) });
        tokio::spawn(async move { serving.await.unwrap() });
        Server { address, front, _end: end }
    }

    fn bearer(&self, token: Option<&str>) -> Client {
        let channel = Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect_lazy();
        Client { channel, bearer: Bearer(token.map(|token| token.parse().unwrap())) }
    }

    fn client(&self) -> Client {
        self.bearer(Some("Bearer mine"))
    }

    /// A client whose store has the schema and these relationships.
    async fn with(&self, texts: &[&str]) -> Client {
        let client = self.client();
        client.write_schema(SCHEMA).await;
        client.touch(texts).await;
        client
    }
}

fn object(text: &str) -> ObjectReference {
    let (object_type, object_id) = text.split_once(':').unwrap();
    ObjectReference { object_type: object_type.to_owned(), object_id: object_id.to_owned() }
}

fn subject(text: &str) -> SubjectReference {
    let (of, relation) = text.split_once('#').unwrap_or((text, ""));
    SubjectReference { object: Some(object(of)), optional_relation: relation.to_owned() }
}

/// `doc:1#viewer@user:ann`, also where it is no relationship.
fn relationship(text: &str) -> Relationship {
    let (left, of) = text.split_once('@').unwrap();
    let (resource, relation) = left.split_once('#').unwrap();
    let resource = Some(object(resource));
    Relationship { resource, relation: relation.to_owned(), subject: Some(subject(of)), ..Relationship::default() }
}

fn under(text: &str, caveat: &str, context: &str) -> Relationship {
    let context = Some(values(context));
    let caveat = ContextualizedCaveat { caveat_name: caveat.to_owned(), context };
    Relationship { optional_caveat: Some(caveat), ..relationship(text) }
}

fn values(json: &str) -> prost_types::Struct {
    convert::struct_message(&serde_json::from_str(json).unwrap())
}

fn update(operation: Operation, text: &str) -> RelationshipUpdate {
    RelationshipUpdate { operation: operation.into(), relationship: Some(relationship(text)) }
}

fn fully() -> Option<Consistency> {
    Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) })
}

fn question(text: &str) -> CheckPermissionRequest {
    let Relationship { resource, relation: permission, subject, .. } = relationship(text);
    CheckPermissionRequest { consistency: fully(), resource, permission, subject, ..Default::default() }
}

/// The reason in the details of a failure, without its prefix.
fn reason(status: &Status) -> Option<(String, ErrorInfo)> {
    let details = RpcStatus::decode(status.details()).unwrap().details;
    let [any] = details.as_slice() else { return None };
    assert_eq!(any.type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    let info = ErrorInfo::decode(any.value.as_slice()).unwrap();
    assert_eq!(info.domain, "authzed.com");
    Some((info.reason.strip_prefix("ERROR_REASON_").unwrap().to_owned(), info))
}

#[track_caller]
fn failed<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.expect_err("this fails");
    (status.code(), reason(&status).map(|(reason, _)| reason).unwrap_or_default())
}

#[tokio::test]
async fn each_bearer_has_a_store_and_nobody_else_any() {
    let server = Server::start().await;
    let mine = server.with(&["doc:1#owner@user:ann"]).await;
    assert!(mine.allowed("doc:1#view@user:ann").await);
    // The scheme is named in any case.
    assert!(server.bearer(Some("bearer mine")).allowed("doc:1#view@user:ann").await);
    let other = server.bearer(Some("Bearer other"));
    let answer = other.permissions().check_permission(question("doc:1#view@user:ann")).await;
    assert_eq!(failed(answer), (Code::FailedPrecondition, "UNKNOWN_DEFINITION".to_owned()));
    for token in [None, Some("mine"), Some("Basic mine"), Some("Bearer")] {
        let answer = server.bearer(token).permissions().check_permission(question("doc:1#view@user:ann")).await;
        assert_eq!(failed(answer).0, Code::Unauthenticated, "{token:?}");
    }
}

#[tokio::test]
async fn more_requests_than_there_are_places_for_are_told_to_come_again() {
    let mut front = Front::new(Arc::new(ByToken::default()));
    front.requests = Arc::new(Semaphore::new(1));
    let server = Server::of(front).await;
    let client = server.with(&["doc:1#owner@user:ann"]).await;
    assert!(client.allowed("doc:1#view@user:ann").await);
    let taken = server.front.requests.clone().try_acquire_owned().unwrap();
    let refused = client.permissions().check_permission(question("doc:1#view@user:ann")).await;
    assert_eq!(failed(refused).0, Code::ResourceExhausted);
    drop(taken);
    assert!(client.allowed("doc:1#view@user:ann").await);
}

#[tokio::test]
async fn answers_end_with_the_id_of_the_request() {
    let server = Server::start().await;
    let client = server.client();
    // A failure has nothing but trailers.
    let mut asked = Request::new(ReadSchemaRequest {});
    asked.metadata_mut().insert("x-request-id", "mine".parse().unwrap());
    let status = client.schema().read_schema(asked).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap(), "mine");
    // An answer has them at its end.
    client.write_schema(SCHEMA).await;
    client.touch(&["doc:1#owner@user:ann"]).await;
    let lookup = spicedb_grpc_tonic::v1::LookupSubjectsRequest {
        consistency: fully(),
        resource: Some(object("doc:1")),
        permission: "view".to_owned(),
        subject_object_type: "user".to_owned(),
        ..Default::default()
    };
    let mut answers = client.permissions().lookup_subjects(lookup).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    assert!(answers.message().await.unwrap().is_none());
    let trailers = answers.trailers().await.unwrap().unwrap();
    assert!(!trailers.get("x-request-id").unwrap().is_empty());
    assert_eq!(trailers.get("io.spicedb.respmeta.dispatchedoperationscount").unwrap(), "1");
}

#[tokio::test]
async fn who_may_only_read_changes_nothing() {
    let stores = Arc::new(ByToken::default());
    let writable = Server::of(Front::new(Arc::clone(&stores) as Arc<dyn Stores>)).await;
    writable.with(&["doc:1#owner@user:ann"]).await;
    let server = Server::of(Front::new(stores).read_only()).await;
    let client = server.client();
    assert!(client.allowed("doc:1#view@user:ann").await);
    let refused = (Code::Unavailable, "SERVICE_READ_ONLY".to_owned());
    assert_eq!(failed(client.update(vec![update(Operation::Touch, "doc:2#owner@user:ann")]).await), refused);
    let filter = relationships::of_type("doc");
    let delete =
        spicedb_grpc_tonic::v1::DeleteRelationshipsRequest { relationship_filter: Some(filter), ..Default::default() };
    assert_eq!(failed(client.permissions().delete_relationships(delete).await), refused);
    let schema = WriteSchemaRequest { schema: "definition user {}".to_owned() };
    assert_eq!(failed(client.schema().write_schema(schema).await), refused);
    let import = relationships::batches(vec![vec![relationship("doc:2#owner@user:ann")]]);
    assert_eq!(failed(client.permissions().import_bulk_relationships(import).await), refused);
    // What is wrong anyway is told as such.
    let wrong = client.update(vec![update(Operation::Unspecified, "doc:2#owner@user:ann")]).await;
    assert_eq!(failed(wrong).0, Code::InvalidArgument);
    let wrong = WriteSchemaRequest { schema: "what is this".to_owned() };
    assert_eq!(failed(client.schema().write_schema(wrong).await).1, "SCHEMA_PARSE_ERROR");
    assert!(!writable.client().allowed("doc:2#view@user:ann").await);
}

#[tokio::test]
async fn its_health_can_be_asked_for() {
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    let server = Server::start().await;
    let mut health = HealthClient::new(server.client().channel);
    let services =
        ["", "authzed.api.v1.PermissionsService", "authzed.api.v1.SchemaService", "authzed.api.v1.WatchService"];
    for service in services {
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
    }
    let unknown = health.check(HealthCheckRequest { service: "nothing".to_owned() }).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}
