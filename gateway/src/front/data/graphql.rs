//! `/api/v1/graphql` (also `/api/graphql`) and `/api/v0/graphql`: one request, straight down.

use std::cell::RefCell;
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use gateway_graphql::{Context, GraphQlError, Limits, Plan, Request, Spelling, plan};
use policy_core::{CollectionId, Mask, SchemaVersion, SpaceId};
use tracing::Instrument as _;
use vault::shares::Payer;
use vault::view::{Answer, ViewError};
use vault::{ReadError, WriteError};
use vault_core::change::ChangeRequest;

use super::daily::{self, Asked};
use super::incoming::{self, LIGHT, PATIENCE, apart};
use super::looked_at::{self, LookedAt, Readable};
use super::response::Shape;
use super::{client, space_of, unavailable};
use crate::access::AccessError;
use crate::app::App;
use crate::authn::Principal;
use crate::directory::usage::Usage;
use crate::front::Routes;
use crate::front::contract::{self, LARGE_BODY};
use crate::front::error::ApiError;
use crate::front::intake::{busy, charged};
use crate::front::media;
use crate::front::shape::graphql_errors;

mod described;

/// A body that is the operation itself.
const TEXT: &str = "application/graphql";
/// A change of more bytes is not kept as it was asked for while it waits for the writer: it is there as what is to be
/// written.
const KEPT: usize = 256 << 10;

pub fn routes(routes: &mut Routes) {
    for (path, spelling) in
        [("/api/v1/graphql", Spelling::V1), ("/api/graphql", Spelling::V1), ("/api/v0/graphql", Spelling::V0)]
    {
        let post = move |request: HttpRequest, app: web::Data<App>, body: Bytes| post(request, app, body, spelling);
        let get = move |request: HttpRequest, app: web::Data<App>| get(request, app, spelling);
        routes.post(path, post).get(path, get).limited(path, contract::Limits::body(LARGE_BODY));
        routes.erring(path, graphql_errors).open(path);
    }
    routes.described::<described::Api>();
}

async fn post(
    request: HttpRequest,
    app: web::Data<App>,
    body: Bytes,
    spelling: Spelling,
) -> Result<HttpResponse, ApiError> {
    let Some(shape) = Shape::wanted(&request) else { return Ok(Shape::not_acceptable()) };
    let principal = client(&request, &app).await?;
    let kind = media::sent(&request, &[media::JSON, TEXT], "Send application/json or application/graphql.")?;
    let (text, bytes) = (kind == TEXT, body.len());
    let read = move || if text { incoming::of_text(&body) } else { incoming::of_json(&body) };
    let read = if bytes <= LIGHT { read() } else { apart(&app, &principal, read).await? };
    match read {
        Ok(asked) => answer(&app, &principal, &request, (asked, bytes), spelling, shape, true).await,
        Err(error) => Ok(shape.malformed(&error)),
    }
}

/// GET runs queries only.
async fn get(request: HttpRequest, app: web::Data<App>, spelling: Spelling) -> Result<HttpResponse, ApiError> {
    let Some(shape) = Shape::wanted(&request) else { return Ok(Shape::not_acceptable()) };
    let principal = client(&request, &app).await?;
    let bytes = request.query_string().len();
    match incoming::of_address(request.query_string()) {
        Ok(asked) => answer(&app, &principal, &request, (asked, bytes), spelling, shape, false).await,
        Err(error) => Ok(shape.malformed(&error)),
    }
}

