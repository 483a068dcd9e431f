use proptest::prelude::*;
use serde_json::json;

use super::*;

fn context() -> impl Strategy<Value = Context> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        (-(1i64 << 53) + 1..(1 << 53)).prop_map(serde_json::Value::from),
        "[a-z]{0,8}".prop_map(serde_json::Value::from),
    ];
    let json = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::Array),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z]{1,4}", json, 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn tuple() -> impl Strategy<Value = Tuple> {
    let caveat = prop::option::of(context().prop_map(|context| CaveatUse { name: "lim".into(), context }));
    let relation = prop::option::of("[a-z]{3,6}");
    let until = prop::option::of((-62_135_596_800_000_000i64..253_402_300_799_000_000).prop_map(Timestamp));
    ("[a-z]{3,5}", "[a-z0-9|/]{1,9}", "[a-z]{3,5}", relation, caveat, until).prop_map(
        |(kind, id, name, relation, caveat, until)| Tuple {
            resource: Object::new(&kind, &id),
            relation: name,
            subject: Subject { object: Object::new("user", id), relation },
            caveat,
            until,
        },
    )
}

proptest! {
    #[test]
    fn a_relationship_comes_back_as_it_went(tuple in tuple()) {
        prop_assert_eq!(to_tuple(relationship(&tuple)).unwrap(), tuple);
    }
}

#[test]
fn numbers_that_are_no_doubles_go_as_text() {
    let context: Context = serde_json::from_value(
        json!({ "small": 1.0, "half": 0.5, "whole": 9_007_199_254_740_993u64, "low": i64::MIN }),
    )
    .unwrap();
    let sent = structure(&context);
    let kind = |name: &str| sent.fields[name].kind.clone().unwrap();
    assert_eq!(kind("small"), Kind::NumberValue(1.0));
    assert_eq!(kind("half"), Kind::NumberValue(0.5));
    assert_eq!(kind("whole"), Kind::StringValue("9007199254740993".into()));
    assert_eq!(kind("low"), Kind::StringValue(i64::MIN.to_string()));
    let back = to_context(sent);
    assert_eq!((back["small"].to_string(), back["half"].to_string()), ("1".into(), "0.5".into()));
}

#[test]
fn a_deletion_names_the_relationship_alone() {
    let tuple: Tuple = "doc:1#viewer@user:tom[lim:{\"a\":1}][expiration:2030-01-01T00:00:00Z]".parse().unwrap();
    let sent = update(&Update::Delete(tuple)).relationship.unwrap();
    assert_eq!((sent.optional_caveat, sent.optional_expires_at), (None, None));
}

#[test]
fn what_is_not_an_answer_is_none() {
    assert!(check_permissionship(0).is_err());
    assert!(check_permissionship(17).is_err());
    assert!(lookup_permissionship(0).is_err());
    assert!(to_token(None).is_err());
    assert!(to_tuple(v1::Relationship::default()).is_err());
}
