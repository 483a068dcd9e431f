//! Authorization codes: sixty seconds, once.

use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set};

use super::openid::Openid;
use super::tables::code;
use super::{Directory, DirectoryError, Secret, SecretHash, id};
use crate::dpop::Thumbprint;

/// How long a code is good, in seconds.
const LASTS: i64 = 60;

/// What a code stands for.
#[derive(Debug, Clone)]
pub struct NewCode {
    pub user: UserId,
    pub client: ClientId,
    /// What it opens; `None`: it signs in alone.
    pub grant: Option<GrantId>,
    pub redirect_uri: String,
    /// Base64url of the SHA-256 of the verifier (RFC 7636).
    pub challenge: String,
    /// What the app is told of the sign-in, if it asked.
    pub openid: Option<Openid>,
    /// The key whose holder alone may exchange it, if the app named one.
    pub key: Option<Thumbprint>,
}

/// A code that was taken in time, for the first time, by its app.
#[derive(Debug, Clone)]
pub struct Code {
    pub user: UserId,
    pub grant: Option<GrantId>,
    pub redirect_uri: String,
    pub challenge: String,
    pub openid: Option<Openid>,
    pub key: Option<Thumbprint>,
    pub(super) hash: Vec<u8>,
}

/// What came of a code.
#[derive(Debug)]
pub enum Taken {
    Once(Code),
    /// Unknown, lapsed, or another app's.
    Refused,
    /// Presented a second time: what it gave must end.
    Twice {
        user: UserId,
        grant: GrantId,
    },
    /// The same, of one that signed in alone: what it gave has ended.
    TwiceIdentity {
        user: UserId,
    },
}

impl Directory {
    /// Issues a code.
    pub async fn issue_code(&self, new: NewCode, now: Timestamp) -> Result<Secret, DirectoryError> {
        insert_code(&self.db, new, now).await
    }

    /// What a code that was taken opens by now: another grant may have taken the place of the one that it was issued for.
    pub async fn grant_of_code(&self, text: &str) -> Result<Option<GrantId>, DirectoryError> {
        let found = code::Entity::find_by_id(SecretHash::of(text).0.to_vec()).one(&self.db).await?;
        let bytes = found.map(|found| found.grant_id).filter(|bytes| !bytes.is_empty());
        bytes.map(|bytes| id(&bytes, GrantId::from_bytes, "dir_code")).transpose()
    }

    /// A code that was issued for `client`, which may be late or taken: it is looked at, and not taken.
    pub async fn code(&self, text: &str, client: ClientId) -> Result<Option<Code>, DirectoryError> {
        Ok(self.code_until(text, client).await?.map(|(code, _)| code))
    }

    /// And until when it is good, in microseconds since 1970.
    async fn code_until(&self, text: &str, client: ClientId) -> Result<Option<(Code, i64)>, DirectoryError> {
        let hash = SecretHash::of(text).0.to_vec();
        let found = code::Entity::find_by_id(hash.clone()).one(&self.db).await?;
        let Some(found) = found.filter(|found| found.client == client.as_bytes()) else { return Ok(None) };
        let user = id(&found.user, UserId::from_bytes, "dir_code")?;
        if self.is_suspended(user) {
            return Ok(None);
        }
        let grant = match found.grant_id.as_slice() {
            [] => None,
            bytes => Some(id(bytes, GrantId::from_bytes, "dir_code")?),
        };
        let damaged = || DirectoryError::Damaged("dir_code");
        let openid = found.openid.as_deref().map(|text| Openid::of_text(text).ok_or_else(damaged)).transpose()?;
        let key = found.jkt.map(|jkt| Thumbprint::of_bytes(&jkt).ok_or_else(damaged)).transpose()?;
        let (redirect_uri, challenge) = (found.redirect_uri, found.challenge);
        Ok(Some((Code { user, grant, redirect_uri, challenge, openid, key, hash }, found.expires)))
    }

    /// Takes a code from `client`, who holds the key that it is for. Whatever comes of it, it is good no more.
    pub async fn take_code(&self, text: &str, client: ClientId, now: Timestamp) -> Result<Taken, DirectoryError> {
        let Some((code, until)) = self.code_until(text, client).await? else { return Ok(Taken::Refused) };
        let marked = code::Entity::update_many()
            .col_expr(code::Column::Used, Expr::value(now.0))
            .filter(code::Column::Hash.eq(code.hash.clone()))
            .filter(code::Column::Used.is_null())
            .exec(&self.db)
            .await?;
        if marked.rows_affected != 1 {
            let Code { user, grant, openid, hash, .. } = code;
            if let Some(grant) = grant {
                return Ok(Taken::Twice { user, grant });
            }
            // Without its row nothing more comes of it: whoever took it first touches the row before they issue.
            code::Entity::delete_by_id(hash).exec(&self.db).await?;
            if let Some(openid) = openid {
                self.end_family(openid.family).await?;
            }
            return Ok(Taken::TwiceIdentity { user });
        }
        Ok(if until <= now.0 { Taken::Refused } else { Taken::Once(code) })
    }
}

pub(super) async fn insert_code(
    db: &impl ConnectionTrait,
    new: NewCode,
    now: Timestamp,
) -> Result<Secret, DirectoryError> {
    let secret = Secret::draw();
    let row = code::ActiveModel {
        hash: Set(secret.hash().0.to_vec()),
        user: Set(new.user.as_bytes().to_vec()),
        client: Set(new.client.as_bytes().to_vec()),
        grant_id: Set(new.grant.map(|grant| grant.as_bytes().to_vec()).unwrap_or_default()),
        redirect_uri: Set(new.redirect_uri),
        challenge: Set(new.challenge),
        expires: Set(now.0 + LASTS * 1_000_000),
        used: Set(None),
        openid: Set(new.openid.as_ref().map(Openid::to_text)),
        jkt: Set(new.key.map(Thumbprint::to_bytes)),
    };
    code::Entity::insert(row).exec_without_returning(db).await?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn a_code_is_good_once_within_a_minute_for_its_app() {
        for directory in on_each_backend().await {
            let client = ClientId::from_bytes([2; 16]);
            let key = Thumbprint::of_bytes(&[7; 32]).unwrap();
            let new = NewCode {
                user: UserId::from_bytes([1; 16]),
                client,
                grant: Some(GrantId::from_bytes([3; 16])),
                redirect_uri: "https://a.example/".into(),
                challenge: "c".into(),
                openid: None,
                key: Some(key),
            };
            let now = Timestamp::from_seconds(100);
            let code = directory.issue_code(new.clone(), now).await.unwrap();
            let stranger = ClientId::from_bytes([9; 16]);
            assert!(matches!(directory.take_code(code.text(), stranger, now).await.unwrap(), Taken::Refused));
            assert!(matches!(directory.take_code("no code", client, now).await.unwrap(), Taken::Refused));
            let taken = directory.take_code(code.text(), client, now).await.unwrap();
            assert!(matches!(&taken, Taken::Once(taken) if taken.key == Some(key)), "{taken:?}");
            assert!(matches!(directory.take_code(code.text(), client, now).await.unwrap(), Taken::Twice { .. }));
            let late = directory.issue_code(new, now).await.unwrap();
            let later = Timestamp::from_seconds(160);
            assert!(matches!(directory.take_code(late.text(), client, later).await.unwrap(), Taken::Refused));
        }
    }
}
