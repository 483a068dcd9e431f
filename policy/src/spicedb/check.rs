//! Checks: many at a time, all at one snapshot.

use policy_core::{Check, CheckError, Decision, EVERYONE, Object, Permissionship, is_object_id};
use prost::Message;
use spicedb_grpc_tonic::v1;
use tonic::Code;
use v1::check_bulk_permissions_pair::Response;
use v1::permissions_service_client::PermissionsServiceClient;

use super::connection::Repeat;
use super::error::{check_error, garbled, service_error};
use super::{SpiceDb, convert};
use crate::{Answers, Consistency, ServiceError, Token};

/// How much one call carries: SpiceDB takes 10,000 checks and, as gRPC does, 4 MiB.
const CHUNK: usize = 1_000;
pub(super) const CHUNK_BYTES: usize = 2 << 20;

impl SpiceDb {
    pub(super) async fn check_all(&self, checks: &[Check], at: &Consistency) -> Result<Answers, ServiceError> {
        let mut decisions = Vec::with_capacity(checks.len());
        let mut asked = Vec::new();
        for check in checks {
            // One malformed check would fail all the others of its call.
            match malformed(check) {
                Some(error) => decisions.push(Some(Err(error))),
                None => {
                    decisions.push(None);
                    asked.push(convert::check_item(check));
                }
            }
        }
        let mut snapshot: Option<Token> = None;
        let mut answers = Vec::with_capacity(asked.len());
        for items in chunks(asked, CHUNK, CHUNK_BYTES) {
            let at = snapshot.as_ref().map_or_else(|| at.clone(), |token| Consistency::Exactly(token.clone()));
            let token = self.check_chunk(items, &at, &mut answers).await?;
            snapshot.get_or_insert(token);
        }
        let at = match snapshot {
            Some(token) => token,
            None => self.point(at).await?,
        };
        let mut answers = answers.into_iter();
        let decisions = decisions.into_iter().map(|known| known.or_else(|| answers.next())).collect::<Option<Vec<_>>>();
        Ok(Answers { decisions: decisions.ok_or_else(|| garbled("fewer answers than checks"))?, at })
    }

    async fn check_chunk(
        &self,
        items: Vec<v1::CheckBulkPermissionsRequestItem>,
        at: &Consistency,
        answers: &mut Vec<Result<Decision, CheckError>>,
    ) -> Result<Token, ServiceError> {
        let (began, asked, count) = (self.freshness.begin(), self.requirement(at), items.len());
        let consistency = convert::required(asked.clone());
        let message = v1::CheckBulkPermissionsRequest { consistency, items, with_tracing: false };
        let answer = self
            .connection
            .call(Repeat::Safely, self.connection.deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { PermissionsServiceClient::new(attempt.channel).check_bulk_permissions(request).await }
            })
            .await?
            .into_inner();
        if answer.pairs.len() != count {
            return Err(garbled("another number of answers than of checks"));
        }
        for (pair, item) in answer.pairs.into_iter().zip(&message.items) {
            let own = pair.request.as_ref().is_some_and(|request| {
                (&request.resource, &request.permission, &request.subject)
                    == (&item.resource, &item.permission, &item.subject)
            });
            if !own {
                return Err(garbled("an answer to another check"));
            }
            answers.push(match pair.response {
                Some(Response::Item(item)) => Ok(decision(item.permissionship, item.partial_caveat_info)?),
                Some(Response::Error(status)) => {
                    let error = service_error(Code::from_i32(status.code), &status.message, &status.details);
                    Err(check_error(error)?)
                }
                None => return Err(garbled("a check without answer")),
            });
        }
        let token = convert::to_token(answer.checked_at)?;
        self.answered(began, &asked, &token);
        Ok(token)
    }
}

/// SpiceDB does not tell on which relationships a decision rests, so neither until when it holds.
pub(super) fn decision(permissionship: i32, info: Option<v1::PartialCaveatInfo>) -> Result<Decision, ServiceError> {
    let permissionship = convert::check_permissionship(permissionship)?;
    let missing = if permissionship == Permissionship::Conditional { convert::missing(info) } else { Vec::new() };
    Ok(Decision { permissionship, missing, valid_until: None })
}

