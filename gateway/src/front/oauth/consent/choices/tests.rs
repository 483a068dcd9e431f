use policy_core::{CollectionId, FieldId, SchemaVersion};
use serde_json::json;
use vault_core::schema::{Collection, Field, Merge};

use super::*;
use crate::grants::parse_value;

/// 24 November 2025, 16:00 UTC.
const NOW: Timestamp = Timestamp::from_seconds(1_764_000_000);

fn schema() -> Schema {
    let kinds = [
        ("name", ScalarType::String),
        ("age", ScalarType::Int),
        ("score", ScalarType::Float64),
        ("met", ScalarType::DateTime),
        ("close", ScalarType::Boolean),
        ("photo", ScalarType::Blob),
        ("weight", ScalarType::Float32),
    ];
    let field = |(at, (name, of)): (usize, (&str, ScalarType))| Field {
        id: FieldId::from_bytes([u8::try_from(at).unwrap(); 16]),
        name: name.to_owned(),
        kind: FieldType::Scalar { of, not_null: false },
        merge: Merge::Lww,
        default: None,
        size: None,
    };
    let of = |id: u8, name: &str, count: usize| Collection {
        id: CollectionId::from_bytes([id; 16]),
        name: name.to_owned(),
        fields: kinds.into_iter().take(count).enumerate().map(field).collect(),
        indexes: Vec::new(),
        version: cid::Cid::default(),
    };
    Schema { version: SchemaVersion(1), collections: vec![of(1, "Contact", 7), of(2, "Person", 2)] }
}

fn asked(types: serde_json::Value) -> Access {
    let value = json!({"type": "allod_doc", "datatypes": types, "actions": ["read", "search", "update"],
        "fields": {"allow": ["age", "name"], "required": ["name"]}, "duration": "P30D"});
    parse_value(&value).unwrap().remove(0)
}

fn left(changes: &[(&str, &str)]) -> Result<Access, Why> {
    of_asked(&asked(json!(["Contact"])), changes, Language::English)
}

fn of_asked(asked: &Access, changes: &[(&str, &str)], language: Language) -> Result<Access, Why> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in [("field-0", "name"), ("verb-0", "read"), ("verb-0", "search"), ("end-0", "P1D")] {
        if changes.iter().all(|(changed, _)| *changed != name) {
            pairs.push((name.to_owned(), value.to_owned()));
        }
    }
    pairs.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let left = of((0, 1), asked, &Fields::of(pairs), &schema(), (NOW, language));
    left.map(Option::unwrap).map_err(|slip| {
        assert!(Language::ALL.into_iter().all(|language| !slip.text(Words(language)).is_empty()));
        slip.why
    })
}

#[test]
fn each_verb_and_each_field_can_be_left_out_but_what_is_needed() {
    let all = left(&[("field-0", "name"), ("field-0", "age"), ("field-0", "photo")]).unwrap();
    assert_eq!(all.allow, ["age", "name"], "what was not asked for cannot be added");
    let one = left(&[("verb-0", "read"), ("verb-0", "delete")]).unwrap();
    assert_eq!(one.verbs.iter().collect::<Vec<_>>(), [Verb::Read]);
    assert_eq!(left(&[("field-0", "age")]), Err(Why::FieldNeeded("name".into())));
    assert_eq!(left(&[("verb-0", "delete")]), Err(Why::VerbNeeded("Contact".into())));
    assert_eq!(left(&[("verb-0", "search")]), Err(Why::SearchReads("Contact".into())));
    assert!(left(&[]).is_ok(), "control");
    let first = initial(&[asked(json!(["Contact"]))]);
    assert_eq!(first.all("field-0").collect::<Vec<_>>(), ["name"], "what the app can do without is not ticked");
    assert_eq!((first.all("verb-0").count(), first.get("end-0")), (3, Some("P30D")));
    let ticked = all_ticked(&first, &[asked(json!(["Contact"]))], 0);
    assert_eq!(ticked.all("field-0").collect::<Vec<_>>(), ["name", "age"]);
    assert_eq!(all_ticked(&first, &[], usize::MAX).all("field-0").count(), 1);
}

