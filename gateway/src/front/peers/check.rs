//! `/api/v1/check`: may this person, through this app, do that?

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use policy_core::{
    AppCaller, Caller, Check, ClientId, DocId, Holder, Mask, Object, SpaceId, Subject, Verb, document_object,
    grant_object,
};
use serde::Deserialize;
use serde_json::json;
use vault_core::query::{Item, ItemKind, Query, Root, RootKind, Select, SelectArgs};

use crate::app::App;
use crate::authn;
use crate::front::Routes;
use crate::front::account::body;
use crate::front::data::unavailable;
use crate::front::error::ApiError;
use crate::node::Node as _;

pub fn routes(routes: &mut Routes) {
    routes.post("/api/v1/check", check);
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    user: String,
    app: Option<ClientId>,
    verb: String,
    collection: String,
    field: Option<String>,
    doc: Option<DocId>,
    space: Option<SpaceId>,
    #[serde(default)]
    explain: bool,
}

fn refused(code: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, code, message)
}

/// The operator asks about anybody.
async fn check(request: HttpRequest, app: web::Data<App>, bytes: Bytes) -> Result<HttpResponse, ApiError> {
    let principal = authn::authenticate(&request, &**app).await?;
    if !principal.operator {
        let message = "Only the operator of the machine may ask about others.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let asked: Question = body::json(&request, &bytes)?;
    let verb: Verb = asked.verb.parse().map_err(|()| {
        let words: Vec<_> = Verb::ALL.iter().map(|verb| verb.word()).collect();
        let message = format!("`{}` is not a verb: one of {}.", asked.verb, words.join(", "));
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_input", message)
    })?;
    let user = app.directory.user_named(&asked.user).await.map_err(|error| unavailable(error.to_string()))?;
    let user = user.ok_or_else(|| refused("unknown_user", format!("There is no user `{}`.", asked.user)))?;
    let space = asked.space.unwrap_or(user.space);
    let mut callers = vec![Caller { user: user.id, app: None, device: None }];
    if let Some(client) = asked.app {
        let grants = app.grants(space).await.map_err(|error| unavailable(error.to_string()))?;
        let of_app = grants.iter().filter(|record| record.grant.holder == Holder::Client(client));
        callers = of_app
            .map(|record| Caller {
                user: user.id,
                app: Some(AppCaller { holder: Holder::Client(client), grant: record.grant.id }),
                device: None,
            })
            .collect();
    }
    let unknown = || refused("unknown_type", format!("There is no collection `{}`.", asked.collection));
    let catalogue = app.catalogue(space).await?;
    let collection = catalogue.schema.collection_named(&asked.collection).ok_or_else(unknown)?;
    let field = match &asked.field {
        None => None,
        Some(name) => {
            let unknown = || refused("unknown_field", format!("`{}` has no field `{name}`.", asked.collection));
            Some(collection.field_named(name).ok_or_else(unknown)?.id)
        }
    };
    let gives = |mask: &Mask| match field {
        None => mask.gives(verb),
        Some(field) => mask.shows(field, verb),
    };
    let mut by = None;
    let (mut allowed, mut reason, mut shown) = (false, "no grant of this app is in force".to_owned(), Vec::new());
    for caller in callers {
        let permits = match app.read_permits(&caller, space).await {
            Ok((_, permits)) => permits,
            Err(_) => continue,
        };
        let Some(mask) = permits.mask(collection.id).filter(|mask| gives(mask)).cloned() else {
            reason = format!("no entry gives `{verb}` here");
            continue;
        };
        let names = collection.fields.iter().filter(|field| mask.shows(field.id, verb));
        shown = names.map(|field| field.name.clone()).collect();
        if let Some(doc) = asked.doc {
            let select = Select {
                collection: collection.id,
                args: SelectArgs { doc_ids: Some(vec![doc]), ..SelectArgs::default() },
                items: vec![Item { response: "_docID".into(), kind: ItemKind::DocId }],
            };
            let root = Root { response: "found".into(), kind: RootKind::Select(select) };
            let found = app.vault.read(permits, Query { roots: vec![root] }).await;
            if found.map_or(true, |answer| answer.bytes == b"{\"found\":[]}") {
                reason = "the document is not there, or not in the scope of an entry".to_owned();
                continue;
            }
        }
        by = caller.app;
        let by_what = match (caller.app, app.vault.owner_of(space) == Some(user.id)) {
            (Some(_), _) => "granted",
            (None, true) => "own",
            (None, false) => "shared",
        };
        (allowed, reason) = (true, by_what.to_owned());
        break;
    }
    let mut path = Vec::new();
    if asked.explain {
        let permission = if matches!(verb, Verb::Create | Verb::Update | Verb::Delete) { "edit" } else { "view" };
        let resource = match field {
            None => Object::new("collection", collection.id),
            Some(field) => Object::new("field", format_args!("{}|{field}", collection.id)),
        };
        let question = Check::new(resource, permission, Subject::object("user", user.id));
        let (decision, steps) = app.policy.check_one(&question, app.now());
        path = steps;
        if let (Some(doc), false) = (asked.doc, decision.allowed()) {
            // Not by the collection: by the document, if at all.
            let question =
                Check::new(document_object(collection.id, doc), permission, Subject::object("user", user.id));
            path = app.policy.check_one(&question, app.now()).1;
        }
        if let Some(by) = by {
            // The other half: the first entry of the grant that gives the verb.
            let entries = app.grants(space).await.map_err(|error| unavailable(error.to_string()))?;
            let entries =
                entries.iter().find(|record| record.grant.id == by.grant).map_or(0, |r| r.grant.entries.len());
            let granted = (0..entries).find_map(|n| {
                let resource = grant_object(by.grant, n);
                let question = Check::new(resource, verb.word(), by.holder.subject());
                let (decision, steps) = app.policy.check_one(&question, app.now());
                decision.allowed().then_some(steps)
            });
            path.extend(granted.unwrap_or_default());
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "allowed": allowed, "reason": reason, "path": path, "mask": shown })))
}
