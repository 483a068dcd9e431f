//! The fronts: what people and apps talk to, one folder a protocol. Each parses all it is sent before
//! anything else sees it.

pub mod account;
pub mod error;
pub mod graphql;
pub mod oauth;
