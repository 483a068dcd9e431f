//! COUNT, SUM, AVG, MIN, MAX: at the root, on a document, in a group.

use policy_core::Verb;
use vault_core::query::{Aggregate, AggregateSource, Function, Over};
use vault_core::schema::FieldType;

use super::aliases::Aliases;
use super::collect::{Merged, count};
use super::error::GraphQlError;
use super::input::Input;
use super::planner::Planner;
use super::visible::VisibleCollection;

impl<'a> Planner<'a> {
    /// Over collections.
    pub(crate) fn root_aggregate(&mut self, root: &Merged<'a>, function: Function) -> Result<Aggregate, GraphQlError> {
        let args = self.walk.arguments(root.field())?;
        let mut sources = Vec::new();
        for (name, input) in args.iter().filter(|(_, input)| !input.is_null()) {
            let collection =
                self.entry.visible.named(name).ok_or_else(|| GraphQlError::unknown_field("Query", name))?;
            sources.push(self.documents(Over::Collection(collection.id), collection, function, input)?);
        }
        aggregate(function, sources, root.name())
    }

    /// Over relations and lists of a document, or the documents of a group.
    pub(crate) fn document_aggregate(
        &mut self,
        collection: &'a VisibleCollection,
        child: &Merged<'a>,
        function: Function,
        grouped: bool,
    ) -> Result<Aggregate, GraphQlError> {
        let args = self.walk.arguments(child.field())?;
        let mut sources = Vec::new();
        for (name, input) in args.iter().filter(|(_, input)| !input.is_null()) {
            if name == self.spelling().group() {
                if !grouped {
                    return Err(GraphQlError::invalid(format!("`{name}` needs `groupBy`.")));
                }
                sources.push(self.documents(Over::Group, collection, function, input)?);
                continue;
            }
            if grouped {
                let message = format!("A group has no `{name}`: aggregate over `{}`.", self.spelling().group());
                return Err(GraphQlError::invalid(message));
            }
            let owner = || GraphQlError::unknown_field(&collection.name, name);
            let field = collection.named(name, Verb::Search).ok_or_else(owner)?;
            match &field.kind {
                FieldType::Inverse { target, many: true, .. } => {
                    let related = self.entry.visible.collection(*target).ok_or_else(owner)?;
                    sources.push(self.documents(Over::Relation(field.id, *target), related, function, input)?);
                }
                FieldType::List { of, .. } => {
                    let elements = match input.get("filter").filter(|filter| !filter.is_null()) {
                        Some(block) => self.element_operators(*of, block, name)?,
                        None => Vec::new(),
                    };
                    sources.push(AggregateSource {
                        over: Over::List(field.id),
                        field: None,
                        filter: None,
                        elements,
                        order: Vec::new(),
                        limit: number(input, "limit")?,
                        offset: number(input, "offset")?.unwrap_or(0),
                    });
                }
                _ => return Err(owner()),
            }
        }
        aggregate(function, sources, child.name())
    }

    fn documents(
        &self,
        over: Over,
        collection: &VisibleCollection,
        function: Function,
        input: &Input<'_>,
    ) -> Result<AggregateSource, GraphQlError> {
        let given = |name: &str| input.get(name).filter(|value| !value.is_null());
        let field = match (function, given("field")) {
            (Function::Count, _) => None,
            (_, Some(Input::Enum(name))) => {
                let field = collection.named(name, Verb::Search).filter(|field| field.is_numeric());
                Some(
                    field
                        .ok_or_else(|| {
                            GraphQlError::unknown_field(&format!("{}__NumericField", collection.name), name)
                        })?
                        .id,
                )
            }
            _ => return Err(GraphQlError::invalid("The aggregate names no field.")),
        };
        let aliases = Aliases::default();
        Ok(AggregateSource {
            over,
            field,
            filter: given("filter").map(|filter| self.filter(collection, filter, &aliases)).transpose()?,
            elements: Vec::new(),
            order: match given("order") {
                Some(order) => self.order(collection, order, &aliases)?,
                None => Vec::new(),
            },
            limit: number(input, "limit")?,
            offset: number(input, "offset")?.unwrap_or(0),
        })
    }
}

fn number(input: &Input<'_>, name: &str) -> Result<Option<u64>, GraphQlError> {
    input.get(name).filter(|value| !value.is_null()).map(|value| count(value, name)).transpose()
}

fn aggregate(function: Function, sources: Vec<AggregateSource>, name: &str) -> Result<Aggregate, GraphQlError> {
    if sources.is_empty() {
        return Err(GraphQlError::invalid(format!("`{name}` has nothing to work on.")));
    }
    Ok(Aggregate { function, sources })
}
