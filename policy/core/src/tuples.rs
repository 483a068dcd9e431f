//! Relationships in memory: immutable once shared, cheap to copy and change.
//!
//! A relationship is an edge of four numbers, kept in two indexes: by resource and by subject. A clone shares everything
//! with its original.

mod change;
mod circle;
mod index;
mod names;
mod select;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::caveat::{CaveatError, Prepared};
use crate::cel::Outcome;
use crate::eval::Reach;
use crate::relationship::{CaveatUse, EVERYONE, Tuple, Update, is_object_id};
use crate::schema::{Body, CaveatId, DefinitionId, Form, MemberId};
use crate::{Context, Object, Schema, Subject, Timestamp};

pub use change::{ApplyError, SchemaInUse};
pub use circle::Nesting;
use index::{Index, Key};
pub(crate) use names::{Names, ObjectIndex, Reading};

/// A relationship that does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    /// The schema has no such definition.
    #[error("object definition `{definition}` not found")]
    UnknownDefinition {
        /// The kind of the object.
        definition: String,
    },
    /// A definition has no such relation.
    #[error("relation/permission `{relation}` not found under definition `{definition}`")]
    UnknownRelation {
        /// The kind of the object.
        definition: String,
        /// What it does not have.
        relation: String,
    },
    /// What was to be stored is computed.
    #[error("cannot write a relationship to permission `{permission}` under definition `{definition}`")]
    Permission {
        /// The kind of the object.
        definition: String,
        /// The name of what is computed.
        permission: String,
    },
    /// The id is none that an object can have.
    #[error("`{0}` is not an object id: expected 1 to 1024 letters, digits and / _ | - = +")]
    ObjectId(String),
    /// The relation does not take such subjects.
    #[error("subjects of type `{subject}` are not allowed on relation `{relation}`; allowed: {allowed}")]
    Subject {
        /// Who was to be in it.
        subject: String,
        /// Of what relation.
        relation: String,
        /// What it takes, as the schema writes it.
        allowed: String,
    },
    /// What is stored with the caveat does not fit it.
    #[error("{0}")]
    CaveatContext(#[from] CaveatError),
    /// Four thousand million distinct objects, or relationships.
    #[error("there is no room for more objects and relationships")]
    Full,
}

/// The type of a subject: an object of a definition, or the members of a relation or permission. Objects come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Of(u32);

/// A relationship. The order is that of a resource's subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Edge {
    pub(crate) resource: ObjectIndex,
    pub(crate) relation: MemberId,
    pub(crate) of: Of,
    pub(crate) subject: ObjectIndex,
}

impl Edge {
    /// Its place among those of its resource.
    fn ahead(&self) -> Key {
        Key { first: self.relation.0, second: self.of.0, other: self.subject }
    }
    /// Its place among those of its subject.
    fn behind(&self) -> Key {
        Key { first: self.of.0, second: self.relation.0, other: self.resource }
    }
    fn from_resource(resource: ObjectIndex, key: Key) -> Edge {
        Edge { resource, relation: MemberId(key.first), of: Of(key.second), subject: key.other }
    }
    fn from_subject(subject: ObjectIndex, key: Key) -> Edge {
        Edge { resource: key.other, relation: MemberId(key.second), of: Of(key.first), subject }
    }
}

/// What a relationship is under, if it is under anything.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) caveat: Option<UnderCaveat>,
    pub(crate) until: Option<Timestamp>,
}

#[derive(Debug)]
pub(crate) struct UnderCaveat {
    pub(crate) id: CaveatId,
    pub(crate) context: Context,
    prepared: Prepared,
}