#[test]
fn a_value_has_the_type_of_its_field() {
    let row = |changes: &[(&str, &str)]| {
        left(changes).map(|left| (left.conditions[0].operator, left.conditions[0].value.clone()))
    };
    let of = |field: &str, test: &str, value: &str| {
        row(&[(&format!("test-0-{field}"), test), (&format!("value-0-{field}"), value)])
    };
    assert_eq!(of("name", "_eq", " Ann "), Ok((Operator::Eq, json!("Ann"))));
    assert_eq!(of("age", "_geq", "18"), Ok((Operator::Geq, json!(18))));
    assert_eq!(of("score", "_lt", "1.5"), Ok((Operator::Lt, json!(1.5))));
    assert_eq!(of("met", "_geq", "2026-01-02T03:04"), Ok((Operator::Geq, json!("2026-01-02T03:04:00Z"))));
    assert_eq!(of("met", "_geq", "2026-01-02"), Ok((Operator::Geq, json!("2026-01-02T00:00:00Z"))));
    assert_eq!(row(&[("value-0-close", "no")]), Ok((Operator::Eq, json!(false))));
    assert_eq!(row(&[("test-0-age", "_null")]), Ok((Operator::Eq, json!(null))));
    assert_eq!(row(&[("test-0-age", "_some")]), Ok((Operator::Neq, json!(null))));
    for (field, test, value, why) in [
        ("age", "_eq", "1.5", Why::NoWholeNumber("age".into())),
        ("age", "_eq", "many", Why::NoWholeNumber("age".into())),
        ("score", "_eq", "NaN", Why::NoNumber("score".into())),
        ("score", "_eq", "1e999", Why::NoNumber("score".into())),
        ("score", "_eq", "1,5", Why::NoNumber("score".into())),
        ("score", "_eq", "1,000", Why::NoNumber("score".into())),
        ("score", "_eq", "1.000", Why::NoNumber("score".into())),
        ("weight", "_eq", "1e39", Why::NoNumber("weight".into())),
        ("name", "_eq", "a\u{200f}b", Why::Unseen("name".into())),
        ("met", "_lt", "yesterday", Why::NoMoment("met".into())),
        ("met", "_lt", "ääääääää", Why::NoMoment("met".into())),
        ("met", "_eq", "2026-01-02", Why::NoTest("met".into())),
        ("name", "_in", "x", Why::NoTest("name".into())),
        ("name", "_gt", "x", Why::NoTest("name".into())),
        ("name", "_eq", "  ", Why::NoValue("name".into())),
        ("close", "_eq", "perhaps", Why::NoValue("close".into())),
        ("photo", "_eq", "00", Why::NoSuchField),
        ("nothing", "_eq", "x", Why::NoSuchField),
        ("name", "_eq", &"x".repeat(1_025), Why::TooLong("name".into())),
    ] {
        assert_eq!(of(field, test, value), Err(why), "{field} {test} {value}");
    }
    assert_eq!(row(&[("test-0-name", "_eq")]), Err(Why::NoValue("name".into())));
    assert_eq!(row(&[("value-0-name", "x")]), Err(Why::NoTest("name".into())));
    assert!(left(&[]).unwrap().conditions.is_empty(), "control");
}

#[test]
fn a_number_is_read_as_its_language_writes_it_or_not_at_all() {
    let of = |text, language| {
        let changes = [("test-0-score", "_eq"), ("value-0-score", text)];
        of_asked(&asked(json!(["Contact"])), &changes, language).ok().map(|left| left.conditions[0].value.clone())
    };
    for (text, english, german) in [
        ("1.5", Some(1.5), Some(1.5)),
        ("1,5", None, Some(1.5)),
        ("-0,25", None, Some(-0.25)),
        ("1000", Some(1000.0), Some(1000.0)),
        ("1,000", None, None),
        ("1.000", None, None),
        ("1.234,5", None, None),
        ("1,234.5", None, None),
        ("1.2345", Some(1.2345), Some(1.2345)),
        ("inf", None, None),
    ] {
        assert_eq!(of(text, Language::English), english.map(|number| json!(number)), "{text}");
        assert_eq!(of(text, Language::German), german.map(|number| json!(number)), "{text}");
    }
}

