//! Accounts of people at outside providers of OpenID Connect, by which they sign in.
//!
//! Who somebody is there is told by issuer and subject alone (OpenID Connect Core 1.0, 5.7): never by a name or an address
//! of e-mail, which others can have had before, or claim. So nobody's account here is taken over by who comes from there
//! under its name, and nobody waits in one that another will be given.

use policy_core::{SpaceId, TenantId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set, SqlErr, TransactionTrait};

use super::credentials::{self, CredentialId, CredentialKind, touch};
use super::people::taken;
use super::tables::{credential, token, user};
use super::{Directory, DirectoryError, SecretHash, User, id};

/// Whom an outside provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub issuer: String,
    pub subject: String,
}

/// The longest label that is kept, in characters.
const MAX_LABEL: usize = 120;

impl Identity {
    fn kept(&self) -> String {
        hashed("identity", &self.issuer, &self.subject)
    }
}

/// What a provider calls a session of its own, as it is kept.
pub fn outside_session(issuer: &str, session: &str) -> String {
    hashed("outside-session", issuer, session)
}

fn hashed(what: &str, issuer: &str, text: &str) -> String {
    // No issuer holds a NUL: it is a URL.
    data_encoding::HEXLOWER.encode(&SecretHash::of(&format!("\0{what}\0{issuer}\0{text}")).0)
}

fn outside(user: UserId, identity: &Identity, label: &str, now: Timestamp) -> credential::ActiveModel {
    let mut row = credentials::row(user, CredentialKind::Outside, String::new(), now);
    row.identity = Set(Some(identity.kept()));
    row.label = Set(Some(label.chars().filter(|c| !c.is_control()).take(MAX_LABEL).collect()));
    row
}

/// What came of giving somebody an account at a provider to sign in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    Done(CredentialId),
    /// Somebody signs in by it already, perhaps the same person.
    Taken,
}

impl Directory {
    /// Who signs in by this account at a provider, and the credential that it is.
    pub async fn user_outside(&self, identity: &Identity) -> Result<Option<(User, CredentialId)>, DirectoryError> {
        let find = credential::Entity::find().filter(credential::Column::Identity.eq(identity.kept()));
        let Some(row) = find.one(&self.db).await? else { return Ok(None) };
        let user = self.user(id(&row.user, UserId::from_bytes, "dir_credential")?).await?;
        let credential = id(&row.id, |id| id, "dir_credential")?;
        Ok(user.map(|user| (user, credential)))
    }

