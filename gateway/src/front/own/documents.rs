//! The documents of a space of one's own, with their history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_graphql::visible::Visible;
use gateway_graphql::{Context, Limits, Plan, Request, Spelling, plan, print};
use policy_core::{CollectionId, Mask, SpaceId, Verb};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::Instrument as _;
use vault::memory::AnswerLease;
use vault::{ReadError, view};
use vault_core::schema::FieldType;

use super::Own;
use super::lines::{Lines, Stopped};
use crate::front::data::incoming::apart;
use crate::front::data::unavailable;
use crate::front::error::ApiError;
use crate::front::sharing;

/// Documents that are read at once at first; fewer, where they are large.
const PAGE: usize = 200;
/// Documents whose commits are read together at first, and commits that are read at once.
const TOGETHER: usize = 50;
const COMMITS: usize = 1_000;
/// An answer of more bytes is asked for in parts: it is in memory for as long as it is told, however slowly it is read. One row
/// may have what any answer may.
const LARGE: usize = 2 << 20;
/// After so long a read for which there is no room is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is asked of each commit.
const COMMIT: &str = "cid height docID fieldName delta collectionVersionId heads { cid } links { cid name fieldName } \
                      signature { type identity value }";

/// Why documents were not read.
enum Unread {
    /// They are too many, or too large, for one answer.
    Large,
    Stopped(Stopped),
}

impl<E: Into<Stopped>> From<E> for Unread {
    fn from(error: E) -> Unread {
        Unread::Stopped(error.into())
    }
}

/// An answer, and the room that it takes until its rows are told. They stay text: as values they would take many times that,
/// and nobody is charged for it.
struct Read {
    text: Vec<u8>,
    _held: Option<AnswerLease>,
}

impl Read {
    /// Of what is not to be read any more there is nothing.
    fn nothing() -> Read {
        Read { text: b"{}".to_vec(), _held: None }
    }

    /// The rows under this name; `None`: there are none to be told.
    fn rows(&self, name: &str) -> Result<Option<Vec<&RawValue>>, Stopped> {
        let read = serde_json::from_slice::<BTreeMap<String, Option<Vec<&RawValue>>>>(&self.text);
        let mut read = read.map_err(|_| unavailable("What was read is not JSON."))?;
        Ok(read.remove(name).flatten())
    }
}

/// Of a document what is needed to go on.
#[derive(Deserialize)]
struct Identified {
    #[serde(rename = "_docID")]
    id: Option<String>,
}

fn id_of(row: &RawValue) -> Option<String> {
    serde_json::from_str::<Identified>(row.get()).ok()?.id
}

/// A collection, as it is asked for.
struct ExportedType {
    name: String,
    /// The fields of its documents, and its history.
    fields: String,
    history: bool,
}

/// Definitions, folders, rules, documents and their history.
pub async fn of_space(own: &Own, space: SpaceId, lines: &mut Lines) -> Result<(), Stopped> {
    let (app, principal) = (&own.app, own.principal().await?);
    let permits = app.access.read_permits(&principal.caller, space).await;
    let (catalogue, permits) = permits.map_err(ApiError::from)?;
    let visible = Visible::new(&catalogue.schema, &|id| permits.mask(id).cloned());
    drop(permits);
    for (name, sdl) in print::definitions(&catalogue.schema, &visible) {
        lines.line("definition", &json!({ "space": space, "collection": name, "sdl": sdl })).await?;
    }
    super::each(lines, "folder", sharing::folders::all(app, own.user, space).await?).await?;
    super::each(lines, "field_rule", sharing::field_rules::all(app, own.user, space).await?).await?;
    for collection in visible.collections.iter().filter(|one| one.gives(Verb::Read) && one.gives(Verb::Search)) {
        let field = |field: &gateway_graphql::visible::VisibleField| match field.kind {
            FieldType::Inverse { .. } => None,
            FieldType::ToOne { .. } => Some(format!(" _{}ID", field.name)),
            _ => Some(format!(" {}", field.name)),
        };
        let fields = collection.with(Verb::Read).filter_map(field).collect();
        let asked = ExportedType { name: collection.name.clone(), fields, history: collection.gives(Verb::History) };
        collection_of(own, space, &asked, lines).await?;
    }
    Ok(())
}

async fn collection_of(own: &Own, space: SpaceId, asked: &ExportedType, lines: &mut Lines) -> Result<(), Stopped> {
    let (mut after, mut size, mut together) = (None::<String>, PAGE, TOGETHER);
    loop {
        let filter = if after.is_some() { ", filter: {_docID: {_gt: $after}}" } else { "" };
        let declared = if after.is_some() { ", $after: ID" } else { "" };
        // What was deleted is there, with what it was.
        let (deleted, told) = if asked.history { (", showDeleted: true", " _deleted") } else { ("", "") };
        let text = format!(
            "query($n: Int{declared}) {{ {}(limit: $n, order: {{_docID: ASC}}{deleted}{filter}) {{ _docID{told}{} }} }}",
            asked.name, asked.fields
        );
        let variables = json!({ "n": size, "after": after });
        let Some(data) = fewer(read(own, space, &text, variables, lines, size == 1).await, &mut size)? else {
            continue;
        };
        let Some(rows) = data.rows(&asked.name)? else { return Ok(()) };
        let ids: Vec<String> = rows.iter().filter_map(|row| id_of(row)).collect();
        let all = rows.len() < size;
        let of = json!({ "space": space, "collection": asked.name });
        for row in rows {
            lines.with("document", &of, "document", row).await?;
        }
        // Its room is given back before their history is read.
        drop(data);
        let mut left = ids.as_slice();
        while asked.history && !left.is_empty() {
            let (some, behind) = left.split_at(together.min(left.len()));
            if history(own, space, asked, some, lines).await? {
                left = behind;
            } else {
                together = some.len().div_ceil(4);
            }
        }
        match ids.into_iter().next_back() {
            Some(last) if !all => after = Some(last),
            _ => return Ok(()),
        }
    }
}

