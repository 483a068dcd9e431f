//! The apps that a person lets know who they are, and the tokens by which an app learns that and nothing else.

use hmac::{Hmac, KeyInit, Mac};
use policy_core::{ClientId, Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Set, TransactionTrait};
use sha2::Sha256;

use super::codes::Code;
use super::openid::{Family, Openid, OpenidScope};
use super::refresh::ACCESS;
use super::tables::{code, refresh, sign_in, token};
use super::tokens::row;
use super::{Directory, DirectoryError, Secret, Token, TokenKind, id};
use crate::dpop::Thumbprint;

/// A person lets an app know who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRow {
    pub client: ClientId,
    pub scope: OpenidScope,
    pub created: Timestamp,
    pub last_used: Timestamp,
    /// What the document of the app said when they said yes, hashed, if one describes it.
    pub terms: Option<Vec<u8>>,
}

impl TryFrom<sign_in::Model> for SignInRow {
    type Error = DirectoryError;
    fn try_from(row: sign_in::Model) -> Result<Self, DirectoryError> {
        Ok(SignInRow {
            client: id(&row.client, ClientId::from_bytes, "dir_sign_in")?,
            scope: OpenidScope::of(&row.scope).ok_or(DirectoryError::Damaged("dir_sign_in"))?,
            created: Timestamp(row.created),
            last_used: Timestamp(row.last_used),
            terms: row.terms,
        })
    }
}

fn key(user: UserId, client: ClientId) -> (Vec<u8>, Vec<u8>) {
    (user.as_bytes().to_vec(), client.as_bytes().to_vec())
}

impl Directory {
    /// A person lets an app know who they are, from now on. `terms`: of an app that a document describes, what it says now.
    pub async fn allow_sign_in(
        &self,
        user: UserId,
        client: ClientId,
        (scope, terms): (OpenidScope, Option<Vec<u8>>),
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        let (user, client) = key(user, client);
        let row = sign_in::ActiveModel {
            user: Set(user),
            client: Set(client),
            scope: Set(scope.text().to_owned()),
            created: Set(now.0),
            last_used: Set(now.0),
            terms: Set(terms),
        };
        let mut again = OnConflict::columns([sign_in::Column::User, sign_in::Column::Client]);
        again.update_columns([sign_in::Column::Scope, sign_in::Column::LastUsed, sign_in::Column::Terms]);
        sign_in::Entity::insert(row).on_conflict(again).exec_without_returning(&self.db).await?;
        Ok(())
    }

    /// What a person lets an app know, if anything.
    pub async fn sign_in_at(&self, user: UserId, client: ClientId) -> Result<Option<SignInRow>, DirectoryError> {
        let found = sign_in::Entity::find_by_id(key(user, client)).one(&self.db).await?;
        found.map(SignInRow::try_from).transpose()
    }

    /// The apps that a person lets know who they are, in the order in which they began to.
    pub async fn sign_ins(&self, user: UserId) -> Result<Vec<SignInRow>, DirectoryError> {
        let own = sign_in::Entity::find().filter(sign_in::Column::User.eq(user.as_bytes().to_vec()));
        let rows = own.order_by_asc(sign_in::Column::Created).order_by_asc(sign_in::Column::Client);
        rows.all(&self.db).await?.into_iter().map(SignInRow::try_from).collect()
    }

    /// An app may know no more who somebody is; whether it might. Its tokens for that end with it.
    pub async fn end_sign_in(&self, user: UserId, client: ClientId) -> Result<bool, DirectoryError> {
        let (user, client) = key(user, client);
        self.change_tokens(|db| async move {
            let txn = db.begin().await?;
            // First the row: who issues tokens touches it first, and finds it gone.
            let gone = sign_in::Entity::delete_by_id((user.clone(), client.clone())).exec(&txn).await?;
            let own = Condition::all().add(token::Column::User.eq(user)).add(token::Column::Client.eq(client));
            token::Entity::delete_many().filter(own.add(token::Column::GrantId.is_null())).exec(&txn).await?;
            txn.commit().await?;
            Ok(gone.rows_affected > 0)
        })
        .await
    }

