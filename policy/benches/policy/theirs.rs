//! The real SpiceDB that `deploy/with-spicedb.sh` starts, through our own client of it.

use std::time::Instant;

use policy::{Consistency, RelationshipService, SpiceDb, Window, Write};
use policy_core::{Check, Context, LookupResources, Update};

use crate::SLICE;
use crate::world::{SCHEMA, World, reader};

pub struct Loaded(SpiceDb);
