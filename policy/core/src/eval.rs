//! The evaluator: may this subject do that, by these relationships, now?

mod explain;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::permit::earliest;
use crate::relationship::EVERYONE;
use crate::schema::{Body, DefinitionId, MemberId, Rule, Schema};
use crate::tuples::{Rows, Tuples};
use crate::{Check, Decision, Object, Permissionship, Timestamp};

/// How many steps from object to object, or from permission to permission, one check may take.
pub const MAX_DEPTH: u8 = 50;

/// Why a check has no answer. The caller refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error("object definition `{definition}` not found")]
    UnknownDefinition { definition: String },
    #[error("relation/permission `{member}` not found under definition `{definition}`")]
    UnknownMember { definition: String, member: String },
    #[error("a check is about one subject, not about everyone")]
    Everyone,
    #[error("`{id}` is not an object id: expected 1 to 1024 letters, digits and / _ | - = +")]
    ObjectId { id: String },
    /// The relationships lead further than [`MAX_DEPTH`] steps, or in a circle.
    #[error("max depth exceeded: the relationships lead further than {MAX_DEPTH} steps")]
    Depth,
    /// A caveat could not be evaluated with the values that it was given.
    #[error("caveat `{caveat}`: {message}")]
    Caveat { caveat: String, message: String },
}

impl CheckError {
    /// The reason code that a refusal reports.
    pub fn code(&self) -> &'static str {
        match self {
            CheckError::UnknownDefinition { .. } => "unknown_definition",
            CheckError::UnknownMember { .. } => "unknown_relation",
            CheckError::Everyone => "wildcard_subject",
            CheckError::ObjectId { .. } => "invalid_object_id",
            CheckError::Depth => "max_depth",
            CheckError::Caveat { .. } => "caveat_failed",
        }
    }
}

impl Tuples {
    /// Answers one check. Rows whose end is not after `now` are not there.
    ///
    /// The answer does not depend on the order of rows or operands: a yes outweighs a branch that goes
    /// too deep in a union, a no in an intersection.
    ///
    /// # Errors
    /// If the check names what the schema has not, is about everyone, or goes too deep.
    pub fn check(&self, check: &Check, now: Timestamp) -> Result<Decision, CheckError> {
        let (mut run, member) = Run::new(self, check, now)?;
        match run.dispatch(member, &check.resource.id, MAX_DEPTH) {
            Known::Yes(valid_until) => {
                Ok(Decision { permissionship: Permissionship::Yes, missing: Vec::new(), valid_until })
            }
            Known::No(valid_until) => {
                Ok(Decision { permissionship: Permissionship::No, missing: Vec::new(), valid_until })
            }
            Known::TooDeep => Err(CheckError::Depth),
        }
    }
}

/// An answer on the way, and until when the rows that it rests on live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes(Option<Timestamp>),
    No(Option<Timestamp>),
    TooDeep,
}

/// What earlier visits found of one member of one object. An answer holds for every larger budget of
/// steps, its lack for every smaller one; so each is computed at most once for each budget, and circles
/// in the data cost no more than their rows times [`MAX_DEPTH`].
#[derive(Clone, Copy)]
struct Visited {
    answer: Option<(u8, Known)>,
    too_deep: u8,
}

struct Run<'a> {
    tuples: &'a Tuples,
    subject: Who<'a>,
    now: Timestamp,
    visited: HashMap<(MemberId, &'a str), Visited>,
}

#[derive(Clone, Copy)]
struct Who<'a> {
    definition: DefinitionId,
    id: &'a str,
    member: Option<MemberId>,
}

fn find(schema: &Schema, object: &Object, name: &str) -> Result<(DefinitionId, MemberId), CheckError> {
    let definition = find_definition(schema, object)?;
    let member = schema
        .member_of(definition, name)
        .ok_or_else(|| CheckError::UnknownMember { definition: object.kind.clone(), member: name.to_owned() })?;
    Ok((definition, member))
}

fn find_definition(schema: &Schema, object: &Object) -> Result<DefinitionId, CheckError> {
    schema.definition(&object.kind).ok_or_else(|| CheckError::UnknownDefinition { definition: object.kind.clone() })
}

impl<'a> Run<'a> {
    fn new(tuples: &'a Tuples, check: &'a Check, now: Timestamp) -> Result<(Self, MemberId), CheckError> {
        let schema = tuples.schema();
        let (_, member) = find(schema, &check.resource, &check.permission)?;
        let object = &check.subject.object;
        let subject = match check.subject.relation.as_deref() {
            None | Some("...") => {
                let definition = find_definition(schema, object)?;
                Who { definition, id: &object.id, member: None }
            }
            Some(name) => {
                let (definition, of) = find(schema, object, name)?;
                Who { definition, id: &object.id, member: Some(of) }
            }
        };
        if subject.id == EVERYONE {
            return Err(CheckError::Everyone);
        }
        Ok((Run { tuples, subject, now, visited: HashMap::new() }, member))
    }