impl Terms {
    /// Whether the relationship has not lapsed.
    pub(crate) fn live(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

impl UnderCaveat {
    pub(crate) fn evaluate(&self, schema: &Schema, request: &Context) -> Outcome<CaveatError> {
        schema.caveat(self.id).evaluate_prepared(&self.prepared, request)
    }
}

/// As many relationships as their places can be numbered.
const MAX_RELATIONSHIPS: usize = u32::MAX as usize - 1;

pub(crate) type Row<'a> = (Edge, Option<&'a Terms>);

/// What the names of a relationship stand for.
struct Typed {
    relation: MemberId,
    definition: DefinitionId,
    of: Of,
    /// The definition of the subject.
    kind: DefinitionId,
    caveat: Option<CaveatId>,
}

/// The relationships under one schema.
#[derive(Debug, Clone)]
pub struct Tuples {
    schema: Arc<Schema>,
    names: Arc<Names>,
    reach: Arc<Reach>,
    by_resource: Index,
    by_subject: Index,
}

impl Tuples {
    /// No relationships.
    pub fn new(schema: Arc<Schema>) -> Self {
        let (names, reach) = (Arc::new(Names::new(&schema)), Arc::new(Reach::of(&schema)));
        Tuples { schema, names, reach, by_resource: Index::default(), by_subject: Index::default() }
    }

    /// The schema that these relationships fit.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
    /// How many there are, lapsed ones included.
    pub fn len(&self) -> usize {
        self.by_resource.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }
    pub(crate) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The type of subjects that are objects of a definition.
    pub(crate) fn objects_of(&self, definition: DefinitionId) -> Of {
        Of(definition.0)
    }
    /// The type of subjects that stand for those who have a member.
    pub(crate) fn members_of(&self, member: MemberId) -> Of {
        Of(self.first_member_type() + member.0)
    }
    fn first_member_type(&self) -> u32 {
        u32::try_from(self.schema.definition_count()).unwrap_or(u32::MAX)
    }
    /// The member, if the type is one of those who have it.
    pub(crate) fn member_in(&self, of: Of) -> Option<MemberId> {
        of.0.checked_sub(self.first_member_type()).map(MemberId)
    }
    /// The definition of the object in a subject of this type.
    pub(crate) fn definition_in(&self, of: Of) -> DefinitionId {
        self.member_in(of).map_or(DefinitionId(of.0), |member| self.schema.member(member).definition)
    }

    /// Every type of subject whose object is of the definition.
    pub(crate) fn types_of(&self, definition: DefinitionId) -> impl Iterator<Item = Of> {
        let members = (0u32..).map(MemberId).take(self.schema.member_count());
        let sets = members.filter(move |&member| self.schema.member(member).definition == definition);
        std::iter::once(self.objects_of(definition)).chain(sets.map(|member| self.members_of(member)))
    }

    /// The relationship, alive or lapsed. The outer option: whether it is there.
    pub(crate) fn terms(&self, edge: &Edge) -> Option<Option<&Terms>> {
        self.by_resource.get(edge.resource, edge.ahead())
    }

