//! `ExperimentalService`: older names of calls that have their place in other services now.

use spicedb_grpc_tonic::v1::{
    CheckBulkPermissionsRequest, CheckBulkPermissionsResponse, ComputablePermissionsRequest,
    ComputablePermissionsResponse, DependentRelationsRequest, DependentRelationsResponse, DiffSchemaRequest,
    DiffSchemaResponse, ExportBulkRelationshipsRequest, ExportBulkRelationshipsResponse,
    ImportBulkRelationshipsRequest, ImportBulkRelationshipsResponse, ReflectSchemaRequest, ReflectSchemaResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::stubs::experimental_service_server::ExperimentalService;
use super::stubs::schema_service_server::SchemaService;
use super::{Answers, Front, bulk, transfer};

#[tonic::async_trait]
impl ExperimentalService for Front {
    type BulkExportRelationshipsStream = Answers<ExportBulkRelationshipsResponse>;

    async fn bulk_check_permission(
        &self,
        request: Request<CheckBulkPermissionsRequest>,
    ) -> Result<Response<CheckBulkPermissionsResponse>, Status> {
        bulk::check_bulk(self, request).await
    }
    async fn bulk_import_relationships(
        &self,
        request: Request<Streaming<ImportBulkRelationshipsRequest>>,
    ) -> Result<Response<ImportBulkRelationshipsResponse>, Status> {
        transfer::import(self, request).await
    }
    async fn bulk_export_relationships(
        &self,
        request: Request<ExportBulkRelationshipsRequest>,
    ) -> Result<Response<Self::BulkExportRelationshipsStream>, Status> {
        transfer::export(self, request).await
    }
    async fn experimental_reflect_schema(
        &self,
        request: Request<ReflectSchemaRequest>,
    ) -> Result<Response<ReflectSchemaResponse>, Status> {
        self.reflect_schema(request).await
    }
    async fn experimental_computable_permissions(
        &self,
        request: Request<ComputablePermissionsRequest>,
    ) -> Result<Response<ComputablePermissionsResponse>, Status> {
        self.computable_permissions(request).await
    }
    async fn experimental_dependent_relations(
        &self,
        request: Request<DependentRelationsRequest>,
    ) -> Result<Response<DependentRelationsResponse>, Status> {
        self.dependent_relations(request).await
    }
    async fn experimental_diff_schema(
        &self,
        request: Request<DiffSchemaRequest>,
    ) -> Result<Response<DiffSchemaResponse>, Status> {
        self.diff_schema(request).await
    }
}
