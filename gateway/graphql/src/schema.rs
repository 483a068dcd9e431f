//! The GraphQL schema of one view of a space's definitions.

use apollo_compiler::ast::{EnumValueDefinition, FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::{
    Component, ComponentName, EnumType, ExtendedType, InputObjectType, Name, ObjectType, ScalarType, Schema,
    SchemaDefinition,
};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Node, name};
use policy_core::Verb;
use vault_core::query::Function;
use vault_core::schema::{FieldType, ScalarType as Of};

use super::edition;
use super::error::GraphQlError;
use super::names::Spelling;
use super::names::{FUNCTIONS, Op};
use super::visible::{Shape, Visible, VisibleCollection, VisibleField, is_numeric};

/// The field that `Query` has when nothing may be read: a type without fields is none.
pub(crate) const NOTHING: &str = "_nothing";

/// A schema as one shape of permits shows it, with what is derived from it.
pub struct SchemaEntry {
    /// Permits of this shape show it so.
    pub shape: Shape,
    /// How its names are spelt.
    pub spelling: Spelling,
    /// What it was made of.
    pub visible: Visible,
    /// What documents are validated against, and introspection shows.
    pub schema: Valid<Schema>,
}

impl std::fmt::Debug for SchemaEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchemaEntry").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl SchemaEntry {
    /// Builds and validates the schema of `visible`. Fails only if definitions hold a name that is none.
    pub fn build(visible: Visible, shape: Shape, spelling: Spelling) -> Result<SchemaEntry, GraphQlError> {
        let schema = {
            let mut builder = Builder { visible: &visible, spelling, schema: Schema::new(), bad_name: false };
            builder.everything();
            if builder.bad_name {
                return Err(GraphQlError::new("internal", "A definition of this space has a name that is none."));
            }
            builder.schema
        };
        let schema = schema
            .validate()
            .map_err(|_| GraphQlError::new("internal", "The definitions of this space do not make a schema."))?;
        Ok(SchemaEntry { shape, spelling, visible, schema })
    }
}

/// The name of a scalar type in the schema. `Float` and `Float64` are one type.
pub(crate) fn type_name(of: Of) -> &'static str {
    match of {
        Of::Id => "ID",
        Of::Boolean => "Boolean",
        Of::Int => "Int",
        Of::Float64 => "Float",
        Of::Float32 => "Float32",
        Of::String => "String",
        Of::DateTime => "DateTime",
        Of::Json => "JSON",
        Of::Blob => "Blob",
    }
}

/// The operators that conditions on values of a type have.
pub(crate) fn operators(of: Of) -> &'static [Op] {
    match of {
        Of::Boolean => &[Op::Eq, Op::Neq, Op::In, Op::Nin],
        // Ids have an order: who reads all documents in parts goes on behind the last one of a part.
        Of::Id | Of::Int | Of::Float64 | Of::Float32 | Of::DateTime => {
            &[Op::Eq, Op::Neq, Op::In, Op::Nin, Op::Gt, Op::Geq, Op::Lt, Op::Leq]
        }
        Of::String => &[
            Op::Eq,
            Op::Neq,
            Op::In,
            Op::Nin,
            Op::Gt,
            Op::Geq,
            Op::Lt,
            Op::Leq,
            Op::Like,
            Op::Nlike,
            Op::Ilike,
            Op::Nilike,
        ],
        Of::Blob => &[Op::Eq, Op::Neq, Op::In, Op::Nin, Op::Like, Op::Nlike, Op::Ilike, Op::Nilike],
        Of::Json => &[],
    }
}

/// Whether rows can be ordered or grouped by the field.
pub(crate) fn is_plain(field: &VisibleField) -> bool {
    field.scalar().is_some_and(|of| of != Of::Json)
}

fn numeric_fields(collection: &VisibleCollection) -> impl Iterator<Item = &VisibleField> {
    collection.with(Verb::Search).filter(|field| field.is_numeric())
}

fn block(of: Of, not_null: bool, list: bool) -> String {
    let not_null = if not_null { "NotNull" } else { "" };
    let list = if list { "List" } else { "" };
    format!("{not_null}{}{list}OperatorBlock", type_name(of))
}

