//! Giving and taking back: the order of steps that consent, the operator and revocation share.

use policy::Delivery;
use policy_core::{GrantId, Holder, SpaceId, UserId};
use serde_json::json;
use vault_core::control::{AppDescription, GrantRecord};

use super::{Access, AccessError, Order, Terms, compile, ends};
use crate::directory::{Act, Actor, Directory, DirectoryError, GrantRow, RegisteredApp};
use crate::node::{Node, NodeError};

/// Why a grant was not given or taken back.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// What is to be given. `access` is already within the app's manifest.
#[derive(Debug, Clone, Copy)]
pub struct GrantRequest<'a> {
    pub grantor: UserId,
    pub app: &'a RegisteredApp,
    pub access: &'a [Access],
    pub actor: Actor,
}

/// A grant in force.
#[derive(Debug)]
pub struct Issued {
    pub row: GrantRow,
}

/// The space that a list of access lies in: the one it names, else the grantor's own. It must be theirs.
pub(crate) async fn space_of(node: &dyn Node, grantor: UserId, access: &[Access]) -> Result<SpaceId, IssueError> {
    let named = access.iter().find_map(|one| one.space);
    let spaces = node.spaces(grantor).await?;
    let own = spaces.iter().filter(|space| space.owner == grantor);
    let found = own.into_iter().find(|space| named.map_or(space.personal, |named| space.id == named));
    found.map(|space| space.id).ok_or(IssueError::Node(NodeError::NotFound))
}

/// Compiles the request against the definitions as they are now, stores the grant, enforces it and notes it.
pub async fn issue(node: &dyn Node, request: GrantRequest<'_>) -> Result<Issued, IssueError> {
    let space = space_of(node, request.grantor, request.access).await?;
    let schema = node.schema(space).await?;
    let (now, client) = (node.now(), request.app.client);
    let terms =
        Terms { id: Directory::new_grant_id(), grantor: request.grantor, holder: Holder::Client(client), space, now };
    let grant = compile(request.access, terms, &schema)?;
    let manifest = &request.app.manifest;
    let row = GrantRow {
        id: grant.id,
        user: request.grantor,
        client,
        space,
        field_order: Order::of(request.access, &grant, &schema).to_lines(),
        created: now,
        expires: ends(&grant),
        last_used: None,
    };
    let app = AppDescription {
        name: manifest.name.clone(),
        uri: manifest.client_uri.clone(),
        redirect_uris: manifest.redirect_uris.clone(),
    };
    let record = GrantRecord { grant, app, created: now };
    let act = Act::new(request.actor);
    node.put_grant(record, act.metadata(request.grantor, "grant.created")).await?;
    node.directory().note_grant(&row).await?;
    let detail = json!({ "grant": row.id, "client_id": client, "request": act.request });
    node.directory().audit(request.grantor, request.actor, "grant.created", detail, now).await?;
    Ok(Issued { row })
}

/// Takes a grant back, or removes a link: enforcement first, then the record, then the tokens.
pub async fn revoke(
    node: &dyn Node,
    (grantor, space, holder, id): (UserId, SpaceId, Holder, GrantId),
    act: &Act,
) -> Result<Delivery, IssueError> {
    let (action, mut detail) = match holder {
        Holder::Client(client) => ("grant.revoked", json!({ "grant": id, "client_id": client })),
        Holder::Link(_) => ("link.removed", json!({ "link": id })),
    };
    detail["request"] = json!(act.request);
    let stopped = node.revoke_grant(grantor, space, id, act.metadata(grantor, action)).await;
    // Tokens end whatever became of the record: without tokens the grant is of no use to anyone.
    let ended = node.directory().end_grant(id).await;
    node.advance_epoch();
    let delivery = stopped?;
    ended?;
    node.directory().audit(grantor, act.actor, action, detail, node.now()).await?;
    Ok(delivery)
}
