use std::pin::pin;

use async_trait::async_trait;
use gateway_people::realm::Realm as _;
use policy::{Explainer, ServiceError, Standing, Token};
use policy_core::{
    Check, ClientId, Decision, Engine, EngineUnavailable, EpochClock, GrantId, Holder, Lookup, LookupResources,
    Timestamp, Traced,
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;
use crate::front::data;
use crate::grants::{Terms, compile, parse_value};
use crate::node::Node;
use crate::node::served::{opened, posted};

/// An engine that answers while its door is open.
struct Behind {
    engine: Arc<dyn Explainer>,
    door: Arc<Semaphore>,
}

#[async_trait]
impl Engine for Behind {
    fn clock(&self) -> &Arc<EpochClock> {
        self.engine.clock()
    }
    fn is_fresh(&self) -> bool {
        self.engine.is_fresh()
    }
    async fn check(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        let _open = self.door.acquire().await.unwrap();
        self.engine.check(checks, now).await
    }
    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        self.engine.lookup_resources(lookup, now).await
    }
    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        self.engine.grant(id).await
    }
}

#[async_trait]
impl Explainer for Behind {
    async fn trace(&self, check: &Check) -> Result<(Traced, Token), ServiceError> {
        self.engine.trace(check).await
    }
    async fn standing(&self) -> Standing {
        self.engine.standing().await
    }
}

#[actix_web::test]
async fn a_look_holds_its_place_until_it_ends_whoever_waits() {
    let root = tempfile::tempdir().unwrap();
    let door = Arc::new(Semaphore::new(1));
    let behind = |engine| Arc::new(Behind { engine, door: Arc::clone(&door) }) as Arc<dyn Explainer>;
    let (app, made) = opened(&root, behind).await;
    let definitions = json!({ "sdl": "type Note { n: Int }" });
    let (status, answer) = posted(&app, &[data::FRONT], "/api/v1/collections", &definitions).await;
    assert_eq!(status, 201, "{answer}");
    let access = parse_value(&json!({"type": "allod_doc", "datatypes": ["Note"], "actions": ["read", "search"],
        "fields": {"allow": ["n"]}}));
    let access = access.unwrap();
    let schema = Node::schema(&*app, made.space).await.unwrap();
    let terms = Terms {
        id: GrantId::from_bytes([1; 16]),
        grantor: made.user,
        holder: Holder::Client(ClientId::from_bytes([2; 16])),
        space: made.space,
        now: app.now(),
    };
    let grant = compile(&access, terms, &schema).unwrap();
    let order = Order::of(&access, &grant, &schema);
    let held = || app.pools.looks.usage().held;
    assert_eq!(app.preview_grant(&grant, &order).await.unwrap().types.len(), 1, "control");
    assert_eq!(held(), 0, "control");

    let closed = door.acquire().await.unwrap();
    {
        // Whoever looks goes away as soon as it is begun.
        let mut look = pin!(app.preview_grant(&grant, &order));
        assert!(futures::poll!(&mut look).is_pending());
    }
    assert_eq!(held(), 1);
    drop(closed);
    let ended = async {
        while held() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
}

#[test]
fn a_value_is_cut_between_its_characters() {
    assert_eq!(cell(&Value::Null), None);
    assert_eq!(cell(&serde_json::json!([1, "x"])).unwrap(), "[1,\"x\"]");
    let long = "ä".repeat(CHARACTERS + 1);
    let cut = cell(&Value::String(long)).unwrap();
    assert_eq!(cut.chars().count(), CHARACTERS + 1);
    assert!(cut.ends_with("ä…"));
    let whole = "ä".repeat(CHARACTERS);
    assert_eq!(cell(&Value::String(whole.clone())).unwrap(), whole);
}
