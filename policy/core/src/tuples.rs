//! Relationships in memory: immutable once shared, cheap to copy and change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::relationship::{EVERYONE, is_object_id};
use crate::schema::{Body, DefinitionId, Form, MemberId};
use crate::{Object, Schema, Subject, Timestamp, Tuple};

/// A relationship that does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    #[error("there is no relation `{relation}` in a definition `{definition}`")]
    UnknownRelation { definition: String, relation: String },
    #[error("`{0}` is not an object id: expected 1 to 1024 letters, digits and / _ | - = +")]
    ObjectId(String),
    #[error("the schema allows no such subject, with or without an end as it is, in `{0}`")]
    Subject(String),
}

const SHARDS: usize = 64;

/// The subjects of one relation of one object. Both lists are sorted and hold no doubles.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) objects: Vec<Row>,
    /// Subjects that stand for the members of something.
    pub(crate) sets: Vec<Row>,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) definition: DefinitionId,
    pub(crate) id: Arc<str>,
    pub(crate) member: Option<MemberId>,
    pub(crate) until: Option<Timestamp>,
}

impl Row {
    fn key(&self) -> (DefinitionId, &str, Option<MemberId>) {
        (self.definition, &self.id, self.member)
    }
    /// Whether the row has not lapsed.
    pub(crate) fn lives(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

impl Rows {
    /// The subject `definition:id`, alive or lapsed.
    pub(crate) fn object(&self, definition: DefinitionId, id: &str) -> Option<&Row> {
        let at = self.objects.binary_search_by(|row| row.key().cmp(&(definition, id, None))).ok()?;
        self.objects.get(at)
    }
    /// The subject `definition:id#member`, alive or lapsed.
    pub(crate) fn set(&self, definition: DefinitionId, id: &str, member: MemberId) -> Option<&Row> {
        let at = self.sets.binary_search_by(|row| row.key().cmp(&(definition, id, Some(member)))).ok()?;
        self.sets.get(at)
    }
    fn list(&mut self, member: Option<MemberId>) -> &mut Vec<Row> {
        if member.is_some() { &mut self.sets } else { &mut self.objects }
    }
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.sets.is_empty()
    }
}

type Shard = HashMap<Arc<str>, Arc<Rows>>;

/// The relationships under one schema. A clone shares everything with its original; a change copies
/// the part of one relation that it lies in.
#[derive(Debug, Clone)]
pub struct Tuples {
    schema: Arc<Schema>,
    /// By member; a permission has none, a relation none or [`SHARDS`].
    relations: Vec<Arc<Vec<Arc<Shard>>>>,
    count: usize,
}

struct Resolved {
    member: MemberId,
    row: Row,
}

fn shard_of(id: &str) -> usize {
    // FNV-1a: object ids are chosen by this node, and a full shard costs time only.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    ((hash ^ (hash >> 32)) % SHARDS as u64) as usize
}

impl Tuples {
    /// No relationships.
    pub fn new(schema: Arc<Schema>) -> Self {
        let relations = vec![Arc::default(); schema.member_count()];
        Tuples { schema, relations, count: 0 }
    }

    /// The schema that these relationships fit.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
    /// How many there are, lapsed ones included.
    pub fn len(&self) -> usize {
        self.count
    }
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn rows(&self, member: MemberId, id: &str) -> Option<&Rows> {
        let shards = self.relations.get(member.0 as usize)?;
        shards.get(shard_of(id))?.get(id).map(Arc::as_ref)
    }

    /// Whether the relationship is there with exactly this expiry.
    pub fn holds(&self, tuple: &Tuple) -> bool {
        let Ok(Resolved { member, row }) = self.resolve(tuple) else { return false };
        let Some(rows) = self.rows(member, &tuple.resource.id) else { return false };
        let found = match row.member {
            None => rows.object(row.definition, &row.id),
            Some(of) => rows.set(row.definition, &row.id, of),
        };
        found.is_some_and(|found| found.until == row.until)
    }

    /// Adds a relationship, or gives one that is there another expiry. Whether anything changed.
    ///
    /// # Errors
    /// If the schema does not allow it.
    pub fn put(&mut self, tuple: &Tuple) -> Result<bool, TupleError> {
        let Resolved { member, row } = self.resolve(tuple)?;
        let allowed = match &self.schema.member(member).body {
            Body::Relation(forms) => forms.iter().any(|form| {
                form.definition == row.definition
                    && form.expires == row.until.is_some()
                    && match form.form {
                        Form::Object => row.member.is_none() && &*row.id != EVERYONE,
                        Form::Everyone => row.member.is_none() && &*row.id == EVERYONE,
                        Form::Members(of) => row.member == Some(of) && &*row.id != EVERYONE,
                    }
            }),
            Body::Permission(_) => false,
        };
        if !allowed {
            return Err(TupleError::Subject(format!("{}#{}", tuple.resource.kind, tuple.relation)));
        }
        if self.holds(tuple) {
            return Ok(false);
        }
        let rows =
            Arc::make_mut(self.shard(member, &tuple.resource.id).entry(tuple.resource.id.as_str().into()).or_default());
        let list = rows.list(row.member);
        match list.binary_search_by(|other| other.key().cmp(&row.key())) {
            Ok(at) => list[at] = row,
            Err(at) => {
                list.insert(at, row);
                self.count += 1;
            }
        }
        Ok(true)
    }