    /// Ends what an app knows of everybody: it is removed.
    pub async fn end_sign_ins_at(&self, client: ClientId) -> Result<(), DirectoryError> {
        let client = client.as_bytes().to_vec();
        self.change_tokens(|db| async move {
            let txn = db.begin().await?;
            sign_in::Entity::delete_many().filter(sign_in::Column::Client.eq(client.clone())).exec(&txn).await?;
            let own = Condition::all().add(token::Column::Client.eq(client)).add(token::Column::GrantId.is_null());
            token::Entity::delete_many().filter(own).exec(&txn).await?;
            Ok(txn.commit().await?)
        })
        .await
    }

    /// Ends what one sign-in at an app gave it, tokens for data too; whose it was, if there was anything yet. The grant
    /// stays.
    pub async fn end_login(&self, client: ClientId, family: Family) -> Result<Option<UserId>, DirectoryError> {
        let (client, family) = (client.as_bytes().to_vec(), family.0.to_vec());
        let tokens = Condition::all()
            .add(token::Column::Client.eq(client.clone()))
            .add(token::Column::Family.eq(family.clone()));
        let refreshes =
            Condition::all().add(refresh::Column::Client.eq(client)).add(refresh::Column::Family.eq(family));
        let found = token::Entity::find().filter(tokens.clone()).one(&self.db).await?.map(|found| found.user);
        let found = match found {
            None => refresh::Entity::find().filter(refreshes.clone()).one(&self.db).await?.map(|found| found.user),
            found => found,
        };
        let Some(found) = found else { return Ok(None) };
        let user = id(&found, UserId::from_bytes, "dir_token")?;
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // First what makes more of them.
            refresh::Entity::delete_many().filter(refreshes).exec(&txn).await?;
            token::Entity::delete_many().filter(tokens).exec(&txn).await?;
            txn.commit().await?;
            Ok(Some(user))
        })
        .await
    }

    /// What a person is called in a sector: another name in each, which tells nothing of who they are (OpenID Connect
    /// Core, 8.1).
    pub fn subject(&self, user: UserId, sector: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.subject_key).expect("HMAC takes any key");
        mac.update(user.as_bytes());
        mac.update(sector.as_bytes());
        data_encoding::BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())
    }

    /// Notes that a person signs in to an app; whether they still let it.
    pub async fn note_sign_in(&self, user: UserId, client: ClientId, now: Timestamp) -> Result<bool, DirectoryError> {
        let (user, client) = key(user, client);
        let noted = sign_in::Entity::update_many()
            .col_expr(sign_in::Column::LastUsed, Expr::value(now.0))
            .filter(sign_in::Column::User.eq(user))
            .filter(sign_in::Column::Client.eq(client))
            .exec(&self.db)
            .await?;
        Ok(noted.rows_affected == 1)
    }

    /// The access token of a code that signs in alone, bound to a key if the app proved one: by it the app learns who the
    /// person is, once more, and nothing else. `None` if the person takes it back meanwhile, or the code was used a second time.
    pub async fn identity_token(
        &self,
        taken: &Code,
        openid: &Openid,
        (client, bound_to): (ClientId, Option<Thumbprint>),
        now: Timestamp,
    ) -> Result<Option<(Secret, Timestamp)>, DirectoryError> {
        let txn = self.db.begin().await?;
        let (user, app) = key(taken.user, client);
        // Touching the rows orders this against whoever removes them.
        let lives = sign_in::Entity::update_many()
            .col_expr(sign_in::Column::LastUsed, Expr::value(now.0))
            .filter(sign_in::Column::User.eq(user))
            .filter(sign_in::Column::Client.eq(app))
            .exec(&txn)
            .await?;
        let once = code::Entity::update_many()
            .col_expr(code::Column::Used, Expr::col(code::Column::Used))
            .filter(code::Column::Hash.eq(taken.hash.clone()))
            .exec(&txn)
            .await?;
        if lives.rows_affected != 1 || once.rows_affected != 1 {
            txn.rollback().await?;
            return Ok(None);
        }
        let secret = Secret::draw();
        let kind = TokenKind::Identity { client, family: openid.family, openid: openid.scope };
        let expires = Timestamp(now.0 + ACCESS * 1_000_000);
        let (hash, user) = (secret.hash(), taken.user);
        let token = Token {
            hash,
            user,
            kind,
            created: now,
            expires,
            confirmed: None,
            used: now,
            idle: None,
            key: bound_to,
            within: None,
        };
        token::Entity::insert(row(&token)).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Some((secret, expires)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewCode, Taken, on_each_backend};
    use super::*;

    #[tokio::test]
    async fn a_sign_in_alone_gives_one_token_and_ends_when_it_is_taken_back_or_its_code_is_used_twice() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let (user, client) = (UserId::from_bytes([1; 16]), ClientId::from_bytes([2; 16]));
            let scope = OpenidScope { profile: true };
            let code = async || {
                let openid =
                    Openid { scope, nonce: Some("n".into()), at: Some(now), amr: Vec::new(), family: Family::draw() };
                let new = NewCode {
                    user,
                    client,
                    grant: None,
                    redirect_uri: "https://a.example/".into(),
                    challenge: "c".into(),
                    openid: Some(openid),
                    key: None,
                };
                directory.issue_code(new, now).await.unwrap().text().to_owned()
            };
            let take = async |text: &str| directory.take_code(text, client, now).await.unwrap();
            let issue = async |taken: &Code| {
                let openid = taken.openid.clone().unwrap();
                directory.identity_token(taken, &openid, (client, None), now).await.unwrap()
            };
            let first = code().await;
            let Taken::Once(taken) = take(&first).await else { panic!("a fresh code") };
            assert_eq!((taken.grant, taken.openid.as_ref().unwrap().nonce.as_deref()), (None, Some("n")));
            assert!(issue(&taken).await.is_none(), "the person has not let it");
            directory.allow_sign_in(user, client, (scope, None), now).await.unwrap();
            let (secret, _) = issue(&taken).await.expect("control");
            let token = directory.token(secret.text(), now).await.unwrap().unwrap();
            assert!(matches!(token.kind, TokenKind::Identity { openid, .. } if openid == scope));
            assert!(directory.sessions(user, now).await.unwrap().is_empty(), "it is no session");
            assert!(matches!(take(&first).await, Taken::TwiceIdentity { .. }));
            assert_eq!(directory.token(secret.text(), now).await.unwrap(), None);
            assert!(issue(&taken).await.is_none(), "nothing more comes of it");
            let Taken::Once(taken) = take(&code().await).await else { panic!("a fresh code") };
            let (secret, _) = issue(&taken).await.expect("control");
            assert_eq!(directory.sign_ins(user).await.unwrap().len(), 1);
            assert!(directory.end_sign_in(user, client).await.unwrap());
            assert!(!directory.end_sign_in(user, client).await.unwrap());
            assert_eq!(directory.token(secret.text(), now).await.unwrap(), None);
            assert!(directory.sign_in_at(user, client).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_person_has_another_name_in_each_sector_and_on_each_node() {
        let (one, other) = (super::super::in_memory().await, super::super::in_memory().await);
        let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let name = one.subject(alice, "a.example");
        assert_eq!(name, one.subject(alice, "a.example"), "control");
        assert_eq!(name.len(), 43);
        for else_ in [one.subject(alice, "b.example"), one.subject(bob, "a.example"), other.subject(alice, "a.example")]
        {
            assert_ne!(name, else_);
        }
    }
}