/// Every commit of these documents; false, before any of them is told, if they are too many together.
async fn history(
    own: &Own,
    space: SpaceId,
    asked: &ExportedType,
    ids: &[String],
    lines: &mut Lines,
) -> Result<bool, Stopped> {
    let (mut offset, mut size) = (0, COMMITS);
    let text = format!(
        "query($ids: [ID], $n: Int, $o: Int) {{ _commits(docID: $ids, limit: $n, offset: $o) {{ {COMMIT} }} }}"
    );
    loop {
        let variables = json!({ "ids": ids, "n": size, "o": offset });
        let answer = read(own, space, &text, variables, lines, size == 1).await;
        if matches!(answer, Err(Unread::Large)) && ids.len() > 1 && offset == 0 {
            return Ok(false);
        }
        let Some(data) = fewer(answer, &mut size)? else { continue };
        let Some(rows) = data.rows("_commits")? else { return Ok(true) };
        let (count, all) = (rows.len(), rows.len() < size);
        let of = json!({ "space": space, "collection": asked.name });
        for row in rows {
            lines.with("commit", &of, "commit", row).await?;
        }
        offset += count;
        if all {
            return Ok(true);
        }
    }
}

/// The answer; `None` if fewer are to be asked for at once.
fn fewer(answer: Result<Read, Unread>, size: &mut usize) -> Result<Option<Read>, Stopped> {
    match answer {
        Ok(data) => Ok(Some(data)),
        Err(Unread::Large) if *size > 1 => {
            *size = size.div_ceil(4);
            Ok(None)
        }
        Err(Unread::Large) => Err(unavailable("What is to be told is too large for one answer.").into()),
        Err(Unread::Stopped(stopped)) => Err(stopped),
    }
}

/// `data` of a query, under permits of this moment. `one`: no less can be asked for.
async fn read(
    own: &Own,
    space: SpaceId,
    text: &str,
    variables: Value,
    lines: &Lines,
    one: bool,
) -> Result<Read, Unread> {
    let all = view::Limits::default();
    let limits = if one { all } else { view::Limits { bytes: LARGE, ..all } };
    let principal = own.principal().await?;
    let Value::Object(variables) = variables else { return Ok(Read::nothing()) };
    let request = Arc::new(Request { text: text.to_owned(), operation_name: None, variables });
    let mut attempts = own.app.access.attempts(&principal.caller, space);
    loop {
        let (catalogue, permits) = attempts.read().await.map_err(ApiError::from)?;
        let (app, request, who) = (own.app.clone().into_inner(), Arc::clone(&request), principal.caller.user);
        let plan = move || {
            let masks = |id: CollectionId| -> Option<Arc<Mask>> { permits.mask(id).cloned() };
            let context = Context {
                schema: &catalogue.schema,
                masks: &masks,
                spelling: Spelling::V1,
                allow_mutation: false,
                limits: Limits::default(),
                caches: &app.caches,
                who,
                room: &|_| false,
            };
            (plan(&request, &context), permits)
        };
        // Definitions may be large.
        let (planned, permits) = match apart(&own.app, &principal, plan).await {
            Ok((Ok(Plan::Query(query)), permits)) => (query, permits),
            // Of what is not to be read any more there is nothing.
            Ok(_) => return Ok(Read::nothing()),
            Err(error) => {
                if error.code != "unavailable" || lines.unread_within(PAUSE).await {
                    return Err(error.into());
                }
                continue;
            }
        };
        let answer =
            match own.app.vault.preview(permits, planned, limits).instrument(gateway_trace::step("vault read")).await {
                Ok(answer) => answer,
                Err(ReadError::Seal(refusal)) if refusal.calls_for_another() => continue,
                Err(ReadError::Bytes(_) | ReadError::Rows(_) | ReadError::Memory | ReadError::Time(_)) => {
                    return Err(Unread::Large);
                }
                Err(ReadError::Busy) => {
                    if lines.unread_within(PAUSE).await {
                        return Err(Stopped::NotRead.into());
                    }
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "documents of a person's own export were not read");
                    return Err(unavailable("The node could not read this; its log says why.").into());
                }
            };
        let (text, held) = answer.into_parts();
        return Ok(Read { text: text.into_bytes(), _held: held });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_as_they_were_read_and_say_whose_they_are() {
        let text = br#"{"Note":[{"_docID":"one","n":[0,0.10,0],"_docIDs":"x"},{"n":1}],"Gone":null}"#;
        let read = Read { text: text.to_vec(), _held: None };
        let rows = read.rows("Note").ok().unwrap().unwrap();
        assert_eq!(rows[0].get(), r#"{"_docID":"one","n":[0,0.10,0],"_docIDs":"x"}"#);
        assert_eq!((id_of(rows[0]).as_deref(), id_of(rows[1])), (Some("one"), None));
        assert!(read.rows("Gone").ok().unwrap().is_none() && read.rows("Other").ok().unwrap().is_none());
        assert!(Read::nothing().rows("Note").ok().unwrap().is_none());
        assert!(Read { text: b"[".to_vec(), _held: None }.rows("Note").is_err(), "control");
    }
}
