//! HTTP fronts, sign-in, app grants, the command line: the `allod` binary.
#![forbid(unsafe_code)]

mod access;
mod app;
mod apps;
mod back_channel;
mod backup;
mod backup_standing;
mod blind;
pub mod cli;
mod client_documents;
mod doctor;
mod engine;
mod exporting;
mod failure;
mod front;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod grants;
mod init;
mod joining;
mod lapsed;
mod letters;
mod metrics;
mod node;
mod node_file;
mod noticed;
mod oidc;
mod one_time;
mod outbound;
mod pairing;
mod passkeys;
mod places;
mod preview;
mod records;
mod recovery;
mod registration;
mod removal;
mod restoring;
mod rights;
mod server;
mod spaces;
mod stdout;
mod tasks;
mod turns;
mod unfinished;
mod upgrade;

use gateway_http::{authn, connections, control, listen, pools};
use gateway_people::{directory, dpop};