#[test]
fn whoever_sees_versions_reads_and_says_so() {
    let with = |actions: serde_json::Value| {
        let value = json!({"type": "allod_doc", "datatypes": ["Contact"], "actions": actions,
            "fields": {"allow": ["name"]}});
        parse_value(&value).unwrap().remove(0)
    };
    let left = |asked: &Access, verbs: &[&str]| {
        let verbs: Vec<_> = verbs.iter().map(|verb| ("verb-0", *verb)).collect();
        of_asked(asked, &verbs, Language::English).map(|left| left.verbs.iter().count())
    };
    let both = with(json!(["read", "history"]));
    assert_eq!(left(&both, &["history"]), Err(Why::HistoryReads("Contact".into())));
    assert_eq!((left(&both, &["history", "read"]), left(&both, &["read"])), (Ok(2), Ok(1)), "control");
    // Reading cannot be ticked where it is not asked for: the sentence says what it comes to.
    assert_eq!(left(&with(json!(["history"])), &["history"]), Ok(1));
}

#[test]
fn no_entry_gets_more_conditions_than_a_grant_is_read_with() {
    let mut asked = asked(json!(["Contact"]));
    let one = AskedCondition { field: "age".into(), operator: Operator::Neq, value: json!(1) };
    asked.conditions = vec![one; MAX_CONDITIONS];
    assert!(of_asked(&asked, &[], Language::English).is_ok(), "control");
    assert_eq!(of_asked(&asked, &[("test-0-name", "_null")], Language::English), Err(Why::TooMany));
}

#[test]
fn each_choice_makes_another_text_and_the_moment_makes_none() {
    let asked = asked(json!(["Contact"]));
    let of = |changes: &[(&str, &str)], now| {
        let mut pairs = vec![("field-0", "name"), ("verb-0", "read"), ("end-0", "P1D"), ("day-0", "2025-11-30")];
        pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        pairs.extend(changes);
        let sent = Fields::of(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        let left = super::of((0, 1), &asked, &sent, &schema(), (now, Language::English)).unwrap();
        text(policy_core::SpaceId::from_bytes([9; 16]), &[left], &sent)
    };
    let later = Timestamp::from_seconds(NOW.seconds() + 60);
    let all = [
        of(&[], NOW),
        of(&[("field-0", "name"), ("field-0", "age")], NOW),
        of(&[("verb-0", "update")], NOW),
        of(&[("end-0", "P30D")], NOW),
        of(&[("day-0", "2025-12-01")], NOW),
        of(&[("test-0-age", "_null")], NOW),
        of(&[("test-0-age", "_some")], NOW),
        of(&[("test-0-name", "_eq"), ("value-0-name", "x")], NOW),
    ];
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
    assert_eq!(of(&[], later), all[0]);
}

#[test]
fn rows_are_chosen_by_what_all_types_of_an_entry_have() {
    let names =
        |types, all| filters(&asked(types), all, &schema()).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(json!(["Contact"]), 1), ["name", "age", "score", "met", "close", "weight"]);
    assert_eq!(names(json!(["Contact", "Person"]), 1), ["name", "age"]);
    assert_eq!(names(json!(["Contact"]), 32), ["name", "age"], "many entries share the room");
}

#[test]
fn an_entry_ends_as_is_chosen_and_never_later_than_the_app_asks() {
    let until =
        |changes: &[(&str, &str)]| left(changes).map(|left| left.duration.map(|span| span.after(NOW).seconds()));
    let day = 86_400;
    assert_eq!(until(&[]), Ok(Some(NOW.seconds() + day)));
    assert_eq!(until(&[("end-0", "P30D")]), Ok(Some(NOW.seconds() + 30 * day)));
    for wrong in ["P31D", "none", "", "P1D "] {
        assert_eq!(until(&[("end-0", wrong)]), Err(Why::NoEnd), "{wrong}");
    }
    // To the last minute of the day that is given, whatever is chosen beside it.
    assert_eq!(until(&[("day-0", "2025-11-25")]), Ok(Some(1_764_115_170)));
    assert_eq!(until(&[("day-0", "2025-11-24"), ("end-0", "x")]), Ok(Some(1_764_028_770)));
    assert_eq!(
        until(&[("day-0", "2025-12-24")]),
        Ok(Some(NOW.seconds() + 30 * day)),
        "the day on which it ends anyway"
    );
    assert_eq!(until(&[("day-0", "2025-11-23")]), Err(Why::DayOver));
    assert!(matches!(until(&[("day-0", "2025-12-25")]), Err(Why::DayBeyond(_))));
    for wrong in ["25.11.2025", "2025-11-31", "2025-11-25T00:00", "20251125", "+002025-11-25", "9999-12-31", "x"] {
        assert!(until(&[("day-0", wrong)]).is_err(), "{wrong}");
    }
    let endless = Access { duration: None, ..asked(json!(["Contact"])) };
    let offered: Vec<End> = offered(&endless, NOW).into_iter().map(|(_, end)| end).collect();
    assert_eq!(offered, [End::Days(1), End::Days(30), End::Days(180), End::Days(365), End::Never]);
    assert_eq!(usual(&endless), "P30D");
    assert_eq!(days(&endless, NOW), ("2025-11-24".to_owned(), None));
    assert_eq!(days(&asked(json!(["Contact"])), NOW).1.as_deref(), Some("2025-12-24"));
}

