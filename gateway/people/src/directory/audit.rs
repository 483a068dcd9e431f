//! Who did what, and when: each person can read the slice that concerns them.

use std::sync::atomic::{AtomicU32, Ordering};

use policy_core::{ClientId, Context, Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::Value;

use super::secret::random;
use super::tables::audit;
use super::{Directory, DirectoryError, id};

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds the machine.
    Operator,
    /// A person who is an operator, as such.
    PersonAsOperator(UserId),
    Person(UserId),
    App(ClientId),
    /// The node, where something ends by itself.
    Node,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Operator => f.write_str("operator"),
            Actor::PersonAsOperator(user) => write!(f, "operator:{user}"),
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
    /// Whom it concerns.
    pub user: UserId,
    pub at: Timestamp,
    pub actor: String,
    /// A stable word, such as `grant.revoked`.
    pub action: String,
    pub detail: Value,
}

/// A kind of who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    Operator,
    Person,
    App,
    Node,
}

impl ActorKind {
    pub const ALL: [ActorKind; 4] = [ActorKind::Operator, ActorKind::Person, ActorKind::App, ActorKind::Node];

    /// The word in routes.
    pub const fn word(self) -> &'static str {
        match self {
            ActorKind::Operator => "operator",
            ActorKind::Person => "person",
            ActorKind::App => "app",
            ActorKind::Node => "node",
        }
    }

    fn condition(self) -> Condition {
        let column = audit::Column::Actor;
        match self {
            ActorKind::Operator => Condition::any().add(column.eq("operator")).add(column.like("operator:%")),
            ActorKind::Person => Condition::any().add(column.like("user:%")),
            ActorKind::App => Condition::any().add(column.like("app:%")),
            ActorKind::Node => Condition::any().add(column.eq("node")),
        }
    }
}

/// Which acts are asked for; what is not said is not looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Those that concern this person.
    pub user: Option<UserId>,
    pub by: Option<ActorKind>,
    /// Those of an app, and those that are about it.
    pub app: Option<ClientId>,
    pub action: Option<&'a str>,
}

impl Wanted<'_> {
    fn condition(&self) -> Condition {
        let user = self.user.map(|user| audit::Column::User.eq(user.as_bytes().to_vec()));
        let app = self.app.map(|app| {
            let about = audit::Column::Detail.contains(format!("\"client_id\":\"{app}\""));
            Condition::any().add(audit::Column::Actor.eq(Actor::App(app).to_string())).add(about)
        });
        let action = self.action.map(|action| audit::Column::Action.eq(action));
        Condition::all()
            .add_option(user)
            .add_option(self.by.map(ActorKind::condition))
            .add_option(app)
            .add_option(action)
    }
}

impl Directory {
    /// Writes an act into the slice of `user`, and tells them of what is worth a notice. `detail` holds ids, never secrets or
    /// content.
    pub async fn audit(
        &self,
        user: UserId,
        actor: Actor,
        action: &str,
        detail: Value,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        insert(&self.db, user, actor, action, detail.clone(), now).await?;
        self.tell_of_act(user, actor, (action, &detail), now).await;
        Ok(())
    }

    /// The newest acts that concern `user`: [`Directory::acts_before`].
    pub async fn audit_before(
        &self,
        user: UserId,
        before: Option<(Timestamp, Vec<u8>)>,
        most: u64,
    ) -> Result<Vec<AuditRow>, DirectoryError> {
        self.acts_before(&Wanted { user: Some(user), ..Wanted::default() }, before, most).await
    }

    /// The newest acts of those that are wanted, newest first; of those that come behind one in that order: its time and
    /// its id.
    pub async fn acts_before(
        &self,
        wanted: &Wanted<'_>,
        before: Option<(Timestamp, Vec<u8>)>,
        most: u64,
    ) -> Result<Vec<AuditRow>, DirectoryError> {
        let behind = before.map(|(at, id)| {
            let at_once = Condition::all().add(audit::Column::At.eq(at.0)).add(audit::Column::Id.lt(id));
            Condition::any().add(audit::Column::At.lt(at.0)).add(at_once)
        });
        let rows = audit::Entity::find()
            .filter(wanted.condition())
            .filter(behind.unwrap_or_else(Condition::all))
            .order_by_desc(audit::Column::At)
            .order_by_desc(audit::Column::Id)
            .limit(most)
            .all(&self.db)
            .await?;
        let row = |row: audit::Model| {
            let detail = serde_json::from_str(&row.detail).map_err(|_| DirectoryError::Damaged("dir_audit"))?;
            let user = id(&row.user, UserId::from_bytes, "dir_audit")?;
            Ok(AuditRow { id: row.id, user, at: Timestamp(row.at), actor: row.actor, action: row.action, detail })
        };
        rows.into_iter().map(row).collect()
    }
}

/// An id that no other act has, and that is larger than those of acts before it, at the same instant too: the order of a
/// slice is the order in which things were done.
pub(super) fn next_id(now: Timestamp) -> Vec<u8> {
    static DONE: AtomicU32 = AtomicU32::new(0);
    let number = DONE.fetch_add(1, Ordering::Relaxed);
    [&now.0.to_be_bytes()[..], &number.to_be_bytes(), &random::<4>()].concat()
}

/// [`Directory::audit`], for who writes beside the request that it is about.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
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
