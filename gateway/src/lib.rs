#![forbid(unsafe_code)]

pub mod authn;
pub mod directory;
pub mod front;
pub mod grants;
pub mod node;