    /// Every subject of a relation of an object, alive or lapsed; objects first.
    pub(crate) fn rows(&self, relation: MemberId, resource: ObjectIndex) -> impl Iterator<Item = Row<'_>> {
        self.rows_from(relation, resource, Of(0))
    }
    /// Only the subjects that stand for others.
    pub(crate) fn sets(&self, relation: MemberId, resource: ObjectIndex) -> impl Iterator<Item = Row<'_>> {
        self.rows_from(relation, resource, Of(self.first_member_type()))
    }
    fn rows_from(&self, relation: MemberId, resource: ObjectIndex, from: Of) -> impl Iterator<Item = Row<'_>> {
        let first = Key { first: relation.0, second: from.0, other: ObjectIndex::FIRST };
        let lines = self.by_resource.lines(resource, first).take_while(move |(key, _)| key.first == relation.0);
        lines.map(move |(key, terms)| (Edge::from_resource(resource, key), terms))
    }

    /// Every relationship that a subject of one type is in, alive or lapsed.
    pub(crate) fn of_subject(&self, of: Of, subject: ObjectIndex) -> impl Iterator<Item = Row<'_>> {
        self.of_subject_from(Key { first: of.0, ..Key::FIRST }, subject)
    }
    /// Every relationship of one relation that a subject of one type is in, alive or lapsed.
    pub(crate) fn of_subject_in(
        &self,
        of: Of,
        subject: ObjectIndex,
        relation: MemberId,
    ) -> impl Iterator<Item = Row<'_>> {
        let first = Key { first: of.0, second: relation.0, other: ObjectIndex::FIRST };
        self.of_subject_from(first, subject).take_while(move |(edge, _)| edge.relation == relation)
    }
    fn of_subject_from(&self, from: Key, subject: ObjectIndex) -> impl Iterator<Item = Row<'_>> {
        let lines = self.by_subject.lines(subject, from).take_while(move |(key, _)| key.first == from.first);
        lines.map(move |(key, terms)| (Edge::from_subject(subject, key), terms))
    }

    /// Everything, by resource.
    fn all(&self) -> impl Iterator<Item = Row<'_>> {
        let all = self.by_resource.all(ObjectIndex::FIRST, Key::FIRST);
        all.map(|(resource, (key, terms))| (Edge::from_resource(resource, key), terms))
    }

    /// Adds a relationship, or gives one that is there another caveat and expiry. Whether anything changed.
    ///
    /// # Errors
    /// If the schema does not allow it.
    pub fn put(&mut self, tuple: &Tuple) -> Result<bool, TupleError> {
        let (edge, terms) = self.fit(tuple, |definition, id| self.names.intern(definition, id))?;
        match self.terms(&edge) {
            Some(there) if same(there, terms.as_ref()) => return Ok(false),
            None if self.len() >= MAX_RELATIONSHIPS => return Err(TupleError::Full),
            _ => {}
        }
        let terms = terms.map(Arc::new);
        self.by_resource.put(edge.resource, edge.ahead(), terms.clone());
        self.by_subject.put(edge.subject, edge.behind(), terms);
        Ok(true)
    }

    /// Many relationships at once into none: faster than one by one, and smaller. Of two that are the same the later
    /// counts.
    ///
    /// # Errors
    /// The first that the schema does not allow, and why.
    pub fn load(
        schema: Arc<Schema>,
        tuples: impl IntoIterator<Item = Tuple>,
    ) -> Result<Tuples, (Box<Tuple>, TupleError)> {
        let mut loaded = Tuples::new(schema);
        let mut rows: Vec<(Edge, Option<Arc<Terms>>)> = Vec::new();
        let mut names = loaded.names.write();
        for tuple in tuples {
            match loaded.fit(&tuple, |definition, id| names.intern(definition, id)) {
                Ok((edge, terms)) if rows.len() < MAX_RELATIONSHIPS => rows.push((edge, terms.map(Arc::new))),
                Ok(_) => return Err((Box::new(tuple), TupleError::Full)),
                Err(error) => return Err((Box::new(tuple), error)),
            }
        }
        drop(names);
        // Stable, so that the later of two stays behind the earlier.
        rows.sort_by_key(|(edge, _)| *edge);
        rows.dedup_by(|later, earlier| {
            let twice = later.0 == earlier.0;
            if twice {
                std::mem::swap(later, earlier);
            }
            twice
        });
        loaded.by_resource = Index::of(rows.iter().map(|(edge, terms)| (edge.resource, edge.ahead(), terms.as_ref())));
        rows.sort_unstable_by_key(|(edge, _)| (edge.subject, edge.behind()));
        loaded.by_subject = Index::of(rows.iter().map(|(edge, terms)| (edge.subject, edge.behind(), terms.as_ref())));
        Ok(loaded)
    }

    /// Removes a relationship, whatever its caveat and expiry. Whether it was there.
    pub fn remove(&mut self, tuple: &Tuple) -> bool {
        let Some(edge) = self.edge(tuple) else { return false };
        self.by_subject.remove(edge.subject, edge.behind());
        self.by_resource.remove(edge.resource, edge.ahead())
    }

    /// The relationship as it is stored, alive or lapsed, with its caveat and expiry.
    pub fn get(&self, tuple: &Tuple) -> Option<Tuple> {
        let edge = self.edge(tuple)?;
        self.terms(&edge).map(|terms| self.tuple((edge, terms)))
    }

    /// Whether the relationship is there with exactly this caveat and expiry.
    pub fn holds(&self, tuple: &Tuple) -> bool {
        self.get(tuple).as_ref() == Some(tuple)
    }

    /// The subjects of one relation of one object, lapsed ones included.
    pub fn subjects(&self, resource: &Object, relation: &str) -> Vec<Subject> {
        let found = || {
            let definition = self.schema.definition(&resource.kind)?;
            let relation = self.schema.member_of(definition, relation)?;
            Some((relation, self.names.read().find(definition, &resource.id)?))
        };
        let Some((relation, node)) = found() else { return Vec::new() };
        self.rows(relation, node).map(|row| self.tuple(row).subject).collect()
    }

    /// A stored row as a relationship.
    pub(crate) fn tuple(&self, (edge, terms): Row<'_>) -> Tuple {
        let member = self.schema.member(edge.relation);
        let names = self.names.read();
        let caveat = terms.and_then(|terms| terms.caveat.as_ref()).map(|caveat| CaveatUse {
            name: self.schema.caveat(caveat.id).name().to_owned(),
            context: caveat.context.clone(),
        });
        Tuple {
            resource: Object::new(self.schema.definition_name(member.definition), names.id(edge.resource)),
            relation: member.name.clone(),
            subject: Subject {
                object: Object::new(self.schema.definition_name(self.definition_in(edge.of)), names.id(edge.subject)),
                relation: self.member_in(edge.of).map(|member| self.schema.member(member).name.clone()),
            },
            caveat,
            until: terms.and_then(|terms| terms.until),
        }
    }

    /// Where the relationship is, if all its names are known.
    fn edge(&self, tuple: &Tuple) -> Option<Edge> {
        let definition = self.schema.definition(&tuple.resource.kind)?;
        let relation = self.schema.member_of(definition, &tuple.relation)?;
        let kind = self.schema.definition(&tuple.subject.object.kind)?;
        let of = match &tuple.subject.relation {
            None => self.objects_of(kind),
            Some(name) => self.members_of(self.schema.member_of(kind, name)?),
        };
        let names = self.names.read();
        let resource = names.find(definition, &tuple.resource.id)?;
        let subject = names.find(kind, &tuple.subject.object.id)?;
        Some(Edge { relation, resource, of, subject })
    }

    /// Whether the schema lets the update be: for a deletion without a caveat, whether it allows such a subject
    /// under any caveat and expiry.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, update: &Update) -> Result<(), TupleError> {
        let tuple = update.tuple();
        let exactly = tuple.caveat.is_some() || !matches!(update, Update::Delete(_));
        let typed = self.typed(tuple, exactly)?;
        if let (Some(id), Some(used)) = (typed.caveat, &tuple.caveat) {
            self.schema.caveat(id).check_stored(&used.context)?;
        }
        Ok(())
    }

    /// Checks the relationship against the schema, and gives its objects their numbers.
    fn fit(
        &self,
        tuple: &Tuple,
        mut intern: impl FnMut(DefinitionId, &str) -> Option<ObjectIndex>,
    ) -> Result<(Edge, Option<Terms>), TupleError> {
        let Typed { relation, definition, of, kind, caveat } = self.typed(tuple, true)?;
        let caveat = match (caveat, &tuple.caveat) {
            (Some(id), Some(used)) => {
                let caveat = self.schema.caveat(id);
                caveat.check_stored(&used.context)?;
                let prepared = caveat.prepare(&used.context)?;
                Some(UnderCaveat { id, context: used.context.clone(), prepared })
            }
            _ => None,
        };
        let resource = intern(definition, &tuple.resource.id).ok_or(TupleError::Full)?;
        let subject = intern(kind, &tuple.subject.object.id).ok_or(TupleError::Full)?;
        let terms = (caveat.is_some() || tuple.until.is_some()).then_some(Terms { caveat, until: tuple.until });
        Ok((Edge { relation, resource, of, subject }, terms))
    }

    /// Names and types of a relationship. If not `exactly`, whatever its caveat and expiry.
    fn typed(&self, tuple: &Tuple, exactly: bool) -> Result<Typed, TupleError> {
        let schema = &self.schema;
        let find = |kind: &str| {
            schema.definition(kind).ok_or_else(|| TupleError::UnknownDefinition { definition: kind.to_owned() })
        };
        let member = |definition, kind: &str, name: &str| {
            schema
                .member_of(definition, name)
                .ok_or_else(|| TupleError::UnknownRelation { definition: kind.to_owned(), relation: name.to_owned() })
        };
        let definition = find(&tuple.resource.kind)?;
        let relation = member(definition, &tuple.resource.kind, &tuple.relation)?;
        let subject = &tuple.subject.object;
        let kind = find(&subject.kind)?;
        let (of, form) = match tuple.subject.relation.as_deref() {
            None if subject.id == EVERYONE => (self.objects_of(kind), Form::Everyone),
            None => (self.objects_of(kind), Form::Object),
            Some(name) => {
                let of = member(kind, &subject.kind, name)?;
                (self.members_of(of), Form::Members(of))
            }
        };
        if !is_object_id(&tuple.resource.id) {
            return Err(TupleError::ObjectId(tuple.resource.id.chars().take(64).collect()));
        }
        if form != Form::Everyone && !is_object_id(&subject.id) {
            return Err(TupleError::ObjectId(subject.id.chars().take(64).collect()));
        }
        let Body::Relation(allowed) = &schema.member(relation).body else {
            return Err(TupleError::Permission {
                definition: tuple.resource.kind.clone(),
                permission: tuple.relation.clone(),
            });
        };
        let named = tuple.caveat.as_ref().map(|caveat| caveat.name.as_str());
        let caveat = named.and_then(|name| schema.caveat_named(name));
        let known = named.is_none() || caveat.is_some();
        let fits = known
            && allowed.iter().any(|one| {
                let same = one.definition == kind && one.form == form;
                same && (!exactly || (one.expires == tuple.until.is_some() && one.caveat == caveat))
            });
        if !fits {
            let allowed: Vec<_> = allowed.iter().map(|one| format!("`{}`", self.form_text(one))).collect();
            return Err(TupleError::Subject {
                subject: self.wanted_text(tuple),
                relation: format!("{}#{}", tuple.resource.kind, tuple.relation),
                allowed: allowed.join(", "),
            });
        }
        Ok(Typed { relation, definition, of, kind, caveat })
    }

    /// An allowed form as the schema writes it.
    fn form_text(&self, allowed: &crate::schema::Allowed) -> String {
        let kind = self.schema.definition_name(allowed.definition);
        let mut text = match allowed.form {
            Form::Object => kind.to_owned(),
            Form::Everyone => format!("{kind}:*"),
            Form::Members(member) => format!("{kind}#{}", self.schema.member(member).name),
        };
        let caveat = allowed.caveat.map(|id| self.schema.caveat(id).name());
        text.push_str(&with_text(caveat, allowed.expires));
        text
    }

    /// The form that a relationship would need.
    fn wanted_text(&self, tuple: &Tuple) -> String {
        let subject = &tuple.subject;
        let mut text = match &subject.relation {
            None if subject.object.id == EVERYONE => format!("{}:*", subject.object.kind),
            None => subject.object.kind.clone(),
            Some(relation) => format!("{}#{relation}", subject.object.kind),
        };
        text.push_str(&with_text(tuple.caveat.as_ref().map(|caveat| caveat.name.as_str()), tuple.until.is_some()));
        text
    }
}

fn with_text(caveat: Option<&str>, expires: bool) -> String {
    match (caveat, expires) {
        (None, false) => String::new(),
        (None, true) => " with expiration".to_owned(),
        (Some(caveat), false) => format!(" with {caveat}"),
        (Some(caveat), true) => format!(" with {caveat} and expiration"),
    }
}

fn same(a: Option<&Terms>, b: Option<&Terms>) -> bool {
    let parts = |terms: Option<&Terms>| {
        let caveat = terms.and_then(|terms| terms.caveat.as_ref()).map(|caveat| (caveat.id, caveat.context.clone()));
        (caveat, terms.and_then(|terms| terms.until))
    };
    parts(a) == parts(b)
}
