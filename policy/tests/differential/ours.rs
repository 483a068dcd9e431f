//! The evaluator under test, by the same questions.

use std::sync::Arc;

use policy_core::{
    Check, CheckError, Decision, Filter, Found, LookupResources, LookupSubjects, Permissionship, Schema, SchemaInUse,
    Timestamp, Tuples,
};

use crate::answer::{Answer, Entries, Entry, Fault, Truth};

pub struct Ours {
    pub tuples: Tuples,
    pub now: Timestamp,
}

impl Ours {
    pub fn new(schema: Schema, now: i64) -> Ours {
        Ours { tuples: Tuples::new(Arc::new(schema)), now: Timestamp(now) }
    }
    /// Whether it is a relation that cannot go, and every relationship of it is under a caveat.
    pub fn hold_only_under_caveats(&self, in_use: &SchemaInUse) -> bool {
        let SchemaInUse::Relation { definition, relation, .. } = in_use else { return false };
        let (resource_kind, relation) = (Some(definition.clone()), Some(relation.clone()));
        let filter = Filter { resource_kind, relation, ..Filter::default() };
        self.tuples.select(&filter, self.now).all(|tuple| tuple.caveat.is_some())
    }
    pub fn check(&self, check: &Check) -> Answer {
        answer(self.tuples.check(check, self.now))
    }
    pub fn check_all(&self, checks: &[Check]) -> Vec<Answer> {
        self.tuples.check_all(checks, self.now).into_iter().map(answer).collect()
    }
    pub fn lookup_resources(&self, lookup: &LookupResources) -> Entries {
        let found = self.tuples.lookup_resources(lookup, self.now).map_err(fault)?.found;
        Ok(found.into_iter().map(entry).collect())
    }
    pub fn lookup_subjects(&self, lookup: &LookupSubjects) -> Entries {
        let found = self.tuples.lookup_subjects(lookup, self.now).map_err(fault)?;
        let entry = |subject: policy_core::FoundSubject| Entry {
            excluded: subject.excluded.into_iter().map(entry).collect(),
            ..entry(subject.found)
        };
        Ok(found.into_iter().map(entry).collect())
    }
}

fn entry(found: Found) -> Entry {
    let truth = if found.permissionship == Permissionship::Yes { Truth::Yes } else { Truth::Maybe };
    Entry { id: found.id, truth, missing: found.missing.into_iter().collect(), excluded: Vec::new() }
}

fn answer(decision: Result<Decision, CheckError>) -> Answer {
    match decision {
        Ok(decision) => match decision.permissionship {
            Permissionship::Yes => Answer::Yes,
            Permissionship::No => Answer::No,
            Permissionship::Conditional => Answer::Conditional(decision.missing.into_iter().collect()),
        },
        Err(error) => Answer::Error(fault(error)),
    }
}

fn fault(error: CheckError) -> Fault {
    match error {
        CheckError::Depth => Fault::Depth,
        CheckError::Caveat { .. } => Fault::Caveat,
        CheckError::UnknownDefinition { .. } | CheckError::UnknownMember { .. } => Fault::Unknown,
        CheckError::Everyone => Fault::Everyone,
        other => Fault::Other(other.to_string()),
    }
}
