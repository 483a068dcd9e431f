//! Removing a person: marked first, so that nothing of theirs counts and nobody finds them from then on; forgotten when
//! everything that hangs on them elsewhere is undone. What is broken off in between is gone on with.
//!
//! The id of somebody who was removed stays, and nothing else: what they wrote for others still names it. No account ever
//! gets an id a second time, so a new person of the same name has nothing to do with them.

use policy_core::{SpaceId, Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, Set, TransactionTrait};
use serde_json::json;

use super::audit::insert;
use super::mail::forget_person as forget_mail;
use super::notices::forget_person as forget_notices;
use super::requests::forget_person as forget_requests;
use super::tables::{
    assignment, audit, code, credential, filing, folder, grant, group, link, membership, offer, refresh, removed,
    replaced, setting, sign_in, space, token, user, waiting,
};
use super::{Actor, Directory, DirectoryError, LinkRow, User};

/// Somebody who is being removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedPerson {
    pub id: UserId,
    /// Their personal space.
    pub space: SpaceId,
}

/// What came of beginning to remove somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    Begun(RemovedPerson),
    /// The node is theirs.
    OfTheOwner,
    OfAnOperator,
    /// Somebody else has removed them meanwhile.
    Gone,
}

/// The name of somebody whose own is free again: nobody can have it, or type it.
fn unnamed(user: UserId) -> String {
    format!("-{user}")
}

impl Directory {
    /// Marks a person as being removed: what they sign in by, what was issued in their name and what they were told is gone,
    /// and their name is free. `by`: in whose slice of the audit it is told, and who does it. The policy epoch moves after
    /// this and before the acknowledgement.
    pub async fn begin_removal(
        &self,
        person: &User,
        by: (UserId, Actor),
        now: Timestamp,
    ) -> Result<Removal, DirectoryError> {
        let (id, space, name) = (person.id, person.space, person.name.clone());
        if self.owner() == Some(id) {
            return Ok(Removal::OfTheOwner);
        }
        let known = self.standings.clone();
        let begun = self.change_tokens(move |db| async move {
            let _alone = known.alone().await;
            let own = id.as_bytes().to_vec();
            let txn = db.begin().await?;
            // The person's row first: whoever begins a session at this moment has touched it before, or finds it changed.
            let mark = user::Entity::update_many()
                .col_expr(user::Column::Removing, Expr::value(now.0))
                .col_expr(user::Column::Name, Expr::value(unnamed(id)))
                .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
                .filter(user::Column::Id.eq(own))
                .filter(user::Column::Removing.is_null())
                .filter(user::Column::Operator.is_null());
            if mark.exec(&txn).await?.rows_affected == 0 {
                let operator = known.is_operator(id);
                return Ok(if operator { Removal::OfAnOperator } else { Removal::Gone });
            }
            forget_ways_in(&txn, id).await?;
            // What was offered to their name was for them, and for nobody who has it next.
            offer::Entity::delete_many().filter(offer::Column::Name.eq(name)).exec(&txn).await?;
            insert(&txn, by.0, by.1, "user.removed", json!({ "user": id }), now).await?;
            txn.commit().await?;
            known.gone(id);
            Ok(Removal::Begun(RemovedPerson { id, space }))
        });
        let begun = begun.await?;
        self.tenant_of.write().remove(&id);
        Ok(begun)
    }

    /// Everybody who is being removed.
    pub async fn being_removed(&self) -> Result<Vec<RemovedPerson>, DirectoryError> {
        let rows = user::Entity::find().filter(user::Column::Removing.is_not_null()).all(&self.db).await?;
        let person = |row| User::try_from(row).map(|user| RemovedPerson { id: user.id, space: user.space });
        rows.into_iter().map(person).collect()
    }

    /// The links on a space.
    pub async fn links_on(&self, space: SpaceId) -> Result<Vec<LinkRow>, DirectoryError> {
        let of = link::Entity::find().filter(link::Column::Space.eq(space.as_bytes().to_vec()));
        of.all(&self.db).await?.into_iter().map(LinkRow::try_from).collect()
    }

