//! Introspection: the schema as this caller's grant shapes it.

use apollo_compiler::introspection;
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use bytes::Bytes;

use super::Request;
use super::collect::Merged;
use super::document::Prepared;
use super::error::GraphQlError;
use super::schema::SchemaEntry;

/// The usual question of a GraphQL client has about 120 fields with its fragments written out and no
/// alias; an answer grows with both.
const NODES_MAX: usize = 1_000;
const ALIASES_MAX: usize = 8;
/// Larger texts are answered, and not kept.
const TEXT_MAX: usize = 16 * 1024;

/// The value of `data` for an operation whose roots are all of introspection.
pub(crate) fn answer(
    entry: &SchemaEntry,
    prepared: &Prepared,
    request: &Request,
    roots: &[Merged<'_>],
) -> Result<Bytes, Vec<GraphQlError>> {
    let asks_schema = roots.iter().any(|root| root.name() != "__typename");
    if asks_schema && prepared.size.nodes > NODES_MAX {
        let message = format!("Introspection of more than {NODES_MAX} fields is refused.");
        return Err(vec![GraphQlError::new("limit_fragments", message)]);
    }
    if asks_schema && prepared.size.aliases > ALIASES_MAX {
        let message = format!("Introspection with more than {ALIASES_MAX} aliases is refused.");
        return Err(vec![GraphQlError::new("limit_aliases", message)]);
    }
    let operation = &prepared.operation;
    let keep = asks_schema && operation.variables.is_empty() && request.text.len() <= TEXT_MAX;
    let key = || format!("{}\n{}", request.operation_name.as_deref().unwrap_or_default(), request.text);
    if keep && let Some(bytes) = entry.introspected.lock().get(&key()) {
        return Ok(bytes.clone());
    }
    let bytes = execute(entry, prepared, request).map_err(|error| vec![error])?;
    if keep {
        entry.introspected.lock().put(key(), bytes.clone());
    }
    Ok(bytes)
}

fn execute(entry: &SchemaEntry, prepared: &Prepared, request: &Request) -> Result<Bytes, GraphQlError> {
    let (document, operation) = (&prepared.document, &prepared.operation);
    introspection::check_max_depth(document, operation)
        .map_err(|_| GraphQlError::new("limit_depth", "The introspection is nested too deeply."))?;
    let internal = |_| GraphQlError::new("internal", "Introspection failed.");
    let given = serde_json::to_vec(&request.variables).map_err(internal)?;
    let given: JsonMap = serde_json::from_slice(&given).map_err(internal)?;
    let refused = |error: apollo_compiler::request::RequestError| GraphQlError::invalid(error.message().to_string());
    let variables = coerce_variable_values(&entry.schema, operation, &given).map_err(refused)?;
    let response = introspection::partial_execute(&entry.schema, &entry.implementers, document, operation, &variables)
        .map_err(refused)?;
    if let Some(error) = response.errors.first() {
        return Err(GraphQlError::invalid(error.message.clone()));
    }
    serde_json::to_vec(&response.data).map(Bytes::from).map_err(internal)
}
