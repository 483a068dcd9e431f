//! Tests of the view: definitions and commits are made by hand, masks are passed directly.

mod apply;
mod changes;
mod costs;
mod definitions;
mod deltas;
mod scope;
mod select;
mod wide;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
use cid::multihash::Multihash;
use policy_core::{
    CollectionId, Comparison, Condition, DeviceId, DocId, Documents, Entry, FieldId, Mask, Predicate, Scalar,
    SchemaVersion, Timestamp, UserId, Verb, Verbs,
};
use sha2::{Digest, Sha256};
use vault_core::document::{Author, Delta, DocumentCommit, FieldDelta, Hlc, Status};
use vault_core::query::{
    Aggregate, AggregateSource, ConflictItem, Filter, Function, Item, ItemKind, Operand, Operator, OrderKey,
    OrderOperand, Over, Query, Root, RootKind, Select, SelectArgs,
};
use vault_core::schema::{Collection, Field, FieldType, Index, IndexKey, Merge, ScalarType, Schema};
use vault_core::value::Value;

use super::{Answer, Cell, Cells, Limits, ReadError, Reader, Room, Text, View};

pub const AUTHOR: CollectionId = CollectionId::from_bytes([1; 16]);
pub const BOOK: CollectionId = CollectionId::from_bytes([2; 16]);

pub const fn field(n: u8) -> FieldId {
    FieldId::from_bytes([n; 16])
}
pub const NAME: FieldId = field(10);
pub const BORN: FieldId = field(11);
pub const BOOKS: FieldId = field(12);
pub const TITLE: FieldId = field(20);
pub const RATING: FieldId = field(21);
pub const PAGES: FieldId = field(22);
pub const TAGS: FieldId = field(23);
pub const OUT: FieldId = field(24);
pub const BY: FieldId = field(25);
pub const EXTRA: FieldId = field(26);
pub const READS: FieldId = field(27);
pub const COVER: FieldId = field(28);

pub fn cid(text: &str) -> Cid {
    let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    Cid::new_v1(0x71, Multihash::wrap(0x12, &hash).unwrap())
}

pub fn doc(n: u8) -> DocId {
    let mut id = [0u8; 16];
    id[15] = n;
    DocId::from_bytes(id)
}

fn one(id: FieldId, name: &str, kind: FieldType, merge: Merge) -> Field {
    Field { id, name: name.into(), kind, merge, default: None, size: None }
}

fn scalar(id: FieldId, name: &str, of: ScalarType) -> Field {
    one(id, name, FieldType::Scalar { of, not_null: false }, Merge::Lww)
}

pub fn schema() -> Schema {
    let index = |field| Index { name: "by".into(), unique: true, keys: vec![IndexKey { field, descending: false }] };
    let author = Collection {
        id: AUTHOR,
        name: "Author".into(),
        fields: vec![
            scalar(NAME, "name", ScalarType::String),
            scalar(BORN, "born", ScalarType::Int),
            one(
                BOOKS,
                "books",
                FieldType::Inverse { target: BOOK, relation: "r".into(), via: BY, many: true },
                Merge::Lww,
            ),
        ],
        indexes: vec![index(NAME)],
        version: cid("author"),
    };
    let list = FieldType::List { of: ScalarType::String, item_not_null: true, not_null: false };
    let to_one = FieldType::ToOne { target: AUTHOR, relation: "r".into(), not_null: false, one_one: false };
    let book = Collection {
        id: BOOK,
        name: "Book".into(),
        fields: vec![
            scalar(TITLE, "title", ScalarType::String),
            scalar(RATING, "rating", ScalarType::Float64),
            scalar(PAGES, "pages", ScalarType::Int),
            one(TAGS, "tags", list, Merge::Lww),
            scalar(OUT, "out", ScalarType::DateTime),
            one(BY, "author", to_one, Merge::Lww),
            scalar(EXTRA, "extra", ScalarType::Json),
            one(READS, "reads", FieldType::Scalar { of: ScalarType::Int, not_null: false }, Merge::PnCounter),
            scalar(COVER, "cover", ScalarType::Blob),
        ],
        indexes: vec![index(TITLE)],
        version: cid("book"),
    };
    Schema { version: SchemaVersion(1), collections: vec![author, book] }
}

