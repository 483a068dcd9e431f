//! A grant as plain sentences, for the person who gives it: in each language from the one structure, and nothing that is
//! written in it can be read as a part of the sentence.

use policy_core::{DocId, Grant, Timestamp, Verb, Verbs};
use serde_json::Value;
use time::{Month, OffsetDateTime};
use vault_core::schema::Schema;

use super::access::{AskedCondition, Operator};
use super::show::{Order, conditions};
use crate::language::Language;
use crate::letters::is_unseen;

/// All that one scope of an entry of a grant says.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Which documents.
    pub collection: String,
    /// And only those that meet all of these.
    pub rows: Vec<AskedCondition>,
    /// And of those these alone. `None`: all.
    pub documents: Option<Vec<DocId>>,
    /// So many rows a day at most. `None`: as many as are asked for.
    pub rows_per_day: Option<u32>,
    /// What may be done.
    pub verbs: Verbs,
    /// With which fields, in the order in which they are shown.
    pub fields: Vec<String>,
    /// `None`: until it is revoked.
    pub until: Option<Timestamp>,
}

/// What a grant says: one statement for each scope of each entry, made from what is enforced.
pub fn statements(grant: &Grant, schema: &Schema, order: &Order) -> Vec<Statement> {
    let scopes = grant.entries.iter().flat_map(|entry| entry.scopes.iter().map(move |scope| (entry, scope)));
    let said = scopes.filter_map(|(entry, scope)| {
        let collection = schema.collection(scope.collection)?;
        Some(Statement {
            collection: collection.name.clone(),
            rows: conditions(&scope.predicate, collection),
            documents: scope.documents.clone(),
            rows_per_day: scope.rows_per_day,
            verbs: entry.verbs,
            fields: order.names(scope, collection),
            until: entry.until,
        })
    });
    said.collect()
}

/// The same in sentences.
pub fn sentences(grant: &Grant, schema: &Schema, order: &Order, language: Language) -> Vec<String> {
    statements(grant, schema, order).iter().map(|one| one.sentence(language)).collect()
}

impl Statement {
    /// The statement as a sentence.
    pub fn sentence(&self, language: Language) -> String {
        // What is deleted is a document, and no field of it.
        let on_fields = self.verbs.iter().filter(|verb| *verb != Verb::Delete);
        let on_fields: Vec<String> = on_fields.map(|verb| verb_word(language, verb).to_owned()).collect();
        let deletes = self.verbs.has(Verb::Delete);
        let fields: Vec<String> = self.fields.iter().map(|name| named(language, name)).collect();
        let (fields, verbs) = (listed(language, &fields, And), listed(language, &on_fields, And));
        let kind = named(language, &self.collection);
        match language {
            Language::English => {
                let rows = match self.which(language) {
                    None => format!("every {kind}, present and future"),
                    Some(which) => format!("each {kind} {which}"),
                };
                let done = match (on_fields.is_empty(), deletes) {
                    (false, false) => format!("{} {fields} in {rows}", capital(&verbs)),
                    (false, true) => format!("{} {fields} in {rows}, and delete any such {kind}", capital(&verbs)),
                    (true, true) => format!("Delete {rows}"),
                    (true, false) => format!("Nothing in {rows}"),
                };
                let done = match self.rows_per_day {
                    None => done,
                    Some(rows) => format!("{done}, at most {rows} a day"),
                };
                match self.until {
                    Some(until) => format!("{done}, until {}.", date(language, until)),
                    None => format!("{done}, until you revoke it."),
                }
            }
            Language::German => {
                let rows = |every: &str| match self.which(language) {
                    None => format!("{every} Eintrag der Art {kind}, auch {every} künftigen,"),
                    Some(which) => format!("{every} Eintrag der Art {kind}{which},"),
                };
                let done = match (on_fields.is_empty(), deletes) {
                    (false, false) => format!("Darf in {} {fields} {verbs}", rows("jedem")),
                    (false, true) => {
                        format!("Darf in {} {fields} {verbs} und jeden solchen Eintrag löschen", rows("jedem"))
                    }
                    (true, true) => format!("Darf {} löschen", rows("jeden")),
                    (true, false) => format!("Darf in {} nichts", rows("jedem")),
                };
                let done = match self.rows_per_day {
                    None => done,
                    Some(rows) => format!("{done}, höchstens {rows} am Tag"),
                };
                match self.until {
                    Some(until) => format!("{done}, bis zum {}.", date(language, until)),
                    None => format!("{done}, bis du es zurücknimmst."),
                }
            }
        }
    }

