//! The tree with partials spliced in, names held to their rules and caveats compiled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::error::{Span, Text};
use super::tree::{Block, Body, Entry, File, Item, Member};
use super::{SchemaError, caveats, names};

/// How many relations and permissions a schema may have, partials counted wherever they are spliced in.
/// Partials of partials double quickly; no text can write out as many.
const MAX_MEMBERS: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Compiled {
    /// In the order of the text.
    pub(super) definitions: Vec<Definition>,
    /// In the order of the text.
    pub(super) caveats: Vec<caveats::Declared>,
    pub(super) typechecking: bool,
}

#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) comments: Vec<String>,
    pub(super) members: Vec<Arc<Member>>,
}

pub(super) fn compile(text: Text<'_>, file: File) -> Result<Compiled, SchemaError> {
    if let Some(span) = file.import {
        return Err(text.syntax(
            span,
            "",
            "import statements are not allowed in this context: whoever can read the other files puts them together first",
        ));
    }
    let mut compiler = Compiler { text, members: &file.members, partials: HashMap::new(), spliced: 0 };
    compiler.partials(&file.items)?;
    let mut names = HashSet::new();
    let mut compiled = Compiled { definitions: Vec::new(), caveats: Vec::new(), typechecking: file.typechecking };
    for item in &file.items {
        let (name, span, kind) = match item {
            Item::Partial(_) => continue,
            Item::Caveat(caveat) => {
                compiled.caveats.push(caveats::compile(text, caveat)?);
                (&caveat.name, caveat.span, "caveat")
            }
            Item::Definition(block) => {
                compiled.definitions.push(compiler.definition(block)?);
                (&block.name, block.span, "definition")
            }
        };
        if !names.insert(name.as_str()) {
            let message = format!("found name reused between multiple definitions and/or caveats: {name}");
            return Err(text.syntax(span, name, message));
        }
        if compiler.partials.contains_key(name.as_str()) {
            return Err(text.syntax(span, name, format!("found {kind} with same name as existing partial: {name}")));
        }
    }
    Ok(compiled)
}

struct Compiler<'a> {
    text: Text<'a>,
    members: &'a [Arc<Member>],
    /// What each partial holds; of two with one name, the later.
    partials: HashMap<&'a str, Vec<Arc<Member>>>,
    spliced: usize,
}

/// A partial on its way: what it holds so far, and at which of its entries it waits for another.
struct Waiting<'a> {
    block: &'a Block,
    next: usize,
    held: Vec<Arc<Member>>,
}

impl<'a> Compiler<'a> {
    /// Compiles every partial, whichever comes first.
    fn partials(&mut self, items: &'a [Item]) -> Result<(), SchemaError> {
        let mut waiting: HashMap<&str, Vec<Waiting<'a>>> = HashMap::new();
        for item in items {
            let Item::Partial(block) = item else { continue };
            let mut ready = vec![Waiting { block, next: 0, held: Vec::new() }];
            while let Some(mut partial) = ready.pop() {
                if let Some(missing) = self.advance(&mut partial)? {
                    waiting.entry(missing).or_default().push(partial);
                    continue;
                }
                let name = partial.block.name.as_str();
                self.partials.insert(name, partial.held);
                ready.extend(waiting.remove(name).unwrap_or_default().into_iter().rev());
            }
        }
        let Some(first) = waiting.values().flatten().map(|partial| partial.block.span.start).min() else {
            return Ok(());
        };
        let mut missing: Vec<&str> = waiting.into_keys().collect();
        missing.sort_unstable();
        let message =
            format!("could not resolve partials: [{}]. this may indicate a circular reference", missing.join(", "));
        Err(self.text.cycle(first, message))
    }

    /// Takes up entries until one names a partial that is not there yet, and returns that.
    fn advance(&mut self, partial: &mut Waiting<'a>) -> Result<Option<&'a str>, SchemaError> {
        while let Some(entry) = partial.block.entries.get(partial.next) {
            if let Some((missing, _)) = self.take(entry, &mut partial.held)? {
                return Ok(Some(missing));
            }
            partial.next += 1;
        }
        Ok(None)
    }

    /// Takes up one entry, or returns the partial that it names and that is not there.
    fn take(&mut self, entry: &'a Entry, held: &mut Vec<Arc<Member>>) -> Result<Option<(&'a str, Span)>, SchemaError> {
        match entry {
            Entry::Member(place) => {
                if let Some(member) = self.members.get(*place as usize) {
                    self.member(member)?;
                    held.push(Arc::clone(member));
                }
            }
            Entry::Splice { name, span } => {
                let Some(members) = self.partials.get(name.as_str()) else { return Ok(Some((name, *span))) };
                self.spliced += members.len();
                if self.spliced > MAX_MEMBERS {
                    let message = format!("partials add more than {MAX_MEMBERS} relations and permissions");
                    return Err(self.text.syntax(*span, name, message));
                }
                held.extend_from_slice(members);
            }
        }
        Ok(None)
    }

    fn definition(&mut self, block: &'a Block) -> Result<Definition, SchemaError> {
        let mut members = Vec::with_capacity(block.entries.len());
        for entry in &block.entries {
            if let Some((name, span)) = self.take(entry, &mut members)? {
                let message = format!("could not find partial reference with name {name}");
                return Err(self.text.syntax(span, "", message));
            }
        }
        let Block { name, span, comments, .. } = block;
        if let Some(broken) = names::of_definition(name) {
            return Err(self.text.syntax(*span, "", format!("error in object definition {name}: {broken}")));
        }
        Ok(Definition { name: name.clone(), span: *span, comments: comments.clone(), members })
    }

    fn member(&self, member: &Member) -> Result<(), SchemaError> {
        let (kind, broken) = match &member.body {
            Body::Relation(types) => {
                for subject in types {
                    if let Some(broken) = names::of_subject_type(subject) {
                        return Err(self.text.syntax(subject.span, "", format!("invalid type relation: {broken}")));
                    }
                }
                ("relation", names::of_relation(member))
            }
            Body::Permission(permission) => {
                if let Some(span) = permission.nested_arrow {
                    return Err(self.text.syntax(span, "", "Nested arrows not yet supported"));
                }
                ("permission", names::of_permission(member, &permission.expression))
            }
        };
        match broken {
            Some(broken) => {
                Err(self.text.syntax(member.span, "", format!("error in {kind} {}: {broken}", member.name)))
            }
            None => Ok(()),
        }
    }
}
