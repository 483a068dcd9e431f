//! What is likely a mistake and no error: the five warnings that zed gives.

use std::fmt;

use super::tree::{self, Expression};
use super::{Allowed, Body, Definition, Form, Member, Schema, source};

/// A likely mistake. Line and column count from 1; columns count bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// Which habit is not kept.
    pub kind: LintKind,
    /// From 1 on.
    pub line: u32,
    /// From 1 on, in bytes.
    pub column: u32,
    /// A sentence.
    pub message: String,
    /// What the message is about, as it is written.
    pub source_code: String,
}

/// The warning and the name that turns it off: a comment `// spicedb-ignore-warning: NAME` right before
/// the relation or permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LintKind {
    /// A relation's name repeats that of its definition.
    RelationNameReferencesParent,
    /// A permission is made of itself.
    PermissionReferencesItself,
    /// An arrow ends at a relation, which only its own definition should rest on.
    ArrowReferencesRelation,
    /// An arrow ends at a name that no definition on the way has.
    ArrowReferencesUnreachableRelation,
    /// An arrow goes by a relation whose subjects are members of something, which it does not follow.
    ArrowWalksSubjectRelation,
}

impl LintKind {
    /// The word by which a comment in the schema switches it off.
    pub fn name(self) -> &'static str {
        match self {
            LintKind::RelationNameReferencesParent => "relation-name-references-parent",
            LintKind::PermissionReferencesItself => "permission-references-itself",
            LintKind::ArrowReferencesRelation => "arrow-references-relation",
            LintKind::ArrowReferencesUnreachableRelation => "arrow-references-unreachable-relation",
            LintKind::ArrowWalksSubjectRelation => "arrow-walks-subject-relation",
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lint { kind, line, column, message, .. } = self;
        write!(f, "line {line}, column {column}: {message} ({})", kind.name())
    }
}

impl Schema {
    /// What is likely a mistake, in the order of the text.
    pub fn lint(&self) -> Vec<Lint> {
        let mut linter = Linter { schema: self, lines: Lines::of(&self.text), found: Vec::new() };
        for definition in &self.definitions {
            self.own_members(definition).for_each(|member| linter.member(definition, member));
        }
        linter.found
    }
}

/// Where lines begin: places are looked up, not counted, since every member may have one.
struct Lines(Vec<u32>);

impl Lines {
    fn of(text: &str) -> Self {
        let newlines = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        Lines(std::iter::once(0).chain(newlines).collect())
    }
    fn place(&self, at: u32) -> (u32, u32) {
        let line = self.0.partition_point(|&start| start <= at);
        let start = line.checked_sub(1).and_then(|line| self.0.get(line)).copied().unwrap_or_default();
        (u32::try_from(line).unwrap_or(u32::MAX), at - start + 1)
    }
}

struct Linter<'a> {
    schema: &'a Schema,
    lines: Lines,
    found: Vec<Lint>,
}

impl<'a> Linter<'a> {
    fn report(&mut self, member: &Member, kind: LintKind, at: u32, source_code: &str, message: String) {
        let ignored =
            member.source.comments.iter().any(|comment| {
                comment.strip_prefix("// spicedb-ignore-warning: ").is_some_and(|name| name == kind.name())
            });
        if !ignored {
            let (line, column) = self.lines.place(at);
            self.found.push(Lint { kind, line, column, message, source_code: source_code.to_owned() });
        }
    }

    fn member(&mut self, definition: &'a Definition, member: &'a Member) {
        let (name, parent) = (&member.name, &definition.name);
        if name.ends_with(parent.as_str()) {
            let what = if let Body::Permission(_) = member.body { "Permission" } else { "Relation" };
            let message = format!(
                "{what} \"{name}\" references parent type \"{parent}\" in its name; it is recommended to drop the suffix"
            );
            let (kind, at) = (LintKind::RelationNameReferencesParent, member.source.span.start);
            self.report(member, kind, at, name, message);
        }
        let tree::Body::Permission(permission) = &member.source.body else { return };
        let leaf = &mut |leaf: &Expression| {
            match leaf {
                Expression::Member { name: named, at } if named == name => {
                    let message = format!(
                        "Permission \"{name}\" references itself, which will cause an error to be raised due to infinite recursion"
                    );
                    self.report(member, LintKind::PermissionReferencesItself, *at, name, message);
                }
                Expression::Arrow { over, to, walk, at } => {
                    let arrow = source::arrow(over, to, *walk);
                    self.arrow(member, over, to, &arrow, *at);
                }
                _ => {}
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = permission.expression.leaves(leaf);
    }

    fn arrow(&mut self, member: &'a Member, over: &str, to: &str, arrow: &str, at: u32) {
        let (schema, permission) = (self.schema, &member.name);
        let walked = schema.member_of(member.definition, over).map(|id| &schema.member(id).body);
        let Some(Body::Relation(types)) = walked else { return };
        let types = || types.iter().filter(|allowed| allowed.form != Form::Everyone);
        let target = |allowed: &Allowed| {
            let target = schema.member_of(allowed.definition, to)?;
            Some((schema.definition_name(allowed.definition), schema.member(target)))
        };
        let of_others = types().filter(|allowed| allowed.definition != member.definition);
        let relation = of_others.filter_map(target).find(|(_, target)| matches!(target.body, Body::Relation(_)));
        if let Some((definition, _)) = relation {
            let message = format!(
                "Arrow `{arrow}` under permission \"{permission}\" references relation \"{to}\" on definition \"{definition}\"; it is recommended to point to a permission"
            );
            self.report(member, LintKind::ArrowReferencesRelation, at, arrow, message);
        }
        if !types().any(|allowed| target(allowed).is_some()) {
            let message = format!(
                "Arrow `{arrow}` under permission \"{permission}\" references relation/permission \"{to}\" that does not exist on any subject types of relation \"{over}\""
            );
            self.report(member, LintKind::ArrowReferencesUnreachableRelation, at, arrow, message);
        }
        let members = types().find_map(|allowed| match allowed.form {
            Form::Members(members) => Some((schema.definition_name(allowed.definition), &schema.member(members).name)),
            Form::Object | Form::Everyone => None,
        });
        if let Some((definition, relation)) = members {
            let message = format!(
                "Arrow `{arrow}` under permission \"{permission}\" references relation \"{over}\" that has relation \"{relation}\" on subject \"{definition}\": *the subject relation will be ignored for the arrow*"
            );
            self.report(member, LintKind::ArrowWalksSubjectRelation, at, arrow, message);
        }
    }
}
