//! A vault in a directory of its own, and a gate whose engine says yes to whoever owns the space.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use policy_core::{
    Caller, Check, CollectionResource, Decision, DeviceId, Engine, EngineUnavailable, EpochClock, Gate, Grant, GrantId,
    Lookup, LookupResources, PeerKey, Permissionship, Permits, Read, Resources, Scalar, SpaceId, Timestamp, UserId,
    Write,
};
use vault::data_dir::DataDir;
use vault::handover::{Pass, Wanted};
use vault::keyring::NodeKey;
use vault::log::{Row, Scope};
use vault::{CreatedAccount, Options, Vault, VaultError};
use vault_core::change::{Action, Change, ChangeRequest, NewDocument, Target};
use vault_core::query::{Item, ItemKind, Query, Root, RootKind, Select, SelectArgs};
use vault_core::schema::{Merge, NewCollection, NewField, NewFieldType, ScalarType, Schema};
use vault_core::tags::LaneTag;
use vault_core::value::Value;

/// Says yes to everything: what policy refuses is tested where policy is.
#[derive(Default)]
struct Yes(Arc<EpochClock>);

#[async_trait]
impl Engine for Yes {
    fn clock(&self) -> &Arc<EpochClock> {
        &self.0
    }
    async fn check(&self, checks: &[Check], _: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        Ok(checks
            .iter()
            .map(|_| Decision { permissionship: Permissionship::Yes, missing: Vec::new(), valid_until: None })
            .collect())
    }
    async fn lookup_resources(&self, _: &LookupResources, _: Timestamp) -> Result<Lookup, EngineUnavailable> {
        Ok(Lookup::default())
    }
    async fn grant(&self, _: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        Ok(None)
    }
}

pub struct Node {
    pub dir: tempfile::TempDir,
    pub gate: Gate,
    pub clock: Arc<EpochClock>,
    pub time: Arc<AtomicI64>,
    pub vault: Vault,
}

#[expect(clippy::disallowed_methods, reason = "a test's own gate")]
pub fn gate(id: u64) -> (Gate, Arc<EpochClock>) {
    let engine = Yes::default();
    let clock = Arc::clone(&engine.0);
    (Gate::new(id, Arc::new(engine)), clock)
}

/// The rows of a scope for a device of its owner, by a pass of the node's gate. None of a space that is not here.
pub async fn handed(
    from: &Vault,
    to: PeerKey,
    scope: Scope,
    control: bool,
    have: &(dyn Fn(LaneTag, DeviceId) -> u64 + Sync),
) -> Vec<Row> {
    let Some(owner) = from.admission().owner(scope) else { return Vec::new() };
    let enrolled = from.admission().enrolled(owner, to).expect("the peer is a device of the owner");
    let wanted = Wanted { control, after: 0, have, max_bytes: 1 << 20 };
    let handed = match scope {
        Scope::Account(_) => from.hand_over(Pass::Account(&enrolled), wanted).await,
        Scope::Space(space) => {
            let (gate, _) = gate(1);
            let permits = gate.replicate(&enrolled.caller(), to, space, Timestamp(0)).await.unwrap();
            from.hand_over(Pass::Space(&permits), wanted).await
        }
    };
    handed.unwrap().rows
}

async fn open(dir: &std::path::Path, gate: &Gate, time: &Arc<AtomicI64>) -> Vault {
    try_open(dir, gate, time, false).await.unwrap()
}

async fn try_open(
    dir: &std::path::Path,
    gate: &Gate,
    time: &Arc<AtomicI64>,
    accept_loss: bool,
) -> Result<Vault, VaultError> {
    let dir = DataDir::at(dir);
    let key = NodeKey::load(&dir, None).unwrap();
    let node = vault::database::open_node(&dir, &key).await.unwrap();
    let time = Arc::clone(time);
    let clock = Arc::new(move || Timestamp(time.fetch_add(1_000, Ordering::SeqCst)));
    Vault::open(Options { dir, key, node, seal: gate.seal(), clock, accept_loss }).await
}

impl Node {
    pub async fn new() -> Node {
        let dir = tempfile::tempdir().unwrap();
        NodeKey::create(&DataDir::at(dir.path()), None).unwrap();
        let (gate, clock) = gate(1);
        let time = Arc::new(AtomicI64::new(1_700_000_000_000_000));
        let vault = open(dir.path(), &gate, &time).await;
        Node { dir, gate, clock, time, vault }
    }

    /// Closes and opens again; `clean`: the way a stop does.
    pub async fn restart(mut self, clean: bool) -> Node {
        if clean {
            self.vault.shutdown().await.unwrap();
        }
        self.vault = open(self.dir.path(), &self.gate, &self.time).await;
        self
    }

    /// Opens what lies in the directory now.
    pub async fn reopen(&mut self) {
        self.vault = open(self.dir.path(), &self.gate, &self.time).await;
    }

