//! Changes of many relationships at once, and of the schema they are under.

use std::collections::HashSet;
use std::sync::Arc;

use super::{TupleError, Tuples};
use crate::relationship::{Filter, Precondition, Update};
use crate::schema::Body;
use crate::{Schema, Timestamp, Tuple};

/// Why a change of relationships was not made. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A relationship does not fit the schema.
    #[error(transparent)]
    Tuple(#[from] TupleError),
    /// The relationship is named twice in one change.
    #[error(
        "found more than one update with relationship `{0}` in this request; a relationship can only be specified in an update once per overall WriteRelationships request"
    )]
    Twice(Box<Tuple>),
    /// It is there already, or lapsed and not yet cleared away.
    #[error(
        "could not CREATE relationship `{0}`, as it already existed. If this is persistent, please switch to TOUCH operations or specify a precondition"
    )]
    Exists(Box<Tuple>),
    /// The condition does not hold.
    #[error("unable to satisfy write precondition `{0:?}`")]
    Precondition(Box<Precondition>),
}

/// Why a schema cannot take the place of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaInUse {
    /// A definition that is to go has objects.
    #[error("cannot delete object definition `{definition}`, as at least one relationship exists under it: {}", by.to_text())]
    Definition {
        /// The definition.
        definition: String,
        /// One relationship that needs it.
        by: Box<Tuple>,
    },
    /// A relation that is to go has relationships.
    #[error(
        "cannot delete relation `{relation}` in object definition `{definition}`, as at least one relationship exists under it: {}",
        by.to_text()
    )]
    Relation {
        /// The definition.
        definition: String,
        /// The relation.
        relation: String,
        /// One of them.
        by: Box<Tuple>,
    },
    /// A relation or permission that is to go is named by subjects.
    #[error(
        "cannot delete relation `{relation}` in object definition `{definition}`, as at least one relationship references it as part of a subject: {}",
        by.to_text()
    )]
    SubjectRelation {
        /// The definition.
        definition: String,
        /// The relation or permission.
        relation: String,
        /// One relationship that names it.
        by: Box<Tuple>,
    },
    /// A kind of subject that is to go is stored.
    #[error(
        "cannot remove allowed type `{form}` from relation `{relation}` in object definition `{definition}`, as a relationship exists with it: {}",
        by.to_text()
    )]
    AllowedType {
        /// The definition.
        definition: String,
        /// The relation.
        relation: String,
        /// The kind of subject, as the schema writes it.
        form: String,
        /// One relationship that needs it.
        by: Box<Tuple>,
    },
    /// A parameter that is to go belongs to a caveat that is stored.
    #[error("cannot remove parameter `{parameter}` on caveat `{caveat}`")]
    Parameter {
        /// The caveat.
        caveat: String,
        /// The parameter.
        parameter: String,
    },
    /// A parameter of a caveat that is stored is to have another type.
    #[error("cannot change the type of parameter `{parameter}` on caveat `{caveat}`")]
    ParameterType {
        /// The caveat.
        caveat: String,
        /// The parameter.
        parameter: String,
    },
}

impl SchemaInUse {
    /// The lesser takes more away.
    fn rank(&self) -> u8 {
        match self {
            SchemaInUse::Definition { .. } => 0,
            SchemaInUse::Relation { .. } => 1,
            SchemaInUse::SubjectRelation { .. } => 2,
            SchemaInUse::AllowedType { .. } => 3,
            SchemaInUse::Parameter { .. } | SchemaInUse::ParameterType { .. } => 4,
        }
    }
}

