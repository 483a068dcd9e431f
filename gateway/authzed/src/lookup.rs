//! `LookupResources` and `LookupSubjects`.

use futures::{StreamExt, stream};
use policy::{MAX_LIMIT, Window};
use policy_core::{EVERYONE, Found, FoundSubject, LookupResources, LookupSubjects};
use spicedb_grpc_tonic::v1::lookup_subjects_request::WildcardOption;
use spicedb_grpc_tonic::v1::{
    LookupResourcesRequest, LookupResourcesResponse, LookupSubjectsRequest, LookupSubjectsResponse, ResolvedSubject,
};
use tonic::{Code, Request, Response, Status};

use super::status::Failed;
use super::validate::Valid;
use super::{Answers, Front, check, convert};

/// A limit that a request names: none, or one that is not too large.
pub fn limit(limit: u32, most: u32) -> Result<Option<u32>, Failed> {
    if limit > most { Err(Failed::limit(limit, most)) } else { Ok((limit > 0).then_some(limit)) }
}

pub async fn resources(
    front: &Front,
    request: Request<LookupResourcesRequest>,
) -> Result<Response<Answers<LookupResourcesResponse>>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    let limit = limit(request.optional_limit, MAX_LIMIT)?;
    let window = Window { limit, after: convert::cursor(request.optional_cursor) };
    let at = convert::consistency(request.consistency);
    let lookup = LookupResources {
        kind: request.resource_object_type,
        permission: request.permission,
        subject: convert::subject(request.subject),
        context: convert::context(request.context)?,
    };
    let page = admitted.store.lookup_resources(&lookup, &window, &at).await.map_err(Failed::from)?;
    let looked_up_at = convert::token(page.at);
    let answers = stream::iter(page.items).map(move |(found, cursor)| {
        let _ = &admitted.place;
        let Found { id, permissionship, missing } = found;
        Ok(LookupResourcesResponse {
            looked_up_at: looked_up_at.clone(),
            resource_object_id: id,
            permissionship: convert::lookup_permissionship(permissionship),
            partial_caveat_info: convert::partial(permissionship, missing),
            after_result_cursor: convert::cursor_message(cursor),
        })
    });
    Ok(Response::new(answers.boxed()))
}

pub async fn subjects(
    front: &Front,
    request: Request<LookupSubjectsRequest>,
) -> Result<Response<Answers<LookupSubjectsResponse>>, Status> {
    let admitted = front.admit(&request)?;
    let request = request.into_inner();
    request.valid()?;
    if request.optional_concrete_limit != 0 {
        return Err(Failed::new(Code::Unimplemented, "concrete limit is not yet supported").into());
    }
    let everyone = request.wildcard_option() != WildcardOption::ExcludeWildcards;
    let at = convert::consistency(request.consistency);
    let lookup = LookupSubjects {
        resource: convert::object(request.resource),
        permission: request.permission,
        kind: request.subject_object_type,
        relation: convert::some(request.optional_subject_relation),
        context: check::context(request.context)?,
    };
    let page = admitted.store.lookup_subjects(&lookup, &at).await.map_err(Failed::from)?;
    let looked_up_at = convert::token(page.at);
    let told = page.items.into_iter().filter(move |(one, _)| everyone || one.found.id != EVERYONE);
    let answers = stream::iter(told).map(move |(found, cursor)| {
        let _ = &admitted.place;
        Ok(subject(found, looked_up_at.clone(), convert::cursor_message(cursor)))
    });
    Ok(Response::new(answers.boxed()))
}

fn resolved(found: Found) -> ResolvedSubject {
    ResolvedSubject {
        subject_object_id: found.id,
        permissionship: convert::lookup_permissionship(found.permissionship),
        partial_caveat_info: convert::partial(found.permissionship, found.missing),
    }
}

/// Older clients read the fields that are marked as deprecated.
#[allow(deprecated)]
fn subject(
    found: FoundSubject,
    looked_up_at: Option<spicedb_grpc_tonic::v1::ZedToken>,
    after_result_cursor: Option<spicedb_grpc_tonic::v1::Cursor>,
) -> LookupSubjectsResponse {
    let subject = resolved(found.found);
    LookupSubjectsResponse {
        looked_up_at,
        subject_object_id: subject.subject_object_id.clone(),
        excluded_subject_ids: found.excluded.iter().map(|excluded| excluded.id.clone()).collect(),
        permissionship: subject.permissionship,
        partial_caveat_info: subject.partial_caveat_info.clone(),
        subject: Some(subject),
        excluded_subjects: found.excluded.into_iter().map(resolved).collect(),
        after_result_cursor,
    }
}
