//! Removing an app: what it was granted, by whomever, ends first.

use policy_core::{ClientId, Holder};

use crate::directory::{Act, Actor, GrantRow};
use crate::grants::{IssueError, revoke};
use crate::node::{Node, NodeError};

/// Removes an app; how many grants ended with it. Broken off in between, the app is still there, and can be removed again.
///
/// # Errors
/// If a grant could not be taken back: then the app stays.
pub async fn remove(node: &dyn Node, client: ClientId, actor: Actor) -> Result<usize, IssueError> {
    let mut revoked = revoke_all(node, client, actor).await?;
    node.directory().end_sign_ins_at(client).await?;
    node.directory().remove_app(client).await?;
    // What somebody consented to meanwhile.
    revoked += revoke_all(node, client, actor).await?;
    node.directory().end_sign_ins_at(client).await?;
    Ok(revoked)
}

async fn revoke_all(node: &dyn Node, client: ClientId, actor: Actor) -> Result<usize, IssueError> {
    let mut revoked = 0;
    loop {
        let rows = node.directory().grant_rows(None).await?;
        let rows: Vec<GrantRow> = rows.into_iter().filter(|row| row.client == client).collect();
        if rows.is_empty() {
            return Ok(revoked);
        }
        for row in &rows {
            let of = (row.user, row.space, Holder::Client(client), row.id);
            match revoke(node, of, &Act::new(actor)).await {
                Ok(_) => revoked += 1,
                // Taken back meanwhile, or on another device: what is noted of it here is gone by now. Or another has
                // taken its place, which is found next.
                Err(IssueError::Node(NodeError::NotFound)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
