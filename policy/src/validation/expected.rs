//! One expected member: `[user:tom] is <document:1#viewer>/<group:eng#member>`.

use std::collections::BTreeSet;
use std::fmt;

use policy_core::{Object, Subject, Tuple};

use super::SourcePosition;

/// A subject that must be in a permission, and the relations in which the relationships name it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedMember {
    pub at: SourcePosition,
    /// As it is written.
    pub text: String,
    pub subject: ExpectedSubject,
    /// For everyone of a type: who must be excluded.
    pub excluded: BTreeSet<ExpectedSubject>,
    /// Every relation, written `type:id#relation`, that names the subject and counts for the permission.
    pub through: BTreeSet<String>,
}

/// A subject, and whether a caveat decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedSubject {
    pub subject: Subject,
    pub conditional: bool,
}

/// `type:id`, followed by `[...]` if conditional.
impl fmt::Display for ExpectedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.subject, if self.conditional { CONDITIONAL } else { "" })
    }
}

const CONDITIONAL: &str = "[...]";

impl ExpectedMember {
    pub(super) fn parse(text: &str, at: SourcePosition) -> Result<ExpectedMember, String> {
        let (from, to) = match (text.find('['), text.rfind(']')) {
            (Some(from), Some(to)) if from < to => (from, to),
            _ => return Err(format!("`{text}` names no subject; write `[type:id] is <type:id#relation>`")),
        };
        let inside = text.get(from + 1..to).unwrap_or_default().trim();
        let outside = text.get(to + 1..).unwrap_or_default();
        // The first blank or the end ends the subject; what follows can only be exclusions.
        let (subject, rest) = inside.split_at(inside.find(char::is_whitespace).unwrap_or(inside.len()));
        let rest = rest.trim_start();
        let excluded = match rest.strip_prefix('-').map(str::trim_start) {
            None if rest.is_empty() => BTreeSet::new(),
            Some(braced) if subject_of(subject)?.subject.object.id == policy_core::EVERYONE => {
                let list = braced.strip_prefix('{').and_then(|list| list.strip_suffix('}'));
                let list =
                    list.ok_or_else(|| format!("`{inside}`: exclusions are written ` - {{type:id, type:id}}`"))?;
                list.split(',').map(|one| subject_of(one.trim())).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(format!("`{inside}`: only of everyone (`type:*`) somebody can be excluded")),
            None => return Err(format!("`{inside}` is not a subject; it is written `type:id` or `type:id#relation`")),
        };
        Ok(ExpectedMember {
            at,
            text: text.to_owned(),
            subject: subject_of(subject)?,
            excluded,
            through: through(outside)?,
        })
    }
}

fn subject_of(text: &str) -> Result<ExpectedSubject, String> {
    let (subject, conditional) = match text.strip_suffix(CONDITIONAL) {
        Some(subject) => (subject, true),
        None => (text, false),
    };
    let subject = subject.parse().map_err(|error| format!("{error}"))?;
    Ok(ExpectedSubject { subject, conditional })
}

/// Everything that stands in angle brackets.
fn through(text: &str) -> Result<BTreeSet<String>, String> {
    let mut all = BTreeSet::new();
    for part in text.split('<').skip(1) {
        let (inside, _) = part.split_once('>').ok_or_else(|| format!("`<{part}`: an angle bracket does not close"))?;
        let (object, member) = object_member(inside.trim())?;
        all.insert(format!("{object}#{member}"));
    }
    Ok(all)
}

/// `type:id#relation`.
pub(super) fn object_member(text: &str) -> Result<(Object, String), String> {
    let wrong = || format!("`{text}` is not written `type:id#relation`");
    // A whole relationship has the same rules for its left half.
    let tuple: Tuple = format!("{text}@{text}").parse().map_err(|_| wrong())?;
    if tuple.subject.relation.as_deref() != Some(tuple.relation.as_str()) {
        return Err(wrong());
    }
    Ok((tuple.resource, tuple.relation))
}
