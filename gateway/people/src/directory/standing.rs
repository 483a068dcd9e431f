//! What operators say of people: who is an operator too, and who is suspended. Who is removed is suspended for good.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::RwLock;
use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait,
    TransactionTrait,
};

use super::credentials::CredentialKind;
use super::opened::end_opened;
use super::tables::{credential, removed, tenant, token, user};
use super::{Directory, DirectoryError, id, to_its_end};

/// Who is what, in memory: every request asks.
#[derive(Debug, Clone)]
pub(super) struct Standings(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    operators: RwLock<HashSet<UserId>>,
    suspended: RwLock<HashSet<UserId>>,
    /// The people of tenants that are suspended or being removed.
    of_closed_tenants: RwLock<HashSet<UserId>>,
    /// Who is being removed, and who was.
    removed: RwLock<HashSet<UserId>>,
    /// Held while somebody is made something: two at once could take each other away as the last.
    changing: tokio::sync::Mutex<()>,
}

impl Standings {
    pub(super) async fn read(db: &DatabaseConnection) -> Result<Standings, DirectoryError> {
        let any = Condition::any()
            .add(user::Column::Operator.is_not_null())
            .add(user::Column::Suspended.is_not_null())
            .add(user::Column::Removing.is_not_null());
        let known = Known::default();
        for row in user::Entity::find().filter(any).all(db).await? {
            let user = id(&row.id, UserId::from_bytes, "dir_user")?;
            if row.operator.is_some() {
                known.operators.write().insert(user);
            }
            if row.suspended.is_some() {
                known.suspended.write().insert(user);
            }
            if row.removing.is_some() {
                known.removed.write().insert(user);
            }
        }
        let closed =
            Condition::any().add(tenant::Column::Suspended.is_not_null()).add(tenant::Column::Removing.is_not_null());
        let closed = tenant::Entity::find().select_only().column(tenant::Column::Id).filter(closed).into_query();
        for row in user::Entity::find().filter(user::Column::Tenant.in_subquery(closed)).all(db).await? {
            known.of_closed_tenants.write().insert(id(&row.id, UserId::from_bytes, "dir_user")?);
        }
        for row in removed::Entity::find().all(db).await? {
            known.removed.write().insert(id(&row.user, UserId::from_bytes, "dir_removed")?);
        }
        Ok(Standings(Arc::new(known)))
    }

    /// Somebody is an operator from here on.
    pub(super) fn named(&self, user: UserId) {
        self.0.operators.write().insert(user);
    }

    /// Somebody is gone from here on.
    pub(super) fn gone(&self, user: UserId) {
        self.0.removed.write().insert(user);
    }

    /// The tenant of these is suspended, or being removed, from here on.
    pub(super) fn closed(&self, people: impl IntoIterator<Item = UserId>) {
        self.0.of_closed_tenants.write().extend(people);
    }

    /// The tenant of these is not suspended any more.
    pub(super) fn opened(&self, people: impl IntoIterator<Item = UserId>) {
        let mut closed = self.0.of_closed_tenants.write();
        for person in people {
            closed.remove(&person);
        }
    }

    fn keeps_out(&self, user: UserId) -> bool {
        self.0.of_closed_tenants.read().contains(&user)
    }

    pub(super) fn is_operator(&self, user: UserId) -> bool {
        self.0.operators.read().contains(&user)
    }

    /// Nobody else is made something meanwhile.
    pub(super) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }
}

/// What came of taking an operator's rights away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorRemoved {
    Done,
    /// They were none.
    None,
    /// Nobody else is one.
    Last,
}

/// What came of suspending somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspension {
    /// So many sessions ended.
    Done(u64),
    /// They were suspended before.
    Already,
    /// They are an operator.
    OfAnOperator,
}

impl Directory {
    /// Everybody who is an operator. Answered from memory.
    pub fn operators(&self) -> Vec<UserId> {
        self.standings.0.operators.read().iter().copied().collect()
    }

    /// Whether a person is an operator. Answered from memory.
    pub fn is_operator(&self, user: UserId) -> bool {
        self.standings.0.operators.read().contains(&user)
    }

    /// Whether a person is suspended, by themselves or with their tenant, or removed: nothing that was issued in their name
    /// counts. Answered from memory.
    pub fn is_suspended(&self, user: UserId) -> bool {
        let known = &self.standings;
        known.0.suspended.read().contains(&user) || known.keeps_out(user) || self.is_removed(user)
    }

    /// Whether somebody is being removed, or was. Answered from memory.
    pub fn is_removed(&self, user: UserId) -> bool {
        self.standings.0.removed.read().contains(&user)
    }

