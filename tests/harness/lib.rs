//! What the end-to-end tests, the demo and the benchmarks share: a node as its operator sees it (the
//! `allod` binary and its JSON) and as its clients see it (HTTP). Nothing here knows an internal of Allod.
#![forbid(unsafe_code)]

mod client;
mod command;
mod node;
mod oauth;
mod ports;
pub mod report;
pub mod s3;
pub mod smtp;

pub use client::{Answer, Client};
pub use command::{Allod, Outcome};
pub use node::{Node, Replica, password_file};
pub use oauth::{AppGrant, ConsentForm, authorize, exchange};
pub use ports::free_port;