/// Credentials -> permits -> plan -> vault.
async fn answer(
    app: &web::Data<App>,
    principal: &Principal,
    http: &HttpRequest,
    (request, bytes): (Request, usize),
    spelling: Spelling,
    shape: Shape,
    allow_mutation: bool,
) -> Result<HttpResponse, ApiError> {
    let space = space_of(app, principal, http).await?;
    let mut request = Some(Arc::new(request));
    let mut attempts = app.access.attempts(&principal.caller, space);
    loop {
        let Some(asked) = request.clone() else { return Err(unavailable("Definitions are changing; try again.")) };
        let (catalogue, permits) = attempts.read().await?;
        let light = bytes <= LIGHT && incoming::is_light(&asked.text, &catalogue.schema);
        let (version, schema) = (catalogue.schema.version, Arc::clone(&catalogue.schema));
        let node = app.clone().into_inner();
        // Of apps it is counted what they really use.
        let app_grant = principal.caller.app.as_ref().map(|by| by.grant);
        let readable = if app_grant.is_some() { looked_at::readable(&permits) } else { Readable::new() };
        // What it answers by itself is charged as it grows.
        let charge = match incoming::introspects(&asked.text) {
            true => {
                Some(app.pools.answers.take(Payer::from(&principal.caller), 0, PATIENCE).await.map_err(|_| busy())?)
            }
            false => None,
        };
        let who = principal.caller.user;
        let plan = move || {
            let masks = |id: CollectionId| -> Option<Arc<Mask>> { permits.mask(id).cloned() };
            let charge = RefCell::new(charge);
            let room = |bytes: usize| charge.borrow_mut().as_mut().is_none_or(|charge| charge.grow(bytes as u64));
            let context = Context {
                schema: &catalogue.schema,
                masks: &masks,
                spelling,
                allow_mutation,
                limits: Limits::default(),
                caches: &node.caches,
                who,
                room: &room,
            };
            (plan(&asked, &context), permits, charge.into_inner())
        };
        let (planned, permits, charge) = if light { plan() } else { apart(app, principal, plan).await? };
        let planned = match planned {
            Ok(planned) => planned,
            Err(errors) if !allow_mutation && errors.iter().any(|error| error.code == "method_not_allowed") => {
                return Ok(shape.needs_post(&errors));
            }
            Err(errors) => return Ok(shape.refused(&errors)),
        };
        let only = planned.only_root().map(str::to_owned);
        let seen = match &planned {
            Plan::Query(query) if app_grant.is_some() => looked_at::by_query(query, &readable),
            Plan::Change(change) if app_grant.is_some() => looked_at::by_change(change, &readable),
            _ => LookedAt::default(),
        };
        let fields = seen.fields.clone();
        // And held to as many rows as their grants give in a day.
        let asked = match app_grant {
            Some(grant) if seen.questions > 0 => Asked::of(app, grant, seen, &schema).await?,
            _ => None,
        };
        if let Some(asked) = &asked
            && let Err(untold) = asked.may_be_asked(app).await?
        {
            return daily::refusal(shape, untold);
        }
        let changes = matches!(planned, Plan::Change(_));
        let mut rows = 0;
        let data = match planned {
            Plan::Answer(data) => Ok((data.into(), charge)),
            Plan::Query(query) => {
                match app.vault.read(permits, query).instrument(gateway_trace::step("vault read")).await {
                    Err(ReadError::Seal(refusal)) if refusal.calls_for_another() => continue,
                    other => {
                        rows = other.as_ref().map_or(0, Answer::rows);
                        let parts = other.map(Answer::into_parts).map_err(|error| read_error(&error));
                        parts.map(|(text, charge)| (text.into_bytes(), charge))
                    }
                }
            }
            Plan::Change(change) => {
                if bytes > KEPT {
                    request = None;
                }
                match write(app, principal, space, version, change).await? {
                    None => continue,
                    Some(done) => {
                        let done = done.map(Answer::into_parts);
                        rows = done.as_ref().map_or(0, |(text, _)| daily::rows_in(text));
                        done.map_err(|error| write_error(&error))
                    }
                }
            }
        };
        if let Some(asked) = &asked {
            let told = data.is_ok().then_some(rows);
            if let Err(untold) = asked.may_be_told(app, told, changes && told.is_some()).await? {
                return daily::refusal(shape, untold);
            }
        }
        if let (Some(grant), Ok((text, _))) = (app_grant, &data) {
            let usage = Usage { requests: 1, rows, bytes: text.len() as u64, fields };
            app.directory.count_usage(grant, &usage);
        }
        return Ok(match data {
            Ok((data, charge)) => charged(shape.done(wrap(data, spelling == Spelling::V0 && only.is_some())), charge),
            Err(mut error) => {
                error.path.extend(only);
                shape.refused(&[error])
            }
        });
    }
}

/// Writes what was planned under these definitions, again if its permits hold no more. `None`: it has to be planned anew.
async fn write(
    app: &App,
    principal: &Principal,
    space: SpaceId,
    planned: SchemaVersion,
    change: ChangeRequest,
) -> Result<Option<Result<Answer<Vec<u8>>, WriteError>>, ApiError> {
    let change = Arc::new(change);
    let mut attempts = app.access.attempts(&principal.caller, space);
    loop {
        let (catalogue, permits) = match attempts.write().await {
            Err(AccessError::Moving) => return Ok(None),
            permits => permits?,
        };
        if catalogue.schema.version != planned {
            return Ok(None);
        }
        match app.vault.write(permits, Arc::clone(&change)).instrument(gateway_trace::step("vault write")).await {
            Err(WriteError::Permit(refusal)) if refusal.calls_for_another() => {}
            done => return Ok(Some(done)),
        }
    }
}

