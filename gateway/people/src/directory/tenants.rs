//! Suspending a tenant with all of its people, and removing it with them. That of the owner is neither.

use policy_core::{TenantId, Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, TransactionTrait};
use serde_json::json;

use super::audit::insert;
use super::opened::end_opened;
use super::people::User;
use super::tables::{tenant, token, user};
use super::{Actor, Directory, DirectoryError, id};

/// What came of suspending a tenant, or of beginning to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantAct {
    Done,
    /// It was so before, or is gone.
    Already,
    /// The owner of the node is in it.
    OfTheOwner,
    /// An operator is in it.
    OfAnOperator,
}

impl Directory {
    /// Suspends all people of a tenant, whoever comes into it too: their sessions end, and what was issued in their name
    /// counts no more until it is resumed. The policy epoch moves after this and before the acknowledgement.
    pub async fn suspend_tenant(
        &self,
        tenant: TenantId,
        by: (UserId, Actor),
        now: Timestamp,
    ) -> Result<TenantAct, DirectoryError> {
        let mark = tenant::Entity::update_many()
            .col_expr(tenant::Column::Suspended, Expr::value(now.0))
            .filter(tenant::Column::Suspended.is_null());
        self.close_tenant(tenant, mark, (by, "tenant.suspended"), now).await
    }

    /// Marks a tenant as being removed: its people are out, and its name is free.
    pub async fn begin_tenant_removal(
        &self,
        tenant: TenantId,
        by: (UserId, Actor),
        now: Timestamp,
    ) -> Result<TenantAct, DirectoryError> {
        let mark = tenant::Entity::update_many()
            .col_expr(tenant::Column::Removing, Expr::value(now.0))
            .col_expr(tenant::Column::Name, Expr::value(format!("-{tenant}")));
        self.close_tenant(tenant, mark, (by, "tenant.removed"), now).await
    }

    async fn close_tenant(
        &self,
        id: TenantId,
        mark: sea_orm::UpdateMany<tenant::Entity>,
        (by, action): ((UserId, Actor), &'static str),
        now: Timestamp,
    ) -> Result<TenantAct, DirectoryError> {
        if let Some(owner) = self.owner()
            && self.tenant_of(owner).await? == Some(id)
        {
            return Ok(TenantAct::OfTheOwner);
        }
        let known = self.standings.clone();
        self.change_tokens(move |db| async move {
            let _alone = known.alone().await;
            let own = id.as_bytes().to_vec();
            let txn = db.begin().await?;
            // The tenant's row first, as whoever adds somebody to it does.
            let here = tenant::Column::Removing.is_null();
            let mark = mark.filter(tenant::Column::Id.eq(own.clone())).filter(here);
            if mark.exec(&txn).await?.rows_affected == 0 {
                return Ok(TenantAct::Already);
            }
            let of = user::Column::Tenant.eq(own);
            // Then each person's: whoever begins a session at this moment has touched it before, or finds it changed.
            user::Entity::update_many()
                .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
                .filter(of.clone())
                .exec(&txn)
                .await?;
            let mut people = Vec::new();
            for row in user::Entity::find().filter(of).all(&txn).await? {
                if row.operator.is_some() {
                    txn.rollback().await?;
                    return Ok(TenantAct::OfAnOperator);
                }
                let person = User::try_from(row)?.id;
                let sessions = Condition::all()
                    .add(token::Column::User.eq(person.as_bytes().to_vec()))
                    .add(token::Column::GrantId.is_null());
                token::Entity::delete_many().filter(sessions).exec(&txn).await?;
                end_opened(&txn, person).await?;
                people.push(person);
            }
            let detail = json!({ "tenant": id, "people": people.len() });
            insert(&txn, by.0, by.1, action, detail, now).await?;
            txn.commit().await?;
            known.closed(people);
            Ok(TenantAct::Done)
        })
        .await
    }

    /// Ends the suspension of a tenant; whether there was one. Who was suspended by themselves stays so.
    pub async fn resume_tenant(&self, id: TenantId) -> Result<bool, DirectoryError> {
        let (db, known) = (self.db.clone(), self.standings.clone());
        super::to_its_end(async move {
            let _alone = known.alone().await;
            let own = id.as_bytes().to_vec();
            let resume = tenant::Entity::update_many()
                .col_expr(tenant::Column::Suspended, Expr::value(Option::<i64>::None))
                .filter(tenant::Column::Id.eq(own.clone()))
                .filter(tenant::Column::Removing.is_null())
                .filter(tenant::Column::Suspended.is_not_null());
            if resume.exec(&db).await?.rows_affected == 0 {
                return Ok(false);
            }
            known.opened(people_of(&db, own).await?.into_iter().map(|person| person.id));
            Ok(true)
        })
        .await
    }

    /// The tenants that are being removed.
    pub async fn tenants_being_removed(&self) -> Result<Vec<TenantId>, DirectoryError> {
        let rows = tenant::Entity::find().filter(tenant::Column::Removing.is_not_null()).all(&self.db).await?;
        rows.iter().map(|row| id(&row.id, TenantId::from_bytes, "dir_tenant")).collect()
    }

    /// The people of a tenant who are not being removed.
    pub async fn people_of(&self, tenant: TenantId) -> Result<Vec<User>, DirectoryError> {
        people_of(&self.db, tenant.as_bytes().to_vec()).await
    }

    /// Forgets a tenant that is being removed. False: somebody is in it still.
    pub async fn end_tenant_removal(&self, tenant: TenantId) -> Result<bool, DirectoryError> {
        let own = tenant.as_bytes().to_vec();
        let txn = self.db.begin().await?;
        let gone = tenant::Entity::delete_many()
            .filter(tenant::Column::Id.eq(own.clone()))
            .filter(tenant::Column::Removing.is_not_null());
        gone.exec(&txn).await?;
        if user::Entity::find().filter(user::Column::Tenant.eq(own)).count(&txn).await? > 0 {
            txn.rollback().await?;
            return Ok(false);
        }
        txn.commit().await?;
        Ok(true)
    }
}

async fn people_of(db: &impl ConnectionTrait, tenant: Vec<u8>) -> Result<Vec<User>, DirectoryError> {
    let here = user::Entity::find().filter(user::Column::Tenant.eq(tenant)).filter(user::Column::Removing.is_null());
    here.all(db).await?.into_iter().map(User::try_from).collect()
}

#[cfg(test)]
mod tests {
    use policy_core::SpaceId;

