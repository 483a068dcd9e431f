//! What a person leaves of what an app asks: as the form says it, and as it is granted.

use std::collections::BTreeSet;

use gateway_people::language::Language;
use policy_core::instant::instant;
use policy_core::{DocId, SpaceId, Timestamp, Verb, Verbs};
use serde_json::{Value, json};
use time::format_description::well_known::Iso8601;
use time::{Date, Duration, OffsetDateTime, Time};
use vault_core::schema::{FieldType, ScalarType, Schema};

use super::super::form::Fields;
use super::super::words::Words;
use crate::grants::{Access, AskedCondition, Operator, Span, date, turns_text};

/// What the duration offers besides what the app asks for; days.
const OFFERED: [u32; 4] = [1, 30, 180, 365];
/// Chosen where the app leaves it open.
const USUAL: u32 = 30;
/// The value of the option `until I revoke it`.
const FOREVER: &str = "none";
/// Fields that a row filter offers at most, and the longest value.
const FILTERS: usize = 64;
const MAX_VALUE_BYTES: usize = 1_024;
/// Conditions of one entry, those of the app among them: as many as a grant is read with again.
const MAX_CONDITIONS: usize = 32;
/// The greatest number of rows a day.
pub(super) const MAX_ROWS: u32 = 1_000_000_000;
/// Documents that are named of one entry: as many.
pub(super) const MAX_DOCUMENTS: usize = 256;
/// Comparisons with no value, and where one is chosen of a field that is true or false.
const EMPTY: &str = "_null";
const NOT_EMPTY: &str = "_some";

/// The names of the controls of entry `at`.
pub(super) fn field_control(at: usize) -> String {
    format!("field-{at}")
}
pub(super) fn verb_control(at: usize) -> String {
    format!("verb-{at}")
}
pub(super) fn document_control(at: usize) -> String {
    format!("document-{at}")
}
pub(super) fn named_control(at: usize) -> String {
    format!("named-{at}")
}
pub(super) fn rows_control(at: usize) -> String {
    format!("rows-{at}")
}
pub(super) fn end_control(at: usize) -> String {
    format!("end-{at}")
}
pub(super) fn day_control(at: usize) -> String {
    format!("day-{at}")
}
pub(super) fn test_control(at: usize, field: &str) -> String {
    format!("test-{at}-{field}")
}
pub(super) fn value_control(at: usize, field: &str) -> String {
    format!("value-{at}-{field}")
}

/// What the names of controls begin with that are sent once for each of their values.
pub(super) const LISTS: [&str; 3] = ["field-", "verb-", "document-"];

/// What is left of each entry, and how its end was chosen, as a text of which no two are alike: whatever of it is chosen
/// otherwise makes another.
pub(super) fn text(space: SpaceId, left: &[Option<Access>], sent: &Fields) -> String {
    let one = |(at, left): (usize, &Option<Access>)| {
        let end = [end_control(at), day_control(at)].map(|control| sent.get(&control).map(str::to_owned));
        // The moment of an end depends on when one asks.
        let left = left.as_ref().map(|left| Access { duration: None, ..left.clone() }.to_json());
        json!([left, end])
    };
    json!([space.to_string(), left.iter().enumerate().map(one).collect::<Vec<_>>()]).to_string()
}

/// The form as it is shown first: what the app needs, with all that it would do, for as long as it asks.
pub(super) fn initial(access: &[Access]) -> Fields {
    let mut pairs = Vec::new();
    for (at, one) in access.iter().enumerate() {
        pairs.extend(one.required.iter().map(|name| (field_control(at), name.clone())));
        pairs.extend(one.verbs.iter().map(|verb| (verb_control(at), verb.word().to_owned())));
        pairs.extend(one.documents.iter().flatten().map(|id| (document_control(at), id.to_string())));
        pairs.extend(one.rows_per_day.map(|rows| (rows_control(at), rows.to_string())));
        pairs.push((end_control(at), usual(one)));
    }
    Fields::of(pairs)
}