/// The type that `text` writes, such as `[ID!]!`.
fn parsed(builder: &mut Builder<'_>, text: &str) -> Type {
    let (inner, non_null) = match text.strip_suffix('!') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let ty = match inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(item) => parsed(builder, item).list(),
        None => Type::Named(builder.name(inner)),
    };
    if non_null { ty.non_null() } else { ty }
}

struct Builder<'v> {
    visible: &'v Visible,
    spelling: Spelling,
    schema: Schema,
    bad_name: bool,
}

impl Builder<'_> {
    fn name(&mut self, text: &str) -> Name {
        Name::new(text).unwrap_or_else(|_| {
            self.bad_name = true;
            name!("_invalid")
        })
    }

    fn arg(&mut self, name: &str, ty: &str) -> InputValueDefinition {
        InputValueDefinition {
            description: None,
            name: self.name(name),
            ty: Node::new(parsed(self, ty)),
            default_value: None,
            directives: Default::default(),
        }
    }

    fn field(&mut self, name: &str, ty: &str) -> FieldDefinition {
        self.field_with(name, ty, Vec::new())
    }

    fn field_with(&mut self, name: &str, ty: &str, arguments: Vec<InputValueDefinition>) -> FieldDefinition {
        FieldDefinition {
            description: None,
            name: self.name(name),
            arguments: arguments.into_iter().map(Node::new).collect(),
            ty: parsed(self, ty),
            directives: Default::default(),
        }
    }

    fn add(&mut self, ty: ExtendedType) {
        self.schema.types.insert(ty.name().clone(), ty);
    }

    fn object(&mut self, name: &str, fields: Vec<FieldDefinition>) {
        let object = ObjectType {
            description: None,
            name: self.name(name),
            implements_interfaces: Default::default(),
            directives: Default::default(),
            fields: fields.into_iter().map(|field| (field.name.clone(), Component::new(field))).collect(),
        };
        self.add(ExtendedType::Object(Node::new(object)));
    }

    fn input_object(&mut self, name: &str, fields: Vec<InputValueDefinition>) {
        let object = InputObjectType {
            description: None,
            name: self.name(name),
            directives: Default::default(),
            fields: fields.into_iter().map(|field| (field.name.clone(), Component::new(field))).collect(),
        };
        self.add(ExtendedType::InputObject(Node::new(object)));
    }

    fn enumeration(&mut self, name: &str, values: &[String]) {
        let name = self.name(name);
        let values = values
            .iter()
            .map(|value| {
                let value = self.name(value);
                let definition =
                    EnumValueDefinition { description: None, value: value.clone(), directives: Default::default() };
                (value, Component::new(definition))
            })
            .collect();
        self.add(ExtendedType::Enum(Node::new(EnumType {
            description: None,
            name,
            directives: Default::default(),
            values,
        })));
    }

    fn scalar(&mut self, name: &str) {
        let specified = match name {
            "DateTime" => Some("https://www.rfc-editor.org/rfc/rfc3339"),
            "JSON" => Some("https://www.rfc-editor.org/rfc/rfc8259"),
            _ => None,
        };
        let directives = specified.map(edition::specified_by).into_iter().collect();
        let name = self.name(name);
        self.add(ExtendedType::Scalar(Node::new(ScalarType { description: None, name, directives })));
    }

    fn everything(&mut self) {
        edition::complete(&mut self.schema);
        // An `Int` of our own by the same name: the built-in one is checked for 32 bits.
        for name in ["Int", "Float32", "DateTime", "JSON", "Blob"] {
            self.scalar(name);
        }
        self.enumeration("Ordering", &["ASC".to_owned(), "DESC".to_owned()]);
        for of in [Of::Id, Of::Boolean, Of::Int, Of::Float64, Of::Float32, Of::String, Of::DateTime, Of::Blob] {
            self.operator_blocks(of);
        }
        if self.visible.has_history() {
            self.history_types();
        }
        let visible = self.visible;
        let mut query = Vec::new();
        let mut mutation = Vec::new();
        for collection in &visible.collections {
            self.collection(collection);
            if collection.can_select() {
                let args = self.select_args(collection, true);
                query.push(self.field_with(&collection.name, &format!("[{}]", collection.name), args));
            }
            self.mutations(collection, &mut mutation);
        }
        for function in FUNCTIONS {
            self.root_aggregate(function, &mut query);
        }
        if visible.has_history() {
            self.commit_roots(&mut query);
        }
        if query.is_empty() {
            query.push(self.field(NOTHING, "Boolean"));
        }
        self.object("Query", query);
        let mut root = SchemaDefinition { query: Some(ComponentName::from(name!("Query"))), ..Default::default() };
        if !mutation.is_empty() {
            self.object("Mutation", mutation);
            root.mutation = Some(ComponentName::from(name!("Mutation")));
        }
        self.schema.schema_definition = Node::new(root);
    }

    fn operator_blocks(&mut self, of: Of) {
        let name = type_name(of);
        for not_null in [false, true] {
            let mut fields = Vec::new();
            for &op in operators(of) {
                let Some(op_name) = self.spelling.op(op) else { continue };
                let ty = match op {
                    Op::In | Op::Nin if not_null => format!("[{name}!]"),
                    Op::In | Op::Nin => format!("[{name}]"),
                    Op::Like | Op::Nlike | Op::Ilike | Op::Nilike => "String".to_owned(),
                    _ => name.to_owned(),
                };
                fields.push(self.arg(op_name, &ty));
            }
            let inner = block(of, not_null, false);
            self.input_object(&inner, fields);
            let fields = ["_any", "_all", "_none"].map(|op| self.arg(op, &inner));
            self.input_object(&block(of, not_null, true), fields.into());
        }
    }

    fn history_types(&mut self) {
        let mut fields = vec![
            self.field("cid", "String"),
            self.field("delta", "String"),
            self.field("height", "Int"),
            self.field("links", "[_CommitLink]"),
            self.field("heads", "[_CommitLink]"),
            self.field("docID", "String"),
            self.field("fieldName", "String"),
            self.field("collectionVersionId", "String"),
            self.field("signature", "_CommitSignature"),
        ];
        if self.spelling == Spelling::V0 {
            fields.push(self.field("dockey", "String"));
            fields.push(self.field("schemaVersionId", "String"));
        }
        self.object("_Commit", fields);
        let fields = ["cid", "name", "fieldName"].map(|name| self.field(name, "String"));
        self.object("_CommitLink", fields.into());
        let fields = ["type", "identity", "value"].map(|name| self.field(name, "String"));
        self.object("_CommitSignature", fields.into());
        let fields = vec![
            self.field("fieldName", "String"),
            self.field("value", "JSON"),
            self.field("cid", "String"),
            self.field("reason", "String"),
        ];
        self.object("_Conflict", fields);
        let fields = ["height", "cid", "docID", "fieldName"].map(|name| self.arg(name, "Ordering"));
        self.input_object("_CommitsOrderArg", fields.into());
    }

    fn commit_roots(&mut self, query: &mut Vec<FieldDefinition>) {
        let (ids, field): (&[&str], &str) = match self.spelling {
            Spelling::V0 => (&["dockey", "docID"], "field"),
            Spelling::V1 => (&["docID"], "fieldName"),
        };
        let mut args: Vec<_> = ids.iter().map(|name| self.arg(name, "[ID]")).collect();
        args.push(self.arg("cid", "String"));
        args.push(self.arg(field, "String"));
        for name in ["depth", "height", "limit", "offset"] {
            args.push(self.arg(name, "Int"));
        }
        args.push(self.arg("order", "[_CommitsOrderArg]"));
        query.push(self.field_with(self.spelling.commits(), "[_Commit]", args));
        if self.spelling == Spelling::V0 {
            let args = vec![self.arg("dockey", "[ID]!"), self.arg("field", "String")];
            query.push(self.field_with("latestCommits", "[_Commit]", args));
        }
    }

    /// The arguments of a list of documents.
    fn select_args(&mut self, collection: &VisibleCollection, root: bool) -> Vec<InputValueDefinition> {
        let mut args = Vec::new();
        let name = &collection.name;
        let search = collection.gives(Verb::Search);
        if collection.gives(Verb::Read) {
            // Without `search` a document is read by its id and by nothing else.
            let ids = self.spelling.select_ids();
            let ids = if search || !root { ids } else { &ids[..1] };
            for id in ids {
                args.push(self.arg(id, if search || !root { "[ID]" } else { "[ID]!" }));
            }
        }
        if search {
            args.push(self.arg("filter", &format!("{name}FilterArg")));
            args.push(self.arg("order", &format!("[{name}OrderArg]")));
            args.push(self.arg("limit", "Int"));
            args.push(self.arg("offset", "Int"));
            if !groupable(collection, self.spelling).is_empty() {
                args.push(self.arg("groupBy", &format!("[{name}Field!]")));
            }
        }
        if root && collection.gives(Verb::History) {
            args.push(self.arg("cid", "[String]"));
            args.push(self.arg("showDeleted", "Boolean"));
        }
        args
    }

    fn collection(&mut self, collection: &VisibleCollection) {
        let (name, spelling) = (&collection.name, self.spelling);
        if collection.gives(Verb::Search) {
            self.filter_arg(collection);
            self.order_arg(collection);
            let fields = groupable(collection, spelling);
            if !fields.is_empty() {
                self.enumeration(&format!("{name}Field"), &fields);
            }
            self.selectors(collection);
        }
        let mut fields = vec![self.field(spelling.doc_id(), "ID"), self.field("_deleted", "Boolean")];
        for field in collection.with(Verb::Read) {
            match &field.kind {
                FieldType::Scalar { of, .. } => fields.push(self.field(&field.name, type_name(*of))),
                FieldType::List { of, .. } => fields.push(self.field(&field.name, &format!("[{}]", type_name(*of)))),
                FieldType::ToOne { target, .. } => {
                    let Some(target) = self.visible.collection(*target) else { continue };
                    fields.push(self.field(&field.name, &target.name));
                    fields.push(self.field(&spelling.relation_id(&field.name), "ID"));
                }
                FieldType::Inverse { target, many, .. } => {
                    let Some(target) = self.visible.collection(*target) else { continue };
                    if *many {
                        let args = self.select_args(target, false);
                        fields.push(self.field_with(&field.name, &format!("[{}]", target.name), args));
                    } else {
                        fields.push(self.field(&field.name, &target.name));
                    }
                }
            }
        }
        if collection.gives(Verb::History) {
            fields.push(self.field("_version", "[_Commit]"));
            fields.push(self.field("_conflicts", "[_Conflict]"));
        }
        if collection.gives(Verb::Search) {
            let args = self.select_args(collection, false);
            fields.push(self.field_with(spelling.group(), &format!("[{name}]"), args));
            for function in FUNCTIONS {
                let sources = self.document_sources(collection, function);
                if !sources.is_empty() {
                    fields.push(self.field_with(spelling.function(function), result_of(function), sources));
                }
            }
        }
        self.object(name, fields);
    }

    fn filter_arg(&mut self, collection: &VisibleCollection) {
        let own = format!("{}FilterArg", collection.name);
        let mut fields = vec![
            self.arg("_and", &format!("[{own}!]")),
            self.arg("_or", &format!("[{own}!]")),
            self.arg("_not", &own),
            self.arg(self.spelling.doc_id(), "IDOperatorBlock"),
        ];
        if self.spelling == Spelling::V1 {
            fields.push(self.arg("_alias", "JSON"));
        }
        for field in collection.with(Verb::Search) {
            match &field.kind {
                FieldType::Scalar { of: Of::Json, .. } => fields.push(self.arg(&field.name, "JSON")),
                FieldType::Scalar { of, not_null } => fields.push(self.arg(&field.name, &block(*of, *not_null, false))),
                FieldType::List { of, item_not_null, .. } => {
                    fields.push(self.arg(&field.name, &block(*of, *item_not_null, true)));
                }
                FieldType::ToOne { target, .. } | FieldType::Inverse { target, .. } => {
                    let Some(target) = self.visible.collection(*target) else { continue };
                    fields.push(self.arg(&field.name, &format!("{}FilterArg", target.name)));
                    if matches!(field.kind, FieldType::ToOne { .. }) {
                        fields.push(self.arg(&self.spelling.relation_id(&field.name), "IDOperatorBlock"));
                    }
                }
            }
        }
        self.input_object(&own, fields);
    }

    fn order_arg(&mut self, collection: &VisibleCollection) {
        let mut fields = vec![self.arg(self.spelling.doc_id(), "Ordering")];
        if self.spelling == Spelling::V1 {
            fields.push(self.arg("_alias", "JSON"));
        }
        for field in collection.with(Verb::Search) {
            if is_plain(field) {
                fields.push(self.arg(&field.name, "Ordering"));
            }
            if let FieldType::ToOne { target, .. } = &field.kind
                && let Some(target) = self.visible.collection(*target)
            {
                fields.push(self.arg(&field.name, &format!("{}OrderArg", target.name)));
                fields.push(self.arg(&self.spelling.relation_id(&field.name), "Ordering"));
            }
        }
        self.input_object(&format!("{}OrderArg", collection.name), fields);
    }

    /// What aggregates over the collection, its relations and its lists take.
    fn selectors(&mut self, collection: &VisibleCollection) {
        let name = &collection.name;
        let numeric: Vec<String> = numeric_fields(collection).map(|field| field.name.clone()).collect();
        if !numeric.is_empty() {
            self.enumeration(&format!("{name}__NumericField"), &numeric);
        }
        self.document_selectors(name, collection);
        for field in collection.with(Verb::Search) {
            let own = format!("{name}__{}", field.name);
            match &field.kind {
                FieldType::Inverse { target, many: true, .. } => {
                    let Some(target) = self.visible.collection(*target) else { continue };
                    self.document_selectors(&own, target);
                }
                FieldType::List { of, item_not_null, .. } => {
                    let filter = block(*of, *item_not_null, false);
                    for kind in ["Count", "Numeric"] {
                        if kind == "Count" || is_numeric(*of) {
                            let fields =
                                vec![self.arg("filter", &filter), self.arg("limit", "Int"), self.arg("offset", "Int")];
                            self.input_object(&format!("{own}__{kind}Selector"), fields);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The selectors of aggregates over documents of `target`, under a name of their own.
    fn document_selectors(&mut self, own: &str, target: &VisibleCollection) {
        let shared = |builder: &mut Self| {
            vec![
                builder.arg("filter", &format!("{}FilterArg", target.name)),
                builder.arg("order", &format!("[{}OrderArg]", target.name)),
                builder.arg("limit", "Int"),
                builder.arg("offset", "Int"),
            ]
        };
        let fields = shared(self);
        self.input_object(&format!("{own}__CountSelector"), fields);
        if numeric_fields(target).next().is_some() {
            let mut fields = vec![self.arg("field", &format!("{}__NumericField!", target.name))];
            fields.extend(shared(self));
            self.input_object(&format!("{own}__NumericSelector"), fields);
        }
    }

    /// The sources of an aggregate on a document or a group of this collection.
    fn document_sources(&mut self, collection: &VisibleCollection, function: Function) -> Vec<InputValueDefinition> {
        let counts = function == Function::Count;
        let kind = if counts { "Count" } else { "Numeric" };
        let name = &collection.name;
        let mut sources = Vec::new();
        if counts || numeric_fields(collection).next().is_some() {
            sources.push(self.arg(self.spelling.group(), &format!("{name}__{kind}Selector")));
        }
        for field in collection.with(Verb::Search) {
            let fits = match &field.kind {
                FieldType::Inverse { target, many: true, .. } => self
                    .visible
                    .collection(*target)
                    .is_some_and(|target| counts || numeric_fields(target).next().is_some()),
                FieldType::List { of, .. } => counts || is_numeric(*of),
                _ => false,
            };
            if fits {
                sources.push(self.arg(&field.name, &format!("{name}__{}__{kind}Selector", field.name)));
            }
        }
        sources
    }

    fn root_aggregate(&mut self, function: Function, query: &mut Vec<FieldDefinition>) {
        let counts = function == Function::Count;
        let kind = if counts { "Count" } else { "Numeric" };
        let mut sources = Vec::new();
        for collection in &self.visible.collections {
            if collection.gives(Verb::Search) && (counts || numeric_fields(collection).next().is_some()) {
                sources.push(self.arg(&collection.name, &format!("{}__{kind}Selector", collection.name)));
            }
        }
        if !sources.is_empty() {
            query.push(self.field_with(self.spelling.function(function), result_of(function), sources));
        }
    }

    fn mutations(&mut self, collection: &VisibleCollection, mutation: &mut Vec<FieldDefinition>) {
        let (name, spelling) = (&collection.name, self.spelling);
        let input = format!("{name}MutationInputArg");
        let result = format!("[{name}]");
        let search = collection.gives(Verb::Search);
        let (adds, updates) = (can_set(collection, Verb::Create), can_set(collection, Verb::Update));
        if adds || updates {
            self.mutation_input(collection, &input);
        }
        if adds {
            let args = match spelling {
                Spelling::V0 => vec![self.arg("data", "String"), self.arg("input", &format!("[{input}!]"))],
                Spelling::V1 => vec![self.arg("input", &format!("[{input}!]!"))],
            };
            mutation.push(self.field_with(&format!("{}{name}", spelling.add()), &result, args));
        }
        if updates {
            let mut args = self.target_args(collection);
            match spelling {
                Spelling::V0 => {
                    args.push(self.arg("data", "String"));
                    args.push(self.arg("input", &input));
                }
                Spelling::V1 => args.push(self.arg("input", &format!("{input}!"))),
            }
            if collection.gives(Verb::History) {
                args.push(self.arg("expectHeads", "[String!]"));
            }
            mutation.push(self.field_with(&format!("update_{name}"), &result, args));
        }
        if adds && updates && search {
            let args = vec![
                self.arg("filter", &format!("{name}FilterArg!")),
                self.arg("add", &format!("{input}!")),
                self.arg("update", &format!("{input}!")),
            ];
            mutation.push(self.field_with(&format!("upsert_{name}"), &result, args));
        }
        if collection.gives(Verb::Delete) {
            for verb in ["delete", "restore"] {
                let mut args = self.target_args(collection);
                if collection.gives(Verb::History) {
                    args.push(self.arg("expectHeads", "[String!]"));
                }
                mutation.push(self.field_with(&format!("{verb}_{name}"), &result, args));
            }
        }
    }

    /// The arguments that say which documents a mutation is about.
    fn target_args(&mut self, collection: &VisibleCollection) -> Vec<InputValueDefinition> {
        let ids = self.spelling.change_ids();
        if !collection.gives(Verb::Search) {
            return vec![self.arg(ids[0], "[ID]!")];
        }
        let mut args: Vec<_> = ids.iter().map(|id| self.arg(id, "[ID]")).collect();
        args.push(self.arg("filter", &format!("{}FilterArg", collection.name)));
        args
    }

    /// Every field that may be set by adding or by updating; which of the two is the planner's to say.
    fn mutation_input(&mut self, collection: &VisibleCollection, name: &str) {
        let mut fields = Vec::new();
        if collection.own_ids {
            fields.push(self.arg(self.spelling.doc_id(), "ID"));
        }
        for field in &collection.fields {
            if !field.has(Verb::Create) && !field.has(Verb::Update) {
                continue;
            }
            match &field.kind {
                FieldType::Scalar { of, .. } => fields.push(self.arg(&field.name, type_name(*of))),
                FieldType::List { of, .. } => fields.push(self.arg(&field.name, &format!("[{}]", type_name(*of)))),
                FieldType::ToOne { .. } => {
                    fields.push(self.arg(&field.name, "ID"));
                    fields.push(self.arg(&self.spelling.relation_id(&field.name), "ID"));
                }
                FieldType::Inverse { .. } => {}
            }
        }
        self.input_object(name, fields);
    }
}

fn result_of(function: Function) -> &'static str {
    match function {
        Function::Count => "Int",
        _ => "Float",
    }
}

/// Whether the collection has the verb and a field to use it on.
fn can_set(collection: &VisibleCollection, verb: Verb) -> bool {
    collection.gives(verb) && collection.with(verb).next().is_some()
}

/// The names by which rows can be grouped.
fn groupable(collection: &VisibleCollection, spelling: Spelling) -> Vec<String> {
    collection
        .with(Verb::Search)
        .filter_map(|field| match &field.kind {
            FieldType::ToOne { .. } => Some(spelling.relation_id(&field.name)),
            _ => is_plain(field).then(|| field.name.clone()),
        })
        .collect()
}