    use super::super::on_each_backend;
    use super::super::sign_in::{Origin, Proof, Refused};
    use super::*;

    const PASSWORD: &str = "a long password";

    #[tokio::test]
    async fn people_of_a_closed_tenant_are_out_and_nobody_comes_into_it() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(1_000);
            let home = directory.add_tenant("home", now).await.unwrap();
            let firm = directory.add_tenant("firm", now).await.unwrap();
            let account = |n: u8| (UserId::from_bytes([n; 16]), SpaceId::from_bytes([n + 100; 16]));
            let alice = directory.add_owner(account(1), "alice", home.id, PASSWORD, now).await.unwrap();
            let bob = directory.add_user(account(2), "bob", firm.id, Some(PASSWORD), now).await.unwrap();
            let carol = directory.add_user(account(3), "carol", firm.id, Some(PASSWORD), now).await.unwrap();
            let dave = directory.add_user(account(4), "dave", home.id, Some(PASSWORD), now).await.unwrap();
            let by = (alice.id, Actor::Operator);
            assert_eq!(directory.suspend_tenant(home.id, by, now).await.unwrap(), TenantAct::OfTheOwner);
            assert_eq!(directory.begin_tenant_removal(home.id, by, now).await.unwrap(), TenantAct::OfTheOwner);
            directory.name_operator(carol.id, now).await.unwrap();
            assert_eq!(directory.suspend_tenant(firm.id, by, now).await.unwrap(), TenantAct::OfAnOperator);
            assert!(!directory.tenant_named("firm").await.unwrap().unwrap().is_suspended(), "nothing of it was done");
            directory.remove_operator(carol.id).await.unwrap();
            let (open, _) = directory.open_session(bob.id, now, 600, None).await.unwrap();
            let counts = async |directory: &Directory| directory.token(open.text(), now).await.unwrap().is_some();
            assert!(counts(&directory).await, "control");
            assert_eq!(directory.suspend_tenant(firm.id, by, now).await.unwrap(), TenantAct::Done);
            assert_eq!(directory.suspend_tenant(firm.id, by, now).await.unwrap(), TenantAct::Already);
            let sign_in = async |directory: &Directory, name: &str| {
                let proof = Proof { password: PASSWORD, code: None };
                directory.sign_in(name, proof, Origin::default(), now).await.unwrap().map(|_| ())
            };
            let again = Directory::open(directory.db.clone()).await.unwrap();
            for directory in [&directory, &again] {
                assert!(!counts(directory).await);
                assert_eq!(sign_in(directory, "bob").await, Err(Refused::Suspended));
                assert_eq!(sign_in(directory, "dave").await, Ok(()), "control: of another tenant");
                assert!(directory.is_suspended(carol.id) && !directory.is_suspended(dave.id));
                assert!(!directory.name_operator(carol.id, now).await.unwrap());
                assert!(directory.add_user(account(5), "eve", firm.id, None, now).await.is_err());
            }
            directory.suspend(carol.id, now).await.unwrap();
            assert!(directory.resume_tenant(firm.id).await.unwrap());
            assert!(
                !directory.resume_tenant(firm.id).await.unwrap() && !directory.resume_tenant(home.id).await.unwrap()
            );
            assert_eq!(sign_in(&directory, "bob").await, Ok(()));
            assert_eq!(sign_in(&directory, "carol").await, Err(Refused::Suspended), "she by herself");
            assert!(directory.add_user(account(5), "eve", firm.id, None, now).await.is_ok(), "control");

            assert_eq!(directory.begin_tenant_removal(firm.id, by, now).await.unwrap(), TenantAct::Done);
            assert_eq!(directory.begin_tenant_removal(firm.id, by, now).await.unwrap(), TenantAct::Already);
            assert!(!directory.resume_tenant(firm.id).await.unwrap());
            assert_eq!(sign_in(&directory, "bob").await, Err(Refused::Suspended));
            assert_eq!(directory.tenant_named("firm").await.unwrap(), None);
            assert!(directory.add_tenant("firm", now).await.is_ok(), "the name is free");
            assert_eq!(again.tenants_being_removed().await.unwrap(), [firm.id]);
            assert!(!directory.end_tenant_removal(firm.id).await.unwrap(), "somebody is in it");
            for person in directory.people_of(firm.id).await.unwrap() {
                directory.begin_removal(&person, by, now).await.unwrap();
                directory.end_removal(person.id, &[person.space], now).await.unwrap();
            }
            assert!(directory.end_tenant_removal(firm.id).await.unwrap());
            assert_eq!(directory.tenants_being_removed().await.unwrap(), []);
        }
    }
}