/// The same form with every field of entry `at` ticked.
pub(super) fn all_ticked(sent: &Fields, access: &[Access], at: usize) -> Fields {
    let Some(one) = access.get(at) else { return sent.clone() };
    sent.with(one.allow.iter().map(|name| (field_control(at), name.clone())))
}

/// Why something is not granted so, and at which control one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) control: String,
    pub(super) why: Why,
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    FieldNeeded(String),
    VerbNeeded(String),
    SearchReads(String),
    HistoryReads(String),
    DocumentNeeded(String),
    NoDocument,
    NamedMakesNone,
    NoRows,
    RowsBeyond(u32),
    NoTest(String),
    NoValue(String),
    NoNumber(String),
    NoWholeNumber(String),
    NoMoment(String),
    TooLong(String),
    Unseen(String),
    TooMany,
    NoSuchField,
    NoEnd,
    NoDay,
    DayOver,
    DayBeyond(Timestamp),
}

impl Slip {
    /// In words.
    pub(super) fn text(&self, words: Words) -> String {
        match &self.why {
            Why::FieldNeeded(field) => words.field_needed(field),
            Why::VerbNeeded(kind) => words.verb_needed(kind),
            Why::SearchReads(kind) => words.search_reads(kind),
            Why::HistoryReads(kind) => words.history_reads(kind),
            Why::DocumentNeeded(kind) => words.document_needed(kind),
            Why::NoDocument => words.no_document(MAX_DOCUMENTS),
            Why::NamedMakesNone => words.named_makes_none().to_owned(),
            Why::NoRows => words.no_rows().to_owned(),
            Why::RowsBeyond(most) => words.rows_beyond(most),
            Why::NoTest(field) => words.choose_test(field),
            Why::NoValue(field) => words.give_value(field),
            Why::NoNumber(field) => words.no_number(field),
            Why::NoWholeNumber(field) => words.no_whole_number(field),
            Why::NoMoment(field) => words.no_moment(field),
            Why::TooLong(field) => words.value_too_long(field),
            Why::Unseen(field) => words.value_unseen(field),
            Why::TooMany => words.too_many_tests(MAX_CONDITIONS),
            Why::NoSuchField => words.no_such_field().to_owned(),
            Why::NoEnd => words.choose_how_long().to_owned(),
            Why::NoDay => words.no_day().to_owned(),
            Why::DayOver => words.day_over().to_owned(),
            Why::DayBeyond(end) => words.day_beyond(date(words.0, *end)),
        }
    }
}

/// What is left of entry `at` of `all`; `None`: nothing.
pub(super) fn of(
    (at, all): (usize, usize),
    asked: &Access,
    sent: &Fields,
    schema: &Schema,
    (now, language): (Timestamp, Language),
) -> Result<Option<Access>, Slip> {
    let kinds = || asked.datatypes.join(", ");
    let (field, verb) = (field_control(at), verb_control(at));
    let ticked: BTreeSet<&str> = sent.all(&field).collect();
    let allow: Vec<String> = asked.allow.iter().filter(|name| ticked.contains(name.as_str())).cloned().collect();
    if let Some(missing) = asked.required.iter().find(|name| !allow.contains(name)) {
        return Err(Slip { control: field_control(at), why: Why::FieldNeeded(missing.clone()) });
    }
    let words: BTreeSet<&str> = sent.all(&verb).collect();
    let verbs: Verbs = asked.verbs.iter().filter(|verb| words.contains(verb.word())).collect();
    if verbs.is_empty() && !asked.required.is_empty() {
        return Err(Slip { control: verb_control(at), why: Why::VerbNeeded(kinds()) });
    }
    if allow.is_empty() || verbs.is_empty() {
        return Ok(None);
    }
    if verbs.has(Verb::Search) && !verbs.has(Verb::Read) {
        return Err(Slip { control: verb_control(at), why: Why::SearchReads(kinds()) });
    }
    // History shows what is there today too. An app that asks for it without reading is told so in the sentence.
    if verbs.has(Verb::History) && !verbs.has(Verb::Read) && asked.verbs.has(Verb::Read) {
        return Err(Slip { control: verb_control(at), why: Why::HistoryReads(kinds()) });
    }
    let Some(documents) = documents(at, asked, sent)? else { return Ok(None) };
    if documents.is_some() && verbs.has(Verb::Create) {
        return Err(Slip { control: named_control(at), why: Why::NamedMakesNone });
    }
    let mut conditions = asked.conditions.clone();
    conditions.extend(rows((at, all), asked, sent, (schema, language))?);
    if conditions.len() > MAX_CONDITIONS {
        return Err(Slip { control: test_control(at, ""), why: Why::TooMany });
    }
    let rows_per_day = rows_a_day(at, asked, sent)?;
    let duration = end(at, asked, sent, now)?;
    Ok(Some(Access { allow, verbs, conditions, documents, rows_per_day, duration, ..asked.clone() }))
}

