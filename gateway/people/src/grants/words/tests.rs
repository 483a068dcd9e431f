//! What a sentence says is read back from it, by its words alone, in each language.

use policy_core::{ClientId, CollectionId, FieldId, GrantId, Holder, SchemaVersion, SpaceId, UserId};
use proptest::prelude::*;
use serde_json::json;
use vault_core::schema::{Collection, Field, FieldType, Merge, ScalarType};

use super::super::{Access, Span, Terms, compile, parse_value};
use super::*;

/// Names that are words of the sentences too.
const FIELDS: [(&str, ScalarType); 12] = [
    ("name", ScalarType::String),
    ("tag", ScalarType::String),
    ("age", ScalarType::Int),
    ("score", ScalarType::Float64),
    ("active", ScalarType::Boolean),
    ("and", ScalarType::String),
    ("in", ScalarType::Int),
    ("where", ScalarType::String),
    ("Nothing", ScalarType::String),
    ("und", ScalarType::String),
    ("lesen", ScalarType::Int),
    ("ist", ScalarType::String),
];
const TYPES: [&str; 3] = ["Contact", "Every", "oder"];

fn schema() -> Schema {
    let field = |of: u8, (at, (name, kind)): (usize, &(&str, ScalarType))| Field {
        id: FieldId::from_bytes([of * 16 + u8::try_from(at).unwrap(); 16]),
        name: (*name).into(),
        kind: FieldType::Scalar { of: *kind, not_null: false },
        merge: Merge::Lww,
        default: None,
        size: None,
    };
    let collection = |(at, name): (usize, &&str)| {
        let of = u8::try_from(at).unwrap() + 1;
        Collection {
            id: CollectionId::from_bytes([of; 16]),
            name: (*name).to_owned(),
            fields: FIELDS.iter().enumerate().map(|one| field(of, one)).collect(),
            indexes: Vec::new(),
            version: cid::Cid::default(),
        }
    };
    Schema { version: SchemaVersion(1), collections: TYPES.iter().enumerate().map(collection).collect() }
}

fn terms() -> Terms {
    Terms {
        id: GrantId::from_bytes([1; 16]),
        grantor: UserId::from_bytes([2; 16]),
        holder: Holder::Client(ClientId::from_bytes([3; 16])),
        space: SpaceId::from_bytes([4; 16]),
        now: Timestamp::from_seconds(1_764_000_000),
    }
}

/// The sentence without its texts, each of which leaves its number behind.
fn lifted(language: Language, sentence: &str) -> (String, Vec<String>) {
    let (open, close) = match language {
        Language::English => ('“', '”'),
        Language::German => ('„', '“'),
    };
    let (mut out, mut texts) = (String::new(), Vec::new());
    let mut chars = sentence.chars().peekable();
    while let Some(c) = chars.next() {
        if c != open {
            out.push(c);
            continue;
        }
        let mut text = String::new();
        loop {
            match chars.next().expect("a text ends") {
                '\\' => match chars.next().unwrap() {
                    'u' if chars.peek() == Some(&'{') => {
                        let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap());
                    }
                    c => text.push(c),
                },
                c if c == close => break,
                c => text.push(c),
            }
        }
        out.push_str(&format!("#{}", texts.len()));
        texts.push(text);
    }
    (out, texts)
}

fn name(language: Language, text: &str) -> String {
    match text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(name) => name.to_owned(),
        None => {
            assert!(!reserved(language).iter().any(|word| word.eq_ignore_ascii_case(text)), "{text} is no name");
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{text} is no name");
            text.to_owned()
        }
    }
}

fn and(language: Language) -> &'static str {
    if language == Language::English { " and " } else { " und " }
}

/// The members of a list, and what stands behind it.
fn list<'a>(
    language: Language,
    mut text: &'a str,
    one: impl Fn(&'a str) -> Option<&'a str>,
) -> (Vec<&'a str>, &'a str) {
    let mut out = Vec::new();
    loop {
        let Some(found) = one(text) else { return (out, text) };
        out.push(found);
        text = &text[found.len()..];
        if let Some(rest) = text.strip_prefix(", ") {
            text = rest;
        } else if let Some(last) = text.strip_prefix(and(language)).and_then(&one).filter(|_| !out.is_empty()) {
            out.push(last);
            return (out, &text[and(language).len() + last.len()..]);
        } else {
            return (out, text);
        }
    }
}

