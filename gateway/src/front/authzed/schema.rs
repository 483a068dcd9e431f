//! `SchemaService`.

use spicedb_grpc_tonic::v1::{
    ComputablePermissionsRequest, ComputablePermissionsResponse, DependentRelationsRequest, DependentRelationsResponse,
    DiffSchemaRequest, DiffSchemaResponse, ReadSchemaRequest, ReadSchemaResponse, ReflectSchemaRequest,
    ReflectSchemaResponse, WriteSchemaRequest, WriteSchemaResponse,
};
use tonic::{Request, Response, Status};

use super::status::Failed;
use super::stubs::schema_service_server::SchemaService;
use super::validate::Valid;
use super::{Front, convert};

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
        self.writable()?;
        let at = admitted.store.write_schema(&request.schema).await.map_err(Failed::from)?;
        Ok(Response::new(WriteSchemaResponse { written_at: convert::token(at) }))
    }

    async fn reflect_schema(
        &self,
        _request: Request<ReflectSchemaRequest>,
    ) -> Result<Response<ReflectSchemaResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn computable_permissions(
        &self,
        _request: Request<ComputablePermissionsRequest>,
    ) -> Result<Response<ComputablePermissionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn dependent_relations(
        &self,
        _request: Request<DependentRelationsRequest>,
    ) -> Result<Response<DependentRelationsResponse>, Status> {
        Err(Status::unimplemented(""))
    }
    async fn diff_schema(&self, _request: Request<DiffSchemaRequest>) -> Result<Response<DiffSchemaResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
