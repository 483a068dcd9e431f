//! The evaluator: may this subject do that, by these relationships, now?

mod answer;
mod expand;
mod lookup_resources;
mod lookup_subjects;
mod reach;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::cel::Outcome;
use crate::relationship::{EVERYONE, is_object_id};
use crate::schema::{Allowed, Body, DefinitionId, Form, MemberId, Rule, Schema};
use crate::tuples::{Edge, ObjectIndex, Of, Reading, Terms, Tuples};
use crate::{Check, Context, Decision, Object, Subject, Timestamp};

use answer::{Answer, Failure};
pub(crate) use reach::Reach;

/// How many steps from object to object, or from permission to permission, one check may take.
pub const MAX_DEPTH: u8 = 50;

/// How many rows are looked through one by one before they are searched.
const MAX_SCANNED_ROWS: usize = 8;

/// Why a check has no answer. The caller refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The schema has no such definition.
    #[error("object definition `{definition}` not found")]
    UnknownDefinition {
        /// The kind of object that was asked for.
        definition: String,
    },
    /// The definition has no such relation or permission.
    #[error("relation/permission `{member}` not found under definition `{definition}`")]
    UnknownMember {
        /// The kind of object that was asked for.
        definition: String,
        /// The name that it does not have.
        member: String,
    },
    /// Everyone is asked about as if it were one subject.
    #[error("a check is about one subject, not about everyone")]
    Everyone,
    /// An id is none that an object can have.
    #[error("`{id}` is not an object id: expected 1 to 1024 letters, digits and / _ | - = +")]
    ObjectId {
        /// The id.
        id: String,
    },
    /// The relationships lead further than [`MAX_DEPTH`] steps, or in a circle.
    #[error("max depth exceeded: the relationships lead further than {MAX_DEPTH} steps")]
    Depth,
    /// The question, or the way to its answer, is larger than any that is followed.
    #[error("the answer is too large to be told; ask about a part of it")]
    TooLarge,
    /// A caveat could not be evaluated with the values that it was given: the value of `parameter` is of a wrong type,
    /// or, without one, the evaluation failed.
    #[error("caveat `{caveat}`: {message}")]
    Caveat {
        /// The caveat.
        caveat: String,
        /// Which of its parameters is at fault, if one is.
        parameter: Option<String>,
        /// What is wrong with it.
        message: String,
    },
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
            CheckError::TooLarge => "too_large",
            CheckError::Caveat { .. } => "caveat_failed",
        }
    }
}

impl Tuples {
    /// Answers one check. Rows whose end is not after `now` are not there.
    ///
    /// The answer does not depend on the order of rows or operands: a yes outweighs a branch that fails in a union, a
    /// no in an intersection, and of several ways to the same answer the one that lasts longest counts. Only where
    /// relationships lead in a circle `valid_until` may depend on the way, and is then one of several that all hold.
    ///
    /// # Errors
    /// If the check names what the schema has not, is about everyone, goes too deep, or rests on a caveat that fails.
    pub fn check(&self, check: &Check, now: Timestamp) -> Result<Decision, CheckError> {
        let (who, place) = self.resolve(check)?;
        Run::new(self, who, &check.context, now).dispatch(place, MAX_DEPTH).decide()
    }

