//! What an app would see first under a grant that is not given yet: read by the same masks as if it were.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_core::{CollectionId, Grant, Mask, Permits, Read, Verb};
use serde_json::{Map, Value};
use vault::shares::Payer;
use vault::view::Limits;
use vault::{ReadError, Vault};
use vault_core::query::{Item, ItemKind, Query, Root, RootKind, Select, SelectArgs};
use vault_core::schema::{Collection, Field, FieldType};

use crate::access::{Access, AccessError};
use crate::app::App;
use crate::grants::Order;
use crate::node::{NodeError, Preview, PreviewContent, TypePreview};

/// Types that are looked at, and of each of them rows, fields, and characters of a value.
const TYPES: usize = 8;
const ROWS: usize = 3;
const FIELDS: usize = 5;
const CHARACTERS: usize = 200;
/// What one look may cost: its reads together this time, each of them these bytes.
const TIME: Duration = Duration::from_secs(5);
const BYTES: usize = 4 << 20;
/// How long whoever looks waits for their turn, and then for what they see.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(8);
/// How often it is begun because policy moved meanwhile.
const TRIES: usize = 4;

/// A type that is read, and its fields by their keys.
struct Listed<'a> {
    collection: &'a Collection,
    fields: Vec<(&'a Field, String)>,
    fields_left: usize,
}

impl App {
    /// What `grant` would show first, its fields in this order. It is not given, and its grantor looks.
    ///
    /// # Errors
    /// [`NodeError::Unavailable`] if they look too often, or policy moves meanwhile; as permits else.
    pub(crate) async fn preview_grant(&self, grant: &Grant, order: &Order) -> Result<Preview, NodeError> {
        let busy = || NodeError::Unavailable("it is looked at already".to_owned());
        let place = self.pools.looks.take(Payer::Person(grant.grantor), 1, PATIENCE).await.map_err(|_| busy())?;
        let look = Look {
            access: Arc::clone(&self.access),
            vault: self.vault.clone(),
            grant: grant.clone(),
            order: order.clone(),
            until: Instant::now() + TIME,
        };
        // The place is held for as long as is read, and not by who waits for it: who goes away leaves the read running.
        let seen = tokio::spawn(async move {
            let _place = place;
            look.all().await
        });
        let late = |_| NodeError::Unavailable("it takes too long".to_owned());
        let cut_off = |_| NodeError::Unavailable("it was cut off".to_owned());
        tokio::time::timeout(ANSWER, seen).await.map_err(late)?.map_err(cut_off)?
    }
}

/// A look at what a grant would show.
struct Look {
    access: Arc<Access>,
    vault: Vault,
    grant: Grant,
    order: Order,
    /// When the time of its reads is over.
    until: Instant,
}

impl Look {
    async fn all(&self) -> Result<Preview, NodeError> {
        let mut collections = Vec::new();
        for scope in self.grant.entries.iter().flat_map(|entry| &entry.scopes) {
            if !collections.contains(&scope.collection) {
                collections.push(scope.collection);
            }
        }
        let types_left = collections.len().saturating_sub(TYPES);
        collections.truncate(TYPES);
        if let Some(types) = self.at(&collections).await? {
            return Ok(Preview { types, types_left });
        }
        // One of them is too large, and says nothing of the others.
        let mut types = Vec::new();
        for one in &collections {
            types.extend(self.at(std::slice::from_ref(one)).await?.unwrap_or_default());
        }
        Ok(Preview { types, types_left })
    }

