//! How an answer came about.

use super::answer::Answer;
use super::{CheckError, MAX_DEPTH, ObjectMember, Run, on_enough_stack, target};
use crate::answer::{CaveatOutcome, Followed, Traced, TracedCaveat};
use crate::cel::Outcome;
use crate::schema::{Body, DefinitionId, MemberId, Rule};
use crate::tuples::{Edge, ObjectIndex, Terms, Tuples};
use crate::{Check, Context, Decision, Object, Permissionship, Timestamp};

/// More steps than this are not told.
const MAX_STEPS: usize = 2_000;

impl Tuples {
    /// Answers one check and tells how: a yes by the relationships that made it so, another answer by all that was
    /// tried, up to a bound.
    ///
    /// # Errors
    /// As [`Tuples::check`].
    pub fn trace(&self, check: &Check, now: Timestamp) -> Result<(Decision, Traced), CheckError> {
        let (who, place) = self.resolve(check)?;
        let mut run = Run::new(self, who, &check.context, now);
        let decision = run.dispatch(place, MAX_DEPTH).decide()?;
        let mut trace = Trace { run, check, steps: 0 };
        let traced = trace.place(place, MAX_DEPTH, None);
        Ok((decision, traced))
    }

    /// Answers one check and names the relationships, from the resource to the subject, that made it true.
    ///
    /// # Errors
    /// As [`Tuples::check`].
    pub fn explain(&self, check: &Check, now: Timestamp) -> Result<(Decision, Vec<String>), CheckError> {
        let (decision, traced) = self.trace(check, now)?;
        Ok((decision, traced.path().into_iter().map(crate::Tuple::to_text).collect()))
    }
}

struct Trace<'a> {
    run: Run<'a>,
    check: &'a Check,
    steps: usize,
}

impl<'a> Trace<'a> {
    fn place(&mut self, place: ObjectMember, depth: u8, via: Option<Followed>) -> Traced {
        self.steps += 1;
        let answer = self.run.computed(place, depth);
        let (member, node) = place;
        let schema = self.run.schema();
        let what = schema.member(member);
        let own_id = match node {
            ObjectIndex::NOWHERE => self.check.resource.id.clone(),
            ObjectIndex::NOBODY => self.check.subject.object.id.clone(),
            node => self.run.tuples.names().read().id(node).to_owned(),
        };
        let mut check = self.check.clone();
        check.resource = Object::new(schema.definition_name(what.definition), own_id);
        check.permission.clone_from(&what.name);
        let (permissionship, missing) = match &answer {
            Answer::Yes(_) => (Permissionship::Yes, Vec::new()),
            Answer::Maybe(names, _) => (Permissionship::Conditional, names.iter().cloned().collect()),
            Answer::No(_) | Answer::Failed(_) => (Permissionship::No, Vec::new()),
        };
        let mut traced = Traced {
            check,
            is_permission: matches!(what.body, Body::Permission(_)),
            permissionship,
            missing,
            via,
            direct: Vec::new(),
            steps: Vec::new(),
        };
        let itself = self.run.who.member == Some(member) && self.run.who.node == node;
        if depth > 0 && !itself && self.steps < MAX_STEPS {
            on_enough_stack(|| match &what.body {
                Body::Permission(Rule::Member(other)) if self.run.meant(place) != place => {
                    traced.steps.push(self.place((*other, node), depth, None));
                }
                Body::Relation(_) => self.relation(place, depth, answer.is_yes(), &mut traced),
                Body::Permission(rule) => self.rule(rule, place, depth, &mut traced.steps),
            });
        }
        traced
    }

