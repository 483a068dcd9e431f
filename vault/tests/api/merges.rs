//! What two devices did apart: both answer the same, before and after a rebuild, and say what does not fit.

use policy_core::{Scalar, SpaceId, UserId};
use rand::SeedableRng;
use serde_json::{Value as Json, json};
use vault::log::Scope;
use vault_core::change::{Action, Change, ChangeRequest, NewDocument, Target};
use vault_core::identity::DeviceSecret;
use vault_core::query::{
    ConflictItem, Filter, Item, ItemKind, Operand, Operator, Query, Root, RootKind, Select, SelectArgs,
};
use vault_core::schema::{Merge, NewCollection, NewField, NewFieldType, NewIndex, ScalarType};
use vault_core::value::Value;

use crate::node::Node;
use crate::replicas::{carry, meet};

fn field(name: &str, kind: NewFieldType, merge: Merge) -> NewField {
    NewField { name: name.into(), kind, merge, default: None, size: None }
}

fn scalar(of: ScalarType, not_null: bool) -> NewFieldType {
    NewFieldType::Scalar { of, not_null }
}

fn item(fields: Vec<NewField>, unique: Option<&str>) -> NewCollection {
    let index = |name: &str| NewIndex { name: None, unique: true, keys: vec![(name.into(), false)] };
    NewCollection { name: "Item".into(), fields, indexes: unique.map(index).into_iter().collect() }
}

struct Pair {
    home: Node,
    laptop: Node,
    user: UserId,
    space: SpaceId,
}

impl Pair {
    async fn new() -> Pair {
        let (home, laptop) = (Node::new().await, Node::new().await);
        let account = home.vault.create_account().await.unwrap();
        let (user, space) = (account.user, account.space);
        let device = DeviceSecret::random(&mut rand::rngs::StdRng::seed_from_u64(1));
        home.vault.enrol(user, device.public(laptop.vault.transport()), [7; 32]).await.unwrap();
        carry(&home.vault, &laptop.vault, Scope::Account(user)).await;
        laptop.vault.join(user, device).await.unwrap();
        meet(&home.vault, &laptop.vault, user, space).await;
        laptop.time.fetch_add(60_000_000, std::sync::atomic::Ordering::SeqCst);
        Pair { home, laptop, user, space }
    }

    async fn meet(&self) {
        meet(&self.home.vault, &self.laptop.vault, self.user, self.space).await;
    }

    async fn define(&self, node: &Node, collection: NewCollection) {
        let permits = node.write_permits(self.user, self.space).await;
        node.vault.define(&permits, &[collection]).await.unwrap();
    }

    async fn change(&self, node: &Node, action: impl FnOnce(&dyn Fn(&str) -> policy_core::FieldId) -> Action) {
        let schema = node.vault.schema(self.space).await.unwrap();
        let items = schema.collection_named("Item").unwrap();
        let action = action(&|name| items.field_named(name).unwrap().id);
        let change = Change { key: "r".into(), collection: items.id, action, items: vec![] };
        let permits = node.write_permits(self.user, self.space).await;
        node.vault.write(permits, ChangeRequest { changes: vec![change] }).await.unwrap();
    }

    async fn add(&self, node: &Node, values: &[(&str, Scalar)]) {
        self.change(node, |id| {
            let fields = values.iter().map(|(name, value)| (id(name), Value::Scalar(value.clone()))).collect();
            Action::Add(vec![NewDocument { doc_id: None, fields }])
        })
        .await;
    }

    /// Values and conflicts of every item.
    async fn items(&self, node: &Node) -> Json {
        let schema = node.vault.schema(self.space).await.unwrap();
        let collection = schema.collection_named("Item").unwrap();
        let parts = [("of", ConflictItem::FieldName), ("value", ConflictItem::Value), ("why", ConflictItem::Reason)];
        let parts = parts.map(|(name, part)| (name.to_owned(), part)).into();
        let mut items = vec![Item { key: "conflicts".into(), kind: ItemKind::Conflicts(parts) }];
        items.extend(
            collection.fields.iter().map(|field| Item { key: field.name.clone(), kind: ItemKind::Field(field.id) }),
        );
        let select = Select { collection: collection.id, args: SelectArgs::default(), items };
        let query = Query { roots: vec![Root { key: "r".into(), kind: RootKind::Select(select) }] };
        let permits = node.read_permits(self.user, self.space).await;
        let read = node.vault.read(permits, query).await.unwrap();
        serde_json::from_slice::<Json>(&read.sink.into_bytes()).unwrap()["r"].take()
    }

    /// What both answer, which is the same before and after a rebuild of each.
    async fn answer(&self) -> Json {
        let mut digests = Vec::new();
        let mut answers = Vec::new();
        for rebuild in [false, true] {
            for node in [&self.home, &self.laptop] {
                let health = node.vault.doctor(rebuild, |_, _| {}).await.unwrap();
                digests.push(health.into_iter().map(|health| (health.documents, health.digest)).collect::<Vec<_>>());
                answers.push(self.items(node).await);
            }
        }
        assert!(digests.windows(2).all(|two| two[0] == two[1]), "{digests:?}");
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
        answers.swap_remove(0)
    }
}

