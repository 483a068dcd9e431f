//! Which subjects of a kind have a permission on a resource: everyone who is named anywhere on the way is checked, and
//! where everyone (`*`) is meant, so is one of whom nothing is known.

use std::collections::{BTreeMap, HashSet};

use super::answer::Answer;
use super::{CheckError, MAX_DEPTH, ObjectMember, Run, Who, find_definition, find_member, target};
use crate::relationship::EVERYONE;
use crate::schema::{Body, DefinitionId, MemberId, Rule};
use crate::tuples::{ObjectIndex, Of, Tuples};
use crate::{Found, FoundSubject, LookupSubjects, Permissionship, Timestamp};

impl Tuples {
    /// Every subject of a kind that has the permission, surely or on conditions. Sorted by id, each once, none left
    /// out; everyone (`*`) last, with those who are excepted.
    ///
    /// # Errors
    /// As [`Tuples::check`], of which this is the sum over all subjects.
    pub fn lookup_subjects(&self, lookup: &LookupSubjects, now: Timestamp) -> Result<Vec<FoundSubject>, CheckError> {
        let (definition, permission) = self.named(&lookup.resource, &lookup.permission)?;
        let kind = find_definition(self.schema(), &lookup.kind)?;
        let member = match lookup.relation.as_deref() {
            None => None,
            Some(name) => Some(find_member(self.schema(), kind, name)?),
        };
        // Last, as in a check.
        let place = (
            permission,
            super::node(&self.names().read(), definition, &lookup.resource.id)?.unwrap_or(ObjectIndex::NOWHERE),
        );
        let of = member.map_or(self.objects_of(kind), |member| self.members_of(member));
        let mut named = Named {
            tuples: self,
            kind,
            member,
            of,
            now,
            seen: HashSet::new(),
            subjects: BTreeMap::new(),
            everyone: false,
        };
        named.collect(place);
        let ask = |node: ObjectIndex| -> Result<Option<(Permissionship, Vec<String>)>, CheckError> {
            let who = Who { definition: kind, node, member };
            verdict(Run::new(self, who, &lookup.context, now).dispatch(place, MAX_DEPTH))
        };
        // Nobody is named: whoever is asked about is like all the others.
        let others = if named.everyone { ask(ObjectIndex::NOBODY)? } else { None };
        let spelled = self.spelled_beside_everyone(lookup, &named.subjects, others.is_some(), now);
        let (mut found, mut excluded) = (Vec::new(), Vec::new());
        for (&node, &sign) in &named.subjects {
            let id = match node {
                ObjectIndex::NOWHERE => lookup.resource.id.clone(),
                node => self.names().read().id(node).to_owned(),
            };
            let own =
                if node == ObjectIndex::NOWHERE { self.ask_itself(lookup, member, place, now)? } else { ask(node)? };
            match own {
                Some((permissionship, missing)) => {
                    let again = || spelled.as_ref().is_none_or(|spelled| spelled.contains(&id));
                    if sign == Sign::In || (sign == Sign::Again && again()) {
                        let found_here = Found { id: id.clone(), permissionship, missing: missing.clone() };
                        found.push(FoundSubject { found: found_here, excluded: Vec::new() });
                    }
                    if permissionship == Permissionship::Conditional
                        && others.as_ref().is_some_and(|(others, _)| *others == Permissionship::Yes)
                    {
                        excluded.push(Found { id, permissionship, missing });
                    }
                }
                None => excluded.push(Found { id, permissionship: Permissionship::Yes, missing: Vec::new() }),
            }
        }
        found.sort_unstable_by(|a, b| a.found.id.cmp(&b.found.id));
        if let Some((permissionship, missing)) = others {
            excluded.sort_unstable_by(|a, b| a.id.cmp(&b.id));
            found.push(FoundSubject { found: Found { id: EVERYONE.to_owned(), permissionship, missing }, excluded });
        }
        Ok(found)
    }

    /// Where everyone is found: whom the relationships spell out beside them. Who is only named again, by an exclusion
    /// within an exclusion, is covered by everyone mostly and not told twice. `None`: whoever is named is told.
    fn spelled_beside_everyone(
        &self,
        lookup: &LookupSubjects,
        named: &BTreeMap<ObjectIndex, Sign>,
        everyone: bool,
        now: Timestamp,
    ) -> Option<HashSet<String>> {
        if !everyone || !named.values().any(|sign| *sign == Sign::Again) {
            return None;
        }
        // A circle has no such spelling.
        let all = self.memberships(&lookup.resource, &lookup.permission, now).ok()?;
        let of_kind = all
            .into_iter()
            .filter(|one| one.subject.object.kind == lookup.kind && one.subject.relation == lookup.relation);
        Some(of_kind.map(|one| one.subject.object.id).collect())
    }

