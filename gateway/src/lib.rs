//! HTTP fronts, sign-in, app grants, the command line: the `allod` binary.
#![forbid(unsafe_code)]

mod access;
mod app;
mod authn;
mod backup;
mod backup_standing;
mod blind;
pub mod cli;
mod control;
mod directory;
mod doctor;
mod engine;
mod failure;
mod front;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod grants;
mod init;
mod lapsed;
mod listen;
mod metrics;
mod node;
mod node_file;
mod pairing;
mod pools;
mod records;
mod recovery;
mod repeats;
mod rights;
mod server;
mod spaces;
mod stdout;
mod tasks;
mod turns;
mod unfinished;