fn text(value: &str) -> Scalar {
    Scalar::String(value.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_definitions_of_one_name_give_one_answer_and_lose_nothing_from_sight() {
    let pair = Pair::new().await;
    let (home, laptop) = (&pair.home, &pair.laptop);
    pair.define(home, item(vec![field("a", scalar(ScalarType::String, false), Merge::Lww)], None)).await;
    pair.add(home, &[("a", text("text"))]).await;
    pair.add(home, &[("a", text("5"))]).await;
    let later = vec![
        field("a", scalar(ScalarType::Int, false), Merge::Lww),
        field("b", scalar(ScalarType::String, false), Merge::Lww),
    ];
    pair.define(laptop, item(later, None)).await;
    pair.add(laptop, &[("a", Scalar::Int(5)), ("b", text("only here"))]).await;
    pair.add(laptop, &[("a", Scalar::Int(6))]).await;
    pair.meet().await;
    let other = |value: &str| json!([{"of": "a", "value": value, "why": "type"}]);
    assert_eq!(
        pair.answer().await,
        json!([
            {"conflicts": other("text"), "a": null, "b": null},
            {"conflicts": other("5"), "a": null, "b": null},
            {"conflicts": [], "a": 5, "b": "only here"},
            {"conflicts": [], "a": 6, "b": null},
        ])
    );
    // A write under the definition that holds resolves it.
    pair.change(home, |id| Action::Update {
        target: Target { doc_ids: None, filter: Some(Filter::Is(Operand::Field(id("a")), Operator::Eq(Value::NULL))) },
        fields: vec![(id("a"), Value::Scalar(Scalar::Int(7)))],
        expect_heads: None,
    })
    .await;
    pair.meet().await;
    let all = pair.answer().await;
    assert_eq!(all[0], json!({"conflicts": [], "a": 7, "b": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_only_one_of_two_definitions_has_is_kept() {
    let pair = Pair::new().await;
    let (home, laptop) = (&pair.home, &pair.laptop);
    let wide = vec![
        field("a", scalar(ScalarType::Int, false), Merge::PnCounter),
        field("b", scalar(ScalarType::String, false), Merge::Lww),
    ];
    pair.define(home, item(wide, Some("b"))).await;
    pair.add(home, &[("a", Scalar::Int(3)), ("b", text("kept"))]).await;
    pair.define(laptop, item(vec![field("a", scalar(ScalarType::Int, true), Merge::Lww)], None)).await;
    pair.add(laptop, &[("a", Scalar::Int(4))]).await;
    pair.meet().await;
    assert_eq!(
        pair.answer().await,
        json!([
            {"conflicts": [{"of": "a", "value": 3, "why": "type"}], "a": null, "b": "kept"},
            {"conflicts": [], "a": 4, "b": null},
        ])
    );
    assert!(home.vault.schema(pair.space).await.unwrap().collection_named("Item").unwrap().indexes[0].unique);
    // A write under the definition that holds has seen the counter: it is listed no more.
    pair.change(laptop, |id| Action::Update {
        target: Target { doc_ids: None, filter: Some(Filter::Is(Operand::Field(id("a")), Operator::Eq(Value::NULL))) },
        fields: vec![(id("a"), Value::Scalar(Scalar::Int(8)))],
        expect_heads: None,
    })
    .await;
    pair.meet().await;
    assert_eq!(pair.answer().await[0], json!({"conflicts": [], "a": 8, "b": "kept"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_must_be_unique_and_meet_are_listed_until_they_part() {
    let pair = Pair::new().await;
    let (home, laptop) = (&pair.home, &pair.laptop);
    pair.define(home, item(vec![field("a", scalar(ScalarType::String, true), Merge::Lww)], Some("a"))).await;
    pair.meet().await;
    pair.add(home, &[("a", text("same"))]).await;
    pair.add(home, &[("a", text("other"))]).await;
    pair.add(laptop, &[("a", text("same"))]).await;
    pair.meet().await;
    let listed = json!([{"of": "a", "value": "same", "why": "unique"}]);
    assert_eq!(
        pair.answer().await,
        json!([
            {"conflicts": [], "a": "same"},
            {"conflicts": [], "a": "other"},
            {"conflicts": listed, "a": "same"},
        ])
    );
    // The one that is not listed goes: the other keeps what it has.
    let same = |id: &dyn Fn(&str) -> policy_core::FieldId| {
        Filter::Is(Operand::Field(id("a")), Operator::Eq(Value::Scalar(text("same"))))
    };
    pair.change(home, |id| Action::Delete {
        target: Target { doc_ids: None, filter: Some(same(id)) },
        expect_heads: None,
    })
    .await;
    pair.meet().await;
    assert_eq!(pair.answer().await, json!([{"conflicts": [], "a": "other"}]));
}
