//! Schemas by shape and documents by text: built once, shared, bounded.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use policy_core::{CollectionId, Mask, SharedCache, UserId};

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

/// What a schema takes, in bytes: of itself, for each collection, for each field; an estimate.
const SCHEMA_COST: [usize; 3] = [8 << 10, 16 << 10, 2 << 10];
/// All masks that are known, in bytes.
const KNOWN: usize = 8 << 20;
/// All answers to introspection together, and the largest that is kept, in bytes.
const INTROSPECTED: usize = 16 << 20;
const INTROSPECTED_MAX: usize = 4 << 20;

/// The caches of the front; one for the process. Each is bounded in bytes, and whoever keeps most in it loses first: no one
/// empties them for others.
pub struct Caches {
    schemas: Mutex<SharedCache<UserId, Shape, Arc<SchemaEntry>>>,
    known: Mutex<SharedCache<UserId, Given, Known>>,
    documents: Mutex<SharedCache<UserId, Key, Arc<Prepared>>>,
    introspected: Mutex<SharedCache<UserId, Key, Bytes>>,
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
    entry: Weak<SchemaEntry>,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Key {
    shape: Shape,
    operation: Option<String>,
    text: String,
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

impl Default for Caches {
    fn default() -> Self {
        Caches::new(64 << 20, 32 << 20)
    }
}

impl Caches {
    /// Room for about so many bytes of schemas, and of validated documents.
    pub fn new(schemas: usize, documents: usize) -> Caches {
        Caches {
            schemas: Mutex::new(SharedCache::new(schemas)),
            known: Mutex::new(SharedCache::new(KNOWN)),
            documents: Mutex::new(SharedCache::new(documents)),
            introspected: Mutex::new(SharedCache::new(INTROSPECTED)),
        }
    }

    /// The schema as these masks of somebody shape it.
    pub fn schema(
        &self,
        who: UserId,
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
        if let Some(entry) = self.known.lock().get(&given).and_then(|known| known.entry.upgrade()) {
            return Ok(entry);
        }
        let visible = Visible::new(schema, &|id| held.iter().find(|(own, _)| *own == id).map(|(_, mask)| mask.clone()));
        let entry = self.shaped(who, visible, schema.version.0, spelling)?;
        let masks = held.iter().map(|(_, mask)| Arc::downgrade(mask)).collect();
        let cost = 256 + held.len() * 2 * size_of::<(CollectionId, usize)>();
        self.known.lock().put(who, given, cost, Known { _masks: masks, entry: Arc::downgrade(&entry) });
        Ok(entry)
    }

    fn shaped(
        &self,
        who: UserId,
        visible: Visible,
        version: u64,
        spelling: Spelling,
    ) -> Result<Arc<SchemaEntry>, GraphQlError> {
        let shape = visible.shape(version, spelling);
        if let Some(entry) = self.schemas.lock().get(&shape) {
            return Ok(entry.clone());
        }
        // Built outside the lock: two requests may build the same schema, and one of the two is dropped.
        let entry = Arc::new(SchemaEntry::build(visible, shape, spelling)?);
        let [itself, collection, field] = SCHEMA_COST;
        let fields: usize = entry.visible.collections.iter().map(|collection| collection.fields.len()).sum();
        let cost = itself + entry.visible.collections.len() * collection + fields * field;
        self.schemas.lock().put(who, shape, cost, entry.clone());
        Ok(entry)
    }

    /// The request's document, validated. Failures are not kept.
    pub(crate) fn document(
        &self,
        who: UserId,
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
        let key = Key::new(entry, request);
        if let Some(document) = self.documents.lock().get(&key) {
            return Ok(document.clone());
        }
        let made = prepare()?;
        let cost = 2048 + request.text.len() * COST;
        self.documents.lock().put(who, key, cost, made.clone());
        Ok(made)
    }

    /// What was answered to a request for introspection.
    pub(crate) fn introspected(&self, entry: &SchemaEntry, request: &Request) -> Option<Bytes> {
        self.introspected.lock().get(&Key::new(entry, request)).cloned()
    }

    /// Keeps what is answered to one, unless it is large.
    pub(crate) fn keep_introspected(&self, who: UserId, entry: &SchemaEntry, request: &Request, answer: &Bytes) {
        if answer.len() <= INTROSPECTED_MAX {
            let cost = 256 + request.text.len() + answer.len();
            self.introspected.lock().put(who, Key::new(entry, request), cost, answer.clone());
        }
    }
}

impl Key {
    fn new(entry: &SchemaEntry, request: &Request) -> Key {
        Key { shape: entry.shape, operation: request.operation_name.clone(), text: request.text.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WHO, library};
    use super::*;

    #[test]
    fn a_schema_that_is_kept_keeps_no_mask() {
        let library = library();
        let caches = Caches::new(1 << 20, 20_000);
        let masks = library.everything();
        let collection = library.schema.collections[0].id;
        let mask = masks(collection).unwrap();
        let ask = |mask: &Arc<Mask>| {
            caches
                .schema(WHO, &library.schema, &|id| (id == collection).then(|| Arc::clone(mask)), Spelling::V1)
                .unwrap()
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
        let caches = Caches::new(1 << 20, 20_000);
        let all = library.everything();
        let entry = caches.schema(WHO, &library.schema, &*all, Spelling::V1).unwrap();
        let again = caches.schema(WHO, &library.schema, &*library.everything(), Spelling::V1).unwrap();
        assert!(Arc::ptr_eq(&entry, &again));
        let known = caches.schema(WHO, &library.schema, &*all, Spelling::V1).unwrap();
        assert!(Arc::ptr_eq(&entry, &known), "the very same masks");
        assert!(!Arc::ptr_eq(&entry, &caches.schema(WHO, &library.schema, &*all, Spelling::V0).unwrap()));
        let masked = caches.schema(WHO, &library.schema, &*library.without(&["secret"]), Spelling::V1).unwrap();
        assert_ne!(entry.shape, masked.shape);
        for n in 0..40 {
            let request = Request::text(format!("{{ Book(limit: {n}) {{ title }} }}"));
            let first = caches.document(WHO, &entry, &request, &Limits::default(), true).unwrap();
            let second = caches.document(WHO, &entry, &request, &Limits::default(), true).unwrap();
            assert!(Arc::ptr_eq(&first, &second));
            let other = caches.document(WHO, &masked, &request, &Limits::default(), true).unwrap();
            assert!(!Arc::ptr_eq(&first, &other), "each shape has documents of its own");
        }
        let documents = caches.documents.lock();
        assert!(documents.bytes() <= 20_000 && documents.len() < 20, "{}", documents.bytes());
    }

    #[test]
    fn whoever_asks_in_many_ways_takes_nothing_from_others() {
        let library = library();
        let caches = Caches::new(200_000, 100_000);
        let all = library.everything();
        let (mine, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let entry = caches.schema(mine, &library.schema, &*all, Spelling::V1).unwrap();
        let asked = Request::text("{ Book { title } }");
        let (limits, answer) = (Limits::default(), Bytes::from_static(b"{}"));
        let document = caches.document(mine, &entry, &asked, &limits, true).unwrap();
        caches.keep_introspected(mine, &entry, &asked, &answer);
        let fields: Vec<String> =
            library.schema.collections.iter().flat_map(|of| &of.fields).map(|f| f.name.clone()).collect();
        for n in 0..200 {
            let hidden: Vec<&str> = (0..8).filter(|bit| n >> bit & 1 == 1).map(|bit| fields[bit].as_str()).collect();
            let theirs = caches.schema(other, &library.schema, &*library.without(&hidden), Spelling::V0).unwrap();
            let request = Request::text(format!("{{ __typename }} # {n} {}", "x".repeat(1_000)));
            caches.document(other, &theirs, &request, &limits, true).unwrap();
            caches.keep_introspected(other, &theirs, &request, &vec![b'x'; 1 << 20].into());
        }
        for (bytes, most) in [
            (caches.schemas.lock().bytes(), 200_000),
            (caches.documents.lock().bytes(), 100_000),
            (caches.introspected.lock().bytes(), INTROSPECTED),
        ] {
            assert!(bytes > most / 2 && bytes <= most, "control: {bytes} of {most}");
        }
        assert!(Arc::ptr_eq(&entry, &caches.schema(mine, &library.schema, &*all, Spelling::V1).unwrap()));
        assert!(Arc::ptr_eq(&document, &caches.document(mine, &entry, &asked, &limits, true).unwrap()));
        assert!(caches.introspected(&entry, &asked).is_some());
        caches.keep_introspected(mine, &entry, &asked, &vec![b'x'; INTROSPECTED_MAX + 1].into());
        assert_eq!(caches.introspected(&entry, &asked), Some(answer), "a large one is not kept");
    }
}
