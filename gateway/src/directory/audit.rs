//! Who did what, and when: each person can read the slice that concerns them.

use std::sync::atomic::{AtomicU32, Ordering};

use policy_core::{ClientId, Context, Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::Value;

use super::secret::random;
use super::tables::audit;
use super::{Directory, DirectoryError};

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds the machine.
    Operator,
    Person(UserId),
    App(ClientId),
    /// The node, where something ends by itself.
    Node,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Operator => f.write_str("operator"),
            Actor::Person(user) => write!(f, "user:{user}"),
            Actor::App(client) => write!(f, "app:{client}"),
            Actor::Node => f.write_str("node"),
        }
    }
}

/// Who acts, and a name for the one request by which the audits of the node and of policy can be matched.
#[derive(Debug, Clone)]
pub struct Act {
    pub actor: Actor,
    pub request: String,
}

impl Act {
    pub fn new(actor: Actor) -> Act {
        Act { actor, request: data_encoding::HEXLOWER.encode(&random::<8>()) }
    }

    /// What the audit of policy says of a change beside the change itself; `user`: for whom it is made.
    pub fn metadata(&self, user: UserId, action: &str) -> Context {
        let said = [
            ("action", action.to_owned()),
            ("actor", self.actor.to_string()),
            ("user", user.to_string()),
            ("request", self.request.clone()),
        ];
        said.into_iter().map(|(key, value)| (key.to_owned(), Value::String(value))).collect()
    }
}

/// One act that was noted.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    pub id: Vec<u8>,
    pub at: Timestamp,
    pub actor: String,
    /// A stable word, such as `grant.revoked`.
    pub action: String,
    pub detail: Value,
}

impl Directory {
    /// Writes an act into the slice of `user`. `detail` holds ids, never secrets or content.
    pub async fn audit(
        &self,
        user: UserId,
        actor: Actor,
        action: &str,
        detail: Value,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        insert(&self.db, user, actor, action, detail, now).await
    }

    /// The newest acts that concern `user`, newest first; of those that come behind one in that order: its time and its id.
    pub async fn audit_before(
        &self,
        user: UserId,
        before: Option<(Timestamp, Vec<u8>)>,
        most: u64,
    ) -> Result<Vec<AuditRow>, DirectoryError> {
        let behind = before.map(|(at, id)| {
            let at_once = Condition::all().add(audit::Column::At.eq(at.0)).add(audit::Column::Id.lt(id));
            Condition::any().add(audit::Column::At.lt(at.0)).add(at_once)
        });
        let rows = audit::Entity::find()
            .filter(audit::Column::User.eq(user.as_bytes().to_vec()))
            .filter(behind.unwrap_or_else(Condition::all))
            .order_by_desc(audit::Column::At)
            .order_by_desc(audit::Column::Id)
            .limit(most)
            .all(&self.db)
            .await?;
        let row = |row: audit::Model| {
            let detail = serde_json::from_str(&row.detail).map_err(|_| DirectoryError::Damaged("dir_audit"))?;
            Ok(AuditRow { id: row.id, at: Timestamp(row.at), actor: row.actor, action: row.action, detail })
        };
        rows.into_iter().map(row).collect()
    }
}

/// An id that no other act has, and that is larger than those of acts before it, at the same instant too: the order of a
/// slice is the order in which things were done.
fn next_id(now: Timestamp) -> Vec<u8> {
    static DONE: AtomicU32 = AtomicU32::new(0);
    let number = DONE.fetch_add(1, Ordering::Relaxed);
    [&now.0.to_be_bytes()[..], &number.to_be_bytes(), &random::<4>()].concat()
}

/// [`Directory::audit`], for who writes beside the request that it is about.
pub(super) async fn insert(
    db: &DatabaseConnection,
    user: UserId,
    actor: Actor,
    action: &str,
    detail: Value,
    now: Timestamp,
) -> Result<(), DirectoryError> {
    let row = audit::ActiveModel {
        id: Set(next_id(now)),
        user: Set(user.as_bytes().to_vec()),
        at: Set(now.0),
        actor: Set(actor.to_string()),
        action: Set(action.to_owned()),
        detail: Set(detail.to_string()),
    };
    audit::Entity::insert(row).exec_without_returning(db).await?;
    // The operator's log tells that it was done, and the audit of whom it concerns tells what it was done to.
    tracing::info!(target: "allod::audit", action, %actor, %user, "done");
    Ok(())
}
