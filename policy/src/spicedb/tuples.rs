//! Relationships: written, deleted, read, and the tree of what they make.

use policy_core::{Expanded, ExpandedTree, Filter, Object, Tuple, Update};
use spicedb_grpc_tonic::v1;
use tonic::Code;
use v1::consistency::Requirement;
use v1::permission_relationship_tree::TreeType;
use v1::permissions_service_client::PermissionsServiceClient;

use super::check::{CHUNK_BYTES, chunks};
use super::connection::Repeat;
use super::cursor::{Asked, CursorBody, Wanted};
use super::error::garbled;
use super::{SpiceDb, convert};
use crate::service;
use crate::service::{Consistency, Delete, Deleted, Page, ServiceError, Token, Window, Write};

/// The most that SpiceDB reads at a time.
const PAGE: u32 = 1_000;
/// How many relationships one message of an import carries.
const IMPORT: usize = 1_000;

impl SpiceDb {
    pub(super) async fn write_tuples(&self, write: Write) -> Result<Token, ServiceError> {
        let creates = write.updates.iter().any(|update| matches!(update, Update::Create(_)));
        // A second time, what was created is there already, and what was looked for before may be otherwise.
        let repeat = if creates || !write.preconditions.is_empty() { Repeat::Never } else { Repeat::Safely };
        let message = v1::WriteRelationshipsRequest {
            updates: write.updates.iter().map(convert::update).collect(),
            optional_preconditions: write.preconditions.iter().map(convert::precondition).collect(),
            optional_transaction_metadata: convert::request_context(&write.metadata),
        };
        let began = self.freshness.begin();
        let answer = self
            .connection
            .call(repeat, self.connection.deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { PermissionsServiceClient::new(attempt.channel).write_relationships(request).await }
            })
            .await;
        let at = self.written(answer)?.into_inner().written_at;
        let at = convert::to_token(at)?;
        self.freshness.wrote(began, &at);
        Ok(at)
    }

    pub(super) async fn delete_tuples(&self, delete: Delete) -> Result<Deleted, ServiceError> {
        use v1::delete_relationships_response::DeletionProgress;
        let message = v1::DeleteRelationshipsRequest {
            relationship_filter: Some(convert::filter(&delete.filter)),
            optional_preconditions: delete.preconditions.iter().map(convert::precondition).collect(),
            optional_limit: delete.limit.unwrap_or(0),
            optional_allow_partial_deletions: delete.partial,
            optional_transaction_metadata: convert::request_context(&delete.metadata),
        };
        let began = self.freshness.begin();
        // A second time it would count what is left, or take as many again.
        let answer = self
            .connection
            .call(Repeat::Never, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { PermissionsServiceClient::new(attempt.channel).delete_relationships(request).await }
            })
            .await;
        let answer = self.written(answer)?.into_inner();
        let complete = answer.deletion_progress() == DeletionProgress::Complete;
        let at = convert::to_token(answer.deleted_at)?;
        self.freshness.wrote(began, &at);
        Ok(Deleted { count: answer.relationships_deleted_count, complete, at })
    }

    /// A write of which it is not known what became of it may have been made.
    fn written<T>(&self, answer: Result<T, ServiceError>) -> Result<T, ServiceError> {
        if answer.is_err() {
            self.freshness.changed();
        }
        answer
    }

    /// By SpiceDB's own way for many, else by writes.
    pub(super) async fn import_tuples(&self, tuples: Vec<Tuple>) -> Result<(), ServiceError> {
        // It is not offered, or some are there already: all of it is taken back.
        let refused = |code| matches!(code, Code::Unimplemented | Code::AlreadyExists);
        let sent = self.send_many(&tuples, refused).await?;
        if sent { Ok(()) } else { service::import_by_writes(self, tuples).await }
    }

    pub(super) async fn create_tuples(&self, tuples: &[Tuple]) -> Result<(), ServiceError> {
        if self.send_many(tuples, |code| code == Code::Unimplemented).await? {
            return Ok(());
        }
        let updates = tuples.iter().cloned().map(Update::Create).collect();
        self.write_tuples(Write { updates, ..Write::default() }).await.map(drop)
    }

    /// Creates all, in one transaction. False if SpiceDB refused by a code that is `refused` here.
    async fn send_many(
        &self,
        tuples: &[Tuple],
        refused: impl Fn(Code) -> bool + Copy + Send + Sync,
    ) -> Result<bool, ServiceError> {
        let relationships = tuples.iter().map(convert::relationship).collect();
        let messages: Vec<_> = chunks(relationships, IMPORT, CHUNK_BYTES)
            .into_iter()
            .map(|relationships| v1::ImportBulkRelationshipsRequest { relationships })
            .collect();
        let sent = self
            .connection
            .call(Repeat::Never, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(futures::stream::iter(messages.clone()));
                async move {
                    let mut client = PermissionsServiceClient::new(attempt.channel);
                    match client.import_bulk_relationships(request).await {
                        Ok(_) => Ok(true),
                        Err(status) if refused(status.code()) => Ok(false),
                        Err(status) => Err(status),
                    }
                }
            })
            .await;
        self.freshness.changed();
        sent
    }

    pub(super) async fn read_tuples(
        &self,
        filter: &Filter,
        window: &Window,
        at: &Consistency,
    ) -> Result<Page<Tuple>, ServiceError> {
        let mut place = window.after.as_ref().map(|cursor| CursorBody::decode(cursor, filter)).transpose()?;
        let wanted = window.limit.map_or(usize::MAX, |limit| limit as usize);
        let (asked, began) = match place.as_ref().and_then(|place| place.asked.clone()) {
            // SpiceDB's cursors go with the limit and the consistency that they were given for.
            Some(asked) => (asked, None),
            None => {
                let consistency = match self.requirement(at) {
                    Requirement::AtLeastAsFresh(token) => Wanted::AtLeast(token.token),
                    Requirement::AtExactSnapshot(token) => Wanted::Exactly(token.token),
                    Requirement::FullyConsistent(_) | Requirement::MinimizeLatency(_) => Wanted::Full,
                };
                let limit = window.limit.unwrap_or(PAGE).clamp(1, PAGE);
                (Asked { limit, consistency }, Some(self.freshness.begin()))
            }
        };
        let mut items = Vec::new();
        while items.len() < wanted {
            let rows = self.read_page(filter, &asked, place.as_ref()).await?;
            let full = rows.len() >= asked.limit as usize;
            for row in rows {
                let tuple = convert::to_tuple(row.relationship.ok_or_else(|| garbled("a row without relationship"))?)?;
                let at = convert::to_token(row.read_at)?;
                let after = row.after_result_cursor.ok_or_else(|| garbled("a row without cursor"))?.token;
                let next = CursorBody::new(filter, &at, &after, Some(asked.clone()));
                if items.len() < wanted {
                    items.push((tuple, Some(next.encode())));
                    place = Some(next);
                }
            }
            if !full {
                break;
            }
        }
        let at = match (place, &asked.consistency) {
            (Some(place), _) => Token(place.at),
            (None, Wanted::Exactly(token)) => Token(token.clone()),
            // An answer of nothing does not say when.
            (None, wanted) => {
                let token = self.point(&wanted.into()).await?;
                return Box::pin(self.read_tuples(filter, window, &Consistency::Exactly(token))).await;
            }
        };
        if let (Some(began), Wanted::Full) = (began, &asked.consistency) {
            self.freshness.read(began, &at);
        }
        Ok(Page { items, at })
    }

    async fn read_page(
        &self,
        filter: &Filter,
        asked: &Asked,
        place: Option<&CursorBody>,
    ) -> Result<Vec<v1::ReadRelationshipsResponse>, ServiceError> {
        let message = v1::ReadRelationshipsRequest {
            consistency: convert::required(self.requirement(&(&asked.consistency).into())),
            relationship_filter: Some(convert::filter(filter)),
            optional_limit: asked.limit,
            optional_cursor: place.map(|place| v1::Cursor { token: place.after.clone() }),
        };
        self.connection
            .call(Repeat::Safely, self.connection.stream_deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move {
                    let mut stream =
                        PermissionsServiceClient::new(attempt.channel).read_relationships(request).await?.into_inner();
                    let mut rows = Vec::new();
                    while let Some(row) = stream.message().await? {
                        rows.push(row);
                    }
                    Ok(rows)
                }
            })
            .await
    }

    pub(super) async fn expand_tree(
        &self,
        resource: &Object,
        permission: &str,
        at: &Consistency,
    ) -> Result<(Expanded, Token), ServiceError> {
        let (began, asked) = (self.freshness.begin(), self.requirement(at));
        let message = v1::ExpandPermissionTreeRequest {
            consistency: convert::required(asked.clone()),
            resource: Some(convert::object(resource)),
            permission: permission.to_owned(),
        };
        let answer = self
            .connection
            .call(Repeat::Safely, self.connection.deadline, |attempt| {
                let request = attempt.request(message.clone());
                async move { PermissionsServiceClient::new(attempt.channel).expand_permission_tree(request).await }
            })
            .await?
            .into_inner();
        let at = convert::to_token(answer.expanded_at)?;
        self.answered(began, &asked, &at);
        let root = answer.tree_root.ok_or_else(|| garbled("no tree"))?;
        Ok((expanded(root, resource, permission)?, at))
    }
}

/// Nested no deeper than what prost decodes. A node that names nothing is of what is above it.
fn expanded(node: v1::PermissionRelationshipTree, object: &Object, member: &str) -> Result<Expanded, ServiceError> {
    use v1::algebraic_subject_set::Operation;
    let object = node.expanded_object.map_or_else(|| object.clone(), convert::to_object);
    let member = if node.expanded_relation.is_empty() { member.to_owned() } else { node.expanded_relation };
    let tree = match node.tree_type {
        Some(TreeType::Leaf(leaf)) => {
            ExpandedTree::Subjects(leaf.subjects.into_iter().map(convert::to_subject).collect::<Result<_, _>>()?)
        }
        Some(TreeType::Intermediate(set)) => {
            let operation = set.operation();
            let children =
                set.children.into_iter().map(|child| expanded(child, &object, &member)).collect::<Result<_, _>>()?;
            match operation {
                Operation::Union => ExpandedTree::Union(children),
                Operation::Intersection => ExpandedTree::Intersection(children),
                Operation::Exclusion => ExpandedTree::Exclusion(children),
                Operation::Unspecified => return Err(garbled("a set without operation")),
            }
        }
        None => return Err(garbled("a tree without nodes")),
    };
    Ok(Expanded { object, member, tree })
}