/// How many rows a day: as many as are given, never more than the app asks.
fn rows_a_day(at: usize, asked: &Access, sent: &Fields) -> Result<Option<u32>, Slip> {
    let slip = |why| Slip { control: rows_control(at), why };
    let Some(text) = sent.get(&rows_control(at)).map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(asked.rows_per_day);
    };
    let rows =
        text.parse::<u32>().ok().filter(|rows| (1..=MAX_ROWS).contains(rows)).ok_or_else(|| slip(Why::NoRows))?;
    match asked.rows_per_day {
        Some(most) if rows > most => Err(slip(Why::RowsBeyond(most))),
        _ => Ok(Some(rows)),
    }
}

/// The documents that are left: those ticked of what the app names, or those that the person names. `None`: none is, and
/// the app needs none; within that: all.
fn documents(at: usize, asked: &Access, sent: &Fields) -> Result<Option<Option<Vec<DocId>>>, Slip> {
    if let Some(named) = &asked.documents {
        let ticked: BTreeSet<DocId> = sent.all(&document_control(at)).filter_map(|id| id.parse().ok()).collect();
        let left: Vec<DocId> = named.iter().copied().filter(|id| ticked.contains(id)).collect();
        return match left.is_empty() {
            false => Ok(Some(Some(left))),
            true if asked.required.is_empty() => Ok(None),
            true => {
                let why = Why::DocumentNeeded(asked.datatypes.join(", "));
                Err(Slip { control: document_control(at), why })
            }
        };
    }
    let text = sent.get(&named_control(at)).unwrap_or_default();
    let slip = || Slip { control: named_control(at), why: Why::NoDocument };
    let mut ids: Vec<DocId> = Vec::new();
    for word in text.split([' ', ',', ';', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
        let id = word.parse().map_err(|_| slip())?;
        if !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() > MAX_DOCUMENTS {
            return Err(slip());
        }
    }
    Ok(Some((!ids.is_empty()).then_some(ids)))
}

/// How long an entry lasts: until the day that is given, else as is chosen, never longer than the app asks.
fn end(at: usize, asked: &Access, sent: &Fields, now: Timestamp) -> Result<Option<Span>, Slip> {
    if let Some(text) = sent.get(&day_control(at)) {
        let slip = |why| Slip { control: day_control(at), why };
        let until = last_minute(text).ok_or_else(|| slip(Why::NoDay))?;
        let span = Span::between(now, until);
        let most = asked.duration.map(|most| most.after(now));
        // The day on which it would end by itself counts as that end.
        return match (span, most) {
            (None, _) => Err(slip(if until <= now { Why::DayOver } else { Why::NoDay })),
            (Some(_), Some(most)) if until > most && day_of(until) == day_of(most) => Ok(asked.duration),
            (Some(_), Some(most)) if until > most => Err(slip(Why::DayBeyond(most))),
            (span, _) => Ok(span),
        };
    }
    let chosen = sent.get(&end_control(at)).unwrap_or_default();
    match offered(asked, now).into_iter().find(|(value, _)| value == chosen) {
        Some((_, End::Asked)) => Ok(asked.duration),
        Some((_, End::Days(days))) => Ok(Span::days(days)),
        Some((_, End::Never)) => Ok(None),
        None => Err(Slip { control: end_control(at), why: Why::NoEnd }),
    }
}

fn day_of(at: Timestamp) -> Option<Date> {
    OffsetDateTime::from_unix_timestamp(at.seconds()).ok().map(OffsetDateTime::date)
}

/// The middle of the last minute of a day, in UTC: what is rounded to seconds stays within it.
fn last_minute(text: &str) -> Option<Timestamp> {
    let day = Date::parse(text, &Iso8601::DATE).ok().filter(|_| text.len() == 10)?;
    let end = day.checked_add(Duration::DAY)?.with_time(Time::MIDNIGHT).assume_utc() - Duration::seconds(30);
    Some(Timestamp::from_seconds(end.unix_timestamp()))
}

/// The first and the last day that can be given.
pub(super) fn days(asked: &Access, now: Timestamp) -> (String, Option<String>) {
    let text = |at| day_of(at).map(|day| day.to_string());
    (text(now).unwrap_or_default(), asked.duration.and_then(|most| text(most.after(now))))
}

/// What is offered as an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Days(u32),
    Asked,
    Never,
}