pub fn int(n: i64) -> Value {
    Value::Scalar(Scalar::Int(n))
}
pub fn text(s: &str) -> Value {
    Value::Scalar(Scalar::String(s.into()))
}
pub fn float(n: f64) -> Value {
    Value::Scalar(Scalar::Float(n))
}
pub fn link(to: DocId) -> Value {
    Value::Scalar(Scalar::Blob(to.as_bytes().to_vec()))
}

/// A commit named by `name`; parents by their names.
pub fn commit(
    collection: CollectionId,
    of: DocId,
    name: &str,
    parents: &[&str],
    values: Vec<(FieldId, Value)>,
) -> DocumentCommit {
    let deltas = values.into_iter().map(|(field, value)| FieldDelta {
        field,
        generation: 0,
        part: Sha256::digest(format!("{name}{field}")).into(),
        delta: Delta::Set(value),
    });
    let root = parents.is_empty();
    DocumentCommit {
        collection,
        doc: of,
        cid: cid(name),
        root: cid(if root { name } else { "root" }),
        salt: root.then_some([7; 16]),
        parents: parents.iter().map(|parent| cid(parent)).collect(),
        height: parents.len() as u64 + u64::from(!root) * name.len() as u64,
        hlc: Hlc(name.bytes().fold(0, |sum, b| sum * 31 + u64::from(b))),
        device: DeviceId::from_bytes([9; 16]),
        seq: 1,
        author: Author { user: UserId::from_bytes([8; 16]), app: None },
        status: None,
        deltas: deltas.collect(),
    }
}

pub fn with_status(mut commit: DocumentCommit, status: Status) -> DocumentCommit {
    commit.status = Some(status);
    commit
}

pub struct Fixture {
    _dir: tempfile::TempDir,
    pub view: View,
    pub reader: Reader,
    pub schema: Schema,
}

impl Fixture {
    pub fn empty() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let mut view = View::open(&dir.path().join("view.db"), &[5; 32]).unwrap();
        let schema = schema();
        view.set_schema(&schema).unwrap();
        let reader = view.reader().unwrap();
        Fixture { _dir: dir, view, reader, schema }
    }

    /// Two authors with two books each, and a book of nobody.
    pub fn library() -> Fixture {
        let mut fixture = Fixture::empty();
        let mut commits = vec![
            commit(AUTHOR, doc(1), "a1", &[], vec![(NAME, text("Austen")), (BORN, int(1775))]),
            commit(AUTHOR, doc(2), "a2", &[], vec![(NAME, text("Borges")), (BORN, int(1899))]),
        ];
        for n in 1..=4u8 {
            let tags = Value::List(vec![Scalar::String("t".into()), Scalar::String(format!("n{n}"))]);
            commits.push(commit(
                BOOK,
                doc(10 + n),
                &format!("b{n}"),
                &[],
                vec![
                    (TITLE, text(&format!("Book {n}"))),
                    (RATING, float(f64::from(n) + 0.5)),
                    (PAGES, int(100 * i64::from(n.div_ceil(2)))),
                    (TAGS, tags),
                    (OUT, Value::Scalar(Scalar::DateTime(Timestamp(i64::from(n) * 86_400_000_000)))),
                    (BY, link(doc(1 + n % 2))),
                    (EXTRA, Value::Json(serde_json::json!({"a": {"b": n}, "l": [n, 9]}))),
                    (COVER, Value::Scalar(Scalar::Blob(vec![n, 0xff]))),
                ],
            ));
        }
        commits.push(commit(BOOK, doc(15), "b5", &[], vec![(TITLE, text("Anon"))]));
        fixture.apply(&commits);
        fixture
    }

    pub fn apply(&mut self, commits: &[DocumentCommit]) {
        self.view.begin().unwrap();
        for commit in commits {
            self.view.apply(commit).unwrap();
        }
        self.view.commit().unwrap();
    }

    pub fn read(&self, masks: &Masked, root: RootKind) -> Result<serde_json::Value, ReadError> {
        let query = Query { roots: vec![Root { key: "r".into(), kind: root }] };
        // What is right does not depend on how busy the machine is.
        let limits = Limits { time: Duration::from_secs(300), ..Limits::default() };
        let bytes = self.answer(masks, &query, &limits, || Ok(()))?;
        let mut value: serde_json::Value =
            serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
        Ok(value["r"].take())
    }

    /// As [`Fixture::read`], in typed cells.
    pub fn cells(&self, masks: &Masked, root: RootKind) -> Result<Cell, ReadError> {
        let query = Query { roots: vec![Root { key: "r".into(), kind: root }] };
        let limits = Limits::default();
        let mut answer = Answer::new(Cells::default(), Room::free(limits.bytes));
        let lookup = |id| masks.get(&id).cloned();
        self.reader.read_masked(&lookup, &self.schema, &query, &limits, &mut answer, || Ok(()))?;
        match answer.sink.into_root() {
            Cell::Row(mut roots) => Ok(roots.remove(0).1),
            other => panic!("{other:?}"),
        }
    }

    /// The bytes of an answer, as a reader writes them.
    pub fn answer(
        &self,
        masks: &Masked,
        query: &Query,
        limits: &Limits,
        admits: impl Fn() -> Result<(), policy_core::SealRefusal>,
    ) -> Result<Vec<u8>, ReadError> {
        let mut answer = Answer::new(Text::default(), Room::free(limits.bytes));
        self.reader.read_masked(&|id| masks.get(&id).cloned(), &self.schema, query, limits, &mut answer, admits)?;
        Ok(answer.sink.into_bytes())
    }

    pub fn titles(&self, masks: &Masked, args: SelectArgs) -> Vec<String> {
        let rows = self.read(masks, select(BOOK, args, vec![item("t", ItemKind::Field(TITLE))])).unwrap();
        let title = |row: &serde_json::Value| row["t"].as_str().unwrap_or("null").to_owned();
        rows.as_array().unwrap().iter().map(title).collect()
    }
}

