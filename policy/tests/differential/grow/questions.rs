//! What both sides are asked of a world.

use std::collections::HashSet;

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
    if members.is_empty() {
        return Questions { checks: Vec::new(), resources: Vec::new(), subjects: Vec::new() };
    }
    let contexts = contexts(world);
    if world.lone {
        return lone(world);
    }
    let mut asked = HashSet::new();
    let mut checks = Vec::new();
    for _ in 0..measure.checks.div_ceil(contexts.len()) {
        let (kind, member) = dice.pick(&members);
        let mut check = Check::new(Object::new(kind, dice.pick(&ids(world, kind))), member, subjects.pick(dice));
        if world.chain && dice.chance(60) {
            check.subject = Subject::object("user", "1");
        }
        // Chance alone asks little of what is there.
        if !world.chain && !world.relationships.is_empty() && dice.chance(70) {
            let row = dice.pick(&world.relationships);
            let of: Vec<&String> =
                members.iter().filter(|(kind, _)| *kind == row.resource.kind).map(|(_, member)| member).collect();
            check.resource = row.resource.clone();
            check.permission = (*dice.pick(&of)).clone();
            if row.subject.object.id != EVERYONE && dice.chance(50) {
                check.subject = row.subject.clone();
            }
        }
        if asked.insert(check.to_string()) {
            checks.extend(contexts.iter().map(|context| Check { context: context.clone(), ..check.clone() }));
        }
    }
    checks.extend(odd(dice, world, &members, &subjects));

    let mut resources = Vec::new();
    for _ in 0..measure.lookups {
        let (kind, permission) = dice.pick(&members).clone();
        let context = dice.pick(contexts).clone();
        resources.push(LookupResources { kind, permission, subject: subjects.pick(dice), context });
    }

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
            let context = dice.pick(contexts).clone();
            LookupSubjects { resource, permission, kind, relation, context }
        })
        .collect();
    Questions { checks, resources, subjects }
}

/// The same question with all contexts.
fn lone(world: &World) -> Questions {
    let row = &world.relationships[0];
    let check = Check::new(row.resource.clone(), "view", row.subject.clone());
    let checks = world.contexts.iter().map(|context| Check { context: context.clone(), ..check.clone() }).collect();
    let (kind, subject) = (row.resource.kind.clone(), row.subject.clone());
    let resources = world.contexts.iter().map(|context| LookupResources {
        kind: kind.clone(),
        permission: "view".to_owned(),
        subject: subject.clone(),
        context: context.clone(),
    });
    Questions { checks, resources: resources.take(2).collect(), subjects: Vec::new() }
}

/// Questions that are mistakes.
fn odd(dice: &mut Dice, world: &World, members: &[(String, String)], subjects: &Subjects) -> Vec<Check> {
    let mut odd = Vec::new();
    for kind in 0..5 {
        let (of, member) = dice.pick(members).clone();
        let mut check = Check::new(Object::new(&of, UNKNOWN), &member, subjects.pick(dice));
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
        .flat_map(|definition| {
            schema.members_of(definition).into_iter().map(|m| (definition.name.clone(), m.name.clone()))
        })
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

/// Whom questions are about.
struct Subjects {
    objects: Vec<Subject>,
    /// Sets that relationships name.
    named: Vec<Subject>,
    /// The members of every relation and permission of every object.
    sets: Vec<Subject>,
}

impl Subjects {
    fn pick(&self, dice: &mut Dice) -> Subject {
        let from = match dice.below(100) {
            0..20 if !self.named.is_empty() => &self.named,
            20..35 if !self.sets.is_empty() => &self.sets,
            _ => &self.objects,
        };
        dice.pick(from).clone()
    }
}

fn subjects(world: &World) -> Subjects {
    let (mut objects, mut sets) = (Vec::new(), Vec::new());
    for definition in &world.schema.definitions {
        let kind = &definition.name;
        for id in ids(world, kind) {
            objects.push(Subject::object(kind, &id));
            for member in world.schema.members_of(definition) {
                sets.push(Subject { object: Object::new(kind, &id), relation: Some(member.name.clone()) });
            }
        }
    }
    let named = world.relationships.iter().map(|row| row.subject.clone()).filter(|of| of.relation.is_some()).collect();
    Subjects { objects, named, sets }
}