    /// Which documents of their type; `None`: all of them.
    fn which(&self, language: Language) -> Option<String> {
        let ids = self.documents.iter().map(|ids| {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            match language {
                Language::English => format!("with the id {}", listed(language, &ids, Or)),
                Language::German => format!(" mit der Kennung {}", listed(language, &ids, Or)),
            }
        });
        let rows = (!self.rows.is_empty()).then(|| match language {
            Language::English => format!("where {}", self.conditions(language)),
            Language::German => format!(", bei dem {}", self.conditions(language)),
        });
        let all: Vec<String> = ids.chain(rows).collect();
        let joint = if language == Language::English { " " } else { "" };
        (!all.is_empty()).then(|| all.join(joint))
    }

    fn conditions(&self, language: Language) -> String {
        let said = self.rows.iter().map(|asked| {
            let value = match &asked.value {
                Value::Array(all) => {
                    listed(language, &all.iter().map(|one| value_words(language, one)).collect::<Vec<_>>(), Or)
                }
                one => value_words(language, one),
            };
            let (name, phrase) = (named(language, &asked.field), operator_words(language, asked.operator));
            match language {
                Language::English => format!("{name} {phrase} {value}"),
                Language::German => format!("{name} {phrase} {value} ist"),
            }
        });
        let joint = match language {
            Language::English => " and ",
            Language::German => " und ",
        };
        said.collect::<Vec<_>>().join(joint)
    }
}

/// The words of which sentences are made, so far as a type or a field could be called so.
const fn reserved(language: Language) -> &'static [&'static str] {
    match language {
        Language::English => &[
            "add", "and", "any", "at", "by", "change", "delete", "each", "empty", "every", "future", "in", "is", "it",
            "least", "less", "more", "most", "no", "none", "not", "nothing", "of", "one", "or", "past", "present",
            "read", "revoke", "search", "see", "such", "than", "the", "until", "versions", "where", "with", "yes",
            "you",
        ],
        Language::German => &[
            "als",
            "anlegen",
            "art",
            "auch",
            "bei",
            "bis",
            "darf",
            "dem",
            "der",
            "du",
            "durchsuchen",
            "eines",
            "eintrag",
            "es",
            "fassungen",
            "gleich",
            "heutigen",
            "in",
            "ist",
            "ja",
            "jedem",
            "jeden",
            "keines",
            "leer",
            "lesen",
            "mehr",
            "mindestens",
            "mit",
            "nein",
            "nicht",
            "nichts",
            "oder",
            "sehen",
            "solchen",
            "und",
            "von",
            "weniger",
            "zum",
        ],
    }
}

/// A name within a sentence. One that is a word of the sentence stands apart from it.
fn named(language: Language, name: &str) -> String {
    let taken = reserved(language).iter().any(|word| word.eq_ignore_ascii_case(name));
    if taken { format!("`{name}`") } else { name.to_owned() }
}

/// What a verb is called within a sentence.
pub const fn verb_word(language: Language, verb: Verb) -> &'static str {
    match (language, verb) {
        (Language::English, Verb::Create) => "add",
        (Language::English, Verb::Read) => "read",
        (Language::English, Verb::Update) => "change",
        (Language::English, Verb::Delete) => "delete",
        (Language::English, Verb::Search) => "search by",
        (Language::English, Verb::History) => "see past and present versions of",
        (Language::German, Verb::Create) => "anlegen",
        (Language::German, Verb::Read) => "lesen",
        (Language::German, Verb::Update) => "ändern",
        (Language::German, Verb::Delete) => "löschen",
        (Language::German, Verb::Search) => "durchsuchen",
        (Language::German, Verb::History) => "in früheren und heutigen Fassungen sehen",
    }
}