#[test]
fn documents_are_those_that_are_left_or_named_and_rows_no_more_than_the_app_asks() {
    let id = |n: u8| DocId::from_bytes([n; 16]);
    let (one, two) = (id(1).to_string(), id(2).to_string());
    let mut naming = asked(json!(["Contact"]));
    (naming.documents, naming.rows_per_day) = (Some(vec![id(1), id(2)]), Some(100));
    let of = |asked: &Access, changes: &[(&str, &str)]| of_asked(asked, changes, Language::English);
    let documents = |asked: &Access, changes: &[(&str, &str)]| of(asked, changes).map(|left| left.documents);
    let both = [("document-0", one.as_str()), ("document-0", two.as_str())];
    assert_eq!(documents(&naming, &both), Ok(Some(vec![id(1), id(2)])));
    assert_eq!(documents(&naming, &both[1..]), Ok(Some(vec![id(2)])));
    let foreign = id(9).to_string();
    let added = [both[0], ("document-0", foreign.as_str()), ("named-0", foreign.as_str())];
    assert_eq!(documents(&naming, &added), Ok(Some(vec![id(1)])), "none can be added");
    assert_eq!(documents(&naming, &[]), Err(Why::DocumentNeeded("Contact".into())));
    let first = initial(std::slice::from_ref(&naming));
    assert_eq!((first.all("document-0").count(), first.get("rows-0")), (2, Some("100")));
    // Where the app names none, the person may.
    let open = asked(json!(["Contact"]));
    assert_eq!(documents(&open, &both), Ok(None), "the app named none of these");
    let text = format!(" {one},{two}\n{one} ");
    assert_eq!(documents(&open, &[("named-0", &text)]), Ok(Some(vec![id(1), id(2)])));
    let many = (0..=MAX_DOCUMENTS).map(|n| format!("{n:032x} ")).collect::<String>();
    for wrong in ["Ann", "1", &many] {
        assert_eq!(documents(&open, &[("named-0", wrong)]), Err(Why::NoDocument));
    }
    let creates = Access { verbs: Verbs::ALL, ..open.clone() };
    let creating = [("verb-0", "create"), ("named-0", one.as_str())];
    assert_eq!(documents(&creates, &creating), Err(Why::NamedMakesNone));
    assert_eq!(documents(&creates, &creating[..1]), Ok(None), "control");
    // Rows a day.
    let rows = |asked: &Access, text: &str| {
        let changes = [both[0], ("rows-0", text)];
        of(asked, &changes).map(|left| left.rows_per_day)
    };
    assert_eq!(
        [rows(&naming, ""), rows(&naming, "100"), rows(&naming, " 7 ")],
        [Ok(Some(100)), Ok(Some(100)), Ok(Some(7))]
    );
    assert_eq!(rows(&naming, "101"), Err(Why::RowsBeyond(100)));
    assert_eq!([rows(&open, ""), rows(&open, "5")], [Ok(None), Ok(Some(5))]);
    for wrong in ["0", "-1", "1.5", "many", "1000000001"] {
        assert_eq!(rows(&open, wrong), Err(Why::NoRows), "{wrong}");
    }
}