    /// Removes a relationship, whatever its expiry. Whether it was there.
    pub fn remove(&mut self, tuple: &Tuple) -> bool {
        let Ok(Resolved { member, row }) = self.resolve(tuple) else { return false };
        let id = tuple.resource.id.as_str();
        let there = self.rows(member, id).is_some_and(|rows| match row.member {
            None => rows.object(row.definition, &row.id).is_some(),
            Some(of) => rows.set(row.definition, &row.id, of).is_some(),
        });
        if !there {
            return false;
        }
        let shard = self.shard(member, id);
        let Some(rows) = shard.get_mut(id).map(Arc::make_mut) else { return false };
        rows.list(row.member).retain(|other| other.key() != row.key());
        if rows.is_empty() {
            shard.remove(id);
        }
        self.count -= 1;
        true
    }

    /// The subjects of one relation of one object, lapsed ones included.
    pub fn subjects(&self, resource: &Object, relation: &str) -> impl Iterator<Item = Subject> {
        let member = self.schema.definition(&resource.kind).and_then(|of| self.schema.member_of(of, relation));
        let rows = member.and_then(|member| self.rows(member, &resource.id));
        rows.into_iter().flat_map(|rows| rows.objects.iter().chain(&rows.sets)).map(|row| {
            let of = row.member.map(|of| self.schema.member(of).name.clone());
            Subject { object: Object::new(self.schema.definition_name(row.definition), &row.id), relation: of }
        })
    }

    /// Whether the relationship, once put, would make an object contain itself: a group in a group, or
    /// a folder in a folder, by whatever way. Ends and permissions are left out of account, so that a
    /// circle is refused before it can close.
    pub fn would_circle(&self, tuple: &Tuple) -> bool {
        // What contains what: a set of members its sets of members, an object those of its kind that it names.
        let of = match tuple.subject.relation.as_deref() {
            Some(relation) if relation != "..." => relation,
            _ if tuple.subject.object.kind == tuple.resource.kind => &tuple.relation,
            _ => return false,
        };
        let mut open = vec![(tuple.subject.object.clone(), of.to_owned())];
        let mut seen = HashSet::new();
        while let Some((object, member)) = open.pop() {
            if !seen.insert((object.clone(), member.clone())) {
                continue;
            }
            for relation in self.relations_of(&object, &member) {
                if object == tuple.resource && relation == tuple.relation {
                    return true;
                }
                for subject in self.subjects(&object, relation) {
                    match subject.relation {
                        Some(of) => open.push((subject.object, of)),
                        None if subject.object.kind == object.kind => open.push((subject.object, relation.to_owned())),
                        None => {}
                    }
                }
            }
        }
        false
    }

    /// The relations that a relation or permission of an object rests on in the same object.
    fn relations_of(&self, object: &Object, member: &str) -> Vec<&str> {
        let definition = self.schema.definition(&object.kind);
        let member = definition.and_then(|definition| self.schema.member_of(definition, member));
        let relations = member.map(|member| self.schema.relations_under(member)).unwrap_or_default();
        relations.into_iter().map(|relation| self.schema.member(relation).name.as_str()).collect()
    }

    fn shard(&mut self, member: MemberId, id: &str) -> &mut Shard {
        let shards = Arc::make_mut(&mut self.relations[member.0 as usize]);
        if shards.is_empty() {
            shards.resize_with(SHARDS, Arc::default);
        }
        Arc::make_mut(&mut shards[shard_of(id)])
    }

    fn resolve(&self, tuple: &Tuple) -> Result<Resolved, TupleError> {
        let unknown = |kind: &str, relation: &str| TupleError::UnknownRelation {
            definition: kind.to_owned(),
            relation: relation.to_owned(),
        };
        let member = self
            .schema
            .definition(&tuple.resource.kind)
            .and_then(|definition| self.schema.member_of(definition, &tuple.relation))
            .ok_or_else(|| unknown(&tuple.resource.kind, &tuple.relation))?;
        let subject = &tuple.subject.object;
        let definition = self
            .schema
            .definition(&subject.kind)
            .ok_or_else(|| unknown(&subject.kind, tuple.subject.relation.as_deref().unwrap_or("...")))?;
        let of = match tuple.subject.relation.as_deref() {
            None | Some("...") => None,
            Some(name) => Some(self.schema.member_of(definition, name).ok_or_else(|| unknown(&subject.kind, name))?),
        };
        if !is_object_id(&tuple.resource.id) {
            return Err(TupleError::ObjectId(tuple.resource.id.chars().take(64).collect()));
        }
        if subject.id != EVERYONE && !is_object_id(&subject.id) {
            return Err(TupleError::ObjectId(subject.id.chars().take(64).collect()));
        }
        let row = Row { definition, id: subject.id.as_str().into(), member: of, until: tuple.until };
        Ok(Resolved { member, row })
    }
}
