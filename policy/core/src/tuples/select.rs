//! Relationships by filter.

use super::{Edge, Key, ObjectIndex, Of, Row, Tuples};
use crate::relationship::{Filter, SubjectFilter, SubjectRelation};
use crate::schema::{Body, MemberId};
use crate::{Timestamp, Tuple};

impl Tuples {
    /// The live relationships that the filter selects, in an order that stays the same as long as the filter does,
    /// also over changes.
    pub fn select<'a>(&'a self, filter: &'a Filter, now: Timestamp) -> impl Iterator<Item = Tuple> + 'a {
        self.select_after(filter, None, now)
    }

    /// As [`Tuples::select`], beginning behind `after`, which need not be there any more.
    pub fn select_after<'a>(
        &'a self,
        filter: &'a Filter,
        after: Option<&Tuple>,
        now: Timestamp,
    ) -> impl Iterator<Item = Tuple> + 'a {
        let after = after.and_then(|tuple| self.edge(tuple));
        let rows: Box<dyn Iterator<Item = Row<'a>> + 'a> = match self.subjects_of(filter.subject.as_ref()) {
            Some((types, subject)) if filter.resource_id.is_none() => {
                Box::new(self.rows_of_subject(types, subject, after))
            }
            _ => Box::new(self.rows_of_resources(filter, after)),
        };
        rows.filter(move |(_, terms)| terms.is_none_or(|terms| terms.live(now)))
            .map(|row| self.tuple(row))
            .filter(|tuple| filter.selects(tuple))
    }

    /// The types and the object of a filter by one subject.
    fn subjects_of(&self, filter: Option<&SubjectFilter>) -> Option<(Vec<Of>, ObjectIndex)> {
        let filter = filter?;
        let kind = self.schema.definition(&filter.kind)?;
        let subject = self.names.read().find(kind, filter.id.as_ref()?)?;
        let types = match &filter.relation {
            SubjectRelation::None => vec![self.objects_of(kind)],
            SubjectRelation::Is(name) => vec![self.members_of(self.schema.member_of(kind, name)?)],
            SubjectRelation::Any => {
                let members = self.members().filter(|&member| self.schema.member(member).definition == kind);
                std::iter::once(self.objects_of(kind)).chain(members.map(|member| self.members_of(member))).collect()
            }
        };
        Some((types, subject))
    }

    fn members(&self) -> impl Iterator<Item = MemberId> {
        (0u32..).map(MemberId).take(self.schema.member_count())
    }

    fn rows_of_subject(
        &self,
        types: Vec<Of>,
        subject: ObjectIndex,
        after: Option<Edge>,
    ) -> impl Iterator<Item = Row<'_>> {
        let after = after.map(|edge| edge.behind());
        types.into_iter().filter(move |of| after.is_none_or(|after| after.first <= of.0)).flat_map(move |of| {
            let first = Key { first: of.0, ..Key::FIRST };
            let from = after.map_or(first, |after| after.max(first));
            self.of_subject_from(from, subject).filter(move |(edge, _)| after.is_none_or(|after| edge.behind() > after))
        })
    }

    fn rows_of_resources(&self, filter: &Filter, after: Option<Edge>) -> impl Iterator<Item = Row<'_>> {
        let kind = filter.resource_kind.as_deref().map(|kind| self.schema.definition(kind));
        let resource = match (&filter.resource_id, kind) {
            (Some(id), Some(Some(kind))) => Some(self.names.read().find(kind, id).unwrap_or(ObjectIndex::NOWHERE)),
            _ => None,
        };
        let sought: Vec<bool> = self
            .members()
            .map(|id| {
                let member = self.schema.member(id);
                matches!(member.body, Body::Relation(_))
                    && kind.is_none_or(|kind| kind == Some(member.definition))
                    && filter.relation.as_deref().is_none_or(|relation| relation == member.name)
            })
            .collect();
        let from = match (after, resource) {
            (Some(after), _) => after,
            (None, Some(resource)) => Edge::from_resource(resource, Key::FIRST),
            (None, None) => Edge::from_resource(ObjectIndex::FIRST, Key::FIRST),
        };
        let one = resource.map(|node| self.by_resource.lines(node, from.ahead()).map(move |line| (node, line)));
        let every = resource.is_none().then(|| self.by_resource.all(from.resource, from.ahead()));
        one.into_iter()
            .flatten()
            .chain(every.into_iter().flatten())
            .map(|(resource, (key, terms))| (Edge::from_resource(resource, key), terms))
            .filter(move |(edge, _)| after.is_none_or(|after| *edge > after))
            .filter(move |(edge, _)| sought.get(edge.relation.0 as usize).copied().unwrap_or_default())
    }
}
