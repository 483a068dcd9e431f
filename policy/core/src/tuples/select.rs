//! Relationships by filter.

use super::{Back, Edge, Node, Of, Row, Tuples};
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
                Box::new(self.backward_rows(types, subject, after))
            }
            _ => Box::new(self.forward_rows(filter, after)),
        };
        rows.filter(move |(_, terms)| terms.is_none_or(|terms| terms.live(now)))
            .map(|row| self.tuple(row))
            .filter(|tuple| filter.selects(tuple))
    }

    /// The types and the object of a filter by one subject.
    fn subjects_of(&self, filter: Option<&SubjectFilter>) -> Option<(Vec<Of>, Node)> {
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

    fn backward_rows(&self, types: Vec<Of>, subject: Node, after: Option<Edge>) -> impl Iterator<Item = Row<'_>> {
        let after = after.map(Edge::back);
        types.into_iter().flat_map(move |of| {
            let first = Back { of, subject, relation: MemberId(0), resource: Node::FIRST };
            let last = Back { of, subject, relation: MemberId(u32::MAX), resource: Node::LAST };
            let from = after.map_or(first, |after| after.max(first));
            let rows = (from <= last).then(|| self.backward.range(from..=last));
            rows.into_iter()
                .flatten()
                .filter(move |back| after.is_none_or(|after| **back > after))
                .filter_map(|back| self.terms(&back.edge()).map(|terms| (back.edge(), terms)))
        })
    }

    fn forward_rows(&self, filter: &Filter, after: Option<Edge>) -> impl Iterator<Item = Row<'_>> {
        let kind = filter.resource_kind.as_deref().map(|kind| self.schema.definition(kind));
        let resource = match (&filter.resource_id, kind) {
            (Some(id), Some(Some(kind))) => Some(self.names.read().find(kind, id).unwrap_or(Node::NOWHERE)),
            _ => None,
        };
        let relations: Vec<MemberId> = self
            .members()
            .filter(|&id| {
                let member = self.schema.member(id);
                matches!(member.body, Body::Relation(_))
                    && kind.is_none_or(|kind| kind == Some(member.definition))
                    && filter.relation.as_deref().is_none_or(|relation| relation == member.name)
            })
            .collect();
        relations.into_iter().flat_map(move |relation| {
            let first = Edge { relation, resource: resource.unwrap_or(Node::FIRST), of: Of(0), subject: Node::FIRST };
            let last =
                Edge { relation, resource: resource.unwrap_or(Node::LAST), of: Of(u32::MAX), subject: Node::LAST };
            let from = after.map_or(first, |after| after.max(first));
            let rows = (from <= last).then(|| self.forward.range(from..=last));
            rows.into_iter()
                .flatten()
                .filter(move |(edge, _)| after.is_none_or(|after| **edge > after))
                .map(|(edge, terms)| (*edge, terms.as_deref()))
        })
    }
}
