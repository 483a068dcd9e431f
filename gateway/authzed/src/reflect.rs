//! What a schema holds and how two differ, as messages.

use policy_core::{
    Difference, MemberReference, ReflectedCaveat, ReflectedDefinition, ReflectedForm, ReflectedParameter,
    ReflectedPermission, ReflectedRelation, ReflectedSubjectType,
};
use spicedb_grpc_tonic::v1::reflection_schema_diff::Diff;
use spicedb_grpc_tonic::v1::reflection_type_reference::Typeref;
use spicedb_grpc_tonic::v1::{
    ReflectionCaveat, ReflectionCaveatParameter, ReflectionCaveatParameterTypeChange, ReflectionDefinition,
    ReflectionPermission, ReflectionRelation, ReflectionRelationReference, ReflectionRelationSubjectTypeChange,
    ReflectionSchemaDiff, ReflectionTypeReference,
};

pub fn definition(definition: ReflectedDefinition) -> ReflectionDefinition {
    ReflectionDefinition {
        name: definition.name,
        comment: definition.comment,
        relations: definition.relations.into_iter().map(relation).collect(),
        permissions: definition.permissions.into_iter().map(permission).collect(),
    }
}

pub fn caveat(caveat: ReflectedCaveat) -> ReflectionCaveat {
    ReflectionCaveat {
        name: caveat.name,
        comment: caveat.comment,
        parameters: caveat.parameters.into_iter().map(parameter).collect(),
        expression: caveat.expression,
    }
}

pub fn member(member: MemberReference) -> ReflectionRelationReference {
    ReflectionRelationReference {
        definition_name: member.definition,
        relation_name: member.name,
        is_permission: member.is_permission,
    }
}

fn relation(relation: ReflectedRelation) -> ReflectionRelation {
    ReflectionRelation {
        name: relation.name,
        comment: relation.comment,
        parent_definition_name: relation.definition,
        subject_types: relation.subject_types.into_iter().map(subject_type).collect(),
    }
}

fn subject_type(subject: ReflectedSubjectType) -> ReflectionTypeReference {
    let typeref = match subject.form {
        // That the field is there says it; SpiceDB leaves its value false.
        ReflectedForm::Object => Typeref::IsTerminalSubject(false),
        ReflectedForm::Everyone => Typeref::IsPublicWildcard(true),
        ReflectedForm::Members(name) => Typeref::OptionalRelationName(name),
    };
    ReflectionTypeReference {
        subject_definition_name: subject.definition,
        optional_caveat_name: subject.caveat.unwrap_or_default(),
        typeref: Some(typeref),
    }
}

fn permission(permission: ReflectedPermission) -> ReflectionPermission {
    ReflectionPermission {
        name: permission.name,
        comment: permission.comment,
        parent_definition_name: permission.definition,
    }
}

fn parameter(parameter: ReflectedParameter) -> ReflectionCaveatParameter {
    ReflectionCaveatParameter { name: parameter.name, r#type: parameter.kind, parent_caveat_name: parameter.caveat }
}

fn change(of: ReflectedRelation, to: ReflectedSubjectType) -> ReflectionRelationSubjectTypeChange {
    ReflectionRelationSubjectTypeChange { relation: Some(relation(of)), changed_subject_type: Some(subject_type(to)) }
}

pub fn difference(difference: Difference) -> ReflectionSchemaDiff {
    let diff = match difference {
        Difference::DefinitionAdded(it) => Diff::DefinitionAdded(definition(it)),
        Difference::DefinitionRemoved(it) => Diff::DefinitionRemoved(definition(it)),
        Difference::DefinitionCommentChanged(it) => Diff::DefinitionDocCommentChanged(definition(it)),
        Difference::RelationAdded(it) => Diff::RelationAdded(relation(it)),
        Difference::RelationRemoved(it) => Diff::RelationRemoved(relation(it)),
        Difference::RelationCommentChanged(it) => Diff::RelationDocCommentChanged(relation(it)),
        Difference::SubjectTypeAdded { relation, subject_type } => {
            Diff::RelationSubjectTypeAdded(change(relation, subject_type))
        }
        Difference::SubjectTypeRemoved { relation, subject_type } => {
            Diff::RelationSubjectTypeRemoved(change(relation, subject_type))
        }
        Difference::PermissionAdded(it) => Diff::PermissionAdded(permission(it)),
        Difference::PermissionRemoved(it) => Diff::PermissionRemoved(permission(it)),
        Difference::PermissionCommentChanged(it) => Diff::PermissionDocCommentChanged(permission(it)),
        Difference::PermissionExpressionChanged(it) => Diff::PermissionExprChanged(permission(it)),
        Difference::CaveatAdded(it) => Diff::CaveatAdded(caveat(it)),
        Difference::CaveatRemoved(it) => Diff::CaveatRemoved(caveat(it)),
        Difference::CaveatCommentChanged(it) => Diff::CaveatDocCommentChanged(caveat(it)),
        Difference::CaveatExpressionChanged(it) => Diff::CaveatExprChanged(caveat(it)),
        Difference::ParameterAdded(it) => Diff::CaveatParameterAdded(parameter(it)),
        Difference::ParameterRemoved(it) => Diff::CaveatParameterRemoved(parameter(it)),
        Difference::ParameterTypeChanged { parameter: it, before } => {
            Diff::CaveatParameterTypeChanged(ReflectionCaveatParameterTypeChange {
                parameter: Some(parameter(it)),
                previous_type: before,
            })
        }
    };
    ReflectionSchemaDiff { diff: Some(diff) }
}
