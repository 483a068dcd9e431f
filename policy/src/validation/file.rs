//! What a validation file says.

use policy_core::{Check, Context, Object, Permissionship, Tuple};

use super::expected::{self, ExpectedMember};
use super::yaml::{self, Text, Value, YamlNode};
use super::{MAX_VALIDATION_FILE_BYTES, SourcePosition, ValidationFileError};

/// A validation file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationFile {
    pub schema: SchemaSource,
    pub relationships: Vec<Relationship>,
    pub assertions: Vec<Assertion>,
    pub expected: Vec<ExpectedMembers>,
}

/// Where the schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaSource {
    /// In the file itself; `lines` are the lines of the file where the lines of the text stand.
    Here { text: String, lines: Vec<u32> },
    /// In another file, whose path is relative to this one.
    File { path: String, at: SourcePosition },
}

/// A relationship of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Relationship {
    pub at: SourcePosition,
    pub tuple: Tuple,
}

/// What a check must answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    pub at: SourcePosition,
    /// As it is written.
    pub text: String,
    pub check: Check,
    pub expected: Permissionship,
}

/// Who must be, by what is written in the relationships, in a relation or permission of an object, and nobody else.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedMembers {
    pub at: SourcePosition,
    pub resource: Object,
    pub member: String,
    pub members: Vec<ExpectedMember>,
}

impl ValidationFile {
    /// Reads a validation file. A `schemaFile` is named in it, not read.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str) -> Result<ValidationFile, ValidationFileError> {
        let start = SourcePosition { line: 1, column: 1 };
        if text.len() > MAX_VALIDATION_FILE_BYTES {
            return Err(start.error(format!("the file is longer than {MAX_VALIDATION_FILE_BYTES} bytes")));
        }
        let root = match yaml::read(text)? {
            Some(YamlNode { value: Value::Map(entries), .. }) => entries,
            Some(YamlNode { at, .. }) => return Err(at.error("a validation file is a mapping with the key `schema`")),
            None => return Err(start.error("the file is empty; it needs at least `schema`")),
        };
        let source = Lines::of(text);
        let mut file = ValidationFile {
            schema: SchemaSource::Here { text: String::new(), lines: Vec::new() },
            relationships: Vec::new(),
            assertions: Vec::new(),
            expected: Vec::new(),
        };
        let mut schema = None;
        for (key, node) in root {
            match key.text.as_str() {
                "schema" | "schemaFile" if schema.is_some() => {
                    return Err(key.at.error("give either `schema` or `schemaFile`, not both"));
                }
                "schema" => {
                    let text = text_of(node, "the schema")?;
                    let lines = source.find_all(text.at.line, text.text.lines());
                    schema = Some(SchemaSource::Here { text: text.text, lines });
                }
                "schemaFile" => {
                    let text = text_of(node, "the path of the schema")?;
                    schema = Some(SchemaSource::File { path: text.text, at: text.at });
                }
                "relationships" => file.relationships = relationships(&text_of(node, "the relationships")?, &source)?,
                "assertions" => file.assertions = assertions(node)?,
                "validation" => file.expected = expected_members(node)?,
                "namespaces" | "namespace_configs" => {
                    return Err(key.at.error(format!(
                        "`{}` is an old form that is not read; write the definitions under `schema`",
                        key.text
                    )));
                }
                "validation_tuples" => {
                    return Err(key.at.error(
                        "`validation_tuples` is an old form that is not read; write them under `relationships`, one a line",
                    ));
                }
                _ => {
                    return Err(key.at.error(format!(
                        "`{}` is not known here; there are `schema`, `schemaFile`, `relationships`, `assertions` and `validation`",
                        key.text
                    )));
                }
            }
        }
        file.schema = schema.ok_or_else(|| start.error("there is neither `schema` nor `schemaFile`"))?;
        Ok(file)
    }
}

impl SchemaSource {
    /// The line of the validation file where line `line` of the schema stands, both counted from 1; `None` if the
    /// schema is elsewhere.
    pub fn line(&self, line: u32) -> Option<u32> {
        match self {
            SchemaSource::Here { lines, .. } => {
                lines.get(usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX)).copied()
            }
            SchemaSource::File { .. } => None,
        }
    }
}

/// The lines of the file, to find again where the lines of a text stand: YAML indents, folds and quotes them.
struct Lines<'a>(Vec<&'a str>);

impl<'a> Lines<'a> {
    fn of(source: &'a str) -> Self {
        Lines(source.lines().map(str::trim).collect())
    }

