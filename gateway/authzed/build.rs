//! Server stubs of SpiceDB's API. The messages come from `spicedb-grpc-tonic`, which has no servers.

use tonic_build::manual::{Builder, Method, Service};

const PACKAGE: &str = "authzed.api.v1";
const CODEC: &str = "tonic_prost::ProstCodec";

/// Who sends many messages.
#[derive(Clone, Copy, PartialEq)]
enum Streams {
    Nobody,
    Client,
    Server,
}

use Streams::{Client, Nobody, Server};

/// A service and its calls: the name of the call, of its messages' stem, and who streams.
type Api = (&'static str, &'static [(&'static str, &'static str, Streams)]);

const APIS: [Api; 4] = [
    (
        "PermissionsService",
        &[
            ("ReadRelationships", "ReadRelationships", Server),
            ("WriteRelationships", "WriteRelationships", Nobody),
            ("DeleteRelationships", "DeleteRelationships", Nobody),
            ("CheckPermission", "CheckPermission", Nobody),
            ("CheckBulkPermissions", "CheckBulkPermissions", Nobody),
            ("ExpandPermissionTree", "ExpandPermissionTree", Nobody),
            ("LookupResources", "LookupResources", Server),
            ("LookupSubjects", "LookupSubjects", Server),
            ("ImportBulkRelationships", "ImportBulkRelationships", Client),
            ("ExportBulkRelationships", "ExportBulkRelationships", Server),
        ],
    ),
    (
        "SchemaService",
        &[
            ("ReadSchema", "ReadSchema", Nobody),
            ("WriteSchema", "WriteSchema", Nobody),
            ("ReflectSchema", "ReflectSchema", Nobody),
            ("ComputablePermissions", "ComputablePermissions", Nobody),
            ("DependentRelations", "DependentRelations", Nobody),
            ("DiffSchema", "DiffSchema", Nobody),
        ],
    ),
    ("WatchService", &[("Watch", "Watch", Server)]),
    // The messages of this service are the same on the wire as those that took their place.
    (
        "ExperimentalService",
        &[
            ("BulkCheckPermission", "CheckBulkPermissions", Nobody),
            ("BulkImportRelationships", "ImportBulkRelationships", Client),
            ("BulkExportRelationships", "ExportBulkRelationships", Server),
            ("ExperimentalReflectSchema", "ReflectSchema", Nobody),
            ("ExperimentalComputablePermissions", "ComputablePermissions", Nobody),
            ("ExperimentalDependentRelations", "DependentRelations", Nobody),
            ("ExperimentalDiffSchema", "DiffSchema", Nobody),
        ],
    ),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let services: Vec<Service> = APIS.iter().map(service).collect();
    Builder::new().build_client(false).compile(&services);
}

fn service((name, calls): &Api) -> Service {
    let service = Service::builder().name(name).package(PACKAGE);
    calls.iter().fold(service, |service, call| service.method(method(call))).build()
}

fn method((name, messages, streams): &(&str, &str, Streams)) -> Method {
    let mut method = Method::builder()
        .name(snake(name))
        .route_name(name)
        .input_type(format!("spicedb_grpc_tonic::v1::{messages}Request"))
        .output_type(format!("spicedb_grpc_tonic::v1::{messages}Response"))
        .codec_path(CODEC);
    if *streams == Client {
        method = method.client_streaming();
    }
    if *streams == Server {
        method = method.server_streaming();
    }
    method.build()
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
