//! A grant as plain sentences, for the person who gives it.

use policy_core::{Grant, GrantEntry, GrantScope, Timestamp, Verb, Verbs};
use serde_json::Value;
use time::OffsetDateTime;
use vault_core::schema::{Collection, FieldType, Schema};

use super::show::comparison;
use super::{Operator, Order};

/// One sentence for each scope of each entry, made from what is enforced.
pub fn sentences(grant: &Grant, schema: &Schema, order: &Order) -> Vec<String> {
    let scopes = grant.entries.iter().flat_map(|entry| entry.scopes.iter().map(move |scope| (entry, scope)));
    let said = scopes.filter_map(|(entry, scope)| {
        schema.collection(scope.collection).map(|collection| sentence(entry, scope, collection, order))
    });
    said.collect()
}

fn sentence(entry: &GrantEntry, scope: &GrantScope, collection: &Collection, order: &Order) -> String {
    let fields = listed(&order.names(scope, collection), "and");
    let rows = if scope.predicate.is_everything() {
        format!("in every {}, present and future", collection.name)
    } else {
        format!("in each {} where {}", collection.name, rows(scope, collection))
    };
    let until = match entry.until {
        Some(until) => format!("until {}", date(until)),
        None => "until you revoke it".to_owned(),
    };
    format!("{} {fields} {rows}, {until}.", verbs(entry.verbs))
}

fn verbs(verbs: Verbs) -> String {
    let said = |verb| match verb {
        Verb::Create => "add",
        Verb::Read => "read",
        Verb::Update => "change",
        Verb::Delete => "delete",
        Verb::Search => "search by",
        Verb::History => "see the past of",
    };
    let words: Vec<String> = verbs.iter().map(|verb| said(verb).to_owned()).collect();
    let text = listed(&words, "and");
    text[..1].to_uppercase() + &text[1..]
}

fn rows(scope: &GrantScope, collection: &Collection) -> String {
    let said = scope.predicate.conditions.iter().map(|condition| {
        let field = collection.field(condition.field);
        let relation = field.is_some_and(|field| matches!(field.kind, FieldType::ToOne { .. }));
        let name = field.map_or("a field that is gone", |field| field.name.as_str());
        let (operator, value) = comparison(&condition.comparison, relation);
        let value = match &value {
            Value::Array(all) => listed(&all.iter().map(quoted).collect::<Vec<_>>(), "or"),
            one => quoted(one),
        };
        let phrase = match operator {
            Operator::Eq => "is",
            Operator::Neq => "is not",
            Operator::In => "is one of",
            Operator::Nin => "is none of",
            Operator::Gt => "is more than",
            Operator::Geq => "is at least",
            Operator::Lt => "is less than",
            Operator::Leq => "is at most",
        };
        format!("{name} {phrase} {value}")
    });
    said.collect::<Vec<_>>().join(" and ")
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("“{text}”"),
        Value::Null => "empty".to_owned(),
        other => other.to_string(),
    }
}

fn listed(words: &[String], last: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [many @ .., end] => format!("{} {last} {end}", many.join(", ")),
    }
}

/// A moment as people write it, in UTC.
pub fn date(at: Timestamp) -> String {
    match OffsetDateTime::from_unix_timestamp(at.seconds()) {
        Ok(at) => format!("{} {} {}, {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute()),
        Err(_) => "a day beyond the calendar".to_owned(),
    }
}
