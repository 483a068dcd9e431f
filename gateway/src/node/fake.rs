//! A node without vault and policy, for tests of the routes: grants are kept as they are given.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use actix_http::Request;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as HttpApp, web};
use cid::Cid;
use parking_lot::Mutex;
use policy_core::{CollectionId, Context, FieldId, SchemaVersion, Timestamp};
use serde_json::{Value, json};
use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};

use super::*;
use crate::directory::{Directory, SecretHash};
use crate::front::account::{Owner, SetUp, setup};

pub(crate) const LOCAL: &str = "the local token of this start";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ALICE: Owner<'_> = Owner { user: "alice", tenant: "home", password: PASSWORD };
pub(crate) const REDIRECT: &str = "http://127.0.0.1:9/cb";
const URL: &str = "http://127.0.0.1:8420";

pub(crate) struct Fake {
    directory: Directory,
    now: AtomicI64,
    pub(crate) epoch: AtomicU64,
    providers: Providers,
    ceremonies: Ceremonies,
    back_channel: BackChannel,
    client_documents: ClientDocuments,
    registrations: Registrations,
    accounts: Mutex<Vec<(UserId, SpaceId)>>,
    pub(crate) records: Mutex<Vec<GrantRecord>>,
    /// A space that does not open, and how often it was tried.
    pub(crate) broken: Mutex<Option<(SpaceId, usize)>>,
    pub(crate) taken_back_elsewhere: Mutex<Vec<GrantId>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
    /// `name=value` of every cookie that is set.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let all = self.headers.get_all("set-cookie").filter_map(|value| value.to_str().ok());
        all.map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned()).collect()
    }
}

impl Fake {
    pub(crate) async fn fresh() -> Arc<Fake> {
        Arc::new(Fake {
            directory: directory_in_memory().await,
            now: AtomicI64::new(1_764_000_000_000_000),
            epoch: AtomicU64::new(0),
            providers: Providers::default(),
            ceremonies: Ceremonies::default(),
            back_channel: BackChannel::new(crate::outbound::Outbound::new(sync::Reach::new(Vec::new()))),
            client_documents: ClientDocuments::default(),
            registrations: Registrations::default(),
            accounts: Mutex::default(),
            records: Mutex::default(),
            broken: Mutex::default(),
            taken_back_elsewhere: Mutex::default(),
        })
    }

    /// Owned by alice.
    pub(crate) async fn set_up() -> (Arc<Fake>, SetUp) {
        let node = Fake::fresh().await;
        let made = setup(&*node, ALICE).await.unwrap();
        (node, made)
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub(crate) async fn call(self: &Arc<Fake>, request: TestRequest) -> Answer {
        let app = HttpApp::new()
            .wrap(from_fn(crate::front::oauth::spoken))
            .wrap(from_fn(crate::front::headers::guarded))
            .app_data(web::Data::from(Arc::clone(self) as Arc<dyn Node>))
            .app_data(web::Data::from(Arc::clone(self) as Arc<dyn Realm>))
            .configure(|config| {
                let routes = crate::front::Routes::default();
                routes
                    .front(&crate::front::account::FRONT)
                    .front(&crate::front::oauth::FRONT)
                    .front(&crate::front::passkeys::FRONT)
                    .install(config);
            });
        let service = init_service(app).await;
        let request: Request = request.insert_header(("Host", "127.0.0.1:8420")).to_request();
        let response: ServiceResponse = call_service(&service, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        Answer { status, headers, text }
    }

    /// A request by whoever holds the machine.
    pub(crate) fn local(request: TestRequest) -> TestRequest {
        let peer = "127.0.0.1:50000".parse().unwrap();
        request.peer_addr(peer).insert_header(("Authorization", format!("Bearer {LOCAL}")))
    }

    pub(crate) async fn operator_post(self: &Arc<Fake>, path: &str, body: Value) -> Answer {
        self.call(Fake::local(TestRequest::post().uri(path)).set_json(body)).await
    }

    pub(crate) async fn sign_in(self: &Arc<Fake>, user: &str, password: &str) -> Answer {
        let body = json!({ "user": user, "password": password });
        self.call(TestRequest::post().uri("/api/v1/session").set_json(body)).await
    }

    /// As a script of the node's own page does.
    pub(crate) async fn page_sign_in(self: &Arc<Fake>, user: &str, password: &str) -> Answer {
        let body = json!({ "user": user, "password": password });
        let request = TestRequest::post().uri("/api/v1/session").insert_header(("sec-fetch-site", "same-origin"));
        self.call(request.set_json(body)).await
    }

    pub(crate) async fn app(self: &Arc<Fake>, access: Value, confidential: bool) -> Value {
        let manifest = json!({
            "name": "An <App>", "redirect_uris": [REDIRECT], "access": access, "confidential": confidential
        });
        let answer = self.operator_post("/api/v1/apps", manifest).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()
    }
}

/// What most tests ask for.
pub(crate) fn access() -> Value {
    json!([{"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search"],
        "fields": {"allow": ["phone", "name"], "required": ["name"]}, "purpose": "To call.", "duration": "P30D"}])
}

/// What an authenticator app shows that holds `secret` (RFC 6238).
pub(crate) fn code_at(secret: &str, now: Timestamp) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let totp = totp_rs::Builder::new().with_secret(totp_rs::Secret::new(secret.into_boxed_slice())).build().unwrap();
    totp.generate(now.seconds().unsigned_abs()).to_string()
}

