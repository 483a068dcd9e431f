//! Values that no two documents may have, looked at before anything is written: in the file, and in what is there.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use gateway_transfer::{Collection, Document, Problem};
use policy_core::DocId;
use serde_json::{Value, json};

use super::super::output::Failure;
use super::super::remote::Remote;
use super::asked::{Refused, graphql};

/// Of so many values it is remembered where the file has them: a million documents are looked at in little memory.
const MAX_REMEMBERED: usize = 4_000_000;

/// A document of the file that is to be added.
pub struct Wanted {
    pub id: DocId,
    pub place: u64,
    /// Of each set of columns whose values no two documents may have together; `None`: one of them is null.
    keys: Vec<Option<Vec<Value>>>,
}

impl Wanted {
    pub fn of(collection: &Collection, id: DocId, place: u64, document: &Document) -> Wanted {
        let value = |name: &String| document.get(name).filter(|value| !value.is_null()).cloned();
        let keys = collection.unique.iter().map(|set| set.iter().map(value).collect()).collect();
        Wanted { id, place, keys }
    }

    fn problem(&self, collection: &Collection, set: &[String], why: &str) -> Problem {
        let fields = set.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
        Problem {
            place: Some(self.place),
            collection: collection.name.clone(),
            field: set.first().cloned(),
            code: "not_unique",
            problem: format!("{fields} of `{}` must be unique, and {why}", collection.name),
        }
    }
}

/// Which values the file has had so far, and on which line.
#[derive(Default)]
pub struct SeenValues(HashMap<(String, usize, u64), (u64, DocId)>);

impl SeenValues {
    /// Notes the values of a document, and says which an earlier one has.
    pub fn note(&mut self, collection: &Collection, wanted: &Wanted) -> Vec<Problem> {
        let mut wrong = Vec::new();
        for (n, (set, key)) in collection.unique.iter().zip(&wanted.keys).enumerate() {
            let Some(key) = key else { continue };
            let mut hasher = DefaultHasher::new();
            json!(key).to_string().hash(&mut hasher);
            let at = (collection.name.clone(), n, hasher.finish());
            match self.0.get(&at) {
                // The same document twice is one.
                Some((_, id)) if *id == wanted.id => {}
                Some((line, _)) => wrong.push(wanted.problem(collection, set, &format!("line {line} has the same"))),
                None if self.0.len() < MAX_REMEMBERED => drop(self.0.insert(at, (wanted.place, wanted.id))),
                None => {}
            }
        }
        wrong
    }
}

/// Which of these documents, none of which is there, have values that another document has.
///
/// # Errors
/// If the node does not answer.
pub async fn taken(node: &Remote, collection: &Collection, all: &[Wanted]) -> Result<Vec<Problem>, Failure> {
    let mut wrong = Vec::new();
    if !collection.listed {
        return Ok(wrong);
    }
    for (n, set) in collection.unique.iter().enumerate() {
        let seen = |name: &String| collection.columns.iter().any(|column| column.name == *name && column.read);
        let asked: Vec<&Wanted> = all.iter().filter(|one| one.keys[n].is_some()).collect();
        if asked.is_empty() || !set.iter().all(seen) {
            continue;
        }
        let keys = || asked.iter().filter_map(|one| one.keys[n].as_ref());
        let filter = match set.as_slice() {
            [name] => json!({ name: { "_in": keys().map(|key| &key[0]).collect::<Vec<_>>() } }),
            _ => {
                let each = |key: &Vec<Value>| -> Value {
                    set.iter()
                        .zip(key)
                        .map(|(name, value)| (name.clone(), json!({ "_eq": value })))
                        .collect::<serde_json::Map<_, _>>()
                        .into()
                };
                json!({ "_or": keys().map(each).collect::<Vec<_>>() })
            }
        };
        let (name, columns) = (&collection.name, set.join(" "));
        let query = format!("query($f: {name}FilterArg) {{ {name}(filter: $f) {{ _docID {columns} }} }}");
        let body = json!({ "query": query, "variables": { "f": filter } }).to_string();
        let data = graphql(node, &body).await.map_err(Refused::failure)?;
        for row in data[name].as_array().into_iter().flatten() {
            let has = |one: &&&Wanted| one.keys[n].iter().flatten().zip(set).all(|(value, name)| row[name] == *value);
            if let Some(one) = asked.iter().find(has) {
                wrong.push(one.problem(
                    collection,
                    set,
                    &format!("document {} has the same", row["_docID"].as_str().unwrap_or("?")),
                ));
            }
        }
    }
    Ok(wrong)
}