pub type Masked = HashMap<CollectionId, Arc<Mask>>;

pub fn entry(verbs: &[Verb], fields: &[FieldId], conditions: Vec<(FieldId, Comparison)>) -> Entry {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let conditions = conditions.into_iter().map(|(field, comparison)| Condition { field, comparison }).collect();
    Entry {
        verbs: verbs.iter().copied().collect(),
        fields: fields.into(),
        documents: Documents::All,
        predicate: Predicate { conditions },
    }
}

pub fn mask(entries: Vec<Entry>) -> Arc<Mask> {
    Arc::new(Mask { entries, valid_until: None })
}

/// Every verb on every field of every document.
pub fn owner() -> Masked {
    let all = |collection: &Collection| {
        let mut fields: Vec<FieldId> = collection.fields.iter().map(|field| field.id).collect();
        fields.sort_unstable();
        let entry = Entry {
            verbs: Verbs::ALL,
            fields: fields.into(),
            documents: Documents::All,
            predicate: Predicate::default(),
        };
        (collection.id, mask(vec![entry]))
    };
    schema().collections.iter().map(all).collect()
}

pub fn with(mut masks: Masked, collection: CollectionId, entries: Vec<Entry>) -> Masked {
    masks.insert(collection, mask(entries));
    masks
}

pub fn item(key: &str, kind: ItemKind) -> Item {
    Item { key: key.into(), kind }
}

pub fn select(collection: CollectionId, args: SelectArgs, items: Vec<Item>) -> RootKind {
    RootKind::Select(Select { collection, args, items })
}

pub fn nested(collection: CollectionId, args: SelectArgs, items: Vec<Item>) -> Box<Select> {
    Box::new(Select { collection, args, items })
}

pub fn filtered(filter: Filter) -> SelectArgs {
    SelectArgs { filter: Some(filter), ..SelectArgs::default() }
}

pub fn is(field: FieldId, operator: Operator) -> Filter {
    Filter::Is(Operand::Field(field), operator)
}

pub fn by(field: FieldId, descending: bool) -> OrderKey {
    OrderKey { operand: OrderOperand::Own(Operand::Field(field)), descending }
}

pub fn aggregate(function: Function, over: Over, field: Option<FieldId>) -> Aggregate {
    let source = AggregateSource { over, field, filter: None, elements: vec![], order: vec![], limit: None, offset: 0 };
    Aggregate { function, sources: vec![source] }
}
