//! What the edition of September 2025 says of a schema's own description, where the library's built-in definitions
//! are of an older one: `@oneOf`, `isOneOf`, `includeDeprecated` that is never null. Directives can be deprecated as
//! well, which clients that are newer than the edition ask about.

use apollo_compiler::ast::{
    Argument, Directive, DirectiveLocation, FieldDefinition, InputValueDefinition, Type, Value,
};
use apollo_compiler::schema::{Component, DirectiveDefinition, ExtendedType, Name, ObjectType, Schema};
use apollo_compiler::{Node, name, ty};

/// Completes the built-in definitions of `schema`.
pub(super) fn complete(schema: &mut Schema) {
    for (owner, fields) in [
        (name!("__Schema"), &["directives"][..]),
        (name!("__Type"), &["fields", "enumValues", "inputFields"]),
        (name!("__Field"), &["args"]),
        (name!("__Directive"), &["args"]),
    ] {
        for field in fields {
            let Some(field) = object(schema, &owner).and_then(|object| object.fields.get_mut(*field)) else { continue };
            let field = field.make_mut();
            field.arguments.retain(|argument| argument.name != "includeDeprecated");
            field.arguments.push(Node::new(include_deprecated()));
        }
    }
    for (owner, field, ty) in [
        (name!("__Type"), name!("isOneOf"), ty!(Boolean)),
        (name!("__Directive"), name!("isDeprecated"), ty!(Boolean!)),
        (name!("__Directive"), name!("deprecationReason"), ty!(String)),
    ] {
        if let Some(object) = object(schema, &owner) {
            object.fields.insert(field.clone(), Component::new(plain(field, ty)));
        }
    }
    let one_of = DirectiveDefinition {
        description: Some("An input object of which exactly one field is given.".into()),
        name: name!("oneOf"),
        arguments: Vec::new(),
        repeatable: false,
        locations: vec![DirectiveLocation::InputObject],
    };
    schema.directive_definitions.insert(one_of.name.clone(), Node::new(one_of));
    if let Some(deprecated) = schema.directive_definitions.get_mut("deprecated") {
        for argument in &mut deprecated.make_mut().arguments {
            argument.make_mut().ty = Node::new(ty!(String!));
        }
    }
}

/// `@specifiedBy`, for a scalar.
pub(super) fn specified_by(url: &str) -> Directive {
    let value = Node::new(Value::String(url.to_owned()));
    Directive { name: name!("specifiedBy"), arguments: vec![Node::new(Argument { name: name!("url"), value })] }
}

fn object<'s>(schema: &'s mut Schema, name: &Name) -> Option<&'s mut ObjectType> {
    match schema.types.get_mut(name) {
        Some(ExtendedType::Object(object)) => Some(object.make_mut()),
        _ => None,
    }
}

fn plain(name: Name, ty: Type) -> FieldDefinition {
    FieldDefinition { description: None, name, arguments: Vec::new(), ty, directives: Default::default() }
}

fn include_deprecated() -> InputValueDefinition {
    InputValueDefinition {
        description: None,
        name: name!("includeDeprecated"),
        ty: Node::new(ty!(Boolean!)),
        default_value: Some(Node::new(Value::Boolean(false))),
        directives: Default::default(),
    }
}