    /// Answers many checks from what they have in common: each part of the way is walked once for a subject and
    /// context. In the order of the checks.
    pub fn check_all(&self, checks: &[Check], now: Timestamp) -> Vec<Result<Decision, CheckError>> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        let mut by_who: HashMap<Who, Vec<usize>> = HashMap::new();
        let mut answers = Vec::with_capacity(checks.len());
        for check in checks {
            let (who, place) = match self.resolve(check) {
                Ok(resolved) => resolved,
                Err(error) => {
                    answers.push(Err(error));
                    continue;
                }
            };
            // Whoever is unknown may be anybody: nothing is remembered under a number that many share.
            if who.node == ObjectIndex::NOBODY {
                answers.push(Run::new(self, who, &check.context, now).dispatch(place, MAX_DEPTH).decide());
                continue;
            }
            let same = by_who.entry(who).or_default();
            let at = same.iter().copied().find(|&at| *runs[at].context == check.context).unwrap_or_else(|| {
                same.push(runs.len());
                runs.push(Run::new(self, who, &check.context, now));
                runs.len() - 1
            });
            answers.push(runs[at].dispatch(place, MAX_DEPTH).decide());
        }
        answers
    }

    /// The names of a check as numbers.
    fn resolve(&self, check: &Check) -> Result<(Who, ObjectMember), CheckError> {
        let names = self.names().read();
        // All names come before ids: some callers take an object of no possible id for one that has nothing.
        let (definition, member) = self.named(&check.resource, &check.permission)?;
        let who = self.who_by(&names, &check.subject)?;
        let node = node(&names, definition, &check.resource.id)?.unwrap_or(ObjectIndex::NOWHERE);
        // What nothing names has no number of its own, but may still be the subject itself.
        let both_new = who.node == ObjectIndex::NOBODY && node == ObjectIndex::NOWHERE;
        let node = if both_new && check.resource == check.subject.object { ObjectIndex::NOBODY } else { node };
        Ok((who, (member, node)))
    }

    /// Whom a check is about.
    fn who(&self, subject: &Subject) -> Result<Who, CheckError> {
        self.who_by(&self.names().read(), subject)
    }

    fn who_by(&self, names: &Reading<'_>, subject: &Subject) -> Result<Who, CheckError> {
        let definition = find_definition(self.schema(), &subject.object.kind)?;
        let member = match subject.relation.as_deref() {
            None => None,
            Some(name) => Some(find_member(self.schema(), definition, name)?),
        };
        let id = &subject.object.id;
        if id == EVERYONE {
            return Err(CheckError::Everyone);
        }
        let node = node(names, definition, id)?.unwrap_or(ObjectIndex::NOBODY);
        Ok(Who { definition, node, member })
    }

    /// What a check is about.
    fn place(&self, object: &Object, member: &str) -> Result<ObjectMember, CheckError> {
        let (definition, member) = self.named(object, member)?;
        Ok((member, node(&self.names().read(), definition, &object.id)?.unwrap_or(ObjectIndex::NOWHERE)))
    }

    /// The definition of an object and a member of it.
    fn named(&self, object: &Object, member: &str) -> Result<(DefinitionId, MemberId), CheckError> {
        let definition = find_definition(self.schema(), &object.kind)?;
        Ok((definition, find_member(self.schema(), definition, member)?))
    }
}

fn node(names: &Reading<'_>, definition: DefinitionId, id: &str) -> Result<Option<ObjectIndex>, CheckError> {
    let known = names.find(definition, id).filter(|_| id != EVERYONE);
    if known.is_none() && !is_object_id(id) {
        return Err(CheckError::ObjectId { id: id.chars().take(64).collect() });
    }
    Ok(known)
}

fn find_definition(schema: &Schema, kind: &str) -> Result<DefinitionId, CheckError> {
    schema.definition(kind).ok_or_else(|| CheckError::UnknownDefinition { definition: kind.to_owned() })
}

fn find_member(schema: &Schema, definition: DefinitionId, name: &str) -> Result<MemberId, CheckError> {
    schema.member_of(definition, name).ok_or_else(|| CheckError::UnknownMember {
        definition: schema.definition_name(definition).to_owned(),
        member: name.to_owned(),
    })
}

/// A member of an object.
type ObjectMember = (MemberId, ObjectIndex);

/// The subject of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Who {
    definition: DefinitionId,
    node: ObjectIndex,
    member: Option<MemberId>,
}

/// What earlier visits found of one member of one object. An answer holds for every larger budget of
/// steps, a failure for every smaller one; so each is computed at most once for each budget, and circles
/// in the data cost no more than their rows times [`MAX_DEPTH`].
#[derive(Default)]
struct Visited {
    answer: Option<(u8, Answer)>,
    failure: Option<(u8, Box<Failure>)>,
}

/// One subject's way through the relationships, in one context, at one instant.
struct Run<'a> {
    tuples: &'a Tuples,
    who: Who,
    context: &'a Context,
    now: Timestamp,
    visited: HashMap<ObjectMember, Visited>,
}

/// What of the forms that a relation allows matters to a subject.
struct Ways {
    itself: bool,
    everyone: bool,
    sets: bool,
}

impl<'a> Run<'a> {
    fn new(tuples: &'a Tuples, who: Who, context: &'a Context, now: Timestamp) -> Self {
        Run { tuples, who, context, now, visited: HashMap::new() }
    }

