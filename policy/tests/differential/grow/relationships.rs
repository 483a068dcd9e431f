//! Random relationships that fit a schema, and such as do not.

use policy_core::{CaveatUse, EVERYONE, Object, Subject, Timestamp, Tuple};
use serde_json::json;

use super::caveats;
use super::effort::steps;
use crate::dice::Dice;
use crate::world::{Body, Form, Operand, SchemaModel, Shape, Style, World};

const IDS: &[&str] = &["1", "2", "3", "a/b", "x|y", "A=b+c", "_", "-", "x9"];
const HOUR: i64 = 3_600_000_000;

pub fn fill(dice: &mut Dice, world: &mut World, now: i64) {
    // Subjects stand behind their resources in this order, so that nothing leads in a circle.
    let (leaves, others): (Vec<_>, Vec<_>) =
        world.schema.definitions.iter().partition(|definition| relations(&world.schema, &definition.name).is_empty());
    // SpiceDB goes on in portions of a hundred.
    let wide = !world.circles && dice.chance(5);
    let many = |kind: &str| (0..120).map(|at| Object::new(kind, format!("n{at}"))).collect::<Vec<_>>();
    let mut objects: Vec<Object> = Vec::new();
    for definition in others {
        if wide && dice.chance(40) {
            objects.extend(many(&definition.name));
        }
        let count = dice.between(2, if world.circles { 2 } else { 3 });
        objects.extend(dice.some(IDS.to_vec(), count).into_iter().map(|id| Object::new(&definition.name, id)));
    }
    dice.shuffle(&mut objects);
    for definition in leaves {
        if wide {
            objects.extend(many(&definition.name));
        }
        let count = dice.between(2, 3);
        objects.extend(dice.some(IDS.to_vec(), count).into_iter().map(|id| Object::new(&definition.name, id)));
    }
    world.objects = objects;

    let places = places(world);
    let count = if world.circles { dice.between(2, 12) } else { dice.between(4, 45) };
    let count = if wide { dice.between(400, 800) } else { count };
    // In a wide world a few resources get most of the rows.
    let favourites: Vec<(usize, String, Form)> =
        if places.is_empty() { Vec::new() } else { (0..6).map(|_| dice.pick(&places).clone()).collect() };
    for _ in 0..if places.is_empty() { 0 } else { count } {
        let from = if wide && dice.chance(60) { &favourites } else { &places };
        let (at, relation, form) = dice.pick(from).clone();
        if let Some(tuple) = row(dice, world, (at, &relation, &form), now)
            && !world.relationships.iter().any(|other| other.identity() == tuple.identity())
        {
            world.relationships.push(tuple);
        }
    }
    keep_apart(world);
    while steps(world) > if world.circles { 2_000.0 } else { 50_000.0 } {
        world.relationships.pop();
    }
    world.contexts = vec![Default::default()];
    for percent in [100, 100, 50, 30] {
        world.contexts.push(caveats::context(dice, &world.schema.caveats, percent, world.faults));
    }
}

/// Where SpiceDB v1.54 looks at `.all` of several resources at once, it lays the caveat of one resource's row on the
/// others whose rows name the same subject. We do not follow it there, so only one of such rows is kept.
fn keep_apart(world: &mut World) {
    let walked: Vec<(String, String)> = world
        .schema
        .definitions
        .iter()
        .flat_map(|definition| {
            world.schema.members_of(definition).into_iter().map(|member| (&definition.name, &member.body))
        })
        .filter_map(|(kind, body)| match body {
            Body::Permission { chain, .. } => Some((kind, chain)),
            Body::Relation(_) => None,
        })
        .flat_map(|(kind, chain)| chain.leaves().into_iter().map(move |leaf| (kind, leaf)))
        .filter_map(|(kind, leaf)| match leaf {
            Operand::Arrow { over, style: Style::All, .. } => Some((kind.clone(), over.clone())),
            _ => None,
        })
        .collect();
    let mut kept: Vec<Tuple> = Vec::new();
    for tuple in std::mem::take(&mut world.relationships) {
        let same = |other: &Tuple| {
            (&other.resource.kind, &other.relation, &other.subject)
                == (&tuple.resource.kind, &tuple.relation, &tuple.subject)
                && (other.caveat.is_some() || tuple.caveat.is_some())
        };
        let walked = walked.iter().any(|(kind, over)| (kind, over) == (&tuple.resource.kind, &tuple.relation));
        if !walked || !kept.iter().any(same) {
            kept.push(tuple);
        }
    }
    world.relationships = kept;
}

fn relations<'a>(schema: &'a SchemaModel, kind: &str) -> Vec<(&'a str, &'a [Form])> {
    let Some(definition) = schema.definition(kind) else { return Vec::new() };
    let relation = |member: &'a crate::world::Member| match &member.body {
        Body::Relation(forms) => Some((member.name.as_str(), forms.as_slice())),
        Body::Permission { .. } => None,
    };
    schema.members_of(definition).into_iter().filter_map(relation).collect()
}

/// Every object with every form of every relation of it.
fn places(world: &World) -> Vec<(usize, String, Form)> {
    let mut places = Vec::new();
    for (at, object) in world.objects.iter().enumerate() {
        for (relation, forms) in relations(&world.schema, &object.kind) {
            places.extend(forms.iter().map(|form| (at, relation.to_owned(), form.clone())));
        }
    }
    places
}

