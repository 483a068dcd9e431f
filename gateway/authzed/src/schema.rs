//! `SchemaService`.

use policy::{Consistency, Reason, RelationshipService, ServiceError, Token};
use policy_core::{ReflectError, ReflectFilter, Schema};
use spicedb_grpc_tonic::v1::{
    self, ComputablePermissionsRequest, ComputablePermissionsResponse, DependentRelationsRequest,
    DependentRelationsResponse, DiffSchemaRequest, DiffSchemaResponse, ReadSchemaRequest, ReadSchemaResponse,
    ReflectSchemaRequest, ReflectSchemaResponse, WriteSchemaRequest, WriteSchemaResponse,
};
use tonic::{Code, Request, Response, Status};

use super::status::Failed;
use super::stubs::schema_service_server::SchemaService;
use super::validate::{self, Valid};
use super::{Front, convert, reflect};

#[tonic::async_trait]
impl SchemaService for Front {
    async fn read_schema(&self, request: Request<ReadSchemaRequest>) -> Result<Response<ReadSchemaResponse>, Status> {
        let admitted = self.admit(&request)?;
        let (schema_text, at) = admitted.store.read_schema().await.map_err(Failed::from)?;
        Ok(Response::new(ReadSchemaResponse { schema_text, read_at: convert::token(at) }))
    }

    async fn write_schema(
        &self,
        request: Request<WriteSchemaRequest>,
    ) -> Result<Response<WriteSchemaResponse>, Status> {
        let admitted = self.admit(&request)?;
        let request = request.into_inner();
        request.valid()?;
        if self.read_only {
            parse(&request.schema)?;
        }
        self.writable()?;
        let at = admitted.store.write_schema(&request.schema).await.map_err(Failed::from)?;
        Ok(Response::new(WriteSchemaResponse { written_at: convert::token(at) }))
    }

    async fn reflect_schema(
        &self,
        request: Request<ReflectSchemaRequest>,
    ) -> Result<Response<ReflectSchemaResponse>, Status> {
        let admitted = self.admit(&request)?;
        let request = request.into_inner();
        let (schema, at) = read(&*admitted.store, request.consistency).await?;
        let filters: Vec<ReflectFilter> = request.optional_filters.iter().map(filter).collect();
        let reflection = schema.reflect(&filters).map_err(|error| {
            let wrong = filters.iter().find(|filter| Schema::default().reflect(&[(*filter).clone()]).is_err());
            wrong.into_iter().fold(failed(error), |failed, filter| failed.with("filter", filter_text(filter)))
        })?;
        Ok(Response::new(ReflectSchemaResponse {
            definitions: reflection.definitions.into_iter().map(reflect::definition).collect(),
            caveats: reflection.caveats.into_iter().map(reflect::caveat).collect(),
            read_at: convert::token(at),
        }))
    }

    async fn computable_permissions(
        &self,
        request: Request<ComputablePermissionsRequest>,
    ) -> Result<Response<ComputablePermissionsResponse>, Status> {
        let admitted = self.admit(&request)?;
        let request = request.into_inner();
        let (schema, at) = read(&*admitted.store, request.consistency).await?;
        let relation = convert::some(request.relation_name);
        let (definition, filter) = (&request.definition_name, &request.optional_definition_name_filter);
        let found = schema.computable_permissions(definition, relation.as_deref(), filter).map_err(failed)?;
        let permissions = found.into_iter().map(reflect::member).collect();
        Ok(Response::new(ComputablePermissionsResponse { permissions, read_at: convert::token(at) }))
    }

    async fn dependent_relations(
        &self,
        request: Request<DependentRelationsRequest>,
    ) -> Result<Response<DependentRelationsResponse>, Status> {
        let admitted = self.admit(&request)?;
        let request = request.into_inner();
        let (schema, at) = read(&*admitted.store, request.consistency).await?;
        let found = schema.dependent_relations(&request.definition_name, &request.permission_name).map_err(failed)?;
        let relations = found.into_iter().map(reflect::member).collect();
        Ok(Response::new(DependentRelationsResponse { relations, read_at: convert::token(at) }))
    }

    async fn diff_schema(&self, request: Request<DiffSchemaRequest>) -> Result<Response<DiffSchemaResponse>, Status> {
        let admitted = self.admit(&request)?;
        let request = request.into_inner();
        let (schema, at) = read(&*admitted.store, request.consistency).await?;
        // What a store has kept is in normal form; the other is brought into it.
        let other = parse(&parse(&request.comparison_schema)?.to_source())?;
        let diffs = schema.diff(&other).into_iter().map(reflect::difference).collect();
        Ok(Response::new(DiffSchemaResponse { diffs, read_at: convert::token(at) }))
    }
}

/// The schema, one of nothing if none was written, and the point that was asked for.
async fn read(
    store: &dyn RelationshipService,
    consistency: Option<v1::Consistency>,
) -> Result<(Schema, Token), Failed> {
    validate::consistency(consistency.as_ref())?;
    let at: Consistency = convert::consistency(consistency);
    let at = store.check(&[], &at).await?.at;
    match store.read_schema().await {
        Ok((text, _)) => Ok((parse(&text)?, at)),
        Err(error) if error.reason == Reason::NoSchema => Ok((Schema::default(), at)),
        Err(error) => Err(error.into()),
    }
}

fn parse(text: &str) -> Result<Schema, Failed> {
    Schema::parse(text).map_err(|error| ServiceError::from(error).into())
}

/// A filter as the text form of a message.
fn filter_text(filter: &ReflectFilter) -> String {
    let fields = [
        ("optional_definition_name_filter", &filter.definition),
        ("optional_caveat_name_filter", &filter.caveat),
        ("optional_relation_name_filter", &filter.relation),
        ("optional_permission_name_filter", &filter.permission),
    ];
    let named = fields.into_iter().filter(|(_, value)| !value.is_empty());
    named.map(|(name, value)| format!("{name}:{value:?}")).collect::<Vec<_>>().join(" ")
}

fn filter(filter: &v1::ReflectionSchemaFilter) -> ReflectFilter {
    ReflectFilter {
        definition: filter.optional_definition_name_filter.clone(),
        caveat: filter.optional_caveat_name_filter.clone(),
        relation: filter.optional_relation_name_filter.clone(),
        permission: filter.optional_permission_name_filter.clone(),
    }
}

fn failed(error: ReflectError) -> Failed {
    let message = error.to_string();
    match error {
        ReflectError::UnknownDefinition(definition) => Failed::new(Code::FailedPrecondition, message)
            .reason("SCHEMA_TYPE_ERROR")
            .with("definition_name", definition),
        ReflectError::UnknownMember { definition, name } => Failed::new(Code::FailedPrecondition, message)
            .reason("UNKNOWN_RELATION_OR_PERMISSION")
            .with("definition_name", definition)
            .with("relation_or_permission_name", name),
        ReflectError::NotAPermission(name) => {
            Failed::invalid(message).reason("UNKNOWN_RELATION_OR_PERMISSION").with("relationName", name)
        }
        ReflectError::Filter(_) => Failed::invalid(message).reason("INVALID_FILTER"),
    }
}
