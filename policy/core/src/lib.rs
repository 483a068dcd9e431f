//! Ids, actions, permits, the schema language and its evaluator.
//!
//! Nothing here does I/O, reads a clock or makes randomness: time and bytes come in as arguments.
//! [`Gate`] is the only code in Allod that mints a [`Permits`]; the vault cannot be read or
//! written without one.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod action;
mod answer;
mod caveat;
pub mod cel;
mod engine;
mod eval;
mod grant;
mod id;
pub mod instant;
mod members;
mod permit;
mod predicate;
mod relationship;
mod schema;
mod shared;
mod tuples;

pub use action::{Verb, Verbs};
pub use answer::{CaveatOutcome, Expanded, ExpandedTree, Followed, Traced, TracedCaveat};
pub use caveat::{Caveat, CaveatError, Context, Prepared};
pub use engine::{
    Check, Decision, Engine, EngineUnavailable, Epoch, EpochClock, Found, FoundSubject, Lookup, LookupResources,
    LookupSubjects, Object, Permissionship, Subject,
};
pub use eval::{CheckError, MAX_DEPTH};
pub use grant::{Grant, GrantEntry, GrantScope, Holder, Narrowed, Narrowing};
pub use id::{
    AssignmentId, ClientId, CollectionId, DeviceId, DocId, FieldId, FolderId, GrantId, GroupId, LinkId, ParseIdError,
    SpaceId, TenantId, UserId,
};
pub use members::{Membership, ObjectMember};
pub use permit::{
    AppCaller, Caller, CollectionResource, Documents, Entry, Gate, GateSeal, MAX_DOCUMENTS, Mask, PeerKey, Permits,
    Read, Refusal, Replicate, Resources, Right, SchemaVersion, SealRefusal, Write, document_object, document_of,
    field_object, grant_object,
};
pub use predicate::{Comparison, Condition, Predicate, Scalar, Timestamp};
pub use relationship::{
    CaveatUse, EVERYONE, Filter, MAX_OBJECT_ID_BYTES, Precondition, RelationshipTextError, SubjectFilter,
    SubjectRelation, Tuple, Update, is_object_id,
};
pub use schema::{
    Difference, Lint, LintKind, MAX_SCHEMA_BYTES, MemberKind, MemberReference, ReflectError, ReflectFilter,
    ReflectedCaveat, ReflectedDefinition, ReflectedForm, ReflectedParameter, ReflectedPermission, ReflectedRelation,
    ReflectedSubjectType, Reflection, Schema, SchemaError, SchemaFault,
};
pub use shared::SharedCache;
pub use tuples::{ApplyError, Nesting, SchemaInUse, TupleError, Tuples};
