//! Another password for a person. No key hangs on it: what the node keeps is sealed under the node key. So a change is one
//! row, in one transaction with the end of what the former password had opened.

use std::net::IpAddr;

use policy_core::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait as _, QueryFilter, SqlErr, TransactionTrait};

use super::credentials::{CredentialKind, row};
use super::opened::end_opened;
use super::passwords::{SecondFactor, fit};
use super::sign_in::{Proof, Refused};
use super::tables::{credential, token, user};
use super::turns::Asker;
use super::{Directory, DirectoryError, SecretHash, User};

/// Who gives a person another password.
#[derive(Clone, Copy)]
pub enum ChangedBy<'a> {
    /// Whoever holds the machine.
    Operator,
    /// The person, who knows the current one, in this session. Who has a second factor gives a code of it too, unless they
    /// proved of late in this session who they are (`confirmed`), which took one.
    Person { session: SecretHash, proof: Proof<'a>, confirmed: bool, from: Option<IpAddr> },
    /// The person, who has none, and proved of late in this session who they are.
    First { session: SecretHash },
}

impl Directory {
    /// Gives a person another password, and ends their sessions but the one that asks: all at once, or nothing. How many
    /// sessions it ended, or what was wrong: [`Refused::Wrong`] if the current password is another.
    pub async fn change_password(
        &self,
        person: &User,
        by: ChangedBy<'_>,
        password: &str,
        now: Timestamp,
    ) -> Result<Result<u64, Refused>, DirectoryError> {
        fit(password, &person.name)?;
        let Some(known) = self.user_row(&person.name).await? else { return Ok(Err(Refused::Wrong)) };
        let held = self.credentials_of(Some(&known)).await?;
        let present = held.password();
        let mut sessions = Condition::all()
            .add(token::Column::User.eq(person.id.as_bytes().to_vec()))
            .add(token::Column::GrantId.is_null());
        let asker = match by {
            ChangedBy::Operator => Asker::Operator,
            ChangedBy::Person { session, proof, confirmed, from } => {
                let asker = Asker::Session(person.id, session);
                let proved = if confirmed && proof.code.is_none() {
                    let second = SecondFactor::Proved;
                    let right = self.passwords.matches(asker.clone(), proof.password, present.clone(), second).await?;
                    if right { Ok(()) } else { Err(Refused::Wrong) }
                } else {
                    self.prove(asker.clone(), &held, proof, now).await?
                };
                if let Err(refused) = proved {
                    if matches!(refused, Refused::Wrong | Refused::WrongCode) {
                        self.refused(Some(person.id), from, None, now);
                    }
                    return Ok(Err(refused));
                }
                sessions = sessions.add(token::Column::Hash.ne(session.0.to_vec()));
                asker
            }
            ChangedBy::First { session } => {
                if present.is_some() {
                    return Ok(Err(Refused::Wrong));
                }
                sessions = sessions.add(token::Column::Hash.ne(session.0.to_vec()));
                Asker::Session(person.id, session)
            }
        };
        let hash = self.passwords.hash(asker, password).await?;
        // First the person's row, as whoever begins a session does.
        let count = user::Entity::update_many()
            .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
            .filter(user::Column::Id.eq(known.id.clone()));
        // Of two changes at once the second finds another password than the one it was given.
        let change = present.map(|present| {
            credential::Entity::update_many()
                .col_expr(credential::Column::Secret, Expr::value(hash.clone()))
                .filter(credential::Column::Id.eq(known.id))
                .filter(credential::Column::Secret.eq(present))
        });
        let first = row(person.id, CredentialKind::Password, hash, now);
        let end = token::Entity::delete_many().filter(sessions);
        let whose = person.id;
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            count.exec(&txn).await?;
            let Some(change) = change else {
                // They had none, and have their first unless another was sooner.
                match credential::Entity::insert(first).exec_without_returning(&txn).await {
                    Ok(_) => {}
                    Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
                        return Ok(Err(Refused::Wrong));
                    }
                    Err(error) => return Err(error.into()),
                }
                let ended = end.exec(&txn).await?.rows_affected;
                end_opened(&txn, whose).await?;
                txn.commit().await?;
                return Ok(Ok(ended));
            };
            if change.exec(&txn).await?.rows_affected == 0 {
                return Ok(Err(Refused::Wrong));
            }
            let ended = end.exec(&txn).await?.rows_affected;
            end_opened(&txn, whose).await?;
            txn.commit().await?;
            Ok(Ok(ended))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use policy_core::{ClientId, SpaceId, UserId};