/// What SpiceDB would refuse the whole call for.
fn malformed(check: &Check) -> Option<CheckError> {
    let Check { resource, permission, subject, .. } = check;
    if subject.object.id == EVERYONE {
        return Some(CheckError::Everyone);
    }
    for Object { kind, id } in [resource, &subject.object] {
        if !is_definition_name(kind) {
            return Some(CheckError::UnknownDefinition { definition: kind.clone() });
        }
        if !is_object_id(id) {
            return Some(CheckError::ObjectId { id: id.clone() });
        }
    }
    for (kind, member) in [(&resource.kind, Some(permission)), (&subject.object.kind, subject.relation.as_ref())] {
        if let Some(member) = member
            && !is_member_name(member)
        {
            return Some(CheckError::UnknownMember { definition: kind.clone(), member: member.clone() });
        }
    }
    None
}

fn is_definition_name(name: &str) -> bool {
    let (path, last) = name.rsplit_once('/').map_or(("", name), |(path, last)| (path, last));
    let fits = |segment: &str| segment.len() <= 63 && is_member_name(segment);
    name.len() <= 128 && is_member_name(last) && (!name.contains('/') || path.split('/').all(fits))
}

/// 3 to 64 lower-case letters, digits and underscores, the first a letter, the last no underscore.
fn is_member_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (3..=64).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes[bytes.len() - 1] != b'_'
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
}

/// In order, at most `count` items and about `bytes` bytes at a time.
pub(super) fn chunks<T: Message>(items: Vec<T>, count: usize, bytes: usize) -> Vec<Vec<T>> {
    let (mut all, mut size) = (Vec::<Vec<T>>::new(), 0);
    for item in items {
        let length = item.encoded_len();
        match all.last_mut() {
            Some(chunk) if chunk.len() < count && size + length <= bytes => {
                size += length;
                chunk.push(item);
            }
            _ => {
                size = length;
                all.push(vec![item]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use policy_core::Subject;

    use super::*;

    #[test]
    fn chunks_keep_order_and_bounds() {
        let item = |n: usize| v1::ObjectReference { object_type: String::new(), object_id: "x".repeat(n) };
        let items: Vec<_> = [1, 2, 3, 50, 200, 4].into_iter().map(item).collect();
        let sizes: Vec<Vec<usize>> = chunks(items, 2, 100)
            .into_iter()
            .map(|chunk| chunk.into_iter().map(|item| item.object_id.len()).collect())
            .collect();
        assert_eq!(sizes, [vec![1, 2], vec![3, 50], vec![200], vec![4]]);
        assert!(chunks(Vec::<v1::ObjectReference>::new(), 2, 100).is_empty());
    }

    #[test]
    fn what_would_fail_the_whole_call_is_answered_here() {
        let check = |resource: &str, permission: &str, subject: &str| {
            malformed(&Check::new(
                resource.split_once(':').map(|(kind, id)| Object::new(kind, id)).unwrap(),
                permission,
                subject.split_once(':').map(|(kind, id)| Subject::object(kind, id)).unwrap(),
            ))
        };
        assert_eq!(check("doc:1", "view", "user:tom"), None);
        assert_eq!(check("nsp/doc:1", "view", "user:tom"), None);
        assert_eq!(check("doc:1", "view", "user:*"), Some(CheckError::Everyone));
        assert_eq!(check("doc:a b", "view", "user:tom"), Some(CheckError::ObjectId { id: "a b".into() }));
        assert_eq!(check("doc:*", "view", "user:tom"), Some(CheckError::ObjectId { id: "*".into() }));
        assert_eq!(check("D:1", "view", "user:tom"), Some(CheckError::UnknownDefinition { definition: "D".into() }));
        let unknown = CheckError::UnknownMember { definition: "doc".into(), member: "vi".into() };
        assert_eq!(check("doc:1", "vi", "user:tom"), Some(unknown));
        for name in ["vie_", "1ab", "vIew", ""] {
            assert!(!is_member_name(name), "{name}");
        }
    }
}