    /// Forgets a person who is being removed, and these spaces of theirs, but for their id.
    pub async fn end_removal(&self, id: UserId, spaces: &[SpaceId], now: Timestamp) -> Result<(), DirectoryError> {
        let spaces: Vec<Vec<u8>> = spaces.iter().map(|space| space.as_bytes().to_vec()).collect();
        self.change_tokens(move |db| async move {
            let own = id.as_bytes().to_vec();
            let txn = db.begin().await?;
            let row = removed::ActiveModel { user: Set(own.clone()), at: Set(now.0) };
            let again = OnConflict::column(removed::Column::User).do_nothing().to_owned();
            removed::Entity::insert(row).on_conflict(again).exec_without_returning(&txn).await?;
            // What a request that had begun before made meanwhile goes too.
            forget_ways_in(&txn, id).await?;
            sign_in::Entity::delete_many().filter(sign_in::Column::User.eq(own.clone())).exec(&txn).await?;
            grant::Entity::delete_many().filter(grant::Column::User.eq(own.clone())).exec(&txn).await?;
            link::Entity::delete_many().filter(link::Column::User.eq(own.clone())).exec(&txn).await?;
            offer::Entity::delete_many().filter(offer::Column::Giver.eq(own.clone())).exec(&txn).await?;
            let to = Condition::all().add(assignment::Column::PartyKind.eq("user"));
            let to = to.add(assignment::Column::Party.eq(own.clone()));
            assignment::Entity::delete_many().filter(to).exec(&txn).await?;
            let of = Condition::all().add(membership::Column::Kind.eq("user"));
            let of = of.add(membership::Column::Party.eq(own.clone()));
            membership::Entity::delete_many().filter(of).exec(&txn).await?;
            group::Entity::update_many()
                .col_expr(group::Column::Maker, Expr::value(Option::<Vec<u8>>::None))
                .filter(group::Column::Maker.eq(own.clone()))
                .exec(&txn)
                .await?;
            for id in spaces {
                forget_space(&txn, id).await?;
            }
            audit::Entity::delete_many().filter(audit::Column::User.eq(own.clone())).exec(&txn).await?;
            user::Entity::delete_by_id(own).exec(&txn).await?;
            Ok(txn.commit().await?)
        })
        .await
    }
}

/// By what somebody is let in, what was issued in their name, and what they were told or are to be.
async fn forget_ways_in(db: &impl ConnectionTrait, id: UserId) -> Result<(), DirectoryError> {
    let own = id.as_bytes().to_vec();
    waiting::Entity::delete_many().filter(waiting::Column::User.eq(own.clone())).exec(db).await?;
    code::Entity::delete_many().filter(code::Column::User.eq(own.clone())).exec(db).await?;
    refresh::Entity::delete_many().filter(refresh::Column::User.eq(own.clone())).exec(db).await?;
    token::Entity::delete_many().filter(token::Column::User.eq(own.clone())).exec(db).await?;
    credential::Entity::delete_many().filter(credential::Column::User.eq(own.clone())).exec(db).await?;
    forget_mail(db, own.clone()).await?;
    forget_notices(db, own.clone()).await?;
    forget_requests(db, own).await?;
    let quotas = Condition::all().add(setting::Column::Name.starts_with("quota."));
    let quotas = quotas.add(setting::Column::Name.ends_with(format!(".{id}")));
    setting::Entity::delete_many().filter(quotas).exec(db).await?;
    Ok(())
}