    use super::super::sessions::SessionOrigin;
    use super::super::sign_in::Origin;
    use super::super::waiting::Polled;
    use super::super::{NewCode, Secret, Taken, on_each_backend};
    use super::*;

    #[tokio::test]
    async fn a_change_ends_what_the_former_password_opened_and_what_it_is_about_to_open() {
        for directory in on_each_backend().await {
            let (now, seen) = (Timestamp::from_seconds(1_000), SessionOrigin::default());
            let home = directory.add_tenant("home", now).await.unwrap();
            let account = (UserId::from_bytes([1; 16]), SpaceId::from_bytes([2; 16]));
            directory.add_user(account, "alice", home.id, Some("the first password"), now).await.unwrap();
            let sign_in = async |password: &str| {
                let proof = Proof { password, code: None };
                let signed = directory.sign_in("alice", proof, Origin::default(), now).await.unwrap();
                signed.ok().map(|signed| signed.user)
            };
            let alice = sign_in("the first password").await.expect("control");
            let (kept, _) = directory.open_signed_session(&alice, &seen, None, now).await.unwrap().expect("control");
            let (other, _) = directory.open_signed_session(&alice, &seen, None, now).await.unwrap().unwrap();
            let proof = |password| Proof { password, code: None };
            let by = |current| ChangedBy::Person {
                session: kept.hash(),
                proof: proof(current),
                confirmed: false,
                from: None,
            };
            let change = async |current, new| directory.change_password(&alice, by(current), new, now).await;
            assert_eq!(
                change("the second password", "the second password").await.unwrap(),
                Err(Refused::Wrong),
                "a guess"
            );
            assert!(change("the first password", "short").await.is_err() && change("x", "alice").await.is_err());
            assert!(directory.token(other.text(), now).await.unwrap().is_some(), "control: nothing was changed");
            assert_eq!(change("the first password", "the second password").await.unwrap(), Ok(1));
            assert!(directory.token(other.text(), now).await.unwrap().is_none());
            assert!(directory.token(kept.text(), now).await.unwrap().is_some(), "control: whoever asked stays");
            // Who proved the first password before the change, and begins a session after it.
            assert!(directory.open_signed_session(&alice, &seen, None, now).await.unwrap().is_none());
            assert!(directory.open_page_session(&alice, &seen, None, now).await.unwrap().is_none());
            assert_eq!(sign_in("the first password").await, None);
            let again = sign_in("the second password").await.unwrap();
            assert!(directory.open_page_session(&again, &seen, None, now).await.unwrap().is_some(), "control");
            // What the former password let an app and a device have, and they have not fetched.
            let client = ClientId::from_bytes([3; 16]);
            let code = async || {
                let new = NewCode {
                    user: alice.id,
                    client,
                    grant: None,
                    redirect_uri: String::new(),
                    challenge: String::new(),
                    openid: None,
                    key: None,
                };
                let codes = directory.await_person((client, false), "here", "", now).await.unwrap();
                let device = directory.waiting(&codes.user, now).await.unwrap().unwrap();
                assert!(directory.answer_device(&device).await.unwrap());
                assert!(directory.allow_device(&device, &new).await.unwrap());
                (directory.issue_code(new, now).await.unwrap(), codes.device)
            };
            let fetch = async |(code, device): (Secret, Secret)| {
                let code = directory.take_code(code.text(), client, now).await.unwrap();
                let polled = directory.poll_device(device.text(), client, None, now).await.unwrap();
                (matches!(code, Taken::Once(_)), matches!(polled, Polled::Allowed(_)))
            };
            assert_eq!(fetch(code().await).await, (true, true), "control");
            let unfetched = code().await;
            let set = directory.change_password(&again, ChangedBy::Operator, "the third password", now).await;
            assert_eq!(set.unwrap(), Ok(2), "the operator ends them all");
            assert_eq!(fetch(unfetched).await, (false, false));
            assert!(directory.token(kept.text(), now).await.unwrap().is_none());
            assert!(sign_in("the third password").await.is_some());
        }
    }
}
