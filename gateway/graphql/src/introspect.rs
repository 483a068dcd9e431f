//! Introspection (GraphQL, September 2025, section 4): the schema as this caller's grant shapes it.
//!
//! The answer is written by us and not by the library, which does not know all of that edition: what is asked is
//! walked once, and written for each type of the schema, within a bound of bytes.

use apollo_compiler::ast::{DirectiveDefinition, DirectiveList, EnumValueDefinition, FieldDefinition};
use apollo_compiler::ast::{InputValueDefinition, Type};
use apollo_compiler::introspection;
use apollo_compiler::schema::{ComponentName, ExtendedType, Schema};
use bytes::Bytes;

use super::collect::Merged;
use super::context::{Context, FREE_ANSWER};
use super::error::GraphQlError;
use super::input::Input;
use super::planner::Planner;
use super::request::Request;

/// The usual question of a GraphQL client has about 120 fields with its fragments written out and no
/// alias; an answer grows with both.
const NODES_MAX: usize = 1_000;
const ALIASES_MAX: usize = 8;
/// Larger texts are answered, and not kept.
const TEXT_MAX: usize = 16 * 1024;
/// Bytes of an answer: the usual question over 50 collections of a few fields has 1.5 MB.
const BYTES_MAX: usize = 16 << 20;
/// By how much the room for an answer grows at a time.
const STEP: usize = 1 << 20;

/// The value of `data` for an operation whose roots are all of introspection.
pub(crate) fn answer<'a>(
    planner: &mut Planner<'a>,
    request: &Request,
    roots: &[Merged<'a>],
    context: &Context<'_>,
) -> Result<Bytes, GraphQlError> {
    let (entry, prepared) = (planner.entry, planner.walk.prepared);
    let asks_schema = roots.iter().any(|root| root.name() != "__typename");
    if asks_schema && prepared.size.nodes > NODES_MAX {
        let message = format!("Introspection of more than {NODES_MAX} fields is refused.");
        return Err(GraphQlError::new("limit_fragments", message));
    }
    if asks_schema && prepared.size.aliases > ALIASES_MAX {
        let message = format!("Introspection with more than {ALIASES_MAX} aliases is refused.");
        return Err(GraphQlError::new("limit_aliases", message));
    }
    let operation = &prepared.operation;
    let keep = asks_schema && operation.variables.is_empty() && request.text.len() <= TEXT_MAX;
    if keep && let Some(bytes) = context.caches.introspected(entry, request) {
        return if bytes.len() <= FREE_ANSWER || (context.room)(bytes.len()) { Ok(bytes) } else { Err(no_room()) };
    }
    introspection::check_max_depth(&prepared.document, operation)
        .map_err(|_| GraphQlError::new("limit_depth", "The introspection is nested too deeply."))?;
    let mut asked = Vec::with_capacity(roots.len());
    for root in roots {
        asked.push(planner.walk_within(root, |planner| IntrospectionField::of(planner, root))?);
    }
    let mut writer = Writer { schema: &entry.schema, out: Vec::new(), room: context.room, until: FREE_ANSWER };
    writer.object(&asked, &Introspected::Root(prepared.operation.object_type()))?;
    let bytes = Bytes::from(writer.out);
    if keep {
        context.caches.keep_introspected(context.who, entry, request, &bytes);
    }
    Ok(bytes)
}

/// A field that is asked for, with its fragments written out.
struct IntrospectionField<'a> {
    response: &'a str,
    name: &'a str,
    /// `includeDeprecated`.
    deprecated: bool,
    /// `__type(name:)`.
    named: Option<&'a str>,
    inner: Vec<IntrospectionField<'a>>,
}

impl<'a> IntrospectionField<'a> {
    /// Recursion is bounded by the depth of the request's text.
    fn of(planner: &mut Planner<'a>, merged: &Merged<'a>) -> Result<IntrospectionField<'a>, GraphQlError> {
        let args = planner.walk.arguments(merged.field())?;
        let deprecated = matches!(args.get("includeDeprecated"), Some(Input::Bool(true)));
        let named = match args.get("name") {
            Some(Input::Str(name)) => Some(*name),
            _ => None,
        };
        let mut inner = Vec::new();
        for child in planner.walk.children(merged)? {
            inner.push(planner.walk_within(&child, |planner| IntrospectionField::of(planner, &child))?);
        }
        Ok(IntrospectionField { response: merged.response, name: merged.name(), deprecated, named, inner })
    }
}

