//! Every format: what is written is read again, and what is no such file is refused in a sentence.

mod hostile;

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Number, Value, json};

use super::*;

const SDL: &str = "type Wide {
    id: ID yes: Boolean whole: Int @crdt(type: pncounter) more: Int @crdt(type: pcounter) float: Float narrow: Float32
    text: String @default(value: \"said\") at: DateTime json: JSON blob: Blob texts: [String!] wholes: [Int]
    pair: [Int!] @constraints(size: 2) wide: Wide needed: String!
}";

/// Collections whose definitions are these, of whoever may do everything.
pub fn definitions(texts: &[(&str, &str)]) -> Definitions {
    let texts = texts.iter().map(|(name, sdl)| ((*name).to_owned(), (*sdl).to_owned())).collect();
    Definitions::of_texts(&texts).unwrap()
}

fn wide() -> Definitions {
    definitions(&[("Wide", SDL), ("Empty", "type Empty { n: Int }")])
}

fn number(text: &str) -> Value {
    Value::Number(serde_json::from_str::<Number>(text).unwrap())
}

fn float() -> impl Strategy<Value = Value> {
    any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| number(&format!("{:?}", n + 0.0)))
}

fn whole() -> impl Strategy<Value = Value> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -3i64..3].prop_map(Value::from)
}

/// Texts that formats may trip over.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[=+@'\"\\-,;\t\r\n \u{0}\u{feff}＝é]{0,6}",
        Just(String::new()),
        Just("null".to_owned()),
        Just("'=1+1".to_owned()),
    ]
}

fn inner() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        whole(),
        float(),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn id() -> impl Strategy<Value = Value> {
    any::<[u8; 16]>().prop_map(|id| Value::from(policy_core::DocId::from_bytes(id).to_string()))
}

fn maybe(of: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![1 => Just(Value::Null), 4 => of].boxed()
}

prop_compose! {
    /// A document as GraphQL answers it.
    fn document()(
        doc in id(), (own, yes, whole_, more) in (maybe(text().prop_map(Value::from)), maybe(any::<bool>().prop_map(Value::from)), maybe(whole()), maybe((0i64..).prop_map(Value::from))),
        (float_, narrow) in (maybe(float()), maybe(any::<f32>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| number(&format!("{:?}", n + 0.0))))),
        (said, at) in (maybe(text().prop_map(Value::from)), maybe((0i64..4_000_000_000_000_000).prop_map(|micros| Value::from(policy_core::instant::written(policy_core::Timestamp(micros)))))),
        (json_, blob) in (maybe(inner()), maybe(proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::from(data_encoding::HEXLOWER.encode(&bytes))))),
        (texts, wholes) in (maybe(proptest::collection::vec(text().prop_map(Value::from), 0..4).prop_map(Value::from)), maybe(proptest::collection::vec(maybe(whole()), 0..4).prop_map(Value::from))),
        (pair, wide, needed) in (maybe(proptest::collection::vec(whole(), 2).prop_map(Value::from)), maybe(id()), text()),
    ) -> Document {
        let all = json!({"_docID": doc, "id": own, "yes": yes, "whole": whole_, "more": more, "float": float_, "narrow": narrow,
            "text": said, "at": at, "json": json_, "blob": blob, "texts": texts, "wholes": wholes, "pair": pair, "_wideID": wide,
            "needed": needed});
        let Value::Object(all) = all else { unreachable!() };
        all
    }
}

/// Writes documents into `path`.
fn write(format: Format, path: &Path, definitions: &Definitions, documents: &[Document]) -> Result<(), TransferError> {
    let part = Part::of(path, false)?;
    let schema = definitions.all().map(|one| (one.name.clone(), one.sdl.clone())).collect();
    let header = Header { space: Some("home".to_owned()), exported: None, schema };
    let mut sink: Box<dyn Sink> = match format {
        Format::Jsonl => Box::new(JsonlSink::new(Output::to(part)?, &header)?),
        Format::Json => Box::new(JsonSink::new(Output::to(part)?, documents.len().is_multiple_of(2))?),
        Format::Csv => Box::new(CsvFiles::directory(part, true)?),
        Format::Sqlite => Box::new(SqliteSink::new(part, &header)?),
    };
    for collection in definitions.all() {
        sink.begin(collection)?;
        for document in documents.iter().filter(|_| collection.name == "Wide") {
            sink.document(collection, document)?;
        }
    }
    sink.finish()
}

/// Opens what was written into `path`.
pub fn source(format: Format, path: &Path, definitions: &Definitions) -> Result<Box<dyn Source>, TransferError> {
    let opened = || open(path).map(|(file, size)| (Box::new(file), Some(size)));
    Ok(match format {
        Format::Jsonl => {
            let (file, size) = opened()?;
            Box::new(JsonlSource::new(file, size)?)
        }
        Format::Json => {
            let (file, size) = opened()?;
            Box::new(JsonSource::new(file, size)?)
        }
        Format::Csv => Box::new(CsvSource::new(path, None, definitions, true)?),
        Format::Sqlite => Box::new(SqliteSource::new(path, definitions, None)?),
    })
}

