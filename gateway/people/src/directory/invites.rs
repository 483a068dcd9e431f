//! A link by which a person sets their own password, once and within a day: for who is new, and for who forgot theirs.

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, TransactionTrait};

use super::credentials::{CredentialKind, remove_all, row};
use super::opened::end_opened;
use super::passwords::fit;
use super::tables::{credential, token, user};
use super::turns::Asker;
use super::{Directory, DirectoryError, Secret, SecretHash, User, id};

/// How long a link is good, in microseconds.
const LASTS: i64 = 86_400_000_000;

fn kept(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&SecretHash::of(&format!("\0invite\0{text}")).0)
}

impl Directory {
    /// Makes a link for a person, in the place of one from before; what is in it, and until when it is good.
    pub async fn invite(&self, user: UserId, now: Timestamp) -> Result<(Secret, Timestamp), DirectoryError> {
        let secret = Secret::draw();
        let row = row(user, CredentialKind::Invite, kept(secret.text()), now);
        let txn = self.db.begin().await?;
        remove_all(&txn, user, &[CredentialKind::Invite]).await?;
        credential::Entity::insert(row).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok((secret, Timestamp(now.0.saturating_add(LASTS))))
    }

    async fn invite_row(&self, text: &str, now: Timestamp) -> Result<Option<credential::Model>, DirectoryError> {
        let found = credential::Entity::find()
            .filter(credential::Column::Kind.eq(CredentialKind::Invite.word()))
            .filter(credential::Column::Secret.eq(kept(text)))
            .one(&self.db)
            .await?;
        Ok(found.filter(|row| (0..LASTS).contains(&now.0.saturating_sub(row.created))))
    }

    /// For whom a link is, if it is good.
    pub async fn invited(&self, text: &str, now: Timestamp) -> Result<Option<User>, DirectoryError> {
        let Some(row) = self.invite_row(text, now).await? else { return Ok(None) };
        let user = id(&row.user, UserId::from_bytes, "dir_credential")?;
        if self.is_suspended(user) { Ok(None) } else { self.user(user).await }
    }

    /// Uses a link up: the person's password is this one, and what another had opened ends. `None` if it is not good, or
    /// was used meanwhile.
    pub async fn take_invite(
        &self,
        text: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Option<User>, DirectoryError> {
        let Some(invite) = self.invite_row(text, now).await? else { return Ok(None) };
        let Some(person) = self.invited(text, now).await? else { return Ok(None) };
        fit(password, &person.name)?;
        let hash = self.passwords.hash(Asker::Session(person.id, SecretHash::of(text)), password).await?;
        let own = person.id.as_bytes().to_vec();
        let count = user::Entity::update_many()
            .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
            .filter(user::Column::Id.eq(own.clone()));
        let change = credential::Entity::update_many()
            .col_expr(credential::Column::Secret, Expr::value(hash.clone()))
            .filter(credential::Column::Id.eq(own.clone()));
        let first = row(person.id, CredentialKind::Password, hash, now);
        let sessions = Condition::all().add(token::Column::User.eq(own)).add(token::Column::GrantId.is_null());
        let end = token::Entity::delete_many().filter(sessions);
        let used = credential::Entity::delete_by_id(invite.id);
        self.change_tokens(|db| async move {
            let txn = db.begin().await?;
            // First the person's row, as whoever begins a session does.
            count.exec(&txn).await?;
            if used.exec(&txn).await?.rows_affected == 0 {
                return Ok(None);
            }
            if change.exec(&txn).await?.rows_affected == 0 {
                credential::Entity::insert(first).exec_without_returning(&txn).await?;
            }
            end.exec(&txn).await?;
            end_opened(&txn, person.id).await?;
            txn.commit().await?;
            Ok(Some(person))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use policy_core::SpaceId;

    use super::super::on_each_backend;
    use super::super::sign_in::{Origin, Proof, Refused};
    use super::*;

    #[tokio::test]
    async fn a_link_sets_a_password_once_within_a_day_however_many_try() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let home = directory.add_tenant("home", at(0)).await.unwrap();
            let account = (UserId::from_bytes([1; 16]), SpaceId::from_bytes([2; 16]));
            let bob = directory.add_user(account, "bob", home.id, None, at(0)).await.unwrap();
            let sign_in = async |password: &str| {
                let proof = Proof { password, code: None };
                directory.sign_in("bob", proof, Origin::default(), at(50)).await.unwrap().map(|_| ())
            };
            assert_eq!(sign_in("").await, Err(Refused::Wrong), "who has no password signs in by none");
            let (former, _) = directory.invite(bob.id, at(0)).await.unwrap();
            let (link, until) = directory.invite(bob.id, at(10)).await.unwrap();
            assert_eq!(until, at(10 + 86_400));
            let invited = async |link: &str, now| directory.invited(link, now).await.unwrap().map(|user| user.id);
            assert_eq!(invited(former.text(), at(11)).await, None, "another was made since");
            assert_eq!(invited("a guess", at(11)).await, None);
            assert_eq!(invited(link.text(), until).await, None, "a day is over");
            assert_eq!(invited(link.text(), at(11)).await, Some(bob.id), "control: looking does not use it up");
            let (open, _) = directory.open_session(bob.id, at(12), 600, None).await.unwrap();
            let take = async |password: &str, now| directory.take_invite(link.text(), password, now).await;
            assert!(take("short", at(13)).await.is_err() && take("a long password", until).await.unwrap().is_none());
            let all = (0..8).map(|_| take("a long password", at(14)));
            let took = futures::future::join_all(all).await.into_iter().filter(|one| matches!(one, Ok(Some(_))));
            assert_eq!(took.count(), 1);
            assert!(directory.token(open.text(), at(15)).await.unwrap().is_none(), "what was open before ends");
            assert_eq!(sign_in("a long password").await, Ok(()));
            assert_eq!(invited(link.text(), at(15)).await, None);
            // Who forgot theirs.
            let (link, _) = directory.invite(bob.id, at(20)).await.unwrap();
            assert_eq!(sign_in("a long password").await, Ok(()), "control: a link alone changes nothing");
            assert!(directory.take_invite(link.text(), "another password", at(21)).await.unwrap().is_some());
            assert_eq!(
                (sign_in("a long password").await, sign_in("another password").await),
                (Err(Refused::Wrong), Ok(()))
            );
        }
    }
}