/// What a selection is about.
enum Introspected<'s> {
    /// The operation's root type.
    Root(&'s str),
    Schema,
    Type(&'s ExtendedType),
    /// A list or a type that is never null, around others; `true`: without its outermost `!`.
    Wrapped(&'s Type, bool),
    Directive(&'s DirectiveDefinition),
    Field(&'s FieldDefinition),
    Input(&'s InputValueDefinition),
    EnumValue(&'s EnumValueDefinition),
}

impl Introspected<'_> {
    fn type_name(&self) -> &str {
        match self {
            Introspected::Root(name) => name,
            Introspected::Schema => "__Schema",
            Introspected::Type(_) | Introspected::Wrapped(..) => "__Type",
            Introspected::Directive(_) => "__Directive",
            Introspected::Field(_) => "__Field",
            Introspected::Input(_) => "__InputValue",
            Introspected::EnumValue(_) => "__EnumValue",
        }
    }
}

fn is_listed(asked: &IntrospectionField<'_>, directives: &DirectiveList) -> bool {
    asked.deprecated || directives.get("deprecated").is_none()
}

/// Whoever asks has too many answers that are not sent yet.
fn no_room() -> GraphQlError {
    let message = "You ask for too much at a time: wait until some of it is answered, then try again.";
    GraphQlError::new("unavailable", message)
}

struct Writer<'s> {
    schema: &'s Schema,
    out: Vec<u8>,
    room: &'s dyn Fn(usize) -> bool,
    /// Up to here there is room.
    until: usize,
}

type Written = Result<(), GraphQlError>;

impl<'s> Writer<'s> {
    /// Refuses what has grown too large.
    fn holds(&mut self) -> Written {
        if self.out.len() > BYTES_MAX {
            let message = format!("Introspection answers at most {} MiB: ask for less of it.", BYTES_MAX >> 20);
            return Err(GraphQlError::new("limit_bytes", message));
        }
        if self.out.len() > self.until {
            let until = self.out.len() + STEP;
            if !(self.room)(until) {
                return Err(no_room());
            }
            // No more than is charged.
            self.out.reserve_exact(STEP);
            self.until = until;
        }
        Ok(())
    }

    fn object(&mut self, asked: &[IntrospectionField<'_>], thing: &Introspected<'s>) -> Written {
        self.out.push(b'{');
        for (at, field) in asked.iter().enumerate() {
            self.holds()?;
            if at > 0 {
                self.out.push(b',');
            }
            self.text(field.response);
            self.out.push(b':');
            if field.name == "__typename" {
                self.text(thing.type_name());
                continue;
            }
            match thing {
                Introspected::Root(_) => self.root(field)?,
                Introspected::Schema => self.schema(field)?,
                Introspected::Type(definition) => self.definition(field, definition)?,
                Introspected::Wrapped(ty, bare) => self.wrapped(field, ty, *bare)?,
                Introspected::Directive(directive) => self.directive(field, directive)?,
                Introspected::Field(definition) => match field.name {
                    "name" => self.text(&definition.name),
                    "description" => self.optional(definition.description.as_deref()),
                    "args" => self.inputs(field, definition.arguments.iter().map(|arg| &**arg))?,
                    "type" => self.ty(field, &definition.ty, false)?,
                    _ => self.deprecation(field, &definition.directives),
                },
                Introspected::Input(definition) => match field.name {
                    "name" => self.text(&definition.name),
                    "description" => self.optional(definition.description.as_deref()),
                    "type" => self.ty(field, &definition.ty, false)?,
                    "defaultValue" => {
                        let value = definition.default_value.as_ref();
                        self.optional(value.map(|value| value.serialize().no_indent().to_string()).as_deref());
                    }
                    _ => self.deprecation(field, &definition.directives),
                },
                Introspected::EnumValue(definition) => match field.name {
                    "name" => self.text(&definition.value),
                    "description" => self.optional(definition.description.as_deref()),
                    _ => self.deprecation(field, &definition.directives),
                },
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn root(&mut self, asked: &IntrospectionField<'_>) -> Written {
        if asked.name == "__schema" {
            return self.object(&asked.inner, &Introspected::Schema);
        }
        self.named(asked, asked.named)
    }

    fn schema(&mut self, asked: &IntrospectionField<'_>) -> Written {
        let schema = self.schema;
        let root = |name: &'s Option<ComponentName>| name.as_ref().map(|name| name.as_str());
        match asked.name {
            "types" => self.list(asked, schema.types.values().map(Introspected::Type)),
            "directives" => {
                self.list(asked, schema.directive_definitions.values().map(|one| Introspected::Directive(one)))
            }
            "queryType" => self.named(asked, root(&schema.schema_definition.query)),
            "mutationType" => self.named(asked, root(&schema.schema_definition.mutation)),
            "subscriptionType" => self.named(asked, root(&schema.schema_definition.subscription)),
            _ => {
                self.optional(schema.schema_definition.description.as_deref());
                Ok(())
            }
        }
    }

    fn definition(&mut self, asked: &IntrospectionField<'_>, definition: &'s ExtendedType) -> Written {
        match (asked.name, definition) {
            ("kind", _) => self.text(match definition {
                ExtendedType::Scalar(_) => "SCALAR",
                ExtendedType::Object(_) => "OBJECT",
                ExtendedType::Interface(_) => "INTERFACE",
                ExtendedType::Union(_) => "UNION",
                ExtendedType::Enum(_) => "ENUM",
                ExtendedType::InputObject(_) => "INPUT_OBJECT",
            }),
            ("name", _) => self.text(definition.name()),
            ("description", _) => self.optional(definition.description().map(|text| text.as_str())),
            ("specifiedByURL", ExtendedType::Scalar(scalar)) => {
                let by = scalar.directives.get("specifiedBy");
                self.optional(by.and_then(|by| by.specified_argument_by_name("url")).and_then(|url| url.as_str()));
            }
            ("fields", ExtendedType::Object(object)) => {
                let fields = object.fields.values().filter(|field| is_listed(asked, &field.directives));
                return self.list(asked, fields.map(|field| Introspected::Field(field)));
            }
            // There are no interfaces here, nor unions.
            ("interfaces", ExtendedType::Object(_)) => self.out.extend_from_slice(b"[]"),
            ("enumValues", ExtendedType::Enum(values)) => {
                let values = values.values.values().filter(|value| is_listed(asked, &value.directives));
                return self.list(asked, values.map(|value| Introspected::EnumValue(value)));
            }
            ("inputFields", ExtendedType::InputObject(object)) => {
                return self.inputs(asked, object.fields.values().map(|field| &***field));
            }
            ("isOneOf", ExtendedType::InputObject(object)) => self.flag(object.directives.get("oneOf").is_some()),
            _ => self.null(),
        }
        Ok(())
    }

    fn wrapped(&mut self, asked: &IntrospectionField<'_>, ty: &'s Type, bare: bool) -> Written {
        let non_null = ty.is_non_null() && !bare;
        match (asked.name, ty) {
            ("kind", _) => self.text(if non_null { "NON_NULL" } else { "LIST" }),
            ("ofType", _) if non_null => return self.ty(asked, ty, true),
            ("ofType", Type::List(item) | Type::NonNullList(item)) => return self.ty(asked, item, false),
            _ => self.null(),
        }
        Ok(())
    }

    fn directive(&mut self, asked: &IntrospectionField<'_>, directive: &'s DirectiveDefinition) -> Written {
        match asked.name {
            "name" => self.text(&directive.name),
            "description" => self.optional(directive.description.as_deref()),
            "isRepeatable" => self.flag(directive.repeatable),
            "args" => return self.inputs(asked, directive.arguments.iter().map(|arg| &**arg)),
            "locations" => {
                self.out.push(b'[');
                for (at, location) in directive.locations.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    self.text(location.name());
                }
                self.out.push(b']');
            }
            _ => self.deprecation(asked, &DirectiveList::new()),
        }
        Ok(())
    }

    fn deprecation(&mut self, asked: &IntrospectionField<'_>, directives: &DirectiveList) {
        let deprecated = directives.get("deprecated");
        if asked.name == "isDeprecated" {
            return self.flag(deprecated.is_some());
        }
        let reason = deprecated.and_then(|directive| directive.argument_by_name("reason", self.schema).ok());
        self.optional(reason.and_then(|reason| reason.as_str()));
    }

    fn inputs(
        &mut self,
        asked: &IntrospectionField<'_>,
        inputs: impl Iterator<Item = &'s InputValueDefinition>,
    ) -> Written {
        self.list(asked, inputs.filter(|input| is_listed(asked, &input.directives)).map(Introspected::Input))
    }

    fn list(&mut self, asked: &IntrospectionField<'_>, things: impl Iterator<Item = Introspected<'s>>) -> Written {
        self.out.push(b'[');
        for (at, thing) in things.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.object(&asked.inner, &thing)?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// A type as it is written; `bare`: without its outermost `!`.
    fn ty(&mut self, asked: &IntrospectionField<'_>, ty: &'s Type, bare: bool) -> Written {
        match ty {
            Type::Named(name) => self.named(asked, Some(name)),
            Type::NonNullNamed(name) if bare => self.named(asked, Some(name)),
            _ => self.object(&asked.inner, &Introspected::Wrapped(ty, bare)),
        }
    }

    /// The type of a name; null if there is none.
    fn named(&mut self, asked: &IntrospectionField<'_>, name: Option<&str>) -> Written {
        match name.and_then(|name| self.schema.types.get(name)) {
            Some(definition) => self.object(&asked.inner, &Introspected::Type(definition)),
            None => {
                self.null();
                Ok(())
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    fn flag(&mut self, value: bool) {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }
}
