//! The YAML that a validation file is made of: texts, lists and mappings, each with its place.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{SourcePosition, ValidationFileError};

/// How deeply lists and mappings may be nested; the format needs three levels.
const MAX_NESTING: usize = 16;

pub(super) struct YamlNode {
    pub(super) at: SourcePosition,
    pub(super) value: Value,
}

pub(super) enum Value {
    Text(Text),
    List(Vec<YamlNode>),
    Map(Vec<(Text, YamlNode)>),
}

/// A text, or nothing (`null`).
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) at: SourcePosition,
    /// Empty for nothing.
    pub(super) text: String,
    pub(super) null: bool,
}

/// A list or mapping whose end has not come yet.
enum Open {
    List(SourcePosition, Vec<YamlNode>),
    Map(SourcePosition, Vec<(Text, YamlNode)>, Option<Text>),
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Option<YamlNode>, ValidationFileError> {
    let mut reader = Reader { open: Vec::new(), root: None, documents: 0, anchors: HashMap::new() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = SourcePosition { line: number(error.marker().line()), column: number(error.marker().col() + 1) };
            at.error(format!("this is not YAML: {}", error.info()))
        })?;
        reader.take(event, &span)?;
    }
    Ok(reader.root)
}

struct Reader {
    open: Vec<Open>,
    root: Option<YamlNode>,
    documents: usize,
    anchors: HashMap<usize, Text>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), ValidationFileError> {
        let at = place(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(at.error("a validation file is one YAML document; this is the beginning of another"));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let text = scalar(at, text, style);
                if anchor > 0 {
                    self.anchors.insert(anchor, text.clone());
                }
                self.put_text(text)?;
            }
            Event::Alias(anchor) => {
                let text = self.anchors.get(&anchor).cloned();
                let text = text.ok_or_else(|| at.error("only texts can be named and repeated (`&name`, `*name`)"))?;
                self.put_text(Text { at, ..text })?;
            }
            Event::SequenceStart(..) => self.begin(Open::List(at, Vec::new()), at)?,
            Event::MappingStart(..) => self.begin(Open::Map(at, Vec::new(), None), at)?,
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(at, nodes)) => self.put(YamlNode { at, value: Value::List(nodes) })?,
                Some(Open::Map(at, entries, _)) => self.put(YamlNode { at, value: Value::Map(entries) })?,
                None => {}
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, open: Open, at: SourcePosition) -> Result<(), ValidationFileError> {
        if self.open.len() >= MAX_NESTING {
            return Err(at.error("lists and mappings are nested too deeply"));
        }
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            return Err(at.error("the key of a mapping is a text"));
        }
        self.open.push(open);
        Ok(())
    }

    fn put_text(&mut self, text: Text) -> Result<(), ValidationFileError> {
        if let Some(Open::Map(_, entries, key @ None)) = self.open.last_mut() {
            if entries.iter().any(|(other, _)| other.text == text.text) {
                return Err(text.at.error(format!("`{}` stands here twice", text.text)));
            }
            *key = Some(text);
            return Ok(());
        }
        self.put(YamlNode { at: text.at, value: Value::Text(text) })
    }

    fn put(&mut self, node: YamlNode) -> Result<(), ValidationFileError> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, nodes)) => nodes.push(node),
            Some(Open::Map(_, entries, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => return Err(node.at.error("the key of a mapping is a text")),
            },
        }
        Ok(())
    }
}

fn scalar(at: SourcePosition, text: Cow<'_, str>, style: ScalarStyle) -> Text {
    let null = style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
    let text = if null { String::new() } else { text.into_owned() };
    Text { at, text, null }
}

fn place(span: &Span) -> SourcePosition {
    SourcePosition { line: number(span.start.line()), column: number(span.start.col() + 1) }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