    /// What shows of these types; `None`: together they are too large.
    async fn at(&self, collections: &[CollectionId]) -> Result<Option<Vec<TypePreview>>, NodeError> {
        for _ in 0..TRIES {
            let (catalogue, permits) = match self.access.preview_permits(&self.grant).await {
                Ok(minted) => minted,
                // Nothing of the space shows.
                Err(AccessError::NotFound) => return Ok(Some(Vec::new())),
                Err(error) => return Err(error.into()),
            };
            let known = collections.iter().filter_map(|id| catalogue.schema.collection(*id));
            let (mut types, mut listed) = (Vec::new(), Vec::new());
            for collection in known {
                let mask = permits.mask(collection.id).map(|mask| &**mask);
                let gives = |verb| mask.is_some_and(|mask| mask.gives(verb));
                let lists = gives(Verb::Read) && gives(Verb::Search);
                let shows = if gives(Verb::Read) { PreviewContent::Named } else { PreviewContent::Nothing };
                types.push(TypePreview { collection: collection.name.clone(), shows, versions: gives(Verb::History) });
                if let Some(mask) = mask.filter(|_| lists) {
                    listed.push((types.len() - 1, fields(&permits, collection, mask, &self.order)));
                }
            }
            if listed.is_empty() {
                return Ok(Some(types));
            }
            let roots = listed.iter().map(|(at, one)| root(*at, one)).collect();
            let time = self.until.saturating_duration_since(Instant::now());
            let limits = Limits { time, bytes: BYTES, ..Limits::default() };
            match self.vault.preview(permits, Query { roots }, limits).await {
                Ok(answer) => {
                    let (text, _held) = answer.into_parts();
                    let told = serde_json::from_slice::<BTreeMap<String, Vec<Map<String, Value>>>>(&text.into_bytes());
                    let told = told.map_err(|error| NodeError::Failed(error.to_string()))?;
                    for (at, one) in &listed {
                        types[*at].shows = content(one, told.get(&key(*at)).map_or(&[], Vec::as_slice));
                    }
                    return Ok(Some(types));
                }
                Err(ReadError::Seal(refusal)) if refusal.calls_for_another() => {}
                Err(ReadError::Bytes(_) | ReadError::Memory | ReadError::Wide | ReadError::Time(_)) => {
                    if collections.len() > 1 {
                        return Ok(None);
                    }
                    listed.iter().for_each(|(at, _)| types[*at].shows = PreviewContent::Large);
                    return Ok(Some(types));
                }
                Err(ReadError::Busy) => return Err(NodeError::Unavailable("too much is read at a time".to_owned())),
                Err(error) => {
                    tracing::error!(%error, "what a grant would show was not read");
                    return Err(NodeError::Failed("what it would show was not read".to_owned()));
                }
            }
        }
        Err(AccessError::Moving.into())
    }
}

/// The fields that are read of a type, in the order in which the app asks for them.
fn fields<'a>(permits: &Permits<Read>, collection: &'a Collection, mask: &Mask, order: &Order) -> Listed<'a> {
    let read = |id: CollectionId| permits.mask(id).is_some_and(|mask| mask.gives(Verb::Read));
    let shows = |field: &&Field| {
        mask.shows(field.id, Verb::Read)
            && match field.kind {
                FieldType::Scalar { .. } | FieldType::List { .. } => true,
                FieldType::ToOne { target, .. } => read(target),
                // What points here is read where it is.
                FieldType::Inverse { .. } => false,
            }
    };
    let mut all: Vec<&Field> = collection.fields.iter().filter(shows).collect();
    all.sort_by_key(|field| order.place(field.id));
    let fields_left = all.len().saturating_sub(FIELDS);
    all.truncate(FIELDS);
    let fields = all.into_iter().enumerate().map(|(at, field)| (field, format!("f{at}"))).collect();
    Listed { collection, fields, fields_left }
}

fn key(at: usize) -> String {
    format!("t{at}")
}

/// One row more than is shown: whether there are more is told.
fn root(at: usize, one: &Listed<'_>) -> Root {
    let item = |(field, key): &(&Field, String)| {
        let kind = match field.kind {
            FieldType::ToOne { .. } => ItemKind::RelationId(field.id),
            _ => ItemKind::Field(field.id),
        };
        Item { key: key.clone(), kind }
    };
    let items = one.fields.iter().map(item).collect();
    let args = SelectArgs { limit: Some(ROWS as u64 + 1), ..SelectArgs::default() };
    Root { key: key(at), kind: RootKind::Select(Select { collection: one.collection.id, args, items }) }
}

fn content(one: &Listed<'_>, rows: &[Map<String, Value>]) -> PreviewContent {
    let row = |row: &Map<String, Value>| one.fields.iter().map(|(_, key)| row.get(key).and_then(cell)).collect();
    PreviewContent::Rows {
        fields: one.fields.iter().map(|(field, _)| field.name.clone()).collect(),
        fields_left: one.fields_left,
        rows: rows.iter().take(ROWS).map(row).collect(),
        more: rows.len() > ROWS,
    }
}

/// A value as text, cut where it is long; `None`: there is none, or it is not shown.
fn cell(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

#[cfg(test)]
mod tests;
