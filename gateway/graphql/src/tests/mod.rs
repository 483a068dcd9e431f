//! Tests of the whole front, on a small library of books.

mod hostile;
mod masked;
mod plans;
mod v0;

use std::sync::Arc;

use policy_core::{
    CollectionId, Condition, Documents, Entry, FieldId, Mask, Predicate, SchemaVersion, UserId, Verb, Verbs,
};
use vault_core::schema::{Collection, Field, FieldType, NewFieldType, Schema};

use super::context::{Context, FREE_ANSWER};
use super::plan::{Plan, plan};
use super::request::{Limits, Request};
use super::{Caches, GraphQlError, Spelling, sdl};

/// Whoever asks.
pub const WHO: UserId = UserId::from_bytes([7; 16]);

pub type Masking = Box<dyn Fn(CollectionId) -> Option<Arc<Mask>>>;

/// Definitions with ids, as the vault would give them.
pub struct Fixture {
    pub schema: Schema,
    pub caches: Caches,
}

const LIBRARY: &str = r#"
    type Author { name: String @index(unique: true) born: Int books: [Book] }
    type Book {
        title: String! rating: Float pages: Int tags: [String!] scores: [Int] out: DateTime author: Author
        meta: JSON cover: Blob big: Int @crdt(type: pcounter) secret: Int
    }"#;

pub fn library() -> Fixture {
    Fixture::new(LIBRARY)
}

fn cid(n: u8) -> cid::Cid {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest([n]);
    let mut bytes = vec![1, 0x55, 0x12, 32];
    bytes.extend_from_slice(&digest);
    cid::Cid::try_from(bytes.as_slice()).unwrap()
}

impl Fixture {
    pub fn new(text: &str) -> Fixture {
        let new = sdl::compile(text, &Schema::default()).unwrap_or_else(|error| panic!("{error}"));
        let collection_id = |name: &str| {
            let at = new.iter().position(|collection| collection.name == name).unwrap();
            CollectionId::from_bytes([at as u8 + 1; 16])
        };
        // Ids by name, so that a schema without a field gives the others the same ids.
        let field_id = |collection: &str, name: &str| {
            let mut bytes = [0u8; 16];
            for (at, byte) in collection.bytes().chain(*b".").chain(name.bytes()).enumerate() {
                bytes[at % 16] = bytes[at % 16].wrapping_mul(31).wrapping_add(byte);
            }
            FieldId::from_bytes(bytes)
        };
        let mut collections: Vec<Collection> = new
            .iter()
            .map(|collection| Collection {
                id: collection_id(&collection.name),
                name: collection.name.clone(),
                fields: collection
                    .fields
                    .iter()
                    .map(|field| Field {
                        id: field_id(&collection.name, &field.name),
                        name: field.name.clone(),
                        kind: match field.kind.clone() {
                            NewFieldType::Scalar { of, not_null } => FieldType::Scalar { of, not_null },
                            NewFieldType::List { of, item_not_null, not_null } => {
                                FieldType::List { of, item_not_null, not_null }
                            }
                            NewFieldType::ToOne { target, relation, not_null, one_one } => {
                                FieldType::ToOne { target: collection_id(&target), relation, not_null, one_one }
                            }
                            NewFieldType::Inverse { target, relation, via, many } => FieldType::Inverse {
                                via: field_id(&target, &via),
                                target: collection_id(&target),
                                relation,
                                many,
                            },
                        },
                        merge: field.merge,
                        default: field.default.clone(),
                        size: field.size,
                    })
                    .collect(),
                indexes: Vec::new(),
                version: cid(1),
            })
            .collect();
        collections.sort_by(|a, b| a.name.cmp(&b.name));
        Fixture { schema: Schema { version: SchemaVersion(1), collections }, caches: Caches::default() }
    }

    pub fn id(&self, collection: &str) -> CollectionId {
        self.schema.collection_named(collection).unwrap().id
    }