    /// Makes a person an operator; whether they were none. Nobody who is suspended becomes one.
    pub async fn name_operator(&self, user: UserId, now: Timestamp) -> Result<bool, DirectoryError> {
        let (db, known) = (self.db.clone(), self.standings.clone());
        to_its_end(async move {
            let _alone = known.0.changing.lock().await;
            if known.keeps_out(user) {
                return Ok(false);
            }
            let name = user::Entity::update_many()
                .col_expr(user::Column::Operator, Expr::value(now.0))
                .filter(user::Column::Id.eq(user.as_bytes().to_vec()))
                .filter(user::Column::Operator.is_null())
                .filter(user::Column::Removing.is_null())
                .filter(user::Column::Suspended.is_null());
            let named = name.exec(&db).await?.rows_affected > 0;
            if named {
                known.named(user);
            }
            Ok(named)
        })
        .await
    }

    /// Takes an operator's rights away, but never the last one's.
    pub async fn remove_operator(&self, user: UserId) -> Result<OperatorRemoved, DirectoryError> {
        let (db, known) = (self.db.clone(), self.standings.clone());
        to_its_end(async move {
            let _alone = known.0.changing.lock().await;
            let txn = db.begin().await?;
            let remove = user::Entity::update_many()
                .col_expr(user::Column::Operator, Expr::value(Option::<i64>::None))
                .filter(user::Column::Id.eq(user.as_bytes().to_vec()))
                .filter(user::Column::Operator.is_not_null());
            if remove.exec(&txn).await?.rows_affected == 0 {
                return Ok(OperatorRemoved::None);
            }
            if user::Entity::find().filter(user::Column::Operator.is_not_null()).count(&txn).await? == 0 {
                txn.rollback().await?;
                return Ok(OperatorRemoved::Last);
            }
            txn.commit().await?;
            known.0.operators.write().remove(&user);
            Ok(OperatorRemoved::Done)
        })
        .await
    }

    /// Suspends a person: their sessions end, and what apps and links hold in their name counts no more until they are
    /// resumed. The policy epoch moves after this and before the acknowledgement.
    pub async fn suspend(&self, user: UserId, now: Timestamp) -> Result<Suspension, DirectoryError> {
        let known = self.standings.clone();
        self.change_tokens(move |db| async move {
            let _alone = known.0.changing.lock().await;
            let own = user.as_bytes().to_vec();
            let txn = db.begin().await?;
            // The person's row first: whoever begins a session at this moment has touched it before, or finds it changed.
            let suspend = user::Entity::update_many()
                .col_expr(user::Column::Suspended, Expr::value(now.0))
                .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
                .filter(user::Column::Id.eq(own.clone()))
                .filter(user::Column::Suspended.is_null())
                .filter(user::Column::Operator.is_null());
            if suspend.exec(&txn).await?.rows_affected == 0 {
                let operator = known.0.operators.read().contains(&user);
                return Ok(if operator { Suspension::OfAnOperator } else { Suspension::Already });
            }
            let sessions = Condition::all().add(token::Column::User.eq(own)).add(token::Column::GrantId.is_null());
            let ended = token::Entity::delete_many().filter(sessions).exec(&txn).await?.rows_affected;
            end_opened(&txn, user).await?;
            txn.commit().await?;
            known.0.suspended.write().insert(user);
            Ok(Suspension::Done(ended))
        })
        .await
    }

    /// Ends a suspension; whether there was one. Sessions begin anew; what apps and links hold counts again.
    pub async fn resume(&self, user: UserId) -> Result<bool, DirectoryError> {
        let (db, known) = (self.db.clone(), self.standings.clone());
        to_its_end(async move {
            let _alone = known.0.changing.lock().await;
            let resume = user::Entity::update_many()
                .col_expr(user::Column::Suspended, Expr::value(Option::<i64>::None))
                .filter(user::Column::Id.eq(user.as_bytes().to_vec()))
                .filter(user::Column::Suspended.is_not_null());
            let resumed = resume.exec(&db).await?.rows_affected > 0;
            known.0.suspended.write().remove(&user);
            Ok(resumed)
        })
        .await
    }

    /// Everybody who has a password: whoever has none has not signed in yet.
    pub async fn with_password(&self) -> Result<HashSet<UserId>, DirectoryError> {
        let find = credential::Entity::find()
            .select_only()
            .column(credential::Column::User)
            .filter(credential::Column::Kind.eq(CredentialKind::Password.word()));
        let rows: Vec<Vec<u8>> = find.into_tuple().all(&self.db).await?;
        rows.iter().map(|row| id(row, UserId::from_bytes, "dir_credential")).collect()
    }
}

