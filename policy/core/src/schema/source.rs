//! A schema written out again: caveats first, then definitions, both by name.

use super::tree::{self, Expression, Form, SubjectType, Walk};
use super::{Declared, Definition, Member, Schema};

/// The longest block comment that stays on one line, in bytes.
const MAX_ONE_LINE: usize = 70;

impl Schema {
    /// The schema in normal form: what SpiceDB answers when it is asked for its schema.
    ///
    /// Caveats come first, then definitions, both sorted by name. Comments are kept where they belong to
    /// something; partials are spliced in; type annotations are gone. Reads as a schema that means the same.
    pub fn to_source(&self) -> String {
        let mut flags = Flags::default();
        let mut parts: Vec<String> = self.caveats_by_name().into_iter().map(caveat).collect();
        let definitions = self.definitions_by_name();
        parts.extend(definitions.into_iter().map(|each| self.definition_source(each, &mut flags)));
        let uses = [("use self", flags.itself), ("use expiration", flags.expiration)];
        let uses = uses.into_iter().filter(|(_, used)| *used).map(|(flag, _)| flag.to_owned());
        uses.chain(parts).collect::<Vec<_>>().join("\n\n")
    }

    /// The definitions and caveats of this schema that the other has not, in normal form and without `use`.
    pub fn beyond(&self, other: &Schema) -> String {
        let caveats = self.caveats_by_name().into_iter();
        let caveats = caveats.filter(|declared| other.caveat_named(declared.caveat.name()).is_none()).map(caveat);
        let definitions = self.definitions_by_name().into_iter();
        let definitions = definitions
            .filter(|definition| other.definition(&definition.name).is_none())
            .map(|definition| self.definition_source(definition, &mut Flags::default()));
        caveats.chain(definitions).collect::<Vec<_>>().join("\n\n")
    }

    fn definition_source(&self, definition: &Definition, flags: &mut Flags) -> String {
        let mut out = String::new();
        definition.comments.iter().for_each(|each| comment(&mut out, "", each));
        out.push_str("definition ");
        out.push_str(&definition.name);
        if definition.own.is_empty() {
            out.push_str(" {}");
            return out;
        }
        out.push_str(" {\n");
        for (i, member) in self.own_members(definition).enumerate() {
            if i > 0 && !member.source.comments.is_empty() {
                out.push('\n');
            }
            member_source(&mut out, member, flags);
        }
        out.push('}');
        out
    }
}

/// What has to be put on by `use`.
#[derive(Default)]
struct Flags {
    expiration: bool,
    itself: bool,
}

fn caveat(declared: &Declared) -> String {
    let Declared { caveat, comments, .. } = declared;
    let mut out = String::new();
    comments.iter().for_each(|each| comment(&mut out, "", each));
    let mut parameters: Vec<_> = caveat.parameters().iter().collect();
    parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
    let parameters: Vec<String> = parameters.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let expression = declared.expression().replace('\n', "\n\t");
    out.push_str(&format!("caveat {}({}) {{\n\t{expression}\n}}", caveat.name(), parameters.join(", ")));
    out
}

fn member_source(out: &mut String, member: &Member, flags: &mut Flags) {
    let source = &member.source;
    source.comments.iter().for_each(|each| comment(out, "\t", each));
    match &source.body {
        tree::Body::Relation(types) => {
            flags.expiration |= types.iter().any(|subject| subject.expires);
            let types: Vec<String> = types.iter().map(subject_type).collect();
            out.push_str(&format!("\trelation {}: {}\n", source.name, types.join(" | ")));
        }
        tree::Body::Permission(permission) => {
            out.push_str(&format!("\tpermission {} = ", source.name));
            expression(out, &permission.expression, flags);
            out.push('\n');
        }
    }
}

/// A subject type as it is written.
pub(super) fn subject_type(subject: &SubjectType) -> String {
    let mut out = subject.definition.clone();
    match &subject.form {
        Form::Object => {}
        Form::Everyone => out.push_str(":*"),
        Form::Members(relation) => {
            out.push('#');
            out.push_str(relation);
        }
    }
    match (&subject.caveat, subject.expires) {
        (None, false) => {}
        (None, true) => out.push_str(" with expiration"),
        (Some(caveat), false) => out.push_str(&format!(" with {caveat}")),
        (Some(caveat), true) => out.push_str(&format!(" with {caveat} and expiration")),
    }
    out
}

/// An arrow as it is written.
pub(super) fn arrow(over: &str, to: &str, walk: Walk) -> String {
    match walk {
        Walk::Arrow => format!("{over}->{to}"),
        Walk::Any => format!("{over}.any({to})"),
        Walk::All => format!("{over}.all({to})"),
    }
}

fn expression(out: &mut String, whole: &Expression, flags: &mut Flags) {
    let sign = match whole {
        Expression::Nil => return out.push_str("nil"),
        Expression::Itself => {
            flags.itself = true;
            return out.push_str("self");
        }
        Expression::Member { name, .. } => return out.push_str(name),
        Expression::Arrow { over, to, walk, .. } => return out.push_str(&arrow(over, to, *walk)),
        Expression::Union(_) => " + ",
        Expression::Intersection(_) => " & ",
        Expression::Exclusion(_, without) => {
            // Every exclusion but the last is an operand, and as such stands in parentheses.
            (1..without.len()).for_each(|_| out.push('('));
            " - "
        }
    };
    for (i, each) in whole.operands().enumerate() {
        if i > 0 {
            out.push_str(sign);
        }
        operand(out, each, flags);
        if let Expression::Exclusion(_, without) = whole
            && (1..without.len()).contains(&i)
        {
            out.push(')');
        }
    }
}

/// An operand needs parentheses unless it is a plain union, which binds tightest.
fn operand(out: &mut String, each: &Expression, flags: &mut Flags) {
    let joined = |inner: &Expression| inner.operands().next().is_some();
    let bare = match each {
        Expression::Union(all) => !all.iter().any(joined),
        each => !joined(each),
    };
    if bare {
        return expression(out, each, flags);
    }
    out.push('(');
    expression(out, each, flags);
    out.push(')');
}

/// A comment as it is kept becomes lines of the text.
fn comment(out: &mut String, indent: &str, kept: &str) {
    let text = kept.trim();
    if let Some(line) = text.strip_prefix("//") {
        out.push_str(&format!("{indent}// {}\n", line.trim()));
        return;
    }
    let (open, body) = match (text.strip_prefix("/**"), text.strip_prefix("/*")) {
        (Some(body), _) => ("/**", body),
        (None, Some(body)) => ("/*", body),
        (None, None) => return,
    };
    let body = body.strip_suffix("*/").unwrap_or(body).trim();
    let line = |line: &str| {
        let line = line.trim();
        line.strip_prefix('*').unwrap_or(line).trim().to_owned()
    };
    if body.len() <= MAX_ONE_LINE && !body.contains('\n') {
        out.push_str(&format!("{indent}{open} {} */\n", line(body)));
        return;
    }
    out.push_str(&format!("{indent}{open}\n"));
    body.split('\n').for_each(|each| out.push_str(&format!("{indent} * {}\n", line(each))));
    out.push_str(&format!("{indent} */\n"));
}