fn row(dice: &mut Dice, world: &World, place: (usize, &str, &Form), now: i64) -> Option<Tuple> {
    let (at, relation, form) = place;
    let from = if world.circles && dice.chance(25) { 0 } else { at + 1 };
    let behind: Vec<&Object> = world.objects[from..].iter().filter(|object| object.kind == form.kind).collect();
    let object = match form.shape {
        Shape::Everyone => Object::new(&form.kind, EVERYONE),
        _ if behind.is_empty() => return None,
        _ => (*dice.pick(&behind)).clone(),
    };
    let of = match &form.shape {
        Shape::Members(name) => Some(name.clone()),
        _ => None,
    };
    let mut tuple = Tuple::new(world.objects[at].clone(), relation, Subject { object, relation: of });
    if let Some(name) = &form.caveat {
        let caveat = world.schema.caveats.iter().find(|caveat| &caveat.name == name)?;
        let percent = *dice.pick(&[0, 0, 30, 60, 100]);
        let context = caveats::context(dice, std::slice::from_ref(caveat), percent, false);
        tuple.caveat = Some(CaveatUse { name: name.clone(), context });
    }
    if form.expires {
        let (soon, late) = (dice.between(1, 48) as i64, dice.between(100, 9_000) as i64);
        let hours = *dice.pick(&[soon, late, late, -soon, -late]);
        // Whole seconds: the shortest form of an instant is the same on both sides.
        tuple.until = Some(Timestamp((now + hours * HOUR + hours.signum() * HOUR) / 1_000_000 * 1_000_000));
    }
    Some(tuple)
}

/// Relationships that the schema does not allow, or hardly.
pub fn misfits(dice: &mut Dice, world: &World, now: i64, count: usize) -> Vec<Tuple> {
    let places = places(world);
    let mut misfits = Vec::new();
    for _ in 0..if places.is_empty() { 0 } else { count * 3 } {
        let (at, relation, form) = dice.pick(&places).clone();
        if misfits.len() < count
            && let Some(mut tuple) = row(dice, world, (at, &relation, &form), now)
        {
            spoil(dice, world, &mut tuple, now);
            misfits.push(tuple);
        }
    }
    misfits
}

fn spoil(dice: &mut Dice, world: &World, tuple: &mut Tuple, now: i64) {
    let definition = world.schema.definition(&tuple.resource.kind);
    let members: Vec<&str> =
        definition.into_iter().flat_map(|of| world.schema.members_of(of)).map(|member| member.name.as_str()).collect();
    match dice.below(16) {
        0 => tuple.until = tuple.until.xor(Some(Timestamp(now / 1_000_000 * 1_000_000 + 5 * HOUR))),
        1 => {
            // An end in place of the caveat `expiration` reads the same.
            if tuple.caveat.take().is_some_and(|caveat| caveat.name == "expiration") {
                tuple.until = Some(Timestamp(now / 1_000_000 * 1_000_000 + 5 * HOUR));
            }
        }
        2 => {
            let name = world.schema.caveats.first().map_or("is_open", |caveat| &caveat.name);
            tuple.caveat = Some(CaveatUse { name: name.to_owned(), context: Default::default() });
        }
        3 => tuple.caveat = Some(CaveatUse { name: "no_such".to_owned(), context: Default::default() }),
        4 => {
            if let Some(caveat) = &mut tuple.caveat {
                caveat.context.insert("no_such".to_owned(), json!(1));
            } else {
                tuple.relation = "no_such".to_owned();
            }
        }
        5 => {
            if let Some(caveat) = &mut tuple.caveat {
                let model = world.schema.caveats.iter().find(|model| model.name == caveat.name);
                let parameter = model.map(|model| dice.pick(&model.parameters).0.clone()).unwrap_or_default();
                let value =
                    dice.pick(&[json!(1.5), json!("what"), json!([true]), json!({"k": [1]}), json!(null)]).clone();
                caveat.context.insert(parameter, value);
            } else {
                tuple.subject.object.kind = "no_such".to_owned();
            }
        }
        6 => tuple.subject.object.id = EVERYONE.to_owned(),
        7 => tuple.resource.id = EVERYONE.to_owned(),
        8 => {
            tuple.subject.object.id =
                (*dice.pick(&["a.b", "a:b", "", "a b", "\u{e9}", "a*", "a@b", "a#b", "/", "0"])).to_owned();
        }
        9 => tuple.resource.id = (*dice.pick(&["a.b", "", "x,y", "=", "a\n"])).to_owned(),
        10 => tuple.relation = (*dice.pick(&members)).to_owned(),
        11 => tuple.subject.object.kind = dice.pick(&world.objects).kind.clone(),
        12 => tuple.subject.relation = Some((*dice.pick(&["view", "member", "viewer", "..."])).to_owned()),
        13 => tuple.subject.relation = None,
        14 => tuple.resource.kind = dice.pick(&world.objects).kind.clone(),
        _ => tuple.subject.object.id = "x".repeat(dice.between(1023, 1026)),
    }
}