    fn schema(&self) -> &'a Schema {
        self.tuples.schema()
    }

    /// Whether the subject has a member of an object, in at most `depth` steps.
    fn dispatch(&mut self, place: ObjectMember, depth: u8) -> Answer {
        if depth == 0 {
            return Answer::Failed(Box::new(Failure::Depth));
        }
        let place = self.meant(place);
        let (member, node) = place;
        if self.is_subject(place) {
            return Answer::YES;
        }
        let body = &self.schema().member(member).body;
        let mut direct = Answer::NO;
        if let Body::Relation(allowed) = body {
            let onward;
            (direct, onward) = self.direct(member, node, allowed);
            if !onward || direct.is_yes_for_ever() {
                // The usual end of the way: nothing to remember.
                return direct;
            }
        }
        if let Some(visited) = self.visited.get(&place) {
            match (&visited.answer, &visited.failure) {
                (Some((at, answer)), _) if *at <= depth => return answer.clone(),
                (_, Some((at, failure))) if *at >= depth => return Answer::Failed(failure.clone()),
                _ => {}
            }
        }
        let answer = on_enough_stack(|| match body {
            Body::Relation(_) => self.through_sets(direct, member, node, depth),
            Body::Permission(rule) => self.rule(rule, place, depth),
        });
        if self.visited.is_empty() {
            // Once, instead of step by step: who goes on from here goes on often.
            self.visited.reserve(28);
        }
        let visited = self.visited.entry(place).or_default();
        match &answer {
            Answer::Failed(failure) => visited.failure = Some((depth, failure.clone())),
            answer => visited.answer = Some((depth, answer.clone())),
        }
        answer
    }

    /// The members of something are members of it, whether or not there are any.
    fn is_subject(&self, (member, node): ObjectMember) -> bool {
        self.who.member == Some(member) && self.who.node == node
    }

    /// As [`Run::dispatch`], from a permission, which sees the subject itself ahead without a step.
    fn computed(&mut self, place: ObjectMember, depth: u8) -> Answer {
        if self.is_subject(place) { Answer::YES } else { self.dispatch(place, depth) }
    }

    /// What a permission that is another name for something stands for. Steps are counted as SpiceDB does: such a name
    /// costs none, unless the subject is of the same definition and each name on the way may be its own.
    fn meant(&self, (mut member, node): ObjectMember) -> ObjectMember {
        loop {
            let named = self.schema().member(member);
            match named.body {
                Body::Permission(Rule::Member(other)) if named.definition != self.who.definition => member = other,
                _ => return (member, node),
            }
        }
    }

    /// What the subject itself, or everyone of its type, has by the rows of a relation; and whether some of them stand
    /// for others.
    fn direct(&self, relation: MemberId, resource: ObjectIndex, allowed: &[Allowed]) -> (Answer, bool) {
        let [own, everyone] = self.edges(relation, resource);
        let (mut answer, mut onward) = (Answer::NO, false);
        // Most relations of most objects have no row or few, so one search finds all there is to know.
        for (seen, (edge, terms)) in self.tuples.rows(relation, resource).enumerate() {
            if seen == MAX_SCANNED_ROWS {
                let ways = self.ways(allowed);
                let direct = self.among_many(relation, resource, &ways);
                return (direct, ways.sets && self.tuples.sets(relation, resource).next().is_some());
            }
            if (edge == own || edge == everyone)
                && let Some(row) = self.row(terms)
            {
                answer = answer.or(row);
            } else {
                onward |= self.tuples.member_in(edge.of).is_some();
            }
        }
        (answer, onward)
    }

    fn ways(&self, allowed: &[Allowed]) -> Ways {
        let mut ways = Ways { itself: false, everyone: false, sets: false };
        for one in allowed {
            match one.form {
                Form::Object => ways.itself |= self.who.member.is_none() && one.definition == self.who.definition,
                Form::Everyone => ways.everyone |= one.definition == self.who.definition,
                Form::Members(member) => {
                    ways.sets = true;
                    ways.itself |= self.who.member == Some(member);
                }
            }
        }
        ways
    }

    /// The type of the subject.
    fn of(&self) -> Of {
        match self.who.member {
            None => self.tuples.objects_of(self.who.definition),
            Some(member) => self.tuples.members_of(member),
        }
    }

    /// The edge from the subject itself, and that from everyone of its definition, whatever the subject's relation.
    fn edges(&self, relation: MemberId, resource: ObjectIndex) -> [Edge; 2] {
        let Who { definition, node, .. } = self.who;
        [
            Edge { relation, resource, of: self.of(), subject: node },
            Edge {
                relation,
                resource,
                of: self.tuples.objects_of(definition),
                subject: ObjectIndex::everyone(definition),
            },
        ]
    }

    /// As [`Run::direct`], by search.
    fn among_many(&self, relation: MemberId, resource: ObjectIndex, ways: &Ways) -> Answer {
        let [own, everyone] = self.edges(relation, resource);
        let mut answer = Answer::NO;
        for (edge, possible) in [(own, ways.itself), (everyone, ways.everyone)] {
            if possible
                && let Some(terms) = self.tuples.terms(&edge)
                && let Some(row) = self.row(terms)
            {
                answer = answer.or(row);
                if answer.is_yes_for_ever() {
                    break;
                }
            }
        }
        answer
    }

    /// Whether a row counts: `None` if it has lapsed, else what its caveat says.
    fn row(&self, terms: Option<&Terms>) -> Option<Answer> {
        let Some(terms) = terms else { return Some(Answer::YES) };
        if !terms.live(self.now) {
            return None;
        }
        let Some(caveat) = &terms.caveat else { return Some(Answer::Yes(terms.until)) };
        Some(match caveat.evaluate(self.schema(), self.context) {
            Outcome::True => Answer::Yes(terms.until),
            // Lapsed, it is as little as now.
            Outcome::False => Answer::NO,
            Outcome::Missing(names) => Answer::Maybe(Arc::new(names), terms.until),
            Outcome::Failed(error) => Answer::Failed(Box::new(Failure::Caveat {
                caveat: self.schema().caveat(caveat.id).name().into(),
                parameter: error.parameter().map(Into::into),
                message: error.to_string().into(),
            })),
        })
    }

    /// What the rows that stand for others add.
    fn through_sets(&mut self, mut answer: Answer, member: MemberId, node: ObjectIndex, depth: u8) -> Answer {
        let tuples = self.tuples;
        for (edge, terms) in tuples.sets(member, node) {
            let (Some(row), Some(of)) = (self.row(terms), tuples.member_in(edge.of)) else { continue };
            if row.is_no() {
                continue;
            }
            answer = answer.or(row.and(self.dispatch((of, edge.subject), depth - 1)));
            if answer.is_yes_for_ever() {
                break;
            }
        }
        answer
    }

    fn rule(&mut self, rule: &'a Rule, own: ObjectMember, depth: u8) -> Answer {
        match rule {
            Rule::Nil => Answer::NO,
            Rule::Itself => {
                let Who { definition, node, member } = self.who;
                let itself = member.is_none() && definition == self.schema().member(own.0).definition && node == own.1;
                if itself { Answer::YES } else { Answer::NO }
            }
            Rule::Member(member) => self.computed((*member, own.1), depth - 1),
            Rule::Arrow { over, to, all: false, .. } => self.any_over(*over, to, own.1, depth),
            Rule::Arrow { over, to, all: true, .. } => self.all_over(*over, to, own.1, depth),
            Rule::Union(rules) => self.any(rules, own, depth),
            Rule::Intersection(rules) => {
                let mut answer = Answer::YES;
                for rule in rules {
                    answer = answer.and(self.rule(rule, own, depth));
                    if answer.is_no_for_ever() {
                        break;
                    }
                }
                answer
            }
            Rule::Exclusion(first, without) => {
                let first = self.rule(first, own, depth);
                if first.is_no_for_ever() { first } else { first.and(self.any(without, own, depth).not()) }
            }
        }
    }

    fn any(&mut self, rules: &'a [Rule], own: ObjectMember, depth: u8) -> Answer {
        let mut answer = Answer::NO;
        for rule in rules {
            answer = answer.or(self.rule(rule, own, depth));
            if answer.is_yes_for_ever() {
                break;
            }
        }
        answer
    }

    /// Walks every subject of a relation, as an object: of `group:a#member` it walks `group:a`.
    fn any_over(&mut self, over: MemberId, to: &[(DefinitionId, MemberId)], node: ObjectIndex, depth: u8) -> Answer {
        let tuples = self.tuples;
        let mut answer = Answer::NO;
        for (edge, terms) in tuples.rows(over, node) {
            let Some(target) = target(to, tuples.definition_in(edge.of)) else { continue };
            let Some(row) = self.row(terms).filter(|row| !row.is_no()) else { continue };
            answer = answer.or(row.and(self.computed((target, edge.subject), depth - 1)));
            if answer.is_yes_for_ever() {
                break;
            }
        }
        answer
    }

    /// There is a subject, and each has it: a row whose caveat is false counts, and has not.
    fn all_over(&mut self, over: MemberId, to: &[(DefinitionId, MemberId)], node: ObjectIndex, depth: u8) -> Answer {
        let tuples = self.tuples;
        let mut answer = None;
        for (edge, terms) in tuples.rows(over, node) {
            let Some(row) = self.row(terms) else { continue };
            let found = match target(to, tuples.definition_in(edge.of)) {
                Some(target) if !row.is_no() => row.and(self.computed((target, edge.subject), depth - 1)),
                _ => Answer::NO,
            };
            // Once the row has lapsed, it is one less to ask.
            let found = found.before(terms.and_then(|terms| terms.until));
            let so_far = answer.take().unwrap_or(Answer::YES);
            let both = Answer::and(so_far, found);
            if both.is_no_for_ever() {
                return both;
            }
            answer = Some(both);
        }
        answer.unwrap_or(Answer::NO)
    }
}

/// Runs one step of a walk. Fifty steps through rules of the deepest nesting need more stack than threads have.
fn on_enough_stack<T>(step: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(256 << 10, 2 << 20, step)
}

/// What an arrow leads to in a definition; one that lacks the name is not there.
fn target(to: &[(DefinitionId, MemberId)], definition: DefinitionId) -> Option<MemberId> {
    to.iter().find(|(of, _)| *of == definition).map(|&(_, member)| member)
}
