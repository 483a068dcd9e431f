//! Two definitions of one name: whatever order definitions and commits come in, the view is that of a rebuild.

use proptest::prelude::*;

use super::*;
use crate::define;

const ITEM: CollectionId = CollectionId::from_bytes([3; 16]);

/// What a device may have defined a field as.
fn kinds() -> Vec<(FieldType, Merge)> {
    let scalar = |of| FieldType::Scalar { of, not_null: false };
    vec![
        (scalar(ScalarType::String), Merge::Lww),
        (scalar(ScalarType::Int), Merge::Lww),
        (FieldType::Scalar { of: ScalarType::Float64, not_null: true }, Merge::Lww),
        (scalar(ScalarType::Json), Merge::Lww),
        (FieldType::List { of: ScalarType::Int, item_not_null: true, not_null: false }, Merge::Lww),
        (FieldType::ToOne { target: ITEM, relation: "r".into(), not_null: false, one_one: true }, Merge::Lww),
        (FieldType::Inverse { target: ITEM, relation: "r".into(), via: field(41), many: true }, Merge::Lww),
        (scalar(ScalarType::Int), Merge::PnCounter),
        (scalar(ScalarType::Float64), Merge::PCounter),
    ]
}

fn deltas() -> Vec<Delta> {
    let date = Scalar::DateTime(Timestamp(i64::MAX));
    let set = [
        text("text"),
        int(5),
        int((1 << 53) + 1),
        float(2.5),
        Value::NULL,
        Value::List(vec![Scalar::Int(1)]),
        Value::Json(serde_json::json!({"a": 1})),
        link(doc(1)),
        Value::Scalar(date),
    ];
    let counters = [Delta::IntCounter { plus: 7, minus: 2 }, Delta::FloatCounter { total: 1.5 }];
    set.into_iter().map(Delta::Set).chain(counters).collect()
}

type Entry = Vec<Collection>;

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let drawn = (proptest::collection::vec(proptest::option::of(0..kinds().len()), 3), any::<bool>());
    proptest::collection::vec(drawn, 1..4).prop_map(|all| {
        let entry = |(n, (fields, unique)): (usize, (Vec<Option<usize>>, bool))| {
            let fields = fields.into_iter().enumerate().filter_map(|(i, kind)| {
                let (kind, merge) = kinds()[kind?].clone();
                Some(one(field(40 + i as u8), &format!("f{i}"), kind, merge))
            });
            let index =
                Index { name: "by".into(), unique, keys: vec![IndexKey { field: field(40), descending: false }] };
            vec![Collection {
                id: ITEM,
                name: "Item".into(),
                fields: fields.collect(),
                indexes: vec![index],
                version: cid(&format!("entry {n}")),
            }]
        };
        all.into_iter().enumerate().map(entry).collect()
    })
}

fn commits() -> impl Strategy<Value = Vec<DocumentCommit>> {
    let one = (0u8..3, any::<bool>(), proptest::collection::vec((0u8..3, 0..deltas().len()), 0..3));
    proptest::collection::vec(one, 1..8).prop_map(|all| {
        let mut made: Vec<DocumentCommit> = Vec::new();
        for (n, (of, follows, parts)) in all.into_iter().enumerate() {
            let last = made.iter().rev().find(|c| c.doc == doc(of)).map(|c| c.cid);
            let mut c = commit(ITEM, doc(of), &format!("c{n}"), &[], vec![]);
            if let Some(last) = last {
                c.salt = None;
                c.parents = if follows { vec![last] } else { vec![] };
            }
            c.hlc = Hlc(n as u64 / 2);
            c.seq = n as u64;
            let part = |(field_of, delta): (u8, usize)| FieldDelta {
                field: field(40 + field_of),
                generation: 0,
                part: [n as u8; 32],
                delta: deltas()[delta].clone(),
            };
            c.deltas = parts.into_iter().map(part).collect();
            c.deltas.sort_by_key(|delta| delta.field);
            c.deltas.dedup_by_key(|delta| delta.field);
            made.push(c);
        }
        made
    })
}

