//! YAML as JSON, of the files that are deployed: maps, lists and text, without anchors.

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// The one document of a text; every scalar is a string.
pub fn parse(text: &str) -> Result<Value, String> {
    let (mut open, mut whole): (Vec<Open>, Option<Value>) = (Vec::new(), None);
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let done = match event {
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => return Err("it ends what has not begun".to_owned()),
            },
            Event::Alias(_) => return Err("an alias".to_owned()),
            _ => continue,
        };
        match open.last_mut() {
            None => whole = Some(done),
            Some(Open::List(items)) => items.push(done),
            Some(Open::Map(map, key)) => match (key.take(), done) {
                (None, Value::String(name)) => *key = Some(name),
                (None, other) => return Err(format!("{other} is no key")),
                (Some(name), value) => {
                    if map.insert(name.clone(), value).is_some() {
                        return Err(format!("{name} stands twice"));
                    }
                }
            },
        }
    }
    whole.ok_or_else(|| "it is empty".to_owned())
}