/// All that a source holds.
pub fn all(source: &mut dyn Source) -> Result<Vec<Found>, TransferError> {
    let mut out = Vec::new();
    while let Some(found) = source.next()? {
        out.push(found);
    }
    Ok(out)
}

const FORMATS: [Format; 4] = [Format::Jsonl, Format::Json, Format::Csv, Format::Sqlite];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_written_is_read_again(documents in proptest::collection::vec(document(), 0..6)) {
        let definitions = wide();
        let collection = definitions.named("Wide").unwrap();
        // What a node is asked to add of a document.
        let wanted = |document: &Document| {
            let found = Found { collection: "Wide".into(), place: 1, document: document.clone(), unread: None };
            let mut wrong = Vec::new();
            let added = check(collection, &found, &Ids::kept(), &mut wrong).1;
            (added, wrong.into_iter().map(|problem| problem.problem).collect::<Vec<_>>())
        };
        let mut documents = documents;
        documents.sort_by_key(|document| document["_docID"].to_string());
        documents.dedup_by_key(|document| document["_docID"].to_string());
        for format in FORMATS {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("file");
            write(format, &path, &definitions, &documents).unwrap();
            let mut source = source(format, &path, &definitions).unwrap();
            let found = all(&mut *source).unwrap();
            prop_assert_eq!(found.len(), documents.len());
            for (found, document) in found.iter().zip(&documents) {
                prop_assert_eq!(&found.collection, "Wide");
                prop_assert_eq!(&found.unread, &None, "{:?}", format);
                let (added, wrong) = wanted(document);
                prop_assert_eq!(&wrong, &Vec::<String>::new());
                let again = wanted(&found.document).0;
                let (text, same) = (Value::Object(again).to_string(), Value::Object(added).to_string());
                if matches!(format, Format::Sqlite) {
                    // Of a float SQLite keeps the number and not how it was written.
                    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                    prop_assert!(alike(&number(&text), &number(&same)), "{} {}", text, same);
                } else {
                    prop_assert_eq!(text, same, "{:?}", format);
                }
            }
            prop_assert!(std::fs::read_dir(dir.path()).unwrap().count() == 1, "nothing is left beside the file");
        }
    }
}

/// The same, numbers by what they are.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_str() == b.as_str() || a.as_str().parse::<f64>().ok() == b.as_str().parse::<f64>().ok()
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| alike(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (a, b) => a == b,
    }
}

#[test]
fn the_backup_json_of_2023_is_read_with_its_relations() {
    let definitions = definitions(&[
        ("User", "type User { name: String books: [Book] boss: User @relation(name: \"boss\") }"),
        ("Book", "type Book { title: String author: User }"),
    ]);
    // As DefraDB 0.8 writes it: the keys of before and of after, and relations by the keys of after.
    let text = r#"{"Book":[{"_key":"bae-4059cb15-2b30-5049-b0df-64cc7ad9b5e4","_newKey":"bae-4059cb15-2b30-5049-b0df-64cc7ad9b5e4",
        "author_id":"bae-e933420a-988a-56f8-8952-6c245aebd519","title":"John and the sourcerers' stone"}],
        "User":[{"_key":"bae-0648f44e-74e8-593b-a662-3310ec278927","_newKey":"bae-e933420a-988a-56f8-8952-6c245aebd519","name":"John"}]}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup.json");
    std::fs::write(&path, text).unwrap();
    let found = all(&mut *source(Format::Json, &path, &definitions).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut added =
        |found: &Found, ids: &Ids| check(definitions.named(&found.collection).unwrap(), found, ids, &mut wrong).1;
    let (book, user) = (added(&found[0], &Ids::kept()), added(&found[1], &Ids::kept()));
    assert_eq!(book["_authorID"], "e933420a-988a-56f8-8952-6c245aebd519");
    assert_eq!((&user["_docID"], &book["title"]), (&book["_authorID"], &json!("John and the sourcerers' stone")));
    // By the key of before it leads to the same, once that is known.
    let mut ids = Ids::kept();
    for found in &found {
        let known = DocumentIds::of(&found.document);
        ids.rename(known.old.unwrap(), known.new.unwrap()).unwrap();
    }
    assert!(ids.renames());
    assert_eq!(ids.of("bae-0648f44e-74e8-593b-a662-3310ec278927").to_string(), user["_docID"]);
    // With new ids for all, relations follow, and the same file gives the same ids again.
    let (fresh, other) = (Ids::fresh("space one"), Ids::fresh("space two"));
    let (book, user) = (added(&found[0], &fresh), added(&found[1], &fresh));
    assert_eq!(
        (&book["_authorID"], user["_docID"] == "e933420a-988a-56f8-8952-6c245aebd519"),
        (&user["_docID"], false)
    );
    assert_ne!(added(&found[1], &other)["_docID"], user["_docID"]);
    assert_eq!(wrong, []);
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let definitions = wide();
    let collection = definitions.named("Wide").unwrap();
    let problems = |document: Value| {
        let Value::Object(document) = document else { panic!("a document is an object") };
        let (mut wrong, found) = (Vec::new(), Found { collection: "Wide".into(), place: 7, document, unread: None });
        check(collection, &found, &Ids::kept(), &mut wrong);
        assert!(wrong.iter().all(|problem| problem.place == Some(7)));
        wrong.into_iter().map(|problem| (problem.field.unwrap_or_default(), problem.code)).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({"needed": "x"})), []);
    for (document, field, code) in [
        (json!({}), "needed", "not_null"),
        (json!({"needed": null}), "needed", "not_null"),
        (json!({"needed": "x", "colour": 1}), "colour", "unknown_field"),
        (json!({"needed": "x", "whole": "1"}), "whole", "invalid_input"),
        (json!({"needed": "x", "whole": number("9223372036854775808")}), "whole", "invalid_input"),
        (json!({"needed": "x", "whole": 1.5}), "whole", "invalid_input"),
        (json!({"needed": "x", "more": -1}), "more", "invalid_input"),
        (json!({"needed": "x", "narrow": 1e300}), "narrow", "invalid_input"),
        (json!({"needed": "x", "at": "2020-01-01T00:00:00.123456789Z"}), "at", "invalid_input"),
        (json!({"needed": "x", "at": "yesterday"}), "at", "invalid_input"),
        (json!({"needed": "x", "blob": "xyz"}), "blob", "invalid_input"),
        (json!({"needed": "x", "pair": [1]}), "pair", "invalid_input"),
        (json!({"needed": "x", "texts": [null]}), "texts", "invalid_input"),
        (json!({"needed": "x", "_wideID": 5}), "_wideID", "invalid_input"),
        (json!({"needed": "x", "wide": {"needed": "y"}}), "wide", "invalid_input"),
        (json!({"needed": "x", "_docID": 5}), "_docID", "invalid_input"),
        (json!({"needed": "x".repeat(2 << 20)}), "needed", "invalid_input"),
    ] {
        assert_eq!(problems(document.clone()), [(field.to_owned(), code)], "{document}");
    }
    assert_eq!(
        problems(json!({"needed": "x", "at": "2020-01-01T00:00:00.123456000Z"})),
        [],
        "nine digits, three of them zero"
    );
}

