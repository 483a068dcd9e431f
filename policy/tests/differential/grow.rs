//! Random worlds, fit to be accepted, and ways to spoil them.

pub mod caveats;
mod cel;
mod effort;
pub mod questions;
pub mod relationships;
pub mod schema;
pub mod spoil;

use policy_core::{CaveatUse, Context, Object, Subject, Tuple};

use crate::dice::Dice;
use crate::world::{Body, Chain, Definition, Form, Member, Operand, SchemaModel, Shape, Style, World};

/// The world of a seed. `now` is in microseconds; ends of relationships keep an hour's distance from it.
pub fn world(dice: &mut Dice, now: i64) -> World {
    if dice.chance(30) {
        return lone_caveat(dice);
    }
    if dice.chance(4) {
        return chain(dice);
    }
    let faults = dice.chance(15);
    let schema = schema::schema(dice, faults);
    let mut world = World { schema, faults, circles: dice.chance(12), ..World::default() };
    relationships::fill(dice, &mut world, now);
    world
}

/// Objects one behind the other, about as many as a check may take steps, and a user behind the last.
fn chain(dice: &mut Dice) -> World {
    let relation = |name: &str, forms: Vec<Form>| Member { name: name.to_owned(), body: Body::Relation(forms) };
    let form = |kind: &str, shape: Shape| Form { kind: kind.to_owned(), shape, caveat: None, expires: false };
    let permission = |name: &str, first: Operand, rest: Vec<(char, Operand)>| Member {
        name: name.to_owned(),
        body: Body::Permission { annotation: Vec::new(), chain: Chain { first, rest } },
    };
    let named = |name: &str| Operand::Member(name.to_owned());
    let style = *dice.pick(&[Style::Arrow, Style::Any, Style::All]);
    let arrow = |to: &str| Operand::Arrow { over: "parent".to_owned(), to: to.to_owned(), style };
    let user = || form("user", Shape::Object);
    let mut members = vec![
        relation("parent", vec![form("folder", Shape::Object)]),
        relation("viewer", vec![user()]),
        relation("member", vec![user(), form("folder", Shape::Members("member".to_owned()))]),
        relation("reader", vec![user(), form("folder", Shape::Members("read".to_owned()))]),
        permission("read", named("reader"), Vec::new()),
        permission("view", named("viewer"), vec![('+', arrow("view"))]),
        permission("see", arrow("see_more"), vec![('+', named("viewer"))]),
        permission("see_more", named("see"), vec![('-', Operand::Nil)]),
        permission("member_view", named("member"), vec![('-', named("view"))]),
    ];
    dice.shuffle(&mut members);
    let definition =
        |name: &str, members: Vec<Member>| Definition { name: name.to_owned(), members, spliced: Vec::new() };
    let length = dice.between(20, 56);
    let folder = |at: usize| Object::new("folder", at);
    let mut relationships = Vec::new();
    for at in 0..length {
        for (name, of) in [("parent", None), ("member", Some("member")), ("reader", Some("read"))] {
            let subject = Subject { object: folder(at + 1), relation: of.map(str::to_owned) };
            relationships.push(Tuple::new(folder(at), name, subject));
        }
    }
    for name in ["viewer", "member", "reader"] {
        relationships.push(Tuple::new(folder(length), name, Subject::object("user", "1")));
    }
    let objects = (0..=length).map(folder).chain([Object::new("user", "1")]).collect();
    let definitions = vec![definition("user", Vec::new()), definition("folder", members)];
    World {
        schema: SchemaModel { definitions, ..SchemaModel::default() },
        objects,
        relationships,
        contexts: vec![Context::new()],
        chain: true,
        ..World::default()
    }
}

/// One relationship under one caveat, asked with many contexts: nothing here hangs on the order of evaluation.
fn lone_caveat(dice: &mut Dice) -> World {
    let caveat = cel::caveat(dice, "holds");
    let form =
        Form { kind: "user".to_owned(), shape: Shape::Object, caveat: Some(caveat.name.clone()), expires: false };
    let member = |name: &str, body: Body| Member { name: name.to_owned(), body };
    let chain = Operand::Member("viewer".to_owned()).into();
    let members = vec![
        member("viewer", Body::Relation(vec![form])),
        member("view", Body::Permission { annotation: Vec::new(), chain }),
    ];
    let definition =
        |name: &str, members: Vec<Member>| Definition { name: name.to_owned(), members, spliced: Vec::new() };
    let mut tuple = Tuple::new(Object::new("doc", "1"), "viewer", Subject::object("user", "1"));
    let percent = *dice.pick(&[0, 0, 30, 100]);
    let context = caveats::context(dice, std::slice::from_ref(&caveat), percent, false);
    tuple.caveat = Some(CaveatUse { name: caveat.name.clone(), context });
    let mut contexts = vec![Context::new()];
    for percent in [100, 100, 100, 100, 100, 100, 80, 60, 50, 30] {
        contexts.push(caveats::context(dice, std::slice::from_ref(&caveat), percent, true));
    }
    World {
        schema: SchemaModel {
            caveats: vec![caveat],
            definitions: vec![definition("user", Vec::new()), definition("doc", members)],
            ..SchemaModel::default()
        },
        objects: vec![Object::new("doc", "1"), Object::new("user", "1")],
        relationships: vec![tuple],
        contexts,
        lone: true,
        ..World::default()
    }
}