    /// For each line of a text that begins in line `from`, the line of the file; for one that is not found, that of
    /// the line before it.
    fn find_all<'t>(&self, from: u32, texts: impl Iterator<Item = &'t str>) -> Vec<u32> {
        let mut next = usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(1);
        let mut found = Vec::new();
        for text in texts.map(str::trim) {
            let at = self.0.iter().enumerate().skip(next).find(|(_, line)| **line == text).map(|(at, _)| at);
            if let Some(at) = at.filter(|_| !text.is_empty()) {
                next = at + 1;
            }
            found.push(u32::try_from(next).unwrap_or(u32::MAX).max(from));
        }
        found
    }
}

fn text_of(node: YamlNode, what: &str) -> Result<Text, ValidationFileError> {
    match node.value {
        Value::Text(text) => Ok(text),
        _ => Err(node.at.error(format!("{what} must be a text"))),
    }
}

/// The entries of a mapping; nothing is an empty mapping.
fn map_of(node: YamlNode, what: &str) -> Result<Vec<(Text, YamlNode)>, ValidationFileError> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::Text(Text { null: true, .. }) => Ok(Vec::new()),
        _ => Err(node.at.error(format!("{what} must be a mapping"))),
    }
}

/// The texts of a list; nothing is an empty list.
fn texts_of(node: YamlNode, what: &str) -> Result<Vec<Text>, ValidationFileError> {
    match node.value {
        Value::List(nodes) => nodes.into_iter().map(|node| text_of(node, "an entry of this list")).collect(),
        Value::Text(Text { null: true, .. }) => Ok(Vec::new()),
        _ => Err(node.at.error(format!("{what} must be a list"))),
    }
}

fn relationships(block: &Text, source: &Lines<'_>) -> Result<Vec<Relationship>, ValidationFileError> {
    let lines = source.find_all(block.at.line, block.text.lines());
    let mut seen = std::collections::HashSet::new();
    let mut all = Vec::new();
    for (text, line) in block.text.lines().map(str::trim).zip(lines) {
        if text.is_empty() || text.starts_with("//") {
            continue;
        }
        let at = SourcePosition { line, column: 1 };
        let tuple: Tuple = text.parse().map_err(|error| at.error(format!("{error}")))?;
        if !seen.insert(tuple.to_string()) {
            return Err(at.error(format!("the relationship `{tuple}` stands here twice")));
        }
        all.push(Relationship { at, tuple });
    }
    Ok(all)
}

fn assertions(node: YamlNode) -> Result<Vec<Assertion>, ValidationFileError> {
    let mut all = Vec::new();
    for (key, node) in map_of(node, "`assertions`")? {
        let expected = match key.text.as_str() {
            "assertTrue" => Permissionship::Yes,
            "assertCaveated" => Permissionship::Conditional,
            "assertFalse" => Permissionship::No,
            _ => {
                return Err(key.at.error(format!(
                    "`{}` is not known here; there are `assertTrue`, `assertCaveated` and `assertFalse`",
                    key.text
                )));
            }
        };
        for text in texts_of(node, &format!("`{}`", key.text))? {
            let check = check(&text)?;
            all.push(Assertion { at: text.at, text: text.text.trim().to_owned(), check, expected });
        }
    }
    Ok(all)
}

/// `resource#permission@subject`, perhaps followed by ` with ` and a JSON object: what the request knows.
fn check(text: &Text) -> Result<Check, ValidationFileError> {
    let trimmed = text.text.trim();
    let (relationship, context) = match trimmed.split_once(" with ") {
        None => (trimmed, Context::new()),
        Some((relationship, json)) => {
            let context = serde_json::from_str(json).map_err(|error| {
                text.at.error(format!("what follows ` with ` must be a JSON object in one line: {error}"))
            })?;
            (relationship.trim(), context)
        }
    };
    let tuple: Tuple = relationship.parse().map_err(|error| text.at.error(format!("{error}")))?;
    if tuple.caveat.is_some() || tuple.until.is_some() {
        return Err(text.at.error(format!("`{relationship}`: an assertion has neither caveat nor expiration")));
    }
    Ok(Check { resource: tuple.resource, permission: tuple.relation, subject: tuple.subject, context })
}

fn expected_members(node: YamlNode) -> Result<Vec<ExpectedMembers>, ValidationFileError> {
    let mut all = Vec::new();
    for (key, node) in map_of(node, "`validation`")? {
        let (resource, member) = expected::object_member(key.text.trim()).map_err(|message| key.at.error(message))?;
        let members = texts_of(node, &format!("what is expected of `{}`", key.text))?;
        let members = members
            .into_iter()
            .map(|text| ExpectedMember::parse(text.text.trim(), text.at).map_err(|message| text.at.error(message)))
            .collect::<Result<_, _>>()?;
        all.push(ExpectedMembers { at: key.at, resource, member, members });
    }
    Ok(all)
}