/// The ends that an entry is offered by their values, soonest first.
pub(super) fn offered(asked: &Access, now: Timestamp) -> Vec<(String, End)> {
    let days = OFFERED.into_iter().filter_map(|days| Some((Span::days(days)?, days)));
    let sooner = days.filter(|(span, _)| asked.duration.is_none_or(|most| span.after(now) < most.after(now)));
    let mut out: Vec<_> = sooner.map(|(span, days)| (span.to_string(), End::Days(days))).collect();
    out.push(match asked.duration {
        Some(most) => (most.to_string(), End::Asked),
        None => (FOREVER.to_owned(), End::Never),
    });
    out
}

fn usual(asked: &Access) -> String {
    asked.duration.or_else(|| Span::days(USUAL)).map(|span| span.to_string()).unwrap_or_default()
}

/// How the values of a field are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparand {
    Text,
    Whole,
    Number,
    /// One that takes half the room: it reaches less far.
    Single,
    Moment,
    Truth,
}

impl Comparand {
    fn of(kind: &FieldType) -> Option<Comparand> {
        let FieldType::Scalar { of, .. } = kind else { return None };
        match of {
            ScalarType::String | ScalarType::Id => Some(Comparand::Text),
            ScalarType::Int => Some(Comparand::Whole),
            ScalarType::Float64 => Some(Comparand::Number),
            ScalarType::Float32 => Some(Comparand::Single),
            ScalarType::DateTime => Some(Comparand::Moment),
            ScalarType::Boolean => Some(Comparand::Truth),
            ScalarType::Blob | ScalarType::Json => None,
        }
    }

    /// The operators that are offered of it.
    pub(super) const fn operators(self) -> &'static [Operator] {
        use Operator::{Eq, Geq, Gt, Leq, Lt, Neq};
        match self {
            Comparand::Text => &[Eq, Neq],
            Comparand::Whole | Comparand::Number | Comparand::Single => &[Eq, Neq, Gt, Geq, Lt, Leq],
            Comparand::Moment => &[Geq, Lt],
            Comparand::Truth => &[Eq],
        }
    }
}

/// The fields by which rows can be chosen: what every type of the entry has, in the order of the definitions.
/// Entries share the room of the form: `all` of them there are.
pub(super) fn filters(asked: &Access, all: usize, schema: &Schema) -> Vec<(String, Comparand)> {
    let mut types = asked.datatypes.iter().filter_map(|name| schema.collection_named(name));
    let Some(first) = types.next() else { return Vec::new() };
    let others: Vec<_> = types.collect();
    let kind = |field: &vault_core::schema::Field| {
        let kind = Comparand::of(&field.kind)?;
        let same = |of: &&vault_core::schema::Collection| {
            of.field_named(&field.name).is_some_and(|other| Comparand::of(&other.kind) == Some(kind))
        };
        others.iter().all(same).then(|| (field.name.clone(), kind))
    };
    first.fields.iter().filter_map(kind).take((FILTERS / all.max(1)).max(2)).collect()
}

/// The values of a test that need no value beside it, with whether a field then is empty.
pub(super) const BY_ITSELF: [(&str, bool); 2] = [(EMPTY, true), (NOT_EMPTY, false)];

