//! `PermissionsService`, call by call.

use spicedb_grpc_tonic::v1::{
    CheckBulkPermissionsRequest, CheckBulkPermissionsResponse, CheckPermissionRequest, CheckPermissionResponse,
    DeleteRelationshipsRequest, DeleteRelationshipsResponse, ExpandPermissionTreeRequest, ExpandPermissionTreeResponse,
    ExportBulkRelationshipsRequest, ExportBulkRelationshipsResponse, ImportBulkRelationshipsRequest,
    ImportBulkRelationshipsResponse, LookupResourcesRequest, LookupResourcesResponse, LookupSubjectsRequest,
    LookupSubjectsResponse, ReadRelationshipsRequest, ReadRelationshipsResponse, WriteRelationshipsRequest,
    WriteRelationshipsResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::stubs::permissions_service_server::PermissionsService;
use super::{Answers, Front, bulk, check, expand, lookup, relationships, transfer};

#[tonic::async_trait]
impl PermissionsService for Front {
    type ReadRelationshipsStream = Answers<ReadRelationshipsResponse>;
    type LookupResourcesStream = Answers<LookupResourcesResponse>;
    type LookupSubjectsStream = Answers<LookupSubjectsResponse>;
    type ExportBulkRelationshipsStream = Answers<ExportBulkRelationshipsResponse>;

    async fn read_relationships(
        &self,
        request: Request<ReadRelationshipsRequest>,
    ) -> Result<Response<Self::ReadRelationshipsStream>, Status> {
        relationships::read(self, request).await
    }
    async fn write_relationships(
        &self,
        request: Request<WriteRelationshipsRequest>,
    ) -> Result<Response<WriteRelationshipsResponse>, Status> {
        relationships::write(self, request).await
    }
    async fn delete_relationships(
        &self,
        request: Request<DeleteRelationshipsRequest>,
    ) -> Result<Response<DeleteRelationshipsResponse>, Status> {
        relationships::delete(self, request).await
    }
    async fn check_permission(
        &self,
        request: Request<CheckPermissionRequest>,
    ) -> Result<Response<CheckPermissionResponse>, Status> {
        check::check(self, request).await
    }
    async fn check_bulk_permissions(
        &self,
        request: Request<CheckBulkPermissionsRequest>,
    ) -> Result<Response<CheckBulkPermissionsResponse>, Status> {
        bulk::check_bulk(self, request).await
    }
    async fn expand_permission_tree(
        &self,
        request: Request<ExpandPermissionTreeRequest>,
    ) -> Result<Response<ExpandPermissionTreeResponse>, Status> {
        expand::expand(self, request).await
    }
    async fn lookup_resources(
        &self,
        request: Request<LookupResourcesRequest>,
    ) -> Result<Response<Self::LookupResourcesStream>, Status> {
        lookup::resources(self, request).await
    }
    async fn lookup_subjects(
        &self,
        request: Request<LookupSubjectsRequest>,
    ) -> Result<Response<Self::LookupSubjectsStream>, Status> {
        lookup::subjects(self, request).await
    }
    async fn import_bulk_relationships(
        &self,
        request: Request<Streaming<ImportBulkRelationshipsRequest>>,
    ) -> Result<Response<ImportBulkRelationshipsResponse>, Status> {
        transfer::import(self, request).await
    }
    async fn export_bulk_relationships(
        &self,
        request: Request<ExportBulkRelationshipsRequest>,
    ) -> Result<Response<Self::ExportBulkRelationshipsStream>, Status> {
        transfer::export(self, request).await
    }
}