    fn schema(&self) -> &'a Schema {
        self.tuples.schema()
    }

    /// Whether the subject has `member` of the object `id`, in at most `depth` steps.
    fn dispatch(&mut self, member: MemberId, id: &'a str, depth: u8) -> Known {
        if depth == 0 {
            return Known::TooDeep;
        }
        // The members of something are members of it, whether or not there are any.
        if self.subject.member == Some(member) && self.subject.id == id {
            return Known::Yes(None);
        }
        if let Body::Relation(_) = self.schema().member(member).body {
            let Some(rows) = self.tuples.rows(member, id) else { return Known::No(None) };
            if rows.sets.is_empty() {
                // The usual leaf: nothing to remember.
                return self.direct(rows).unwrap_or(Known::No(None));
            }
        }
        if let Some(visited) = self.visited.get(&(member, id)) {
            match visited.answer {
                Some((at, answer)) if at <= depth => return answer,
                _ if visited.too_deep >= depth => return Known::TooDeep,
                _ => {}
            }
        }
        let answer = match &self.schema().member(member).body {
            Body::Relation(_) => self.relation(member, id, depth),
            Body::Permission(rule) => self.rule(rule, member, id, depth),
        };
        let visited = self.visited.entry((member, id)).or_insert(Visited { answer: None, too_deep: 0 });
        if answer == Known::TooDeep {
            visited.too_deep = visited.too_deep.max(depth);
        } else {
            visited.answer = Some((depth, answer));
        }
        answer
    }

    /// The subject itself, or everyone of its type, among the rows.
    fn direct(&self, rows: &Rows) -> Option<Known> {
        let Who { definition, id, member } = self.subject;
        let own = match member {
            None => rows.object(definition, id),
            Some(of) => rows.set(definition, id, of),
        };
        let own = own.filter(|row| row.lives(self.now));
        if let Some(row) = own
            && row.until.is_none()
        {
            return Some(Known::Yes(None));
        }
        let everyone = rows.object(definition, EVERYONE).filter(|row| row.lives(self.now));
        everyone.or(own).map(|row| Known::Yes(row.until))
    }

    fn relation(&mut self, member: MemberId, id: &'a str, depth: u8) -> Known {
        let Some(rows) = self.tuples.rows(member, id) else { return Known::No(None) };
        if let Some(yes) = self.direct(rows) {
            return yes;
        }
        let (mut none, now) = (Known::No(None), self.now);
        for row in rows.sets.iter().filter(|row| row.lives(now)) {
            let Some(of) = row.member else { continue };
            match lasting(self.dispatch(of, &row.id, depth - 1), row.until) {
                Known::Yes(until) => return Known::Yes(until),
                other => none = neither(none, other),
            }
        }
        none
    }

    fn rule(&mut self, rule: &'a Rule, own: MemberId, id: &'a str, depth: u8) -> Known {
        match rule {
            Rule::Nil => Known::No(None),
            Rule::Itself => {
                let Who { definition, id: subject, member } = self.subject;
                let itself = member.is_none() && definition == self.schema().member(own).definition && subject == id;
                if itself { Known::Yes(None) } else { Known::No(None) }
            }
            Rule::Member(member) => self.dispatch(*member, id, depth - 1),
            Rule::Arrow { over, to, all, .. } => self.arrow(*over, to, *all, id, depth),
            Rule::Union(rules) => self.any(rules, own, id, depth),
            Rule::Intersection(rules) => {
                let mut every = Known::Yes(None);
                for rule in rules {
                    match self.rule(rule, own, id, depth) {
                        Known::No(until) => return Known::No(until),
                        other => every = both(every, other),
                    }
                }
                every
            }
            Rule::Exclusion(first, without) => {
                let first = self.rule(first, own, id, depth);
                if let Known::No(_) = first {
                    return first;
                }
                match self.any(without, own, id, depth) {
                    Known::Yes(until) => Known::No(until),
                    Known::No(until) => both(first, Known::Yes(until)),
                    Known::TooDeep => Known::TooDeep,
                }
            }
        }
    }

    fn any(&mut self, rules: &'a [Rule], own: MemberId, id: &'a str, depth: u8) -> Known {
        let mut none = Known::No(None);
        for rule in rules {
            match self.rule(rule, own, id, depth) {
                Known::Yes(until) => return Known::Yes(until),
                other => none = neither(none, other),
            }
        }
        none
    }

    /// Walks every subject of a relation, as an object: of `group:a#member` it walks `group:a`.
    fn arrow(
        &mut self,
        over: MemberId,
        to: &'a [(DefinitionId, MemberId)],
        all: bool,
        id: &'a str,
        depth: u8,
    ) -> Known {
        let Some(rows) = self.tuples.rows(over, id) else { return Known::No(None) };
        let target = |definition| to.iter().find(|(of, _)| *of == definition).map(|&(_, member)| member);
        let mut result = if all { Known::Yes(None) } else { Known::No(None) };
        let (mut walked, now) = (false, self.now);
        for row in rows.objects.iter().chain(&rows.sets).filter(|row| row.lives(now)) {
            walked = true;
            let answer = match target(row.definition) {
                Some(member) => self.dispatch(member, &row.id, depth - 1),
                None => Known::No(None),
            };
            let answer = lasting(answer, row.until);
            match (all, answer) {
                (false, Known::Yes(_)) | (true, Known::No(_)) => return answer,
                (false, _) => result = neither(result, answer),
                (true, _) => result = both(result, answer),
            }
        }
        if walked { result } else { Known::No(None) }
    }
}

/// The answer by way of a row that lives until `until`.
fn lasting(answer: Known, until: Option<Timestamp>) -> Known {
    match answer {
        Known::Yes(at) => Known::Yes(earliest(at, until)),
        Known::No(at) => Known::No(earliest(at, until)),
        Known::TooDeep => Known::TooDeep,
    }
}

/// Of two answers neither of which is yes.
fn neither(a: Known, b: Known) -> Known {
    match (a, b) {
        (Known::No(a), Known::No(b)) => Known::No(earliest(a, b)),
        _ => Known::TooDeep,
    }
}

/// Of two answers neither of which is no.
fn both(a: Known, b: Known) -> Known {
    match (a, b) {
        (Known::Yes(a), Known::Yes(b)) => Known::Yes(earliest(a, b)),
        _ => Known::TooDeep,
    }
}
