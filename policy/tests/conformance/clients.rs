//! What operators and SpiceDB's clients may do to a live node beside the platform's own.

use std::sync::Arc;

use policy::PolicyError;
use policy_core::{Context, Engine, GroupId, Subject, Tuple};

use crate::household::{
    Backend, NOW, books, check, client, collections, gate, grant_id, household, person, resources, space, user,
};

/// Definitions of one's own, beside the platform's.
#[tokio::test]
async fn an_operator_adds_definitions_and_the_platform_stays() {
    const SHOP: &str = "caveat at_most(limit int, amount int) {\n  amount <= limit\n}\ndefinition shop {\n  relation \
                        buyer: user with at_most\n  permission buy = buyer\n}";
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let by = Context::from_iter([("actor".to_owned(), "operator".into())]);
        let whole = format!("{}\n{SHOP}", engine.schema());
        assert!(engine.write_schema(&whole, by.clone()).await.unwrap());
        assert!(!engine.write_schema(&whole, by.clone()).await.unwrap(), "again is no change");
        let buyer: Tuple = format!("shop:1#buyer@user:{}[at_most:{{\"limit\":10}}]", user(2)).parse().unwrap();
        let badly: Tuple = format!("shop:1#buyer@user:{}[at_most:{{\"limit\":\"ten\"}}]", user(2)).parse().unwrap();
        assert!(matches!(engine.write(vec![badly], vec![]).await, Err(PolicyError::Tuple(_))));
        engine.write_by(vec![buyer.clone()], vec![], by.clone()).await.unwrap();
        for engine in [Arc::clone(&engine), backend.open().await] {
            engine.declare_collections(space(7), &collections());
            let mut buys = check("shop:1", "buy", Subject::object("user", user(2)));
            let (decision, _) = engine.check_one(&buys, NOW);
            assert_eq!(decision.missing, ["amount"], "without the amount it depends");
            for (amount, allowed) in [(10, true), (11, false)] {
                buys.context.insert("amount".into(), amount.into());
                assert_eq!(engine.check_one(&buys, NOW).0.allowed(), allowed, "{amount}");
            }
            assert!(gate(&engine).read(&person(2), &resources(7), NOW).await.is_ok());
        }
        let open =
            whole.replace("permission administer = tenant->manage", "permission administer = tenant->manage + owner");
        assert!(matches!(engine.write_schema(&open, by.clone()).await, Err(PolicyError::Platform(_))));
        let without = policy::SCHEMA.to_owned();
        assert!(matches!(engine.write_schema(&without, by.clone()).await, Err(PolicyError::SchemaInUse(_))));
        assert!(matches!(engine.write_schema("definition", by.clone()).await, Err(PolicyError::Schema(_))));
        let rows = engine.audit(0, 100).await.unwrap();
        assert_eq!(
            rows.iter().rev().map(|row| row.action.as_str()).take(2).collect::<Vec<_>>(),
            ["write", "write_schema"]
        );
        assert!(rows[rows.len() - 1].detail.contains("\"by\":{\"actor\":\"operator\"}"));
        engine.write_by(vec![], vec![buyer], by.clone()).await.unwrap();
        assert!(engine.write_schema(&without, by).await.unwrap());
    }
}

/// What SpiceDB's clients may do to a live node, and what they may not.
#[tokio::test]
async fn clients_read_and_write_what_is_not_the_nodes_own() {
    use futures::StreamExt;
    use policy::{Consistency, Delete, EmbeddedService, Reason, RelationshipService, WatchRequest, Window, Write};
    use policy_core::{Filter, Precondition, Update};
    for backend in Backend::all().await {
        let engine = household(&backend).await;
        let service = EmbeddedService::new(Arc::clone(&engine), "operator");
        let mut events = service.watch(WatchRequest::default()).await.unwrap();
        let group = |n: u8| format!("group:{}", GroupId::from_bytes([n; 16]));
        let touch = |text: String| Update::Touch(text.parse().unwrap());
        let write = |updates: Vec<Update>| Write { updates, ..Write::default() };
        let nested = vec![
            touch(format!("{}#member@{}#member", group(1), group(2))),
            touch(format!("{}#member@user:{}", group(2), user(3))),
            touch(format!("space:{}#viewer@{}#member", space(7), group(1))),
        ];
        let epoch = engine.clock().now();
        service.write(write(nested)).await.unwrap();
        assert!(engine.clock().now() > epoch, "permits minted before are stale");
        assert!(gate(&engine).read(&person(3), &resources(7), NOW).await.is_ok());
        let told = events.next().await.unwrap().unwrap();
        assert_eq!(told.updates.len(), 3);
        assert_eq!(told.metadata["actor"], "operator");
        let rows = engine.audit(0, 100).await.unwrap();
        assert!(rows.last().unwrap().detail.contains("\"by\":{\"actor\":\"operator\"}"));
        for (text, reason) in [
            (format!("{}#member@{}#member", group(2), group(1)), Reason::InvalidArgument),
            (format!("space:{}#owner@user:{}", space(7), user(3)), Reason::ReadOnly),
            (format!("grant:{}/0#reader@client:{}", grant_id(1), client()), Reason::ReadOnly),
            (format!("collection:{}#space@space:{}", books(), space(9)), Reason::ReadOnly),
        ] {
            assert_eq!(service.write(write(vec![touch(text.clone())])).await.unwrap_err().reason, reason, "{text}");
        }
        let taken =
            Filter { resource_kind: Some("space".into()), relation: Some("viewer".into()), ..Filter::default() };
        let unless = Write {
            updates: vec![touch(format!("{}#member@user:{}", group(1), user(4)))],
            preconditions: vec![Precondition::MustNotMatch(taken.clone())],
            ..Write::default()
        };
        assert_eq!(service.write(unless).await.unwrap_err().reason, Reason::PreconditionFailed);
        let page = service.read(&taken, &Window::default(), &Consistency::Full).await.unwrap();
        assert_eq!(page.items.len(), 1);
        let deleted = service.delete(Delete { filter: taken.clone(), ..Delete::default() }).await.unwrap();
        assert_eq!((deleted.count, deleted.complete), (1, true));
        assert!(gate(&engine).read(&person(3), &resources(7), NOW).await.is_err());
        let all = Filter { resource_kind: Some("space".into()), relation: Some("owner".into()), ..Filter::default() };
        let own = service.delete(Delete { filter: all, ..Delete::default() }).await.unwrap_err();
        assert_eq!(own.reason, Reason::ReadOnly);
        assert!(gate(&engine).read(&person(2), &resources(7), NOW).await.unwrap().manages());
        // A restart begins another history; what was written is there.
        let again = EmbeddedService::new(backend.open().await, "operator");
        let members = Filter { resource_kind: Some("group".into()), ..Filter::default() };
        assert_eq!(
            again.read(&members, &Window::default(), &Consistency::AtLeast(deleted.at)).await.unwrap().items.len(),
            2
        );
    }
}