/// A replica: entries and commits as they come, parts that no definition names left unopened, as from the log.
struct Replica {
    view: View,
    entries: Vec<(usize, Entry)>,
    log: Vec<DocumentCommit>,
    _dir: tempfile::TempDir,
}

impl Replica {
    fn new() -> Replica {
        let dir = tempfile::tempdir().unwrap();
        let view = View::open(&dir.path().join("v"), &[1; 32]).unwrap();
        Replica { view, entries: Vec::new(), log: Vec::new(), _dir: dir }
    }

    fn define(&mut self, n: usize, entry: &Entry) {
        if self.entries.iter().all(|(other, _)| *other != n) {
            self.entries.push((n, entry.clone()));
            self.entries.sort_by_key(|(n, _)| *n);
        }
        let schema = define::merged(self.entries.iter().map(|(_, entry)| entry));
        if self.view.set_schema(&schema).unwrap() {
            assert_eq!(self.view.position().unwrap(), 0);
            for commit in self.log.clone() {
                self.open(&commit);
            }
        }
    }

    fn take(&mut self, commit: &DocumentCommit) {
        self.log.push(commit.clone());
        self.open(commit);
    }

    fn open(&mut self, commit: &DocumentCommit) {
        let schema = Arc::clone(self.view.schema());
        let Some(collection) = schema.collection(ITEM) else { return self.view.note_left_out().unwrap() };
        let mut opened = commit.clone();
        opened.deltas.retain(|delta| collection.field(delta.field).is_some());
        self.view.apply(&opened).unwrap();
    }

    /// Every field of every document, with its conflicts.
    fn answers(&self) -> serde_json::Value {
        self.answers_of(|_| true)
    }