/// How a field is compared, within a sentence.
pub const fn operator_words(language: Language, operator: Operator) -> &'static str {
    match (language, operator) {
        (Language::English, Operator::Eq) => "is",
        (Language::English, Operator::Neq) => "is not",
        (Language::English, Operator::In) => "is one of",
        (Language::English, Operator::Nin) => "is none of",
        (Language::English, Operator::Gt) => "is more than",
        (Language::English, Operator::Geq) => "is at least",
        (Language::English, Operator::Lt) => "is less than",
        (Language::English, Operator::Leq) => "is at most",
        (Language::German, Operator::Eq) => "gleich",
        (Language::German, Operator::Neq) => "nicht gleich",
        (Language::German, Operator::In) => "eines von",
        (Language::German, Operator::Nin) => "keines von",
        (Language::German, Operator::Gt) => "mehr als",
        (Language::German, Operator::Geq) => "mindestens",
        (Language::German, Operator::Lt) => "weniger als",
        (Language::German, Operator::Leq) => "höchstens",
    }
}

/// A value within a sentence. A text stands between quotation marks, and those within it are marked: it ends where it
/// seems to.
fn value_words(language: Language, value: &Value) -> String {
    match (language, value) {
        (Language::English, Value::String(text)) => format!("“{}”", marked(text)),
        (Language::German, Value::String(text)) => format!("„{}“", marked(text)),
        (Language::English, Value::Null) => "empty".to_owned(),
        (Language::German, Value::Null) => "leer".to_owned(),
        (Language::English, Value::Bool(true)) => "yes".to_owned(),
        (Language::English, Value::Bool(false)) => "no".to_owned(),
        (Language::German, Value::Bool(true)) => "ja".to_owned(),
        (Language::German, Value::Bool(false)) => "nein".to_owned(),
        (Language::German, Value::Number(number)) => number.to_string().replace('.', ","),
        (_, other) => other.to_string(),
    }
}

/// Text between quotation marks: these, what marks them, and what is not seen are written out.
pub fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '“' | '”' | '„' | '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The word before the last of a list.
#[derive(Clone, Copy)]
enum Last {
    And,
    Or,
}
use Last::{And, Or};

fn listed(language: Language, words: &[String], last: Last) -> String {
    let last = match (language, last) {
        (Language::English, And) => "and",
        (Language::English, Or) => "or",
        (Language::German, And) => "und",
        (Language::German, Or) => "oder",
    };
    match (language, words) {
        (Language::English, []) => "nothing".to_owned(),
        (Language::German, []) => "nichts".to_owned(),
        (_, [one]) => one.clone(),
        (_, [many @ .., end]) => format!("{} {last} {end}", many.join(", ")),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A moment as people write it, in UTC.
pub fn date(language: Language, at: Timestamp) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at.seconds()) else {
        return match language {
            Language::English => "a day beyond the calendar".to_owned(),
            Language::German => "Tag jenseits des Kalenders".to_owned(),
        };
    };
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    match language {
        Language::English => format!("{day} {} {year}, {hour:02}:{minute:02} UTC", at.month()),
        Language::German => format!("{day}. {} {year}, {hour:02}:{minute:02} UTC", german_month(at.month())),
    }
}

/// What a month is called in German.
pub const fn german_month(month: Month) -> &'static str {
    match month {
        Month::January => "Januar",
        Month::February => "Februar",
        Month::March => "März",
        Month::April => "April",
        Month::May => "Mai",
        Month::June => "Juni",
        Month::July => "Juli",
        Month::August => "August",
        Month::September => "September",
        Month::October => "Oktober",
        Month::November => "November",
        Month::December => "Dezember",
    }
}

#[cfg(test)]
mod tests;
