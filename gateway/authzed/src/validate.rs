//! What a request must look like before anybody asks a store: the rules that SpiceDB's API declares.

mod names;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use spicedb_grpc_tonic::v1::consistency::Requirement;
use spicedb_grpc_tonic::v1::{
    CheckBulkPermissionsRequest, CheckPermissionRequest, Consistency, Cursor, DeleteRelationshipsRequest,
    ExpandPermissionTreeRequest, ExportBulkRelationshipsRequest, ImportBulkRelationshipsRequest,
    LookupResourcesRequest, LookupSubjectsRequest, ObjectReference, Precondition, ReadRelationshipsRequest,
    Relationship, RelationshipFilter, RelationshipUpdate, SubjectReference, WatchRequest, WriteRelationshipsRequest,
    WriteSchemaRequest, ZedToken, precondition, relationship_update,
};

use super::status::Failed;
use names::{
    CAVEAT, MEMBER, MEMBER_OR_NONE, OBJECT_ID, OBJECT_ID_OR_NONE, SUBJECT_ID_OR_NONE, TYPE, TYPE_OR_NONE, Text,
    WATCHED_TYPE,
};

/// More mistakes than these are not listed.
const MAX_LISTED: usize = 16;
const MAX_CURSOR_BYTES: usize = 102_400;
const MAX_SCHEMA_BYTES: usize = 4 << 20;

/// A request that can be wrong in itself.
pub trait Valid {
    /// # Errors
    /// With every rule that it breaks.
    fn valid(&self) -> Result<(), Failed>;
}

/// The rules that a message breaks, with the path of the field.
#[derive(Default)]
struct Broken {
    path: String,
    rules: Vec<String>,
}

impl Broken {
    fn rule(&mut self, field: &str, rule: impl AsRef<str>) {
        if self.rules.len() < MAX_LISTED {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.rules.push(format!("{}{dot}{field}: {}", self.path, rule.as_ref()));
        }
    }
    fn within(&mut self, field: &str, check: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(field);
        check(self);
        self.path.truncate(length);
    }
    fn each<T>(&mut self, field: &str, items: &[T], check: impl Fn(&mut Self, &T)) {
        let mut name = String::new();
        for (index, item) in items.iter().enumerate() {
            name.clear();
            let _ = write!(name, "{field}[{index}]");
            self.within(&name, |broken| check(broken, item));
        }
    }
    fn some<T>(&mut self, field: &str, value: Option<&T>, check: impl FnOnce(&mut Self, &T)) {
        if let Some(value) = value {
            self.within(field, |broken| check(broken, value));
        }
    }
    fn required<T>(&mut self, field: &str, value: Option<&T>, check: impl FnOnce(&mut Self, &T)) {
        match value {
            None => self.rule(field, "value is required"),
            value => self.some(field, value, check),
        }
    }
    fn text(&mut self, field: &str, value: &str, rule: &Text) {
        if value.len() > rule.max_bytes {
            self.rule(field, format!("must be at most {} bytes", rule.max_bytes));
        }
        if !(rule.fits)(value) {
            self.rule(field, format!("does not match regex pattern `{}`", rule.pattern));
        }
    }
    /// An enum that must be one of those that are named, and not the first.
    fn choice(&mut self, field: &str, value: i32, known: bool) {
        if !known {
            self.rule(field, "value must be one of the defined enum values");
        } else if value == 0 {
            self.rule(field, "must not be in list [0]");
        }
    }

    fn finish(self) -> Result<(), Failed> {
        match self.rules.as_slice() {
            [] => Ok(()),
            [rule] => Err(Failed::invalid(format!("validation error: {rule}"))),
            rules => Err(Failed::invalid(format!("validation errors:\n - {}", rules.join("\n - ")))),
        }
    }