impl Tuples {
    /// Makes a change, all of it or nothing. Answers what it really changed: what is put as `Touch`, what is gone as
    /// `Delete`; what was so before is not there.
    ///
    /// # Errors
    /// If a precondition does not hold now, if a relationship does not fit the schema or is named twice, or if one
    /// to be created is there.
    pub fn apply(
        &mut self,
        updates: &[Update],
        preconditions: &[Precondition],
        now: Timestamp,
    ) -> Result<Vec<Update>, ApplyError> {
        let mut named = HashSet::with_capacity(updates.len());
        for update in updates {
            if !named.insert(update.tuple().identity()) {
                return Err(ApplyError::Twice(Box::new(update.tuple().clone())));
            }
        }
        updates.iter().try_for_each(|update| self.allows(update))?;
        for precondition in preconditions {
            let matches = |filter: &Filter| self.select(filter, now).next().is_some();
            let holds = match precondition {
                Precondition::MustMatch(filter) => matches(filter),
                Precondition::MustNotMatch(filter) => !matches(filter),
            };
            if !holds {
                return Err(ApplyError::Precondition(Box::new(precondition.clone())));
            }
        }
        let mut next = self.clone();
        let mut changed = Vec::new();
        for update in updates {
            let tuple = update.tuple();
            match update {
                Update::Create(_) if next.get(tuple).is_some() => {
                    return Err(ApplyError::Exists(Box::new(tuple.clone())));
                }
                Update::Create(_) | Update::Touch(_) => {
                    if next.put(tuple)? {
                        changed.push(Update::Touch(tuple.clone()));
                    }
                }
                Update::Delete(_) => {
                    let there = next.get(tuple);
                    if let Some(there) = there
                        && next.remove(tuple)
                    {
                        changed.push(Update::Delete(there));
                    }
                }
            }
        }
        *self = next;
        Ok(changed)
    }

    /// What leads from these relationships to others under the same schema, lapsed ones included.
    pub fn changes_to(&self, other: &Tuples) -> Vec<Update> {
        let whole = |tuples: &Tuples| -> Vec<Tuple> { tuples.all().map(|row| tuples.tuple(row)).collect() };
        let gone = whole(self).into_iter().filter(|tuple| other.get(tuple).is_none()).map(Update::Delete);
        let put = whole(other).into_iter().filter(|tuple| !self.holds(tuple)).map(Update::Touch);
        gone.chain(put).collect()
    }

    /// The same relationships under another schema. Those that have lapsed are left behind.
    ///
    /// # Errors
    /// If a live relationship, or what caveats are called with, does not fit the other schema.
    pub fn with_schema(&self, schema: Arc<Schema>, now: Timestamp) -> Result<Tuples, SchemaInUse> {
        self.caveats_fit(&schema)?;
        let mut next = Tuples::new(schema);
        let mut in_use: Option<SchemaInUse> = None;
        for row in self.all() {
            if row.1.is_some_and(|terms| !terms.live(now)) {
                continue;
            }
            let tuple = self.tuple(row);
            if next.put(&tuple).is_err() {
                // Of several the one that says most, whatever the order of the relationships.
                let error = self.in_use(&next, &tuple);
                if in_use.as_ref().is_none_or(|known| error.rank() < known.rank()) {
                    in_use = Some(error);
                }
            }
        }
        in_use.map_or(Ok(next), Err)
    }

    fn in_use(&self, next: &Tuples, tuple: &Tuple) -> SchemaInUse {
        let (definition, relation) = (tuple.resource.kind.clone(), tuple.relation.clone());
        let by = Box::new(tuple.clone());
        let Some(there) = next.schema.definition(&definition) else {
            return SchemaInUse::Definition { definition, by };
        };
        let member = next.schema.member_of(there, &relation).map(|member| next.schema.member(member));
        if !member.is_some_and(|member| matches!(member.body, Body::Relation(_))) {
            return SchemaInUse::Relation { definition, relation, by };
        }
        let subject = &tuple.subject;
        if let Some(named) = &subject.relation
            && next.schema.definition(&subject.object.kind).is_some_and(|of| next.schema.member_of(of, named).is_none())
        {
            let (definition, relation) = (subject.object.kind.clone(), named.clone());
            return SchemaInUse::SubjectRelation { definition, relation, by };
        }
        SchemaInUse::AllowedType { definition, relation, form: self.wanted_text(tuple), by }
    }

    /// Parameters may be added, not taken away or given another type: values are stored with relationships.
    fn caveats_fit(&self, schema: &Schema) -> Result<(), SchemaInUse> {
        for old in self.schema.caveats() {
            let Some(new) = schema.caveat_named(old.name()).map(|id| schema.caveat(id)) else { continue };
            for (name, kind) in old.parameters() {
                let (caveat, parameter) = (old.name().to_owned(), name.clone());
                match new.parameters().iter().find(|(other, _)| other == name) {
                    None => return Err(SchemaInUse::Parameter { caveat, parameter }),
                    Some((_, other)) if other != kind => return Err(SchemaInUse::ParameterType { caveat, parameter }),
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}