fn verb(language: Language, text: &str) -> Option<&str> {
    let words = Verb::ALL.into_iter().map(|verb| verb_word(language, verb));
    words.filter(|word| text.starts_with(*word)).max_by_key(|word| word.len()).map(|word| &text[..word.len()])
}

fn verbs(language: Language, words: &[&str]) -> Verbs {
    let of = |word: &&str| Verb::ALL.into_iter().find(|verb| verb_word(language, *verb) == *word).unwrap();
    words.iter().map(of).collect()
}

fn word(text: &str) -> Option<&str> {
    let end = text.find([' ', ',']).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

fn value(language: Language, text: &str, texts: &[String]) -> Value {
    if let Some(at) = text.strip_prefix('#') {
        return json!(texts[at.parse::<usize>().unwrap()]);
    }
    match text {
        "yes" | "ja" => json!(true),
        "no" | "nein" => json!(false),
        "empty" | "leer" => Value::Null,
        number if language == Language::German => serde_json::from_str(&number.replace(',', ".")).unwrap(),
        number => serde_json::from_str(number).unwrap(),
    }
}

fn conditions(language: Language, text: &str, texts: &[String]) -> Vec<AskedCondition> {
    let one = |text: &str| {
        let text = if language == Language::German { text.strip_suffix(" ist").unwrap() } else { text };
        let (field, rest) = text.split_once(' ').unwrap();
        let fits =
            Operator::ALL.into_iter().filter(|one| rest.starts_with(&format!("{} ", operator_words(language, *one))));
        let operator = fits.max_by_key(|one| operator_words(language, *one).len()).unwrap();
        let rest = &rest[operator_words(language, operator).len() + 1..];
        let or = if language == Language::English { " or " } else { " oder " };
        let value = if operator.takes_list() {
            let (many, last) = rest.rsplit_once(or).map_or((None, rest), |(many, last)| (Some(many), last));
            let many = many.into_iter().flat_map(|many| many.split(", "));
            Value::Array(many.chain([last]).map(|one| value(language, one, texts)).collect())
        } else {
            value(language, rest, texts)
        };
        AskedCondition { field: name(language, field), operator, value }
    };
    let joint = if language == Language::English { " and " } else { " ist und " };
    let text = text.strip_suffix(" ist").unwrap_or(text);
    let end = if language == Language::German { " ist" } else { "" };
    text.split(joint).map(|text| one(&format!("{text}{end}"))).collect()
}

/// Ids behind `with the id`, and what stands behind them.
fn ids(language: Language, text: &str) -> (Vec<DocId>, &str) {
    let or = if language == Language::English { " or " } else { " oder " };
    let (mut out, mut text) = (Vec::new(), text);
    loop {
        let end = text.find([' ', ',']).unwrap_or(text.len());
        out.push(text[..end].parse().unwrap());
        text = &text[end..];
        if let Some(last) = text.strip_prefix(or) {
            let end = last.find([' ', ',']).unwrap_or(last.len());
            out.push(last[..end].parse().unwrap());
            return (out, &last[end..]);
        }
        let next = text.strip_prefix(", ");
        let next = next.filter(|next| next.get(..36).is_some_and(|id| id.parse::<DocId>().is_ok()));
        match next {
            Some(next) => text = next,
            None => return (out, text),
        }
    }
}

fn moment(language: Language, text: &str) -> Timestamp {
    let (day, rest) = text.split_once(' ').unwrap();
    let (month, rest) = rest.split_once(' ').unwrap();
    let (year, clock) = rest.strip_suffix(" UTC").unwrap().split_once(", ").unwrap();
    let (hour, minute) = clock.split_once(':').unwrap();
    let months = (1..=12).map(|n| Month::try_from(n).unwrap());
    let said = |of: &Month| if language == Language::German { german_month(*of).to_owned() } else { of.to_string() };
    let month = months.into_iter().find(|of| said(of) == month).unwrap();
    let day = day.trim_end_matches('.').parse().unwrap();
    let date = time::Date::from_calendar_date(year.parse().unwrap(), month, day).unwrap();
    let at = date.with_hms(hour.parse().unwrap(), minute.parse().unwrap(), 0).unwrap().assume_utc();
    Timestamp::from_seconds(at.unix_timestamp())
}

/// Reads a sentence as a person does.
fn read(language: Language, sentence: &str) -> Statement {
    let (text, texts) = lifted(language, sentence);
    let text = text.strip_suffix('.').unwrap();
    match language {
        Language::English => {
            let (body, until) = text.rsplit_once(", until ").unwrap();
            let until = (until != "you revoke it").then(|| moment(language, until));
            let (body, rows_per_day) = match body
                .rsplit_once(", at most ")
                .and_then(|(body, rest)| Some((body, rest.strip_suffix(" a day")?.parse().ok()?)))
            {
                Some((body, rows)) => (body, Some(rows)),
                None => (body, None),
            };
            let (body, also) = match body.rsplit_once(", and delete any such ") {
                Some((body, _)) => (body, true),
                None => (body, false),
            };
            let (verbs, fields, rows) = match body.strip_prefix("Delete ") {
                Some(rows) if rows.starts_with("every ") || rows.starts_with("each ") => {
                    (Verbs::NONE.with(Verb::Delete), vec![], rows)
                }
                _ => {
                    let at = body.find(" in every ").or_else(|| body.find(" in each ")).unwrap();
                    let head = body[..1].to_lowercase() + &body[1..at];
                    let (said, rest) = list(language, &head, |text| verb(language, text));
                    let (fields, rest) = list(language, rest.strip_prefix(' ').unwrap(), word);
                    assert_eq!(rest, "");
                    let fields = fields.iter().map(|one| name(language, one)).collect();
                    (verbs(language, &said), fields, &body[at + 4..])
                }
            };
            let (kind, documents, rows) = match rows.strip_prefix("every ") {
                Some(rest) => (rest.strip_suffix(", present and future").unwrap(), None, Vec::new()),
                None => {
                    let (kind, which) = rows.strip_prefix("each ").unwrap().split_once(' ').unwrap();
                    let named = which.strip_prefix("with the id ").map(|text| ids(language, text));
                    let (documents, rest) = named.map_or((None, which), |(ids, rest)| (Some(ids), rest.trim_start()));
                    let rows = rest.strip_prefix("where ");
                    assert!(rows.is_some() || rest.is_empty(), "{rest}");
                    (kind, documents, rows.map(|rows| conditions(language, rows, &texts)).unwrap_or_default())
                }
            };
            let verbs = if also { verbs.with(Verb::Delete) } else { verbs };
            Statement { collection: name(language, kind), rows, documents, rows_per_day, verbs, fields, until }
        }
        Language::German => {
            let (body, until) = text.rsplit_once(", bis ").unwrap();
            let until = until.strip_prefix("zum ").map(|until| moment(language, until));
            let (body, rows_per_day) = match body
                .rsplit_once(", höchstens ")
                .and_then(|(body, rest)| Some((body, rest.strip_suffix(" am Tag")?.parse().ok()?)))
            {
                Some((body, rows)) => (body, Some(rows)),
                None => (body, None),
            };
            let body = body.strip_prefix("Darf ").unwrap();
            let (body, also) = match body.strip_suffix(" und jeden solchen Eintrag löschen") {
                Some(body) => (body, true),
                None => (body, false),
            };
            let rest = body.strip_prefix("in ").unwrap_or(body);
            let rest =
                rest.strip_prefix("jedem Eintrag der Art ").or_else(|| rest.strip_prefix("jeden Eintrag der Art "));
            let rest = rest.unwrap();
            let (kind, rest) = rest.split_at(rest.find([',', ' ']).unwrap());
            let named = rest.strip_prefix(" mit der Kennung ").map(|text| ids(language, text));
            let (documents, rest) = named.map_or((None, rest), |(ids, rest)| (Some(ids), rest));
            let rest = rest.strip_prefix(", ").unwrap();
            let (rows, rest) = match rest.strip_prefix("bei dem ") {
                Some(rest) => {
                    let end = rest.find(" ist, ").unwrap();
                    (conditions(language, &rest[..end + 4], &texts), &rest[end + 6..])
                }
                None if documents.is_some() => (Vec::new(), rest),
                None => (Vec::new(), rest.split_once("künftigen, ").unwrap().1),
            };
            let (verbs, fields) = if rest == "löschen" {
                (Verbs::NONE.with(Verb::Delete), Vec::new())
            } else {
                let (fields, rest) = list(language, rest, word);
                let (said, rest) = list(language, rest.strip_prefix(' ').unwrap(), |text| verb(language, text));
                assert_eq!(rest, "");
                (verbs(language, &said), fields.iter().map(|one| name(language, one)).collect())
            };
            let verbs = if also { verbs.with(Verb::Delete) } else { verbs };
            Statement { collection: name(language, kind), rows, documents, rows_per_day, verbs, fields, until }
        }
    }
}

/// The grant that asks for what statements say.
fn asked(statements: &[Statement]) -> Vec<Access> {
    let one = |one: &Statement| Access {
        space: None,
        datatypes: vec![one.collection.clone()],
        verbs: one.verbs,
        allow: one.fields.clone(),
        required: Vec::new(),
        conditions: one.rows.clone(),
        documents: one.documents.clone(),
        rows_per_day: one.rows_per_day,
        purpose: None,
        duration: one.until.and_then(|until| Span::between(terms().now, until)),
    };
    statements.iter().map(one).collect()
}

fn scalar(kind: ScalarType) -> BoxedStrategy<Value> {
    match kind {
        ScalarType::Int => any::<i64>().prop_map(|value| json!(value)).boxed(),
        ScalarType::Float64 => (-1e300f64..1e300).prop_map(|value| json!(value)).boxed(),
        ScalarType::Boolean => any::<bool>().prop_map(|value| json!(value)).boxed(),
        // Texts that look like more of the sentence, and ones that nobody sees.
        _ => prop_oneof![
            "\\PC{0,12}".prop_map(|text| json!(text)),
            "[“”„\"\\\\#a,. ]{0,12}".prop_map(|text| json!(text)),
            Just(json!("x” and name is “y")),
            Just(json!("x“ ist, name lesen, bis du es zurücknimmst.")),
            Just(json!("x”, until you revoke it.")),
            Just(json!("\u{202e}x\n\u{200b}y\u{feff}")),
        ]
        .boxed(),
    }
}

fn condition() -> impl Strategy<Value = AskedCondition> {
    let kinds = proptest::sample::select(FIELDS.to_vec());
    (kinds, 0usize..8).prop_flat_map(|((field, kind), at)| {
        let ordered = kind != ScalarType::Boolean;
        let operator = if ordered { Operator::ALL[at] } else { Operator::ALL[at % 4] };
        let value = if operator.takes_list() {
            proptest::collection::vec(scalar(kind), 1..4).prop_map(Value::Array).boxed()
        } else if matches!(operator, Operator::Eq | Operator::Neq) {
            prop_oneof![4 => scalar(kind), 1 => Just(Value::Null)].boxed()
        } else {
            scalar(kind)
        };
        value.prop_map(move |value| AskedCondition { field: field.to_owned(), operator, value })
    })
}

fn access() -> impl Strategy<Value = Access> {
    let fields = proptest::sample::subsequence(FIELDS.map(|(name, _)| name.to_owned()).to_vec(), 1..6).prop_shuffle();
    let types = proptest::sample::subsequence(TYPES.map(str::to_owned).to_vec(), 1..3);
    let verbs = (1u8..64).prop_map(|bits| Verbs::from_bits(bits).unwrap());
    let conditions = proptest::collection::vec(condition(), 0..3);
    let minutes = proptest::option::of(1i64..50_000_000);
    let documents = proptest::option::of(proptest::collection::btree_set(any::<[u8; 16]>(), 1..4));
    let rows = proptest::option::of(1u32..=1_000_000_000);
    let all = (types, verbs, fields, conditions, documents, rows, minutes);
    all.prop_map(|(datatypes, verbs, allow, conditions, documents, rows_per_day, minutes)| {
        let documents = documents.map(|ids| ids.into_iter().map(DocId::from_bytes).collect());
        // Nothing new is among documents that are named.
        let verbs =
            if documents.is_some() { verbs.iter().filter(|verb| *verb != Verb::Create).collect() } else { verbs };
        let verbs = if verbs == Verbs::NONE { Verbs::NONE.with(Verb::Read) } else { verbs };
        let duration = minutes.and_then(|all| Span::between(Timestamp(0), Timestamp::from_seconds(all * 60)));
        Access {
            space: None,
            datatypes,
            verbs,
            allow,
            required: Vec::new(),
            conditions,
            documents,
            rows_per_day,
            purpose: None,
            duration,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]
    #[test]
    fn what_a_sentence_says_is_the_grant(list in proptest::collection::vec(access(), 1..4)) {
        let schema = schema();
        let grant = compile(&list, terms(), &schema);
        prop_assume!(grant.is_ok());
        let grant = grant.unwrap();
        let order = Order::of(&list, &grant, &schema);
        let said = statements(&grant, &schema, &order);
        for language in Language::ALL {
            let again: Vec<Statement> =
                sentences(&grant, &schema, &order, language).iter().map(|sentence| read(language, sentence)).collect();
            for (said, again) in said.iter().zip(&again) {
                // Of what is only deleted no field is told.
                let told = said.verbs != Verbs::NONE.with(Verb::Delete);
                let fields = if told { said.fields.clone() } else { Vec::new() };
                prop_assert_eq!(&Statement { fields, ..said.clone() }, again);
            }
            prop_assert_eq!(said.len(), again.len());
            let told: Vec<Statement> = again.into_iter().filter(|one| !one.fields.is_empty()).collect();
            let scopes = |grant: &Grant| -> Vec<_> {
                let of = |entry: &policy_core::GrantEntry| {
                    entry.scopes.iter().map(|scope| (entry.verbs, entry.until, scope.clone())).collect::<Vec<_>>()
                };
                grant.entries.iter().flat_map(of).filter(|(verbs, ..)| *verbs != Verbs::NONE.with(Verb::Delete)).collect()
            };
            let compiled = compile(&asked(&told), terms(), &schema).unwrap();
            prop_assert_eq!(scopes(&compiled), scopes(&grant));
        }
    }
}

#[test]
fn sentences_are_plain_in_both_languages() {
    let list = parse_value(&json!([
        {"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "search", "delete"],
         "fields": {"allow": ["name", "tag"]}, "where": {"age": {"_geq": 3}, "tag": {"_in": ["a", "b”"]}}, "duration": "P30D"},
        {"type": "allod_doc", "datatypes": ["Contact"], "actions": ["delete"], "fields": {"allow": ["name"]}},
        {"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read"], "fields": {"allow": ["name"]},
         "documents": ["00000000-0000-0000-0000-00000000000b", "0000000000000000000000000000000a"]},
        {"type": "allod_doc", "datatypes": ["Contact"], "actions": ["update", "delete"], "fields": {"allow": ["name"]},
         "documents": ["00000000-0000-0000-0000-00000000000b"], "where": {"age": {"_geq": 3}}},
        {"type": "allod_doc", "datatypes": ["Contact"], "actions": ["read", "delete"], "fields": {"allow": ["name"]},
         "limits": {"rows_per_day": 500}, "duration": "P30D"},
    ]))
    .unwrap();
    let schema = schema();
    let grant = compile(&list, terms(), &schema).unwrap();
    let order = Order::of(&list, &grant, &schema);
    assert_eq!(
        sentences(&grant, &schema, &order, Language::English),
        [
            "Read and search by name and tag in each Contact where age is at least 3 and tag is one of “a” or “b\\””, \
             and delete any such Contact, until 24 December 2025, 16:00 UTC.",
            "Delete every Contact, present and future, until you revoke it.",
            "Read name in each Contact with the id 00000000-0000-0000-0000-00000000000a or \
             00000000-0000-0000-0000-00000000000b, until you revoke it.",
            "Change name in each Contact with the id 00000000-0000-0000-0000-00000000000b where age is at least 3, and \
             delete any such Contact, until you revoke it.",
            "Read name in every Contact, present and future, and delete any such Contact, at most 500 a day, until 24 \
             December 2025, 16:00 UTC.",
        ]
    );
    assert_eq!(
        sentences(&grant, &schema, &order, Language::German),
        [
            "Darf in jedem Eintrag der Art Contact, bei dem age mindestens 3 ist und tag eines von „a“ oder „b\\”“ ist, \
             name und tag lesen und durchsuchen und jeden solchen Eintrag löschen, bis zum 24. Dezember 2025, 16:00 UTC.",
            "Darf jeden Eintrag der Art Contact, auch jeden künftigen, löschen, bis du es zurücknimmst.",
            "Darf in jedem Eintrag der Art Contact mit der Kennung 00000000-0000-0000-0000-00000000000a oder \
             00000000-0000-0000-0000-00000000000b, name lesen, bis du es zurücknimmst.",
            "Darf in jedem Eintrag der Art Contact mit der Kennung 00000000-0000-0000-0000-00000000000b, bei dem age \
             mindestens 3 ist, name ändern und jeden solchen Eintrag löschen, bis du es zurücknimmst.",
            "Darf in jedem Eintrag der Art Contact, auch jedem künftigen, name lesen und jeden solchen Eintrag löschen, \
             höchstens 500 am Tag, bis zum 24. Dezember 2025, 16:00 UTC.",
        ]
    );
}
