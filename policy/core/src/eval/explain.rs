//! Why a check is true: the relationships that lead there.

use super::{CheckError, Known, MAX_DEPTH, Run};
use crate::relationship::EVERYONE;
use crate::schema::{Body, DefinitionId, MemberId, Rule};
use crate::tuples::{Row, Tuples};
use crate::{Check, Decision, Timestamp};

impl Tuples {
    /// Answers one check and names the relationships, from the resource to the subject, that made it
    /// true. A denial rests on what is not there and has none.
    ///
    /// # Errors
    /// As [`Tuples::check`].
    pub fn explain(&self, check: &Check, now: Timestamp) -> Result<(Decision, Vec<String>), CheckError> {
        let decision = self.check(check, now)?;
        let mut path = Vec::new();
        if decision.allowed() {
            let (run, member) = Run::new(self, check, now)?;
            Trace { run, path: &mut path }.dispatch(member, &check.resource.id, MAX_DEPTH);
        }
        Ok((decision, path))
    }
}

struct Trace<'a, 'p> {
    run: Run<'a>,
    path: &'p mut Vec<String>,
}

impl<'a> Trace<'a, '_> {
    fn holds(&mut self, rule: &'a Rule, own: MemberId, id: &'a str, depth: u8) -> bool {
        matches!(self.run.rule(rule, own, id, depth), Known::Yes(_))
    }

    fn write(&mut self, member: MemberId, id: &str, row: &Row) {
        let schema = self.run.schema();
        let relation = schema.member(member);
        let mut line = format!(
            "{}:{id}#{}@{}:{}",
            schema.definition_name(relation.definition),
            relation.name,
            schema.definition_name(row.definition),
            row.id
        );
        if let Some(of) = row.member {
            line.push('#');
            line.push_str(&schema.member(of).name);
        }
        if let Some(until) = row.until {
            line.push_str(&format!(" until {}", until.seconds()));
        }
        self.path.push(line);
    }

    /// Follows what is known to be true.
    fn dispatch(&mut self, member: MemberId, id: &'a str, depth: u8) {
        if depth == 0 || (self.run.subject.member == Some(member) && self.run.subject.id == id) {
            return;
        }
        match &self.run.schema().member(member).body {
            Body::Permission(rule) => self.rule(rule, member, id, depth),
            Body::Relation(_) => self.relation(member, id, depth),
        }
    }

    fn relation(&mut self, member: MemberId, id: &'a str, depth: u8) {
        let (tuples, now, who) = (self.run.tuples, self.run.now, self.run.subject);
        let Some(rows) = tuples.rows(member, id) else { return };
        let own = match who.member {
            None => rows.object(who.definition, who.id),
            Some(of) => rows.set(who.definition, who.id, of),
        };
        let everyone = rows.object(who.definition, EVERYONE);
        if let Some(row) = [own, everyone].into_iter().flatten().find(|row| row.lives(now)) {
            return self.write(member, id, row);
        }
        for row in rows.sets.iter().filter(|row| row.lives(now)) {
            let Some(of) = row.member else { continue };
            if matches!(self.run.dispatch(of, &row.id, depth - 1), Known::Yes(_)) {
                self.write(member, id, row);
                return self.dispatch(of, &row.id, depth - 1);
            }
        }
    }

    fn rule(&mut self, rule: &'a Rule, own: MemberId, id: &'a str, depth: u8) {
        match rule {
            Rule::Nil | Rule::Itself => {}
            Rule::Member(member) => self.dispatch(*member, id, depth - 1),
            Rule::Arrow { over, to, all, .. } => self.arrow(*over, to, *all, id, depth),
            Rule::Union(rules) => {
                for rule in rules {
                    if self.holds(rule, own, id, depth) {
                        return self.rule(rule, own, id, depth);
                    }
                }
            }
            Rule::Intersection(rules) => rules.iter().for_each(|rule| self.rule(rule, own, id, depth)),
            Rule::Exclusion(first, _) => self.rule(first, own, id, depth),
        }
    }

    fn arrow(&mut self, over: MemberId, to: &'a [(DefinitionId, MemberId)], all: bool, id: &'a str, depth: u8) {
        let (tuples, now) = (self.run.tuples, self.run.now);
        let Some(rows) = tuples.rows(over, id) else { return };
        for row in rows.objects.iter().chain(&rows.sets).filter(|row| row.lives(now)) {
            let Some(&(_, target)) = to.iter().find(|(of, _)| *of == row.definition) else { continue };
            if matches!(self.run.dispatch(target, &row.id, depth - 1), Known::Yes(_)) {
                self.write(over, id, row);
                self.dispatch(target, &row.id, depth - 1);
                if !all {
                    return;
                }
            }
        }
    }
}
