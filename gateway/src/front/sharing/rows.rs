//! Rows of a collection, read as somebody sees them.

use actix_web::http::StatusCode;
use policy_core::{Caller, Permits, Read, SpaceId};
use vault::ReadError;
use vault::view::Row;
use vault_core::query::{Query, Root, RootKind, Select};

use super::ApiError;
use crate::access::Catalogue;
use crate::app::App;
use crate::front::data::unavailable;
use crate::front::intake::busy;

/// What `select` selects, by the permits of that moment, and what else it says; again if its permits hold no more. `None`:
/// it names what the caller does not see.
pub(super) async fn rows<T>(
    app: &App,
    caller: &Caller,
    space: SpaceId,
    select: impl Fn(&Catalogue, &Permits<Read>) -> Result<(Select, T), ApiError>,
) -> Result<(Option<Vec<Row>>, T), ApiError> {
    let mut attempts = app.access.attempts(caller, space);
    loop {
        let (catalogue, permits) = attempts.read().await?;
        let (select, said) = select(&catalogue, &permits)?;
        let root = Root { key: "rows".into(), kind: RootKind::Select(select) };
        match app.vault.cells(permits, Query { roots: vec![root] }).await {
            Err(ReadError::Seal(refusal)) if refusal.calls_for_another() => {}
            Err(ReadError::Hidden) => return Ok((None, said)),
            Err(ReadError::Busy) => return Err(busy()),
            Err(error @ ReadError::Bytes(_)) => {
                return Err(ApiError::new(StatusCode::BAD_REQUEST, "limit_bytes", error.to_string()));
            }
            Err(error) => {
                tracing::error!(%error, "documents could not be looked up");
                return Err(unavailable("The documents cannot be looked up; the node's log says why."));
            }
            Ok(answer) => {
                return Ok((Some(answer.sink.into_rows()), said));
            }
        }
    }
}
