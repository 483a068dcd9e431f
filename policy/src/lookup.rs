//! What somebody may reach, as the gate asks for it.

use policy_core::{EngineUnavailable, Lookup, LookupResources, Timestamp, Tuples};

/// Every resource that is asked for, and how long the list holds at least.
pub(crate) fn resources(
    tuples: &Tuples,
    lookup: &LookupResources,
    now: Timestamp,
) -> Result<Lookup, EngineUnavailable> {
    tuples.lookup_resources(lookup, now).map_err(|error| {
        tracing::warn!(kind = lookup.kind, permission = lookup.permission, %error, "a lookup has no answer");
        EngineUnavailable { reason: error.code().to_owned() }
    })
}