    fn object(&mut self, object: &ObjectReference) {
        self.text("object_type", &object.object_type, &TYPE);
        self.text("object_id", &object.object_id, &OBJECT_ID);
    }
    fn subject(&mut self, subject: &SubjectReference) {
        self.required("object", subject.object.as_ref(), Broken::object);
        self.text("optional_relation", &subject.optional_relation, &MEMBER_OR_NONE);
    }
    fn relationship(&mut self, relationship: &Relationship) {
        self.required("resource", relationship.resource.as_ref(), Broken::object);
        self.text("relation", &relationship.relation, &MEMBER);
        self.required("subject", relationship.subject.as_ref(), Broken::subject);
        self.some("optional_caveat", relationship.optional_caveat.as_ref(), |broken, caveat| {
            broken.text("caveat_name", &caveat.caveat_name, &CAVEAT);
        });
        self.some("optional_expires_at", relationship.optional_expires_at.as_ref(), |broken, at| {
            if !(0..1_000_000_000).contains(&at.nanos) {
                broken.rule("nanos", "must be within a second");
            }
        });
    }
    fn update(&mut self, update: &RelationshipUpdate) {
        let known = relationship_update::Operation::try_from(update.operation).is_ok();
        self.choice("operation", update.operation, known);
        self.required("relationship", update.relationship.as_ref(), Broken::relationship);
    }
    fn precondition(&mut self, precondition: &Precondition) {
        let known = precondition::Operation::try_from(precondition.operation).is_ok();
        self.choice("operation", precondition.operation, known);
        self.required("filter", precondition.filter.as_ref(), Broken::filter);
    }
    fn filter(&mut self, filter: &RelationshipFilter) {
        self.text("resource_type", &filter.resource_type, &TYPE_OR_NONE);
        self.text("optional_resource_id", &filter.optional_resource_id, &OBJECT_ID_OR_NONE);
        self.text("optional_resource_id_prefix", &filter.optional_resource_id_prefix, &OBJECT_ID_OR_NONE);
        self.text("optional_relation", &filter.optional_relation, &MEMBER_OR_NONE);
        self.some("optional_subject_filter", filter.optional_subject_filter.as_ref(), |broken, subject| {
            broken.text("subject_type", &subject.subject_type, &TYPE);
            broken.text("optional_subject_id", &subject.optional_subject_id, &SUBJECT_ID_OR_NONE);
            broken.some("optional_relation", subject.optional_relation.as_ref(), |broken, relation| {
                broken.text("relation", &relation.relation, &MEMBER_OR_NONE);
            });
        });
    }
    fn token(&mut self, token: &ZedToken) {
        if token.token.is_empty() {
            self.rule("token", "must be at least 1 bytes");
        }
    }
    fn cursor(&mut self, cursor: &Cursor) {
        if cursor.token.is_empty() {
            self.rule("token", "must be at least 1 bytes");
        } else if cursor.token.len() > MAX_CURSOR_BYTES {
            self.rule("token", format!("must be at most {MAX_CURSOR_BYTES} bytes"));
        }
    }
    fn consistency(&mut self, consistency: &Consistency) {
        match &consistency.requirement {
            None => self.rule("requirement", "exactly one field is required in oneof"),
            Some(Requirement::MinimizeLatency(false)) => self.rule("minimize_latency", "must equal true"),
            Some(Requirement::FullyConsistent(false)) => self.rule("fully_consistent", "must equal true"),
            Some(Requirement::AtLeastAsFresh(token)) => self.within("at_least_as_fresh", |broken| broken.token(token)),
            Some(Requirement::AtExactSnapshot(token)) => self.within("at_exact_snapshot", |broken| broken.token(token)),
            Some(Requirement::MinimizeLatency(true) | Requirement::FullyConsistent(true)) => {}
        }
    }
    /// The three fields of a question.
    fn question(&mut self, resource: Option<&ObjectReference>, permission: &str, subject: Option<&SubjectReference>) {
        self.required("resource", resource, Broken::object);
        self.text("permission", permission, &MEMBER_OR_NONE);
        self.required("subject", subject, Broken::subject);
    }
}

/// Consistency alone, where a request has no other rule.
pub fn consistency(consistency: Option<&Consistency>) -> Result<(), Failed> {
    let mut broken = Broken::default();
    broken.some("consistency", consistency, Broken::consistency);
    broken.finish()
}

/// Everyone is no resource.
fn one_resource(resource: Option<&ObjectReference>) -> Result<(), Failed> {
    match resource {
        Some(resource) if resource.object_id == "*" => {
            Err(Failed::invalid("invalid ObjectReference.ObjectId: alphanumeric value is required"))
        }
        _ => Ok(()),
    }
}

/// Everyone has no relation.
fn plain_everyone(subject: Option<&SubjectReference>) -> Result<(), Failed> {
    let everyone = |object: &ObjectReference| object.object_id == "*";
    match subject {
        Some(subject) if !subject.optional_relation.is_empty() && subject.object.as_ref().is_some_and(everyone) => {
            Err(Failed::invalid(
                "invalid SubjectReference.OptionalRelation: optionalrelation must be empty on subject if object ID is \
                 a wildcard",
            ))
        }
        _ => Ok(()),
    }
}