    /// The same, where it may be refused. `accept_loss`: go on without what is lost.
    pub async fn try_reopen(&mut self, accept_loss: bool) -> Result<(), VaultError> {
        self.vault = try_open(self.dir.path(), &self.gate, &self.time, accept_loss).await?;
        Ok(())
    }

    /// What the log holds of a scope, as a peer would be told.
    pub fn tips(&self, scope: Scope) -> Vec<vault::replicate::Tip> {
        let chains = self.vault.admission().tips(scope).into_iter();
        chains.map(|((lane, device), (seq, cid))| vault::replicate::Tip { lane, device, seq, cid }).collect()
    }

    fn caller(user: UserId) -> Caller {
        Caller { user, app: None, device: None }
    }

    async fn resources(&self, space: SpaceId) -> (Arc<Schema>, Resources) {
        let schema = self.vault.schema(space).await.unwrap();
        let collections = schema
            .collections
            .iter()
            .map(|c| CollectionResource { id: c.id, fields: c.fields.iter().map(|f| f.id).collect() })
            .collect();
        (Arc::clone(&schema), Resources { space, schema: schema.version, collections })
    }

    pub async fn write_permits(&self, user: UserId, space: SpaceId) -> Permits<Write> {
        let (_, resources) = self.resources(space).await;
        self.gate.write(&Self::caller(user), &resources, Timestamp(0)).await.unwrap()
    }

    pub async fn read_permits(&self, user: UserId, space: SpaceId) -> Permits<Read> {
        let (_, resources) = self.resources(space).await;
        self.gate.read(&Self::caller(user), &resources, Timestamp(0)).await.unwrap()
    }

    /// An account with a collection `Note { text: String, size: Int }` in its own space.
    pub async fn account(&self) -> CreatedAccount {
        let account = self.vault.create_account().await.unwrap();
        let permits = self.write_permits(account.user, account.space).await;
        self.vault.define(&permits, &[note()]).await.unwrap();
        account
    }

    /// Adds notes in one request.
    pub async fn add(&self, user: UserId, space: SpaceId, texts: &[&str]) -> Result<Vec<u8>, vault::WriteError> {
        let schema = self.vault.schema(space).await.unwrap();
        let notes = schema.collection_named("Note").unwrap();
        let (text, size) = (notes.fields[0].id, notes.fields[1].id);
        let document = |t: &&str| NewDocument {
            doc_id: None,
            fields: vec![
                (text, Value::Scalar(Scalar::String((*t).to_owned()))),
                (size, Value::Scalar(Scalar::Int(t.len() as i64))),
            ],
        };
        let change = Change {
            key: "add".into(),
            collection: notes.id,
            action: Action::Add(texts.iter().map(document).collect()),
            items: vec![Item { key: "text".into(), kind: ItemKind::Field(text) }],
        };
        let permits = self.write_permits(user, space).await;
        self.vault.write(permits, ChangeRequest { changes: vec![change] }).await.map(|answer| answer.sink)
    }

    /// Sets the text of every note.
    pub async fn set_all(&self, user: UserId, space: SpaceId, to: &str) -> Result<Vec<u8>, vault::WriteError> {
        let schema = self.vault.schema(space).await.unwrap();
        let notes = schema.collection_named("Note").unwrap();
        let text = notes.fields[0].id;
        let change = Change {
            key: "set".into(),
            collection: notes.id,
            action: Action::Update {
                target: Target::default(),
                fields: vec![(text, Value::Scalar(Scalar::String(to.to_owned())))],
                expect_heads: None,
            },
            items: vec![Item { key: "text".into(), kind: ItemKind::Field(text) }],
        };
        let permits = self.write_permits(user, space).await;
        self.vault.write(permits, ChangeRequest { changes: vec![change] }).await.map(|answer| answer.sink)
    }

    /// All notes as `{"n":[{"t":…}…]}`.
    pub async fn texts(&self, user: UserId, space: SpaceId) -> String {
        let permits = self.read_permits(user, space).await;
        let query = self.query(space).await;
        String::from_utf8(self.vault.read(permits, query).await.unwrap().sink.into_bytes()).unwrap()
    }

    pub async fn query(&self, space: SpaceId) -> Query {
        let schema = self.vault.schema(space).await.unwrap();
        let notes = schema.collection_named("Note").unwrap();
        let items = vec![Item { key: "t".into(), kind: ItemKind::Field(notes.fields[0].id) }];
        let select = Select { collection: notes.id, args: SelectArgs::default(), items };
        Query { roots: vec![Root { key: "n".into(), kind: RootKind::Select(select) }] }
    }
}

pub fn note() -> NewCollection {
    let field = |name: &str, of| NewField {
        name: name.into(),
        kind: NewFieldType::Scalar { of, not_null: false },
        merge: Merge::Lww,
        default: None,
        size: None,
    };
    NewCollection {
        name: "Note".into(),
        fields: vec![field("text", ScalarType::String), field("size", ScalarType::Int)],
        indexes: vec![],
    }
}