    fn answers_of(&self, asked: impl Fn(&Field) -> bool) -> serde_json::Value {
        let schema = Arc::clone(self.view.schema());
        let collection = schema.collection(ITEM).unwrap();
        let mut fields: Vec<FieldId> = collection.fields.iter().map(|field| field.id).collect();
        fields.sort_unstable();
        let everything = Mask {
            entries: vec![policy_core::Entry {
                verbs: Verbs::ALL,
                fields: fields.into(),
                documents: Documents::All,
                predicate: Predicate::default(),
            }],
            valid_until: None,
        };
        let masks = with(Masked::new(), ITEM, everything.entries);
        let parts = [ConflictItem::FieldName, ConflictItem::Value, ConflictItem::Cid, ConflictItem::Reason];
        let parts = parts.into_iter().enumerate().map(|(i, part)| (format!("p{i}"), part)).collect();
        let mut items = vec![item("id", ItemKind::DocId), item("conflicts", ItemKind::Conflicts(parts))];
        for field in collection.fields.iter().filter(|field| field.is_stored() && asked(field)) {
            let kind = match field.kind {
                FieldType::ToOne { .. } => ItemKind::RelationId(field.id),
                _ => ItemKind::Field(field.id),
            };
            items.push(item(&field.name, kind));
        }
        let query = Query { roots: vec![Root { key: "r".into(), kind: select(ITEM, SelectArgs::default(), items) }] };
        let reader = self.view.reader().unwrap();
        let limits = Limits::default();
        let mut answer = Answer::new(Text::default(), Room::free(limits.bytes));
        reader.read_masked(&|id| masks.get(&id).cloned(), &schema, &query, &limits, &mut answer, || Ok(())).unwrap();
        serde_json::from_slice(&answer.sink.into_bytes()).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_same_commits_and_definitions_give_the_same_answers(
        entries in entries(),
        commits in commits(),
        order in proptest::collection::vec(any::<u16>(), 24),
    ) {
        let mut rebuilt = Replica::new();
        entries.iter().enumerate().for_each(|(n, entry)| rebuilt.define(n, entry));
        commits.iter().for_each(|commit| rebuilt.take(commit));
        let all = entries.len() + commits.len();
        let mut steps: Vec<(u16, usize)> = order.iter().enumerate().map(|(i, key)| (*key, i % all)).collect();
        steps.extend((0..all).map(|i| (u16::MAX, i)));
        steps.sort_unstable();
        let mut live = Replica::new();
        for (_, step) in steps {
            match step.checked_sub(entries.len()) {
                None => live.define(step, &entries[step]),
                Some(commit) => live.take(&commits[commit]),
            }
        }
        prop_assert_eq!(rebuilt.answers(), live.answers());
        prop_assert_eq!(rebuilt.view.digest().unwrap(), live.view.digest().unwrap());
    }
}

fn item_as(kind: FieldType, merge: Merge, name: &str) -> Entry {
    let fields = vec![one(field(40), "a", kind, merge)];
    vec![Collection { id: ITEM, name: "Item".into(), fields, indexes: vec![], version: cid(name) }]
}

#[test]
fn no_value_is_lost_from_sight_under_another_definition() {
    let kinds = kinds();
    let value = |delta: &Delta| -> Option<serde_json::Value> {
        Some(match delta {
            Delta::Set(Value::Scalar(Scalar::String(s))) => s.as_str().into(),
            Delta::Set(Value::Scalar(Scalar::Int(n))) => (*n).into(),
            Delta::Set(Value::Scalar(Scalar::Float(n))) => (*n).into(),
            Delta::Set(Value::List(_)) => serde_json::json!([1]),
            Delta::Set(Value::Json(json)) => json.clone(),
            Delta::IntCounter { .. } => 5.into(),
            Delta::FloatCounter { .. } => 1.5.into(),
            _ => return None,
        })
    };
    for (kind, merge) in kinds.into_iter().filter(|(kind, _)| !matches!(kind, FieldType::Inverse { .. })) {
        for delta in deltas() {
            let Some(wanted) = value(&delta) else { continue };
            let mut replica = Replica::new();
            replica
                .define(0, &item_as(FieldType::Scalar { of: ScalarType::String, not_null: false }, Merge::Lww, "e0"));
            let mut c = commit(ITEM, doc(9), "c", &[], vec![]);
            c.deltas = vec![FieldDelta { field: field(40), generation: 0, part: [1; 32], delta }];
            replica.take(&c);
            replica.define(1, &item_as(kind.clone(), merge, "e1"));
            let row = replica.answers()["r"][0].clone();
            let same =
                |told: &serde_json::Value| *told == wanted || told.as_f64().is_some_and(|t| Some(t) == wanted.as_f64());
            let conflicts = row["conflicts"].as_array().unwrap();
            let in_sight = same(&row["a"]) || conflicts.iter().any(|conflict| same(&conflict["p1"]));
            assert!(in_sight, "{kind:?} {merge:?} {wanted}: {row}");
            assert!(same(&row["a"]) || row["a"].is_null(), "{kind:?} {merge:?} {wanted}: {row}");
        }
    }
}

#[test]
fn both_definitions_of_a_name_are_one_and_the_later_decides_what_both_say() {
    let scalar = |of| FieldType::Scalar { of, not_null: false };
    let with = |n: u8, kind| one(field(n), &format!("f{n}"), kind, Merge::Lww);
    let by = |name: &str, unique, n| Index {
        name: name.into(),
        unique,
        keys: vec![IndexKey { field: field(n), descending: false }],
    };
    let of = |fields, indexes, name: &str| {
        vec![Collection { id: ITEM, name: "Item".into(), fields, indexes, version: cid(name) }]
    };
    let older = of(
        vec![with(1, scalar(ScalarType::String)), with(2, scalar(ScalarType::Int))],
        vec![by("i", false, 1), by("j", true, 2)],
        "a",
    );
    let newer = of(
        vec![with(1, scalar(ScalarType::Int)), with(3, scalar(ScalarType::Blob))],
        vec![by("i", true, 1), by("j", false, 3)],
        "b",
    );
    let schema = define::merged([&older, &newer].into_iter());
    let merged = &schema.collections[0];
    assert_eq!(merged.fields, [newer[0].fields[0].clone(), older[0].fields[1].clone(), newer[0].fields[1].clone()]);
    assert_eq!(merged.indexes, [by("i", true, 1), by("j", true, 2), by("j_2", false, 3)]);
    assert_eq!((merged.version, schema.version), (cid("b"), SchemaVersion(2)));
    let inverse = FieldType::Inverse { target: ITEM, relation: "r".into(), via: field(1), many: true };
    let schema = define::merged([&older, &of(vec![with(4, inverse)], vec![], "c")].into_iter());
    assert!(schema.collections[0].field(field(4)).is_none(), "the other side stores a text");
}

/// Each device defines as much as one entry may say; together it is more.
#[test]
fn what_two_devices_define_of_a_name_is_read_again_however_much_it_is() {
    let wide = |from: usize, name: &str| {
        let field = |n: usize| {
            let id = FieldId::from_bytes((n as u128).to_be_bytes());
            one(id, &format!("f{n}"), FieldType::Scalar { of: ScalarType::Int, not_null: false }, Merge::Lww)
        };
        let fields = (from..from + 600).map(field).collect();
        vec![Collection { id: ITEM, name: "Item".into(), fields, indexes: vec![], version: cid(name) }]
    };
    let schema = define::merged([&wide(0, "a"), &wide(600, "b")].into_iter());
    assert_eq!(schema.collections[0].fields.len(), 1_200);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("view");
    let mut view = View::open(&path, &[7; 32]).unwrap();
    view.set_schema(&schema).unwrap();
    drop(view);
    assert_eq!(**View::open(&path, &[7; 32]).unwrap().schema(), schema);
}

/// Three devices define as much as one entry may say: together it is more than a table of the view has columns.
#[test]
fn what_devices_define_beyond_the_columns_of_a_table_is_left_out_on_every_node_alike() {
    let id = |n: usize| FieldId::from_bytes((n as u128).to_be_bytes());
    let int = FieldType::Scalar { of: ScalarType::Int, not_null: false };
    let wide = |from: usize, name: &str| {
        let fields = (from..from + 1_024).map(|n| one(id(n), &format!("f{n}"), int.clone(), Merge::Lww)).collect();
        let by = |name: &str, n: usize| Index {
            name: name.into(),
            unique: false,
            keys: vec![IndexKey { field: id(n), descending: false }],
        };
        let indexes = vec![by("first", from), by("last", from + 1_023)];
        vec![Collection { id: ITEM, name: "Item".into(), fields, indexes, version: cid(name) }]
    };
    let entries = [wide(0, "a"), wide(1_024, "b"), wide(2_048, "c")];
    let written = |n: u8, of: usize| {
        let mut c = commit(ITEM, doc(n), &format!("c{n}"), &[], vec![]);
        c.deltas = vec![FieldDelta { field: id(of), generation: 0, part: [n; 32], delta: Delta::Set(int_of(of)) }];
        c
    };
    let commits = [written(1, 3), written(2, 1_030), written(3, 2_040), written(4, 2_050)];
    let made = |order: [usize; 3]| {
        let mut replica = Replica::new();
        let mut early = commits.iter();
        for n in order {
            replica.define(n, &entries[n]);
            early.next().into_iter().for_each(|commit| replica.take(commit));
        }
        early.for_each(|commit| replica.take(commit));
        replica
    };
    let (here, there) = (made([0, 1, 2]), made([2, 1, 0]));
    let schema = here.view.schema();
    let fields = &schema.collections[0].fields;
    assert_eq!(fields.len(), define::STORED);
    assert!(fields.iter().map(|field| field.id).eq((0..define::STORED).map(id)), "in the order of the entries");
    let indexes: Vec<_> = schema.collections[0].indexes.iter().map(|index| index.name.as_str()).collect();
    assert_eq!(indexes, ["first", "last", "first_2"], "what an index is by is there");
    // More at once than some are too wide an answer.
    let answers_of = |replica: &Replica| replica.answers_of(|field| ["f3", "f1030", "f1500"].contains(&&*field.name));
    let answers = answers_of(&here);
    assert_eq!((&answers["r"][0]["f3"], &answers["r"][1]["f1030"]), (&3.into(), &1_030.into()), "control");
    assert_eq!(answers["r"].as_array().unwrap().len(), 4);
    assert_eq!(answers, answers_of(&there));
    assert_eq!(here.view.digest().unwrap(), there.view.digest().unwrap());
    assert_eq!(answers, answers_of(&made([1, 2, 0])));
}

fn int_of(n: usize) -> Value {
    int(n as i64)
}