async fn directory_in_memory() -> Directory {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    Directory::open(sea_orm::Database::connect(options).await.unwrap()).await.unwrap()
}

pub(crate) fn bearer(request: TestRequest, token: &str) -> TestRequest {
    request.insert_header(("Authorization", format!("Bearer {token}")))
}

impl Realm for Fake {
    fn directory(&self) -> &Directory {
        &self.directory
    }
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }
    fn url(&self) -> String {
        URL.to_owned()
    }
    fn local_token(&self) -> SecretHash {
        SecretHash::of(LOCAL)
    }
}

#[async_trait]
impl Node for Fake {
    fn providers(&self) -> &Providers {
        &self.providers
    }
    fn ceremonies(&self) -> &Ceremonies {
        &self.ceremonies
    }
    fn back_channel(&self) -> &BackChannel {
        &self.back_channel
    }
    fn client_documents(&self) -> &ClientDocuments {
        &self.client_documents
    }
    fn registrations(&self) -> &Registrations {
        &self.registrations
    }
    fn advance_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
    async fn create_account(&self) -> Result<(UserId, SpaceId), NodeError> {
        let mut accounts = self.accounts.lock();
        let at = u8::try_from(accounts.len() + 1).unwrap();
        accounts.push((UserId::from_bytes([at; 16]), SpaceId::from_bytes([at + 100; 16])));
        Ok(*accounts.last().unwrap())
    }
    async fn declare_tenant(&self, _: TenantId, _: Option<UserId>) -> Result<(), NodeError> {
        Ok(())
    }
    async fn enrol(&self, _: TenantId, _: UserId, _: SpaceId) -> Result<(), NodeError> {
        Ok(())
    }
    async fn finish_removal(&self, person: &RemovedPerson) -> Result<(), NodeError> {
        self.accounts.lock().retain(|(owner, _)| *owner != person.id);
        let ended = self.directory.end_removal(person.id, &[person.space], self.now()).await;
        ended.map_err(|error| NodeError::Failed(error.to_string()))
    }
    async fn finish_tenant_removal(&self, tenant: TenantId) -> Result<(), NodeError> {
        let ended = self.directory.end_tenant_removal(tenant).await;
        ended.map(drop).map_err(|error| NodeError::Failed(error.to_string()))
    }
    fn standing_moved(&self) {}
    async fn spaces(&self, user: UserId) -> Result<Vec<OwnSpace>, NodeError> {
        let own = self.accounts.lock().iter().filter(|(owner, _)| *owner == user).copied().collect::<Vec<_>>();
        let space = |(owner, id)| OwnSpace { id, name: "personal".into(), personal: true, owner };
        Ok(own.into_iter().map(space).collect())
    }
    async fn schema(&self, _: SpaceId) -> Result<Arc<Schema>, NodeError> {
        let field = |(at, name): (u8, &str)| Field {
            id: FieldId::from_bytes([at; 16]),
            name: name.into(),
            kind: FieldType::Scalar { of: ScalarType::String, not_null: false },
            merge: Merge::Lww,
            default: None,
            size: None,
        };
        let contact = Collection {
            id: CollectionId::from_bytes([1; 16]),
            name: "Contact".into(),
            fields: [(3, "name"), (5, "phone"), (4, "tag"), (6, "notes")].map(field).into(),
            indexes: Vec::new(),
            version: Cid::default(),
        };
        Ok(Arc::new(Schema { version: SchemaVersion(1), collections: vec![contact] }))
    }
    async fn put_grant(&self, record: GrantRecord, _: Context) -> Result<(), NodeError> {
        self.records.lock().push(record);
        Ok(())
    }
    async fn revoke_grant(
        &self,
        grantor: UserId,
        space: SpaceId,
        id: GrantId,
        _: Context,
    ) -> Result<Delivery, NodeError> {
        let mut records = self.records.lock();
        let before = records.len();
        records.retain(|record| {
            let grant = &record.grant;
            (grant.id, grant.grantor, grant.space) != (id, grantor, space)
        });
        if records.len() < before { Ok(Delivery::Done) } else { Err(NodeError::NotFound) }
    }
    async fn begin_giving(&self, _: SpaceId, _: GrantId) -> Result<Box<dyn Send>, NodeError> {
        Ok(Box::new(()))
    }
    async fn end_giving(&self, _: SpaceId, _: GrantId) -> Result<(), NodeError> {
        Ok(())
    }
    async fn turn(&self, _: SpaceId) -> Box<dyn Send> {
        Box::new(())
    }
    async fn begin_taking(&self, _: SpaceId, _: GrantId) -> Result<(), NodeError> {
        Ok(())
    }
    async fn end_taking(&self, _: SpaceId, _: GrantId) -> Result<(), NodeError> {
        Ok(())
    }
    async fn begin_replacing(&self, _: SpaceId, _: GrantId, _: GrantId) -> Result<Box<dyn Send>, NodeError> {
        Ok(Box::new(()))
    }
    async fn end_replacing(&self, _: SpaceId, _: GrantId, _: GrantId) -> Result<(), NodeError> {
        Ok(())
    }
    async fn is_taken_back_elsewhere(&self, _: SpaceId, id: GrantId) -> Result<bool, NodeError> {
        Ok(self.taken_back_elsewhere.lock().contains(&id))
    }
    /// Each type as if it held one row, every value of it the field's name.
    async fn preview(&self, grant: &Grant, order: &Order) -> Result<Preview, NodeError> {
        let schema = self.schema(grant.space).await?;
        let scopes = grant.entries.iter().flat_map(|entry| entry.scopes.iter().map(move |scope| (entry, scope)));
        let sight = |(entry, scope): (&policy_core::GrantEntry, &policy_core::GrantScope)| {
            let collection = schema.collection(scope.collection).unwrap();
            let mut all = scope.fields.clone();
            all.sort_by_key(|field| order.place(*field));
            let fields: Vec<String> = all.iter().map(|id| collection.field(*id).unwrap().name.clone()).collect();
            let rows = vec![fields.iter().map(|name| Some(format!("<{name}>"))).collect()];
            let shows = match entry.verbs.has(policy_core::Verb::Read) {
                true => PreviewContent::Rows { fields, fields_left: 0, rows, more: true },
                false => PreviewContent::Nothing,
            };
            let versions = entry.verbs.has(policy_core::Verb::History);
            TypePreview { collection: collection.name.clone(), shows, versions }
        };
        Ok(Preview { types: scopes.map(sight).collect(), types_left: 0 })
    }
    async fn grants(&self, space: SpaceId) -> Result<Vec<GrantRecord>, NodeError> {
        if let Some((broken, tried)) = &mut *self.broken.lock()
            && *broken == space
        {
            *tried += 1;
            return Err(NodeError::Failed("it does not open".to_owned()));
        }
        Ok(self.records.lock().iter().filter(|record| record.grant.space == space).cloned().collect())
    }
}