/// What lies on a space that is gone.
async fn forget_space(db: &impl ConnectionTrait, id: Vec<u8>) -> Result<(), DirectoryError> {
    use sea_orm::{QuerySelect as _, QueryTrait as _};
    let grants = Condition::any().add(grant::Column::Space.eq(id.clone()));
    grant::Entity::delete_many().filter(grants).exec(db).await?;
    replaced::Entity::delete_many().filter(replaced::Column::Space.eq(id.clone())).exec(db).await?;
    link::Entity::delete_many().filter(link::Column::Space.eq(id.clone())).exec(db).await?;
    assignment::Entity::delete_many().filter(assignment::Column::Space.eq(id.clone())).exec(db).await?;
    offer::Entity::delete_many().filter(offer::Column::Object.eq(id.clone())).exec(db).await?;
    let folders = folder::Entity::find().select_only().column(folder::Column::Id);
    let folders = folders.filter(folder::Column::Space.eq(id.clone())).into_query();
    filing::Entity::delete_many().filter(filing::Column::Folder.in_subquery(folders)).exec(db).await?;
    folder::Entity::delete_many().filter(folder::Column::Space.eq(id.clone())).exec(db).await?;
    space::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::{FromQueryResult, Statement};

    use super::super::refresh::tests::noted;
    use super::super::sessions::SessionOrigin;
    use super::super::sign_in::{Origin, Proof, Refused};
    use super::super::{QuotaKind, Rotation, on_each_backend};
    use super::*;

    const PASSWORD: &str = "a long password";

    #[tokio::test]
    async fn of_who_is_removed_nothing_counts_from_the_mark_on_and_nothing_is_left_but_an_id() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(1_000);
            let home = directory.add_tenant("home", now).await.unwrap();
            let account = |n: u8| (UserId::from_bytes([n; 16]), SpaceId::from_bytes([n + 2; 16]));
            let alice = directory.add_owner(account(9), "alice", home.id, PASSWORD, now).await.unwrap();
            // The grant of `noted` is of this person.
            let bob = directory.add_user(account(1), "bob", home.id, Some(PASSWORD), now).await.unwrap();
            let sign_in = async || {
                let proof = Proof { password: PASSWORD, code: None };
                directory.sign_in("bob", proof, Origin::default(), now).await.unwrap()
            };
            let signed = sign_in().await.expect("control").user;
            let (session, _) =
                directory.open_signed_session(&signed, &SessionOrigin::default(), None, now).await.unwrap().unwrap();
            let grant = noted(&directory, None).await;
            let pair = directory.first_pair(&grant, now).await.unwrap().expect("control");
            directory.set_quota(QuotaKind::Groups, Some(bob.id), Some(3)).await.unwrap();
            directory.audit(bob.id, Actor::Person(bob.id), "grant.created", serde_json::json!({}), now).await.unwrap();

            let by = (alice.id, Actor::Operator);
            assert_eq!(directory.begin_removal(&alice, by, now).await.unwrap(), Removal::OfTheOwner);
            let person = RemovedPerson { id: bob.id, space: bob.space };
            assert_eq!(directory.begin_removal(&bob, by, now).await.unwrap(), Removal::Begun(person.clone()));
            assert_eq!(directory.begin_removal(&bob, by, now).await.unwrap(), Removal::Gone);
            let refused = async |directory: &Directory| {
                assert!(directory.is_suspended(bob.id) && directory.is_removed(bob.id));
                for text in [session.text(), pair.access.text()] {
                    assert!(directory.token(text, now).await.unwrap().is_none());
                }
                let proof = Proof { password: PASSWORD, code: None };
                let signs_in = directory.sign_in("bob", proof, Origin::default(), now).await.unwrap();
                assert_eq!(signs_in.map(|signed| signed.user.id), Err(Refused::Wrong));
                let begun = directory.open_signed_session(&signed, &SessionOrigin::default(), None, now).await;
                assert!(begun.unwrap().is_none(), "what was proved before");
                let refreshed = directory.rotate(pair.refresh.text(), grant.client, now).await.unwrap();
                assert!(matches!(refreshed, Rotation::Refused));
                assert!(directory.first_pair(&grant, now).await.unwrap().is_none());
                assert!(!directory.name_operator(bob.id, now).await.unwrap());
                assert!(!directory.resume(bob.id).await.unwrap() && directory.is_suspended(bob.id));
                assert_eq!(directory.user(bob.id).await.unwrap(), None);
                assert_eq!(directory.users().await.unwrap(), std::slice::from_ref(&alice));
            };
            refused(&directory).await;
            // Broken off here, another start goes on.
            let again = Directory::open(directory.db.clone()).await.unwrap();
            refused(&again).await;
            assert_eq!(again.being_removed().await.unwrap(), [person]);
            // The name is somebody else's at once.
            let next = again.add_user(account(5), "bob", home.id, None, now).await.unwrap();
            again.end_removal(bob.id, &[bob.space], now).await.unwrap();
            again.end_removal(bob.id, &[bob.space], now).await.unwrap();
            assert_eq!(again.being_removed().await.unwrap(), []);
            assert_eq!(again.user_named("bob").await.unwrap(), Some(next.clone()));
            assert_eq!(again.quota(QuotaKind::Groups, next.id).await.unwrap(), 64);
            assert!(Directory::open(directory.db.clone()).await.unwrap().is_removed(bob.id), "its id is kept");
            let told = again.audit_before(alice.id, None, 9).await.unwrap();
            let told: Vec<_> = told.iter().map(|act| (act.action.as_str(), act.detail.clone())).collect();
            assert_eq!(told, [("user.removed", json!({ "user": bob.id }))], "once, and of nobody who stays");

            // Whatever table names somebody names nobody who is gone.
            if directory.db.get_database_backend() != sea_orm::DbBackend::Sqlite {
                continue;
            }
            #[derive(FromQueryResult)]
            struct Named {
                name: String,
            }
            let sql = "SELECT m.name AS name FROM sqlite_master m, pragma_table_info(m.name) c
                WHERE m.type = 'table' AND m.name LIKE 'dir!_%' ESCAPE '!' AND c.name = 'user' AND m.name <> 'dir_removed'";
            let one = |sql: &str| Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
            let tables = Named::find_by_statement(one(sql)).all(&directory.db).await.unwrap();
            assert!(tables.len() > 10, "control: {}", tables.len());
            let id = data_encoding::HEXLOWER.encode(bob.id.as_bytes());
            for Named { name } in tables {
                let sql = format!("SELECT '{name}' AS name FROM {name} WHERE \"user\" = x'{id}'");
                assert!(Named::find_by_statement(one(&sql)).one(&directory.db).await.unwrap().is_none(), "{name}");
            }
        }
    }
}
