//! GraphQL as pure functions: text in, [`vault_core::query::Query`] or
//! [`vault_core::change::ChangeRequest`] out. Nothing here does I/O.
//!
//! A caller sees a schema **shaped by its grant**: what no entry of its masks gives does not exist
//! in it, so that validation, planning and introspection cannot tell a hidden field from one that
//! never was. [`visible::Visible`] is the only thing that schema and planner look at.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aggregate;
mod aliases;
mod cache;
mod collect;
mod commits;
mod context;
mod document;
mod edition;
pub mod error;
mod filter;
mod input;
mod introspect;
mod mutation;
mod names;
pub mod plan;
mod planner;
pub mod print;
mod request;
mod scalar;
pub mod schema;
pub mod sdl;
mod select;
#[cfg(test)]
mod tests;
pub mod visible;
pub mod weight;

pub use cache::Caches;
pub use context::{Context, FREE_ANSWER};
pub use error::GraphQlError;
pub use names::Spelling;
pub use plan::{Plan, plan};
pub use request::{Limits, Request};
pub use sdl::SdlError;

/// Whether a value of JSON may be written into a field of this kind, which an error calls `field`.
///
/// # Errors
/// If it may not, with the reason.
pub fn fits(kind: &vault_core::schema::FieldType, value: &serde_json::Value, field: &str) -> Result<(), GraphQlError> {
    scalar::value(kind, &input::Input::from_json(value), field).map(drop)
}
