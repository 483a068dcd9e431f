//! What somebody may reach, as the gate asks for it.

use policy_core::{
    Check, Decision, EngineUnavailable, Lookup, LookupResources, Object, Permissionship, Timestamp, Tuples,
};

/// Every resource that is asked for, and how long the list holds at least. A resource that is not in it may come
/// into it by a lapse alone, as who was kept from it is kept no more: that is seen when policy moves.
pub(crate) fn resources(
    tuples: &Tuples,
    lookup: &LookupResources,
    now: Timestamp,
) -> Result<Lookup, EngineUnavailable> {
    let unavailable = |error: policy_core::CheckError| {
        tracing::warn!(kind = lookup.kind, permission = lookup.permission, %error, "a lookup has no answer");
        EngineUnavailable { reason: error.code().to_owned() }
    };
    let found = tuples.lookup_resources(lookup, now).map_err(unavailable)?;
    let sure = found.iter().filter(|found| found.permissionship == Permissionship::Yes);
    let check = |id: &str| Check {
        resource: Object::new(&lookup.kind, id),
        permission: lookup.permission.clone(),
        subject: lookup.subject.clone(),
        context: lookup.context.clone(),
    };
    let checks: Vec<Check> = sure.map(|found| check(&found.id)).collect();
    let mut valid_until = None;
    for answer in tuples.check_all(&checks, now) {
        let Decision { valid_until: until, .. } = answer.map_err(unavailable)?;
        valid_until = match (valid_until, until) {
            (Some(a), Some(b)) => Some(std::cmp::min::<Timestamp>(a, b)),
            (a, b) => a.or(b),
        };
    }
    Ok(Lookup { found, valid_until })
}