    /// Lets a person sign in by an account at a provider. `label` is what they recognise it by.
    pub async fn link_outside(
        &self,
        user: UserId,
        identity: &Identity,
        label: &str,
        now: Timestamp,
    ) -> Result<Linked, DirectoryError> {
        let row = outside(user, identity, label, now);
        let credential: CredentialId = id(row.id.as_ref(), |id| id, "dir_credential")?;
        let txn = self.db.begin().await?;
        if !touch(&txn, user).await? {
            return Ok(Linked::Taken);
        }
        match credential::Entity::insert(row).exec_without_returning(&txn).await {
            Ok(_) => txn.commit().await.map(|()| Linked::Done(credential)).map_err(Into::into),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(Linked::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds a person who signs in by an account at a provider, and by nothing else until they set a password: all at once.
    /// [`DirectoryError::Taken`] if the name was taken meanwhile, or the account at the provider.
    pub async fn add_outside_user(
        &self,
        account: (UserId, SpaceId),
        name: &str,
        tenant: TenantId,
        (identity, label): (&Identity, &str),
        now: Timestamp,
    ) -> Result<(User, CredentialId), DirectoryError> {
        let (added, row, _) = self.new_user(account, name, tenant, None, now).await?;
        let way = outside(added.id, identity, label, now);
        let credential = id(way.id.as_ref(), |id| id, "dir_credential")?;
        let txn = self.db.begin().await?;
        user::Entity::insert(row).exec_without_returning(&txn).await.map_err(taken(&added.name))?;
        credential::Entity::insert(way).exec_without_returning(&txn).await.map_err(taken(&added.name))?;
        txn.commit().await?;
        Ok((added, credential))
    }

    /// Ends the sessions that an account at a provider opened: of one session there, or all of them. Returns how many.
    pub async fn end_outside_sessions(
        &self,
        issuer: &str,
        subject: Option<&str>,
        session: Option<&str>,
    ) -> Result<u64, DirectoryError> {
        let mut ended = sea_orm::Condition::all();
        if let Some(subject) = subject {
            let identity = Identity { issuer: issuer.to_owned(), subject: subject.to_owned() };
            let Some((_, credential)) = self.user_outside(&identity).await? else { return Ok(0) };
            ended = ended.add(token::Column::Credential.eq(credential.to_vec()));
        }
        if let Some(session) = session {
            ended = ended.add(token::Column::OutsideSession.eq(outside_session(issuer, session)));
        }
        if ended.is_empty() {
            return Ok(0);
        }
        let end = token::Entity::delete_many().filter(ended);
        self.change_tokens(|db| async move { Ok(end.exec(&db).await?.rows_affected) }).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::Removed;
    use super::super::on_each_backend;
    use super::super::sessions::{OpenedBy, SessionOrigin};
    use super::*;

    fn identity(issuer: &str, subject: &str) -> Identity {
        Identity { issuer: issuer.to_owned(), subject: subject.to_owned() }
    }

    #[tokio::test]
    async fn an_account_at_a_provider_is_one_persons_and_ends_with_what_it_opened() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let home = directory.add_tenant("home", at(0)).await.unwrap();
            let account = |n: u8| (UserId::from_bytes([n; 16]), SpaceId::from_bytes([n; 16]));
            let alice = directory.add_user(account(1), "alice", home.id, Some("a long password"), at(0)).await.unwrap();
            let bob = directory.add_user(account(2), "bob", home.id, Some("a long password"), at(0)).await.unwrap();
            let there = identity("https://id.example", "7");
            let Linked::Done(way) = directory.link_outside(alice.id, &there, "alice@id\u{7}", at(1)).await.unwrap()
            else {
                panic!("it is linked");
            };
            for person in [alice.id, bob.id] {
                let again = directory.link_outside(person, &there, "x", at(2)).await.unwrap();
                assert_eq!(again, Linked::Taken);
            }
            let other = directory.add_outside_user(account(3), "carol", home.id, (&there, "x"), at(2)).await;
            assert!(
                matches!(other, Err(DirectoryError::Taken(_)))
                    && directory.user_named("carol").await.unwrap().is_none()
            );
            assert_eq!(directory.user_outside(&there).await.unwrap().map(|found| found.0.id), Some(alice.id));
            for stranger in [identity("https://id.example", "8"), identity("https://id.example.org", "7")] {
                assert!(directory.user_outside(&stranger).await.unwrap().is_none());
            }
            let open = async |by: Option<&OpenedBy>| {
                directory.open_signed_session(&alice, &SessionOrigin::default(), by, at(3)).await.unwrap()
            };
            let by = |session: &str| OpenedBy {
                credential: way,
                kind: CredentialKind::Outside,
                outside_session: Some(outside_session("https://id.example", session)),
                proved: session == "s1",
            };
            let ((one, first), (two, second)) =
                (open(Some(&by("s1"))).await.unwrap(), open(Some(&by("s2"))).await.unwrap());
            let (own, by_password) = open(None).await.unwrap();
            let confirmed = [first, second, by_password].map(|token| token.confirmed.is_some());
            assert_eq!(confirmed, [true, false, true], "who was signed in there before has proved nothing now");
            let is_open =
                async |secret: &super::super::Secret| directory.token(secret.text(), at(4)).await.unwrap().is_some();
            let end = async |issuer: &str, subject, session| {
                directory.end_outside_sessions(issuer, subject, session).await.unwrap()
            };
            assert_eq!(end("https://other.example", None, Some("s1")).await, 0);
            assert_eq!(end("https://id.example", None, None).await, 0);
            assert_eq!(end("https://id.example", Some("8"), Some("s1")).await, 0);
            assert_eq!(end("https://id.example", Some("7"), Some("s1")).await, 1);
            assert_eq!((is_open(&one).await, is_open(&two).await, is_open(&own).await), (false, true, true));
            assert_eq!(directory.remove_credential(bob.id, way, None).await.unwrap(), Removed::Unknown, "not theirs");
            let removed = directory.remove_credential(alice.id, way, None).await.unwrap();
            assert_eq!(removed, Removed::Done(CredentialKind::Outside));
            assert_eq!((is_open(&two).await, is_open(&own).await), (false, true));
            assert!(open(Some(&by("s3"))).await.is_none(), "it was taken away while they signed in");
            assert!(directory.user_outside(&there).await.unwrap().is_none());
            // Who has nothing else keeps it.
            let (carol, way) =
                directory.add_outside_user(account(3), "carol", home.id, (&there, "carol"), at(5)).await.unwrap();
            assert_eq!(directory.remove_credential(carol.id, way, None).await.unwrap(), Removed::LastWayIn);
            let shown = directory.credentials(carol.id).await.unwrap();
            assert_eq!(shown.iter().map(|one| one.label.as_deref()).collect::<Vec<_>>(), [Some("carol")]);
        }
    }
}
