//! Schemas by shape and documents by text: built once, shared, bounded.

use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use lru::LruCache;
use parking_lot::Mutex;
use policy_core::{CollectionId, Mask};

use super::document::Prepared;
use super::error::GraphQlError;
use super::names::Spelling;
use super::request::{Limits, Request};
use super::schema::SchemaEntry;
use super::visible::{Masks, Shape, Visible};

/// Texts larger than this are not kept.
const TEXT_MAX: usize = 64 * 1024;
/// What a validated document takes, in bytes for each byte of its text; an estimate.
const COST: usize = 48;

/// The caches of the front; one for the process.
pub struct Caches {
    schemas: Mutex<LruCache<Shape, Arc<SchemaEntry>>>,
    known: Mutex<LruCache<Given, Known>>,
    documents: Mutex<Documents>,
}

/// The masks of a request as they were handed over, before anything is derived from them.
#[derive(PartialEq, Eq, Hash)]
struct Given {
    version: u64,
    spelling: Spelling,
    /// Each collection with the address of its mask.
    masks: Vec<(CollectionId, usize)>,
}

struct Known {
    /// As long as these are here none of the addresses can come to mean another mask; what a mask holds goes when
    /// nothing else has it any more.
    _masks: Vec<Weak<Mask>>,
    entry: Arc<SchemaEntry>,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    shape: Shape,
    operation: Option<String>,
    text: String,
}

struct Documents {
    kept: LruCache<Key, Arc<Prepared>>,
    bytes: usize,
    bytes_max: usize,
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

impl Default for Caches {
    fn default() -> Self {
        Caches::new(256, 32 << 20)
    }
}

impl Caches {
    /// Room for `schemas` schemas, and for about `bytes` bytes of validated documents.
    pub fn new(schemas: usize, bytes: usize) -> Caches {
        let schemas = NonZeroUsize::new(schemas).unwrap_or(NonZeroUsize::MIN);
        Caches {
            schemas: Mutex::new(LruCache::new(schemas)),
            known: Mutex::new(LruCache::new(schemas)),
            documents: Mutex::new(Documents { kept: LruCache::unbounded(), bytes: 0, bytes_max: bytes }),
        }
    }

    /// The schema as these masks shape it.
    pub fn schema(
        &self,
        schema: &vault_core::schema::Schema,
        masks: Masks<'_>,
        spelling: Spelling,
    ) -> Result<Arc<SchemaEntry>, GraphQlError> {
        let held: Vec<(CollectionId, Arc<Mask>)> =
            schema.collections.iter().filter_map(|collection| Some((collection.id, masks(collection.id)?))).collect();
        let given = Given {
            version: schema.version.0,
            spelling,
            masks: held.iter().map(|(id, mask)| (*id, Arc::as_ptr(mask) as usize)).collect(),
        };
        if let Some(known) = self.known.lock().get(&given) {
            return Ok(known.entry.clone());
        }
        let visible = Visible::new(schema, &|id| held.iter().find(|(own, _)| *own == id).map(|(_, mask)| mask.clone()));
        let entry = self.shaped(visible, schema.version.0, spelling)?;
        let held = held.iter().map(|(_, mask)| Arc::downgrade(mask)).collect();
        self.known.lock().put(given, Known { _masks: held, entry: entry.clone() });
        Ok(entry)
    }

    fn shaped(&self, visible: Visible, version: u64, spelling: Spelling) -> Result<Arc<SchemaEntry>, GraphQlError> {
        let shape = visible.shape(version, spelling);
        if let Some(entry) = self.schemas.lock().get(&shape) {
            return Ok(entry.clone());
        }
        // Built outside the lock: two requests may build the same schema, and one of the two is dropped.
        let entry = Arc::new(SchemaEntry::build(visible, shape, spelling)?);
        self.schemas.lock().put(shape, entry.clone());
        Ok(entry)
    }