fn plain_everyone_filter(filter: Option<&RelationshipFilter>) -> Result<(), Failed> {
    let Some(subject) = filter.and_then(|filter| filter.optional_subject_filter.as_ref()) else { return Ok(()) };
    let related = subject.optional_relation.as_ref().is_some_and(|relation| !relation.relation.is_empty());
    if subject.optional_subject_id == "*" && related {
        return Err(Failed::invalid(
            "invalid SubjectFilter.OptionalRelation: optionalrelation must be empty on subject if object ID is a \
             wildcard",
        ));
    }
    Ok(())
}

impl Valid for CheckPermissionRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.question(self.resource.as_ref(), &self.permission, self.subject.as_ref());
        broken.finish()?;
        one_resource(self.resource.as_ref())?;
        plain_everyone(self.subject.as_ref())
    }
}

impl Valid for CheckBulkPermissionsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.each("items", &self.items, |broken, item| {
            broken.question(item.resource.as_ref(), &item.permission, item.subject.as_ref());
        });
        broken.finish()
    }
}

impl Valid for ExpandPermissionTreeRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.required("resource", self.resource.as_ref(), Broken::object);
        broken.text("permission", &self.permission, &MEMBER_OR_NONE);
        broken.finish()?;
        one_resource(self.resource.as_ref())
    }
}

impl Valid for LookupResourcesRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.text("resource_object_type", &self.resource_object_type, &TYPE);
        broken.text("permission", &self.permission, &MEMBER);
        broken.required("subject", self.subject.as_ref(), Broken::subject);
        broken.some("optional_cursor", self.optional_cursor.as_ref(), Broken::cursor);
        broken.finish()
    }
}

impl Valid for LookupSubjectsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.required("resource", self.resource.as_ref(), Broken::object);
        broken.text("permission", &self.permission, &MEMBER_OR_NONE);
        broken.text("subject_object_type", &self.subject_object_type, &TYPE);
        broken.text("optional_subject_relation", &self.optional_subject_relation, &MEMBER_OR_NONE);
        broken.some("optional_cursor", self.optional_cursor.as_ref(), Broken::cursor);
        broken.finish()
    }
}

impl Valid for ReadRelationshipsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.required("relationship_filter", self.relationship_filter.as_ref(), Broken::filter);
        broken.some("optional_cursor", self.optional_cursor.as_ref(), Broken::cursor);
        broken.finish()
    }
}

impl Valid for WriteRelationshipsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.each("updates", &self.updates, Broken::update);
        broken.each("optional_preconditions", &self.optional_preconditions, Broken::precondition);
        broken.finish()?;
        for precondition in &self.optional_preconditions {
            plain_everyone_filter(precondition.filter.as_ref())?;
        }
        for relationship in self.updates.iter().filter_map(|update| update.relationship.as_ref()) {
            one_resource(relationship.resource.as_ref())?;
            plain_everyone(relationship.subject.as_ref())?;
        }
        Ok(())
    }
}

impl Valid for DeleteRelationshipsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.required("relationship_filter", self.relationship_filter.as_ref(), Broken::filter);
        broken.each("optional_preconditions", &self.optional_preconditions, Broken::precondition);
        broken.finish()?;
        for precondition in &self.optional_preconditions {
            plain_everyone_filter(precondition.filter.as_ref())?;
        }
        plain_everyone_filter(self.relationship_filter.as_ref())
    }
}

impl Valid for ImportBulkRelationshipsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.each("relationships", &self.relationships, Broken::relationship);
        broken.finish()?;
        for relationship in &self.relationships {
            one_resource(relationship.resource.as_ref())?;
            plain_everyone(relationship.subject.as_ref())?;
        }
        Ok(())
    }
}

impl Valid for ExportBulkRelationshipsRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        broken.some("consistency", self.consistency.as_ref(), Broken::consistency);
        broken.some("optional_cursor", self.optional_cursor.as_ref(), Broken::cursor);
        broken.some("optional_relationship_filter", self.optional_relationship_filter.as_ref(), Broken::filter);
        broken.finish()
    }
}

impl Valid for WriteSchemaRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        if self.schema.len() > MAX_SCHEMA_BYTES {
            broken.rule("schema", format!("must be at most {MAX_SCHEMA_BYTES} bytes"));
        }
        broken.finish()
    }
}

impl Valid for WatchRequest {
    fn valid(&self) -> Result<(), Failed> {
        let mut broken = Broken::default();
        for (index, kind) in self.optional_object_types.iter().enumerate() {
            broken.text(&format!("optional_object_types[{index}]"), kind, &WATCHED_TYPE);
        }
        broken.some("optional_start_cursor", self.optional_start_cursor.as_ref(), Broken::token);
        broken.each("optional_relationship_filters", &self.optional_relationship_filters, Broken::filter);
        broken.finish()
    }
}
