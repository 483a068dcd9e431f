//! The embedded policy engine: relationships in SQL, evaluated from an immutable snapshot in memory.
//!
//! One change is one SQL transaction with its audit row; then the snapshot is published, then the
//! epoch moves, then the change is acknowledged. So a permit minted before a revocation was
//! acknowledged is stale, and none minted after it rests on what was revoked.
#![forbid(unsafe_code)]

mod audit;
mod catalogue;
mod clock;
mod embedded;
mod explainer;
pub mod facts;
mod filter;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod history;
mod limits;
mod lookup;
mod memory;
mod migrate;
mod refusal;
mod relationships;
mod schema;
mod service;
mod spicedb;
mod store;
mod table;
mod timeline;
mod token;
pub mod validation;

pub use audit::AuditRow;
pub use clock::wall_clock;
pub use embedded::{Embedded, EmbeddedService, NamedSubjects};
pub use explainer::{Delivery, Explainer, Standing};
pub use limits::{MAX_CHECKS, MAX_LIMIT, MAX_PRECONDITIONS};
pub use memory::Memory;
pub use migrate::{MigrateError, MigrateOptions, MigrateProgress, Migrated, migrate};
pub use relationships::Relationships;
pub use service::{
    Answers, Consistency, Cursor, Delete, Deleted, Event, Events, MAX_UPDATES, Page, Reason, RelationshipService,
    ServiceError, Token, WatchRequest, Window, Write,
};
pub use spicedb::{
    DEFAULT_HORIZON, Effect, Forwarded, Outbox, OutboxError, Parked, PresharedKey, PresharedKeyError, Put, SpiceDb,
    SpiceDbConfig, SpiceDbConfigError, SpiceDbEngine, Tls,
};
pub use table::Migrator;
pub use timeline::Clock;

use policy_core::{GrantId, SchemaError, SchemaInUse, TupleError};

/// The relationship schema that this node enforces.
pub const SCHEMA: &str = include_str!("../schema.zed");

/// The most relationships that one change may put and remove.
pub const MAX_CHANGES: usize = 10_000;

/// Why policy was not changed or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy tables cannot be used: {0}")]
    Storage(#[from] sea_orm::DbErr),
    #[error("the policy tables are damaged: {0}")]
    Damaged(String),
    #[error("the relationship schema is wrong: {0}")]
    Schema(#[from] SchemaError),
    /// What the node itself rests on; other definitions can be added beside it.
    #[error("the definitions of the platform cannot be changed, but here {0}")]
    Platform(String),
    #[error("the schema cannot be changed so: {0}")]
    SchemaInUse(#[from] SchemaInUse),
    #[error("the relationship is not allowed: {0}")]
    Tuple(#[from] TupleError),
    /// The change contradicts what is there, would close a circle or is too large.
    #[error("{0}")]
    Conflict(String),
    /// The change is made and will reach SpiceDB; until then it must not be relied on.
    #[error("SpiceDB has not taken the change yet: {0}")]
    Undelivered(String),
    #[error("grant {0} is revoked, and a revoked grant does not come back")]
    Revoked(GrantId),
}
