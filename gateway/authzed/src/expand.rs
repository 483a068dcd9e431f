//! `ExpandPermissionTree`.

use policy_core::{Expanded, ExpandedTree};
use spicedb_grpc_tonic::v1::algebraic_subject_set::Operation;
use spicedb_grpc_tonic::v1::permission_relationship_tree::TreeType;
use spicedb_grpc_tonic::v1::{
    AlgebraicSubjectSet, DirectSubjectSet, ExpandPermissionTreeRequest, ExpandPermissionTreeResponse,
    PermissionRelationshipTree,
};
use tonic::{Request, Response, Status};

use super::status::Failed;
use super::validate::Valid;
use super::{Front, convert};

pub async fn expand(
    front: &Front,
    request: Request<ExpandPermissionTreeRequest>,
) -> Result<Response<ExpandPermissionTreeResponse>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    let at = convert::consistency(request.consistency);
    let resource = convert::object(request.resource);
    let (expanded, at) = admitted.store.expand(&resource, &request.permission, &at).await.map_err(Failed::from)?;
    Ok(Response::new(ExpandPermissionTreeResponse {
        expanded_at: convert::token(at),
        tree_root: Some(tree(&expanded)),
    }))
}

// As deep as one step of a schema nests.
fn tree(expanded: &Expanded) -> PermissionRelationshipTree {
    let intermediate = |operation: Operation, children: &[Expanded]| {
        let children = children.iter().map(tree).collect();
        TreeType::Intermediate(AlgebraicSubjectSet { operation: operation.into(), children })
    };
    let tree_type = match &expanded.tree {
        ExpandedTree::Subjects(subjects) => {
            TreeType::Leaf(DirectSubjectSet { subjects: subjects.iter().map(convert::subject_message).collect() })
        }
        ExpandedTree::Union(children) => intermediate(Operation::Union, children),
        ExpandedTree::Intersection(children) => intermediate(Operation::Intersection, children),
        ExpandedTree::Exclusion(children) => intermediate(Operation::Exclusion, children),
    };
    PermissionRelationshipTree {
        expanded_object: Some(convert::object_message(&expanded.object)),
        expanded_relation: expanded.member.clone(),
        tree_type: Some(tree_type),
    }
}