    /// The request's document, validated. Failures are not kept.
    pub(crate) fn document(
        &self,
        entry: &SchemaEntry,
        request: &Request,
        limits: &Limits,
        allow_mutation: bool,
    ) -> Result<Arc<Prepared>, Vec<GraphQlError>> {
        let prepare = || {
            let operation = request.operation_name.as_deref();
            Prepared::new(entry, &request.text, operation, limits, allow_mutation).map(Arc::new)
        };
        if request.text.len() > TEXT_MAX {
            return prepare();
        }
        let key = Key { shape: entry.shape, operation: request.operation_name.clone(), text: request.text.clone() };
        if let Some(document) = self.documents.lock().kept.get(&key) {
            return Ok(document.clone());
        }
        let made = prepare()?;
        self.documents.lock().keep(key, made.clone());
        Ok(made)
    }
}

fn cost(key: &Key) -> usize {
    2048 + key.text.len() * COST
}

impl Documents {
    fn keep(&mut self, key: Key, document: Arc<Prepared>) {
        self.bytes += cost(&key);
        if let Some((old, _)) = self.kept.push(key, document) {
            self.bytes -= cost(&old);
        }
        while self.bytes > self.bytes_max {
            let Some((old, _)) = self.kept.pop_lru() else { break };
            self.bytes -= cost(&old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fixture, library};
    use super::*;

    #[test]
    fn a_schema_that_is_kept_keeps_no_mask() {
        let library = library();
        let caches = Caches::new(2, 20_000);
        let masks = library.everything();
        let collection = library.schema.collections[0].id;
        let mask = masks(collection).unwrap();
        let ask = |mask: &Arc<Mask>| {
            caches.schema(&library.schema, &|id| (id == collection).then(|| Arc::clone(mask)), Spelling::V1).unwrap()
        };
        let (entry, again) = (ask(&mask), ask(&mask));
        assert!(Arc::ptr_eq(&entry, &again), "control: it is kept");
        let gone = Arc::downgrade(&mask);
        drop((mask, masks));
        assert!(gone.upgrade().is_none());
        let address = gone.as_ptr();
        drop(gone);
        let others: Vec<_> = (0..1_000).map(|_| Arc::new(Mask { entries: Vec::new(), valid_until: None })).collect();
        assert!(others.iter().all(|other| Arc::as_ptr(other) != address), "nor may its address mean another");
    }

    #[test]
    fn documents_stay_within_their_bytes_and_equal_masks_share_a_schema() {
        let library = library();
        let caches = Caches::new(2, 20_000);
        let all = library.everything();
        let entry = caches.schema(&library.schema, &*all, Spelling::V1).unwrap();
        let again = caches.schema(&library.schema, &*library.everything(), Spelling::V1).unwrap();
        assert!(Arc::ptr_eq(&entry, &again));
        let known = caches.schema(&library.schema, &*all, Spelling::V1).unwrap();
        assert!(Arc::ptr_eq(&entry, &known), "the very same masks");
        assert!(!Arc::ptr_eq(&entry, &caches.schema(&library.schema, &*all, Spelling::V0).unwrap()));
        let masked = caches.schema(&library.schema, &*library.without(&["secret"]), Spelling::V1).unwrap();
        assert_ne!(entry.shape, masked.shape);
        for n in 0..40 {
            let request = Request::text(format!("{{ Book(limit: {n}) {{ title }} }}"));
            let first = caches.document(&entry, &request, &Limits::default(), true).unwrap();
            let second = caches.document(&entry, &request, &Limits::default(), true).unwrap();
            assert!(Arc::ptr_eq(&first, &second));
            let other = caches.document(&masked, &request, &Limits::default(), true).unwrap();
            assert!(!Arc::ptr_eq(&first, &other), "each shape has documents of its own");
        }
        let documents = caches.documents.lock();
        assert!(documents.bytes <= 20_000 && documents.kept.len() < 20, "{}", documents.bytes);
        assert_eq!(documents.bytes, documents.kept.iter().map(|(key, _)| cost(key)).sum::<usize>());
        let _: &Fixture = &library;
    }
}