    /// A resource that nothing names, asked about itself.
    fn ask_itself(
        &self,
        lookup: &LookupSubjects,
        member: Option<MemberId>,
        place: ObjectMember,
        now: Timestamp,
    ) -> Result<Option<(Permissionship, Vec<String>)>, CheckError> {
        let definition = find_definition(self.schema(), &lookup.kind)?;
        let who = Who { definition, node: ObjectIndex::NOBODY, member };
        verdict(Run::new(self, who, &lookup.context, now).dispatch((place.0, ObjectIndex::NOBODY), MAX_DEPTH))
    }
}

fn verdict(answer: Answer) -> Result<Option<(Permissionship, Vec<String>)>, CheckError> {
    let decision = answer.decide()?;
    Ok((decision.permissionship != Permissionship::No).then_some((decision.permissionship, decision.missing)))
}

/// Where a subject is named: where that gives, where it takes away, or where it takes from what takes away. The earlier
/// outweighs the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sign {
    In,
    Again,
    Out,
}

impl Sign {
    /// On the right of an exclusion.
    fn excluded(self) -> Sign {
        match self {
            Sign::In | Sign::Again => Sign::Out,
            Sign::Out => Sign::Again,
        }
    }
}

/// Who is named on the way from a resource, in whatever place.
struct Named<'a> {
    tuples: &'a Tuples,
    kind: DefinitionId,
    member: Option<MemberId>,
    of: Of,
    now: Timestamp,
    seen: HashSet<(ObjectMember, Sign)>,
    subjects: BTreeMap<ObjectIndex, Sign>,
    everyone: bool,
}

impl Named<'_> {
    fn collect(&mut self, place: ObjectMember) {
        let mut open = vec![(place, Sign::In)];
        while let Some((place, sign)) = open.pop() {
            if !self.seen.insert((place, sign)) {
                continue;
            }
            let (member, node) = place;
            // The members of something are members of it.
            if self.member == Some(member) {
                self.note(node, sign);
            }
            match &self.tuples.schema().member(member).body {
                Body::Relation(_) => self.relation(place, sign, &mut open),
                Body::Permission(rule) => self.rule(rule, place, sign, &mut open),
            }
        }
    }

    fn note(&mut self, node: ObjectIndex, sign: Sign) {
        let known = self.subjects.entry(node).or_insert(sign);
        *known = sign.min(*known);
    }

    fn relation(&mut self, (member, node): ObjectMember, sign: Sign, open: &mut Vec<(ObjectMember, Sign)>) {
        let tuples = self.tuples;
        for (edge, terms) in tuples.rows(member, node) {
            if terms.is_some_and(|terms| !terms.live(self.now)) {
                continue;
            }
            if edge.of == tuples.objects_of(self.kind) && edge.subject == ObjectIndex::everyone(self.kind) {
                self.everyone |= self.member.is_none();
            } else if edge.of == self.of {
                self.note(edge.subject, sign);
            }
            if let Some(of) = tuples.member_in(edge.of) {
                open.push(((of, edge.subject), sign));
            }
        }
    }

    fn rule(&mut self, rule: &Rule, own: ObjectMember, sign: Sign, open: &mut Vec<(ObjectMember, Sign)>) {
        let tuples = self.tuples;
        match rule {
            Rule::Nil => {}
            Rule::Itself => {
                if self.member.is_none() && tuples.schema().member(own.0).definition == self.kind {
                    self.note(own.1, sign);
                }
            }
            Rule::Member(member) => open.push(((*member, own.1), sign)),
            Rule::Arrow { over, to, .. } => {
                for (edge, terms) in tuples.rows(*over, own.1) {
                    if terms.is_some_and(|terms| !terms.live(self.now)) {
                        continue;
                    }
                    if let Some(target) = target(to, tuples.definition_in(edge.of)) {
                        open.push(((target, edge.subject), sign));
                    }
                }
            }
            Rule::Union(rules) | Rule::Intersection(rules) => {
                rules.iter().for_each(|rule| self.rule(rule, own, sign, open));
            }
            Rule::Exclusion(first, without) => {
                self.rule(first, own, sign, open);
                without.iter().for_each(|rule| self.rule(rule, own, sign.excluded(), open));
            }
        }
    }
}
