//! Random worlds, fit to be accepted, and ways to spoil them.

pub mod caveats;
pub mod questions;
pub mod relationships;
pub mod schema;
pub mod spoil;

use crate::dice::Dice;
use crate::world::World;

/// The world of a seed. `now` is in microseconds; ends of relationships keep an hour's distance from it.
pub fn world(dice: &mut Dice, now: i64) -> World {
    let faults = dice.chance(15);
    let schema = schema::schema(dice, faults);
    let mut world = World { schema, faults, circles: dice.chance(12), ..World::default() };
    relationships::fill(dice, &mut world, now);
    world
}