    fn relation(&mut self, (member, node): ObjectMember, depth: u8, yes: bool, traced: &mut Traced) {
        let tuples = self.run.tuples;
        for edge in self.run.edges(member, node) {
            let Some(terms) = tuples.terms(&edge) else { continue };
            let Some(row) = self.run.row(terms) else { continue };
            if !yes || row.is_yes() {
                traced.direct.push(self.followed(edge, terms));
            }
            if yes && row.is_yes() {
                return;
            }
        }
        for (edge, terms) in tuples.sets(member, node) {
            let (Some(row), Some(of)) = (self.run.row(terms), tuples.member_in(edge.of)) else { continue };
            let found = row.and(self.run.dispatch((of, edge.subject), depth - 1));
            if !yes || found.is_yes() {
                let via = self.followed(edge, terms);
                traced.steps.push(self.place((of, edge.subject), depth - 1, Some(via)));
            }
            if yes && found.is_yes() {
                return;
            }
        }
    }

    fn rule(&mut self, rule: &'a Rule, own: ObjectMember, depth: u8, steps: &mut Vec<Traced>) {
        match rule {
            Rule::Nil | Rule::Itself => {}
            Rule::Member(member) => steps.push(self.place((*member, own.1), depth - 1, None)),
            Rule::Arrow { over, to, all, .. } => self.arrow(*over, to, *all, own.1, depth, steps),
            Rule::Union(rules) => {
                let yes = rules.iter().find(|rule| self.run.rule(rule, own, depth).is_yes());
                match yes {
                    Some(rule) => self.rule(rule, own, depth, steps),
                    None => rules.iter().for_each(|rule| self.rule(rule, own, depth, steps)),
                }
            }
            Rule::Intersection(rules) => rules.iter().for_each(|rule| self.rule(rule, own, depth, steps)),
            Rule::Exclusion(first, without) => {
                self.rule(first, own, depth, steps);
                // What takes away is told where it does.
                let first_is_no = self.run.rule(first, own, depth).is_no();
                for rule in without {
                    if !first_is_no && !self.run.rule(rule, own, depth).is_no() {
                        self.rule(rule, own, depth, steps);
                    }
                }
            }
        }
    }

    fn arrow(
        &mut self,
        over: MemberId,
        to: &[(DefinitionId, MemberId)],
        all: bool,
        node: ObjectIndex,
        depth: u8,
        steps: &mut Vec<Traced>,
    ) {
        let tuples = self.run.tuples;
        let answers = |run: &mut Run<'a>, edge: Edge, terms| {
            let target = target(to, tuples.definition_in(edge.of))?;
            Some((target, run.row(terms)?.and(run.computed((target, edge.subject), depth - 1))))
        };
        let yes = !all
            && tuples
                .rows(over, node)
                .any(|(edge, terms)| answers(&mut self.run, edge, terms).is_some_and(|(_, answer)| answer.is_yes()));
        for (edge, terms) in tuples.rows(over, node) {
            let Some((target, answer)) = answers(&mut self.run, edge, terms) else { continue };
            if self.steps >= MAX_STEPS {
                return;
            }
            if !yes || answer.is_yes() {
                let via = self.followed(edge, terms);
                steps.push(self.place((target, edge.subject), depth - 1, Some(via)));
            }
            if yes && answer.is_yes() {
                return;
            }
        }
    }

    fn followed(&self, edge: Edge, terms: Option<&Terms>) -> Followed {
        let schema = self.run.schema();
        let caveat = terms.and_then(|terms| terms.caveat.as_ref()).map(|under| {
            let caveat = schema.caveat(under.id);
            let mut context: Context = self.run.context.clone();
            context.retain(|name, _| caveat.parameters().iter().any(|(parameter, _)| parameter == name));
            context.extend(under.context.clone());
            let outcome = match under.evaluate(schema, self.run.context) {
                Outcome::True => CaveatOutcome::True,
                Outcome::False => CaveatOutcome::False,
                Outcome::Missing(names) => CaveatOutcome::Missing(names.into_iter().collect()),
                Outcome::Failed(error) => CaveatOutcome::Failed(error.to_string()),
            };
            TracedCaveat {
                name: caveat.name().to_owned(),
                expression: caveat.expression().to_owned(),
                context,
                outcome,
            }
        });
        Followed { tuple: self.run.tuples.tuple((edge, terms)), caveat }
    }
}
