//! The fronts: what people and apps talk to.

pub mod graphql;
