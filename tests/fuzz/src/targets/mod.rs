//! The targets, by the room whose parsers they are.

pub mod gateway;
pub mod graphql;
pub mod policy;
pub mod sync;
pub mod transfer;
pub mod vault;