/// The conditions that the person adds.
fn rows(
    (at, all): (usize, usize),
    asked: &Access,
    sent: &Fields,
    (schema, language): (&Schema, Language),
) -> Result<Vec<AskedCondition>, Slip> {
    let offered = filters(asked, all, schema);
    let (tests, values) = (test_control(at, ""), value_control(at, ""));
    let (tested, given) = (sent.beginning(&tests), sent.beginning(&values));
    let foreign = |(prefix, control): &(&str, &&str)| {
        control.strip_prefix(prefix).is_none_or(|field| offered.iter().all(|(known, _)| known != field))
    };
    let controls = tested.keys().map(|control| (tests.as_str(), control));
    if let Some((_, control)) = controls.chain(given.keys().map(|control| (values.as_str(), control))).find(foreign) {
        return Err(Slip { control: (*control).to_owned(), why: Why::NoSuchField });
    }
    let mut out = Vec::new();
    for (field, kind) in offered {
        let test = tested.get(test_control(at, &field).as_str()).copied().flatten();
        let text = given.get(value_control(at, &field).as_str()).copied().flatten();
        let at_test = |why| Slip { control: test_control(at, &field), why };
        let at_value = |why: fn(String) -> Why| Slip { control: value_control(at, &field), why: why(field.clone()) };
        if let Some((_, empty)) = BY_ITSELF.into_iter().find(|(word, _)| test == Some(*word)) {
            let operator = if empty { Operator::Eq } else { Operator::Neq };
            out.push(AskedCondition { field, operator, value: Value::Null });
            continue;
        }
        let operator = match (test, text) {
            (None, None) => continue,
            (None, Some(_)) if kind == Comparand::Truth => Operator::Eq,
            (test, _) => {
                let known = test.and_then(Operator::of_word).filter(|one| kind.operators().contains(one));
                known.ok_or_else(|| at_test(Why::NoTest(field.clone())))?
            }
        };
        let text = text.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| at_value(Why::NoValue))?;
        if text.len() > MAX_VALUE_BYTES {
            return Err(at_value(Why::TooLong));
        }
        // The sentence would write them out, and nobody meant them.
        if text.chars().any(turns_text) {
            return Err(at_value(Why::Unseen));
        }
        let value = match kind {
            Comparand::Text => Value::String(text.to_owned()),
            Comparand::Whole => Value::from(text.parse::<i64>().map_err(|_| at_value(Why::NoWholeNumber))?),
            Comparand::Number => number(text, language).map(Value::from).ok_or_else(|| at_value(Why::NoNumber))?,
            Comparand::Single => {
                let fits = number(text, language).filter(|number| number.abs() <= f64::from(f32::MAX));
                fits.map(Value::from).ok_or_else(|| at_value(Why::NoNumber))?
            }
            Comparand::Moment => Value::String(moment(text).ok_or_else(|| at_value(Why::NoMoment))?),
            Comparand::Truth => match text {
                "yes" => Value::Bool(true),
                "no" => Value::Bool(false),
                _ => return Err(at_value(Why::NoValue)),
            },
        };
        out.push(AskedCondition { field, operator, value });
    }
    Ok(out)
}

/// A number as it is written in this language. A mark with three digits behind it may part thousands, or not: what it
/// says is not guessed.
fn number(text: &str, language: Language) -> Option<f64> {
    let behind = |mark| text.split_once(mark).map_or(0, |(_, digits)| digits.len());
    if behind('.') == 3 || behind(',') == 3 {
        return None;
    }
    let plain = if language == Language::German { text.replace(',', ".") } else { text.to_owned() };
    plain.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A moment as a browser writes it, which names no place on earth: it is meant in UTC.
fn moment(text: &str) -> Option<String> {
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        _ if text.ends_with('Z') || text.get(19..).is_some_and(|rest| rest.contains(['+', '-'])) => text.to_owned(),
        _ => format!("{text}Z"),
    };
    instant(&full).ok().map(crate::grants::rfc3339)
}

#[cfg(test)]
mod tests;
