//! A node with vault and policy in a directory, for tests of what it does over several requests.

use std::sync::Arc;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App as HttpApp, web};
use gateway_people::realm::Realm;
use policy::Explainer;
use serde_json::Value;
use vault::data_dir::DataDir;

use super::Node;
use super::fake::{ALICE, Fake, LOCAL};
use crate::app::{self, App};
use crate::directory::SecretHash;
use crate::front::Routes;
use crate::front::account::{SetUp, setup};
use crate::front::contract::Front;

/// A node that alice owns; policy is answered by what `answering` makes of the engine.
pub(crate) async fn opened(
    root: &tempfile::TempDir,
    answering: impl FnOnce(Arc<dyn Explainer>) -> Arc<dyn Explainer>,
) -> (Arc<App>, SetUp) {
    let app = Arc::new(app::open_answered_by(&DataDir::at(root.path()), answering).await.unwrap());
    let _ = app.local_token.set(SecretHash::of(LOCAL));
    let made = setup(&*app, ALICE).await.unwrap();
    (app, made)
}

/// What the operator, who acts as the owner, is answered.
pub(crate) async fn posted(app: &Arc<App>, fronts: &[Front], path: &str, body: &Value) -> (u16, Value) {
    let table = |config: &mut web::ServiceConfig| {
        fronts.iter().fold(Routes::default(), Routes::front).install(config);
    };
    let served = HttpApp::new()
        .app_data(web::Data::from(Arc::clone(app)))
        .app_data(web::Data::from(Arc::clone(app) as Arc<dyn Node>))
        .app_data(web::Data::from(Arc::clone(app) as Arc<dyn Realm>))
        .app_data(web::Data::from(Arc::clone(&app.pools)))
        .configure(table);
    let served = init_service(served).await;
    let request = Fake::local(TestRequest::post().uri(path)).insert_header(("Host", "127.0.0.1:8420"));
    let answer = call_service(&served, request.set_json(body).to_request()).await;
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read_body(answer).await).unwrap_or_default())
}
