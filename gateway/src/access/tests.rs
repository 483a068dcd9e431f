//! Permits that lapse before what they were minted for begins, as they do where it waits long for its turn: it is begun
//! again under fresh ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use policy::{ServiceError, Token};
use policy_core::{Engine, EngineUnavailable, EpochClock, Grant, Lookup, Traced};
use serde_json::{Value, json};

use super::*;
use crate::app::App;
use crate::front::{data, peers};
use crate::node::served::{opened, posted};

/// An engine whose next answers, as many as are said, are good for no time at all.
struct Lapsing {
    engine: Arc<dyn Explainer>,
    next: Arc<AtomicUsize>,
}

#[async_trait]
impl Engine for Lapsing {
    fn clock(&self) -> &Arc<EpochClock> {
        self.engine.clock()
    }
    fn is_fresh(&self) -> bool {
        self.engine.is_fresh()
    }
    async fn check(&self, checks: &[Check], now: Timestamp) -> Result<Vec<Decision>, EngineUnavailable> {
        let mut answers = self.engine.check(checks, now).await?;
        let less = |left: usize| left.checked_sub(1);
        if self.next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            answers.iter_mut().for_each(|answer| answer.valid_until = Some(now));
        }
        Ok(answers)
    }
    async fn lookup_resources(&self, lookup: &LookupResources, now: Timestamp) -> Result<Lookup, EngineUnavailable> {
        self.engine.lookup_resources(lookup, now).await
    }
    async fn grant(&self, id: GrantId) -> Result<Option<Arc<Grant>>, EngineUnavailable> {
        self.engine.grant(id).await
    }
}

#[async_trait]
impl Explainer for Lapsing {
    async fn trace(&self, check: &Check) -> Result<(Traced, Token), ServiceError> {
        self.engine.trace(check).await
    }
    async fn standing(&self) -> Standing {
        self.engine.standing().await
    }
}

/// What the operator, who acts as the owner, is answered.
async fn asked(app: &Arc<App>, path: &str, body: &Value) -> (u16, Value) {
    posted(app, &[data::FRONT, peers::FRONT], path, body).await
}

#[actix_web::test]
async fn what_waited_until_its_permits_lapsed_begins_again_and_is_not_refused() {
    let root = tempfile::tempdir().unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    let lapsing = |engine| Arc::new(Lapsing { engine, next: Arc::clone(&next) }) as Arc<dyn Explainer>;
    let (app, _) = opened(&root, lapsing).await;
    let (path, schema) = ("/api/v1/graphql", "/api/v1/collections");
    let (status, answer) = asked(&app, schema, &json!({ "sdl": "type Note { n: Int }" })).await;
    assert_eq!(status, 201, "{answer}");
    let (add, read) =
        (json!({ "query": "mutation { add_Note(input: {n: 1}) { _docID } }" }), json!({ "query": "{ Note { n } }" }));
    let (_, added) = asked(&app, path, &add).await;
    let doc = added["data"]["add_Note"][0]["_docID"].clone();
    assert!(doc.is_string(), "{added}");
    let check = json!({ "user": "alice", "verb": "read", "collection": "Note", "doc": doc });
    let lapse = |answers| next.store(answers, Ordering::SeqCst);
    let mut notes = 1;
    // However many answers a permit needs, some of these lapse before each kind of work begins.
    for answers in 0..6 {
        lapse(answers);
        let (_, answer) = asked(&app, path, &read).await;
        assert_eq!(answer["data"]["Note"].as_array().map(Vec::len), Some(notes), "{answers}: {answer}");
        lapse(answers);
        let (_, answer) = asked(&app, path, &add).await;
        assert!(answer["data"]["add_Note"][0]["_docID"].is_string(), "{answers}: {answer}");
        notes += 1;
        lapse(answers);
        let sdl = format!("type More{answers} {{ n: Int }}");
        let (status, answer) = asked(&app, schema, &json!({ "sdl": sdl })).await;
        assert_eq!(status, 201, "{answers}: {answer}");
        lapse(answers);
        let (_, answer) = asked(&app, "/api/v1/check", &check).await;
        assert_eq!(answer["allowed"], true, "{answers}: {answer}");
    }
    // Where every answer lapses at once, work is not begun for ever, and nobody is told that a right has ended.
    lapse(usize::MAX);
    for body in [&read, &add] {
        let (status, answer) = asked(&app, path, body).await;
        assert!(status == 503 && answer.to_string().contains("\"unavailable\""), "{status}: {answer}");
    }
    lapse(0);
    let (_, answer) = asked(&app, path, &read).await;
    assert_eq!(
        answer["data"]["Note"].as_array().map(Vec::len),
        Some(notes),
        "control, and nothing was added: {answer}"
    );
    app.shutdown().await;
}
