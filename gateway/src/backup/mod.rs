//! Backups of a node to a directory, a bucket or another node, and back: what `allod backup` and `allod restore` do. The node of the directory does
//! it while it runs, else the command itself.

pub mod asleep;
mod create;
mod list;
mod noted;
mod place;
mod prune;
mod restore;
mod schedule;
mod verify;

pub use create::{Wish, create};
pub use list::list;
pub use noted::remember;
pub use prune::{Keep, prune};
pub use restore::{Chosen, restore, restore_beside};
pub use schedule::{Schedule, run};
pub use verify::verify;

#[cfg(test)]
mod tests;
