//! What goes between the two nodes, beside the objects themselves.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Objects that are named in one answer.
pub(crate) const PAGE: usize = 4_096;

/// The header in which a change of a place names who makes it: what [`LockAsked::holder`] said.
pub const HOLDER: &str = "allod-holder";

/// How a place stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlaceStanding {
    /// What it is called.
    #[schema(examples("anna"))]
    pub place: String,
    /// How much it may take, in bytes.
    pub quota: u64,
    /// How much it takes: each object whole blocks of 4 KiB.
    pub taken: u64,
    /// How many objects there are.
    pub objects: u64,
}

/// Objects of a place, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    pub objects: Vec<ListedObject>,
    /// Behind which it goes on; null: there are no more.
    pub next: Option<String>,
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedObject {
    #[schema(examples("backups/5d41402abc4b2a76b9719d911017c592"))]
    pub name: String,
    /// Its length; null, if it is no plain file.
    pub bytes: Option<u64>,
}

/// What is asked of the lock of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockDo {
    /// Take it, unless somebody else has it.
    Take,
    /// Go on holding it, if nobody else had it since.
    Renew,
    /// Let it go.
    Release,
}

/// What is asked of the lock of a place, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockAsked {
    #[serde(rename = "do")]
    pub what: LockDo,
    /// 32 hexadecimal digits, drawn for this taking alone.
    #[schema(min_length = 32, max_length = 32, pattern = "^[0-9a-f]{32}$")]
    pub holder: String,
    /// For how long it counts that nothing is heard of the holder; a minute at most.
    #[schema(minimum = 100, maximum = 60000)]
    pub lease_ms: u64,
}

/// How the lock of a place stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockStanding {
    /// Whoever asks has it.
    pub holds: bool,
    /// How often whoever has it has said so: who sees this grow knows that somebody is at work.
    pub renewals: u64,
    /// When it lapses if nothing is heard of its holder.
    pub lapses_in_ms: u64,
}
