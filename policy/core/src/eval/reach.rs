//! Which members rest on which, read backwards: the ways on which a look-up goes from a subject to resources.

use crate::schema::{Body, Form, MemberId, Rule, Schema};

/// One way on from "the subject has `member` of an object".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onward {
    /// To a permission of the same object.
    Permission { to: MemberId, sure: bool },
    /// To a permission of every object whose relation `over` names the object.
    Arrow { over: MemberId, to: MemberId, sure: bool },
}

/// The ways of one schema. `sure`: having the one is enough to have the other, whatever else is so.
#[derive(Debug)]
pub(crate) struct Reach {
    onward: Vec<Vec<Onward>>,
    /// Permissions that every object of the definition has of itself, by the `self` in them.
    itself: Vec<(MemberId, bool)>,
    /// Of each member, whether a relation allows those who have it as a subject.
    stands_for: Vec<bool>,
    /// What each member rests on, for [`Reach::under`].
    rests_on: Vec<Vec<MemberId>>,
}

impl Reach {
    pub(crate) fn of(schema: &Schema) -> Reach {
        let count = schema.member_count();
        let mut reach = Reach {
            onward: vec![Vec::new(); count],
            itself: Vec::new(),
            stands_for: vec![false; count],
            rests_on: vec![Vec::new(); count],
        };
        for id in (0u32..).map(MemberId).take(count) {
            match &schema.member(id).body {
                Body::Relation(allowed) => {
                    for one in allowed {
                        if let Form::Members(member) = one.form {
                            reach.rests_on[id.0 as usize].push(member);
                            reach.stands_for[member.0 as usize] = true;
                        }
                    }
                }
                Body::Permission(rule) => reach.rule(id, rule, true),
            }
        }
        reach
    }

    fn rule(&mut self, own: MemberId, rule: &Rule, sure: bool) {
        match rule {
            Rule::Nil => {}
            Rule::Itself => self.itself.push((own, sure)),
            Rule::Member(member) => {
                self.onward[member.0 as usize].push(Onward::Permission { to: own, sure });
                self.rests_on[own.0 as usize].push(*member);
            }
            Rule::Arrow { over, to, all, .. } => {
                self.rests_on[own.0 as usize].push(*over);
                for (_, target) in to {
                    self.onward[target.0 as usize].push(Onward::Arrow { over: *over, to: own, sure: sure && !all });
                    self.rests_on[own.0 as usize].push(*target);
                }
            }
            Rule::Union(rules) => rules.iter().for_each(|rule| self.rule(own, rule, sure)),
            Rule::Intersection(rules) => rules.iter().for_each(|rule| self.rule(own, rule, false)),
            // Nobody has a permission for being taken out of it.
            Rule::Exclusion(first, _) => self.rule(own, first, false),
        }
    }

    pub(crate) fn onward(&self, member: MemberId) -> &[Onward] {
        &self.onward[member.0 as usize]
    }

    /// Whether relationships may name those who have the member.
    pub(crate) fn stands_for(&self, member: MemberId) -> bool {
        self.stands_for[member.0 as usize]
    }

    pub(crate) fn itself(&self) -> &[(MemberId, bool)] {
        &self.itself
    }

    /// Of each member, by its number, whether the given one rests on it; itself included.
    pub(crate) fn under(&self, member: MemberId) -> Vec<bool> {
        let (mut open, mut seen) = (vec![member], vec![false; self.rests_on.len()]);
        while let Some(next) = open.pop() {
            if !std::mem::replace(&mut seen[next.0 as usize], true) {
                open.extend(&self.rests_on[next.0 as usize]);
            }
        }
        seen
    }
}