#[test]
fn texts_that_look_like_formulas_are_not_run_and_not_lost() {
    let definitions = definitions(&[("Note", "type Note { text: String n: Int }")]);
    let collection = definitions.named("Note").unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (guard, first) in [(true, "'=HYPERLINK"), (false, "=HYPERLINK")] {
        let path = dir.path().join(format!("Note{guard}.csv"));
        let mut sink = Box::new(CsvFiles::one(Output::to(Part::of(&path, false).unwrap()).unwrap(), guard));
        sink.begin(collection).unwrap();
        let id = "01930000-0000-7000-8000-00000000000a";
        for text in ["=HYPERLINK(\"http://evil\")", "'tis", "'=x", "-5", "@a", "\t=1", "plain", ""] {
            let document = json!({"_docID": id, "text": text, "n": -5}).as_object().unwrap().clone();
            sink.document(collection, &document).unwrap();
        }
        let none = json!({"_docID": id, "text": null, "n": null}).as_object().unwrap().clone();
        sink.document(collection, &none).unwrap();
        sink.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("_docID,text,n\r\n") && text.ends_with(&format!("{id},\"\",-5\r\n{id},,\r\n")),
            "{text}"
        );
        assert!(text.contains(&format!("\"{first}(\"\"http")), "{text}");
        assert!(text.contains("'tis") && !text.contains("''tis") && text.contains(",-5\r\n"), "{text}");
        let mut source = CsvSource::new(&path, Some("Note"), &definitions, guard).unwrap();
        let texts: Vec<_> = all(&mut source).unwrap().into_iter().map(|found| found.document["text"].clone()).collect();
        assert_eq!(
            json!(texts),
            json!(["=HYPERLINK(\"http://evil\")", "'tis", "'=x", "-5", "@a", "\t=1", "plain", "", null])
        );
    }
}

#[test]
fn a_file_is_there_whole_or_not_at_all() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.jsonl");
    let alike = definitions(&[("A", "type A { b: Int B: Int }")]);
    let definitions = wide();
    let left = || std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    drop(Output::to(Part::of(&path, false).unwrap()).unwrap());
    assert_eq!(left(), [""; 0], "what was begun and not finished is gone");
    write(Format::Jsonl, &path, &definitions, &[]).unwrap();
    assert_eq!(left(), ["all.jsonl"]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(write(Format::Jsonl, &path, &definitions, &[]).unwrap_err().code, "file_exists");
    Part::of(&path, true).unwrap();
    std::fs::create_dir(dir.path().join("Notes")).unwrap();
    for kept in [dir.path().join("Notes"), std::path::PathBuf::from("/dev/null")] {
        assert_eq!(Part::of(&kept, true).unwrap_err().code, "not_a_file", "only a file is replaced");
    }
    let mut sink = SqliteSink::new(Part::of(&dir.path().join("x.db"), false).unwrap(), &Header::default()).unwrap();
    assert_eq!(sink.begin(alike.named("A").unwrap()).unwrap_err().code, "names_alike");
}