/// `{"data": …}`. In the spelling of 2023 the list of a single root is `data` itself (`bare`); what introspection
/// answers is not, as its clients look for `__schema`.
fn wrap(mut data: Vec<u8>, bare: bool) -> Vec<u8> {
    let skipped = if bare { before_only_value(&data).unwrap_or(0) } else { 0 };
    // Where it is: an answer may be large. The brace that is left out comes again.
    data.splice(..skipped, *b"{\"data\":");
    if skipped == 0 {
        data.push(b'}');
    }
    data
}

/// How much stands before the value of an object with one member. Response names are GraphQL names: nothing in them is
/// escaped.
fn before_only_value(object: &[u8]) -> Option<usize> {
    let rest = object.strip_prefix(b"{\"")?;
    let end = rest.iter().position(|&byte| byte == b'"')?;
    (rest.get(end + 1) == Some(&b':')).then_some(end + 4)
}

const OF_THE_DISK: &str = "The node cannot use its disk at this moment; try again.";

fn read_error(error: &ReadError) -> GraphQlError {
    let (code, message): (&'static str, String) = match error {
        ReadError::Unsupported(what) => ("invalid_input", (*what).to_owned()),
        ReadError::Time(_) => ("limit_time", error.to_string()),
        ReadError::Rows(_) => ("limit_rows", error.to_string()),
        ReadError::Bytes(_) | ReadError::History(_) => ("limit_bytes", error.to_string()),
        ReadError::Busy => ("unavailable", error.to_string()),
        ReadError::Wide => ("limit_conditions", error.to_string()),
        ReadError::Memory => ("limit_memory", error.to_string()),
        ReadError::View(ViewError::Behind) => {
            ("unavailable", "The node cannot show everything that it has acknowledged; try again.".into())
        }
        ReadError::View(view) if view.is_of_the_disk() => {
            tracing::error!(%error, "the disk failed under a read");
            ("unavailable", OF_THE_DISK.into())
        }
        // A permit that holds no more is asked for anew before it comes to this.
        ReadError::Seal(_) | ReadError::Hidden | ReadError::View(_) => {
            tracing::error!(%error, "a read failed");
            ("internal", "The node could not answer; its log says why.".into())
        }
    };
    GraphQlError::new(code, message)
}

fn write_error(error: &WriteError) -> GraphQlError {
    let code = match error {
        // Of looking for the documents, or of what was to be answered of them.
        WriteError::View(ViewError::Refused(error)) => return read_error(error),
        WriteError::Forbidden => "forbidden",
        WriteError::NotNull { .. } => "not_null",
        WriteError::NotUnique { .. } => "not_unique",
        WriteError::InvalidInput { .. } => "invalid_input",
        WriteError::ValueTooLarge { .. } => "value_too_large",
        WriteError::Conflict => "conflict",
        WriteError::TooManyRows => "limit_rows",
        WriteError::Busy | WriteError::Log | WriteError::Stopped | WriteError::View(ViewError::Behind) => "unavailable",
        WriteError::View(view) if view.is_of_the_disk() => {
            tracing::error!(%error, "the disk failed under a write");
            return GraphQlError::new("unavailable", OF_THE_DISK);
        }
        // As there.
        WriteError::Permit(_) | WriteError::View(_) => {
            tracing::error!(%error, "a write failed");
            return GraphQlError::new("internal", "The node could not do this; its log says why.");
        }
    };
    GraphQlError::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_of_2023_unwraps_a_single_root() {
        let data = b"{\"Book\":[{\"a\":1}]}".to_vec();
        assert_eq!(wrap(data.clone(), true), b"{\"data\":[{\"a\":1}]}");
        assert_eq!(wrap(data, false), b"{\"data\":{\"Book\":[{\"a\":1}]}}");
        assert_eq!(wrap(b"{\"a\":1,\"b\":2}".to_vec(), false), b"{\"data\":{\"a\":1,\"b\":2}}");
        assert_eq!(before_only_value(b"[]"), None);
    }
}
