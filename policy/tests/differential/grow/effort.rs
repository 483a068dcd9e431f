//! How far a check of a world can branch. SpiceDB remembers nothing on the way, does not see circles, and goes on after
//! the caller has left: a world that branches at every one of fifty steps keeps it busy for hours.

use std::collections::HashMap;

use crate::world::{Body, Operand, World};

/// The most steps that any check of the world takes, every way followed to its end or to the deepest step.
pub fn steps(world: &World) -> f64 {
    let onward = onward(world);
    let mut steps = vec![1.0f64; onward.len()];
    for _ in 0..50 {
        let next = |ways: &Vec<usize>| 1.0 + ways.iter().map(|&to| steps[to]).sum::<f64>();
        steps = onward.iter().map(next).collect();
    }
    steps.into_iter().fold(0.0, f64::max)
}

/// For every member of every object, where its evaluation goes next.
fn onward(world: &World) -> Vec<Vec<usize>> {
    let mut places = HashMap::new();
    let mut bodies = Vec::new();
    for object in &world.objects {
        let members = world.schema.definition(&object.kind).into_iter().flat_map(|of| world.schema.members_of(of));
        for member in members {
            places.insert((object, member.name.as_str()), bodies.len());
            bodies.push((object, member));
        }
    }
    let ways = bodies.iter().map(|(object, member)| {
        let rows = |relation: &str| {
            let own = move |row: &&policy_core::Tuple| row.resource == **object && row.relation == relation;
            world.relationships.iter().filter(own).collect::<Vec<_>>()
        };
        match &member.body {
            Body::Relation(_) => rows(&member.name)
                .into_iter()
                .filter_map(|row| places.get(&(&row.subject.object, row.subject.relation.as_deref()?)).copied())
                .collect(),
            Body::Permission { chain, .. } => {
                let mut ways = Vec::new();
                for operand in chain.leaves() {
                    match operand {
                        Operand::Member(name) => ways.extend(places.get(&(*object, name.as_str()))),
                        Operand::Arrow { over, to, .. } => {
                            let subjects = rows(over).into_iter();
                            ways.extend(subjects.filter_map(|row| places.get(&(&row.subject.object, to.as_str()))));
                        }
                        Operand::Nil | Operand::Itself | Operand::Group(_) => {}
                    }
                }
                ways
            }
        }
    });
    ways.collect()
}