#[cfg(test)]
mod tests {
    use policy_core::SpaceId;

    use super::super::refresh::tests::noted;
    use super::super::sessions::SessionOrigin;
    use super::super::sign_in::{Origin, Proof, Refused};
    use super::super::{Rotation, on_each_backend};
    use super::*;

    #[tokio::test]
    async fn there_is_always_an_operator_and_it_outlives_a_start() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(1_000);
            let home = directory.add_tenant("home", now).await.unwrap();
            let account = |n: u8| (UserId::from_bytes([n; 16]), SpaceId::from_bytes([n + 100; 16]));
            let password = "a long password";
            let alice = directory.add_owner(account(1), "alice", home.id, password, now).await.unwrap();
            let bob = directory.add_user(account(2), "bob", home.id, Some(password), now).await.unwrap();
            assert!(directory.is_operator(alice.id) && !directory.is_operator(bob.id));
            assert_eq!(directory.remove_operator(alice.id).await.unwrap(), OperatorRemoved::Last);
            assert_eq!(directory.remove_operator(bob.id).await.unwrap(), OperatorRemoved::None);
            assert_eq!(directory.suspend(alice.id, now).await.unwrap(), Suspension::OfAnOperator);
            assert!(directory.name_operator(bob.id, now).await.unwrap());
            assert!(!directory.name_operator(bob.id, now).await.unwrap(), "once");
            let again = Directory::open(directory.db.clone()).await.unwrap();
            assert!(again.is_operator(alice.id) && again.is_operator(bob.id));
            let all =
                futures::future::join(directory.remove_operator(alice.id), directory.remove_operator(bob.id)).await;
            let all = [all.0.unwrap(), all.1.unwrap()];
            assert!(all.contains(&OperatorRemoved::Done) && all.contains(&OperatorRemoved::Last), "{all:?}");
        }
    }

    #[tokio::test]
    async fn of_who_is_suspended_nothing_counts_until_they_are_resumed() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(1_000);
            let home = directory.add_tenant("home", now).await.unwrap();
            // The grant of `noted` is of this person.
            let account = (UserId::from_bytes([1; 16]), SpaceId::from_bytes([3; 16]));
            let bob = directory.add_user(account, "bob", home.id, Some("a long password"), now).await.unwrap();
            let sign_in = async || {
                let proof = Proof { password: "a long password", code: None };
                directory.sign_in("bob", proof, Origin::default(), now).await.unwrap().map(|signed| signed.user)
            };
            let signed = sign_in().await.expect("control");
            let (session, _) =
                directory.open_signed_session(&signed, &SessionOrigin::default(), None, now).await.unwrap().unwrap();
            let grant = noted(&directory, None).await;
            let pair = directory.first_pair(&grant, now).await.unwrap().expect("control");
            let counts = async |text: &str| directory.token(text, now).await.unwrap().is_some();
            assert!(counts(session.text()).await && counts(pair.access.text()).await, "control");
            assert_eq!(directory.suspend(bob.id, now).await.unwrap(), Suspension::Done(1));
            assert_eq!(directory.suspend(bob.id, now).await.unwrap(), Suspension::Already);
            assert!(!counts(session.text()).await && !counts(pair.access.text()).await);
            assert_eq!(sign_in().await, Err(Refused::Suspended));
            let outside = async || directory.prove_code(&signed, None, now).await.unwrap();
            assert_eq!(outside().await, Err(Refused::Suspended), "whom a provider signed in");
            let begun = directory.open_signed_session(&signed, &SessionOrigin::default(), None, now).await.unwrap();
            assert!(begun.is_none(), "what was proved before");
            let refresh = async || directory.rotate(pair.refresh.text(), grant.client, now).await.unwrap();
            assert!(matches!(refresh().await, Rotation::Refused));
            assert!(directory.first_pair(&grant, now).await.unwrap().is_none());
            assert!(!directory.name_operator(bob.id, now).await.unwrap(), "nor an operator");
            let again = Directory::open(directory.db.clone()).await.unwrap();
            assert!(again.is_suspended(bob.id) && again.token(pair.access.text(), now).await.unwrap().is_none());
            assert!(directory.resume(bob.id).await.unwrap() && !directory.resume(bob.id).await.unwrap());
            assert!(!counts(session.text()).await, "it ended");
            assert!(counts(pair.access.text()).await && sign_in().await.is_ok() && outside().await.is_ok());
            assert!(matches!(refresh().await, Rotation::Rotated(_)), "nothing was used up meanwhile");
        }
    }
}