    pub fn field(&self, collection: &str, field: &str) -> FieldId {
        self.schema.collection_named(collection).unwrap().field_named(field).unwrap().id
    }

    /// A mask that gives `verbs` on the fields that `keep` keeps, in the collections that `has` names.
    pub fn masks(
        &self,
        has: impl Fn(&str) -> bool,
        keep: impl Fn(&str, &str) -> bool,
        verbs: Verbs,
        predicate: Predicate,
    ) -> Masking {
        let masks: Vec<(CollectionId, Arc<Mask>)> = self
            .schema
            .collections
            .iter()
            .filter(|collection| has(&collection.name))
            .map(|collection| {
                let mut fields: Vec<FieldId> = collection
                    .fields
                    .iter()
                    .filter(|field| keep(&collection.name, &field.name))
                    .map(|field| field.id)
                    .collect();
                fields.sort_unstable();
                let entry =
                    Entry { verbs, fields: fields.into(), documents: Documents::All, predicate: predicate.clone() };
                (collection.id, Arc::new(Mask { entries: vec![entry], valid_until: None }))
            })
            .collect();
        Box::new(move |id| masks.iter().find(|(own, _)| *own == id).map(|(_, mask)| mask.clone()))
    }

    pub fn everything(&self) -> Masking {
        self.masks(|_| true, |_, _| true, Verbs::ALL, Predicate::default())
    }

    /// Every verb on every field but these.
    pub fn without(&self, hidden: &[&str]) -> Masking {
        self.masks(|_| true, |_, field| !hidden.contains(&field), Verbs::ALL, Predicate::default())
    }

    pub fn verbs(&self, verbs: &[Verb]) -> Masking {
        self.masks(|_| true, |_, _| true, verbs.iter().copied().collect(), Predicate::default())
    }

    /// A mask whose only entry covers some rows.
    pub fn scoped(&self, collection: &str, field: &str, value: policy_core::Scalar) -> Masking {
        let comparison = policy_core::Comparison::Eq(value);
        let condition = Condition { field: self.field(collection, field), comparison };
        let predicate = Predicate { conditions: vec![condition] };
        self.masks(|name| name == collection, |_, _| true, Verbs::ALL, predicate)
    }

    pub fn plan_with(&self, masks: &Masking, spelling: Spelling, request: &Request) -> Result<Plan, Vec<GraphQlError>> {
        let context = Context {
            schema: &self.schema,
            masks: &**masks,
            spelling,
            allow_mutation: true,
            limits: Limits::default(),
            caches: &self.caches,
            who: WHO,
            room: &|_| true,
        };
        plan(request, &context)
    }

    pub fn plan(&self, text: &str) -> Result<Plan, Vec<GraphQlError>> {
        self.plan_with(&self.everything(), Spelling::V1, &Request::text(text))
    }

    pub fn plan_vars(&self, text: &str, variables: serde_json::Value) -> Result<Plan, Vec<GraphQlError>> {
        self.plan_with(&self.everything(), Spelling::V1, &with_variables(text, variables))
    }

    /// The code of the first error.
    pub fn code(&self, text: &str) -> &'static str {
        self.plan(text).map_or_else(|errors| errors[0].code, |_| "planned")
    }
}

pub fn with_variables(text: &str, variables: serde_json::Value) -> Request {
    let serde_json::Value::Object(variables) = variables else { panic!("variables are an object") };
    Request { text: text.to_owned(), operation_name: None, variables }
}

pub fn query(plan: Plan) -> vault_core::query::Query {
    match plan {
        Plan::Query(query) => query,
        other => panic!("not a query: {other:?}"),
    }
}

pub fn change(plan: Plan) -> vault_core::change::ChangeRequest {
    match plan {
        Plan::Change(change) => change,
        other => panic!("not a change: {other:?}"),
    }
}

pub fn answer(plan: Plan) -> serde_json::Value {
    match plan {
        Plan::Answer(data) => serde_json::from_slice(&data).unwrap(),
        other => panic!("not an answer: {other:?}"),
    }
}
