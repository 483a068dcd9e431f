//! What both sides are asked of a world.

use policy_core::{Check, Context, EVERYONE, LookupResources, LookupSubjects, Object, Subject};

use crate::dice::Dice;
use crate::world::World;

/// An id that no relationship names.
pub const UNKNOWN: &str = "nobody";

/// How many questions of each kind a world is asked.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    pub checks: usize,
    pub lookups: usize,
}

pub struct Questions {
    pub checks: Vec<Check>,
    pub resources: Vec<LookupResources>,
    pub subjects: Vec<LookupSubjects>,
}

pub fn questions(dice: &mut Dice, world: &World, measure: Measure) -> Questions {
    let subjects = subjects(world);
    let members = members(world);
    let mut checks = Vec::new();
    for (kind, member) in &members {
        for id in ids(world, kind) {
            let resource = Object::new(kind, id);
            for subject in &subjects {
                checks.push((resource.clone(), member.clone(), subject.clone()));
            }
        }
    }
    let count = contexts(world).len();
    let mut checks: Vec<Check> = dice
        .some(checks, measure.checks.div_ceil(count))
        .into_iter()
        .flat_map(|(resource, permission, subject)| {
            contexts(world).iter().map(move |context| Check {
                resource: resource.clone(),
                permission: permission.clone(),
                subject: subject.clone(),
                context: context.clone(),
            })
        })
        .collect();
    checks.extend(odd(dice, world, &members, &subjects));

    let mut resources = Vec::new();
    for (kind, permission) in &members {
        for subject in &subjects {
            resources.push((kind.clone(), permission.clone(), subject.clone()));
        }
    }
    let resources = dice.some(resources, measure.lookups);
    let resources = resources
        .into_iter()
        .map(|(kind, permission, subject)| {
            let context = dice.pick(contexts(world)).clone();
            LookupResources { kind, permission, subject, context }
        })
        .collect();

    // Subjects that are objects, and subjects that stand for members.
    let mut wanted: Vec<(String, Option<String>)> =
        world.schema.definitions.iter().map(|definition| (definition.name.clone(), None)).collect();
    wanted.extend(members.iter().map(|(kind, member)| (kind.clone(), Some(member.clone()))));
    let mut lookups = Vec::new();
    for (kind, permission) in &members {
        for id in ids(world, kind) {
            for (of, relation) in &wanted {
                lookups.push((Object::new(kind, &id), permission.clone(), of.clone(), relation.clone()));
            }
        }
    }
    // Most relations lead to few kinds: half of the questions are about objects.
    let (objects, sets): (Vec<_>, Vec<_>) = lookups.into_iter().partition(|lookup| lookup.3.is_none());
    let mut lookups = dice.some(objects, measure.lookups.div_ceil(2));
    lookups.extend(dice.some(sets, measure.lookups / 2));
    let subjects = lookups
        .into_iter()
        .map(|(resource, permission, kind, relation)| {
            let context = dice.pick(contexts(world)).clone();
            LookupSubjects { resource, permission, kind, relation, context }
        })
        .collect();
    Questions { checks, resources, subjects }
}

/// Questions that are mistakes.
fn odd(dice: &mut Dice, world: &World, members: &[(String, String)], subjects: &[Subject]) -> Vec<Check> {
    if members.is_empty() || subjects.is_empty() {
        return Vec::new();
    }
    let mut odd = Vec::new();
    for kind in 0..5 {
        let (of, member) = dice.pick(members).clone();
        let mut check = Check::new(Object::new(&of, UNKNOWN), &member, dice.pick(subjects).clone());
        check.context = dice.pick(contexts(world)).clone();
        match kind {
            0 => check.permission = "no_such".to_owned(),
            1 => check.resource.kind = "no_such".to_owned(),
            2 => check.subject.object.kind = "no_such".to_owned(),
            3 => check.subject.relation = Some("no_such".to_owned()),
            _ => check.subject = Subject::object(&check.subject.object.kind, EVERYONE),
        }
        odd.push(check);
    }
    odd
}

/// All relations and permissions, with their kinds.
pub fn members(world: &World) -> Vec<(String, String)> {
    let schema = &world.schema;
    schema
        .definitions
        .iter()
        .flat_map(|definition| schema.members_of(definition).map(|m| (definition.name.clone(), m.name.clone())))
        .collect()
}

/// The known ids of a kind, and one that is not.
pub fn ids(world: &World, kind: &str) -> Vec<String> {
    let known = world.objects.iter().filter(|object| object.kind == kind).map(|object| object.id.clone());
    known.chain([UNKNOWN.to_owned()]).collect()
}

fn contexts(world: &World) -> &[Context] {
    // Without caveats a context changes nothing.
    let count = if world.schema.caveats.is_empty() { 1 } else { world.contexts.len() };
    &world.contexts[..count.min(world.contexts.len())]
}

/// Objects of every kind, and the members of every relation and permission of them.
fn subjects(world: &World) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for definition in &world.schema.definitions {
        let kind = &definition.name;
        for id in ids(world, kind) {
            subjects.push(Subject::object(kind, &id));
            for member in world.schema.members_of(definition) {
                subjects.push(Subject { object: Object::new(kind, &id), relation: Some(member.name.clone()) });
            }
        }
    }
    subjects
}
