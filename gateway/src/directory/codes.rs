//! Authorization codes: sixty seconds, once.

use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::tables::code;
use super::{Directory, DirectoryError, Secret, SecretHash, id};

/// How long a code is good, in seconds.
const LASTS: i64 = 60;

/// What a code stands for.
#[derive(Debug, Clone)]
pub struct NewCode {
    pub user: UserId,
    pub client: ClientId,
    pub grant: GrantId,
    pub redirect_uri: String,
    /// Base64url of the SHA-256 of the verifier (RFC 7636).
    pub challenge: String,
}

/// A code that was taken in time, for the first time, by its app.
#[derive(Debug, Clone)]
pub struct Code {
    pub grant: GrantId,
    pub redirect_uri: String,
    pub challenge: String,
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
}

impl Directory {
    /// Issues a code.
    pub async fn issue_code(&self, new: NewCode, now: Timestamp) -> Result<Secret, DirectoryError> {
        let secret = Secret::draw();
        let row = code::ActiveModel {
            hash: Set(secret.hash().0.to_vec()),
            user: Set(new.user.as_bytes().to_vec()),
            client: Set(new.client.as_bytes().to_vec()),
            grant_id: Set(new.grant.as_bytes().to_vec()),
            redirect_uri: Set(new.redirect_uri),
            challenge: Set(new.challenge),
            expires: Set(now.0 + LASTS * 1_000_000),
            used: Set(None),
        };
        code::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(secret)
    }

    /// Takes a code from `client`. Whatever comes of it, it is good no more.
    pub async fn take_code(&self, text: &str, client: ClientId, now: Timestamp) -> Result<Taken, DirectoryError> {
        let hash = SecretHash::of(text).0.to_vec();
        let found = code::Entity::find_by_id(hash.clone()).one(&self.db).await?;
        let Some(found) = found.filter(|found| found.client == client.as_bytes()) else { return Ok(Taken::Refused) };
        let user = id(&found.user, UserId::from_bytes, "dir_code")?;
        let grant = id(&found.grant_id, GrantId::from_bytes, "dir_code")?;
        let marked = code::Entity::update_many()
            .col_expr(code::Column::Used, Expr::value(now.0))
            .filter(code::Column::Hash.eq(hash))
            .filter(code::Column::Used.is_null())
            .exec(&self.db)
            .await?;
        if marked.rows_affected != 1 {
            return Ok(Taken::Twice { user, grant });
        }
        if found.expires <= now.0 {
            return Ok(Taken::Refused);
        }
        Ok(Taken::Once(Code { grant, redirect_uri: found.redirect_uri, challenge: found.challenge }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn a_code_is_good_once_within_a_minute_for_its_app() {
        for directory in on_each_backend().await {
            let client = ClientId::from_bytes([2; 16]);
            let new = NewCode {
                user: UserId::from_bytes([1; 16]),
                client,
                grant: GrantId::from_bytes([3; 16]),
                redirect_uri: "https://a.example/".into(),
                challenge: "c".into(),
            };
            let now = Timestamp::from_seconds(100);
            let code = directory.issue_code(new.clone(), now).await.unwrap();
            let stranger = ClientId::from_bytes([9; 16]);
            assert!(matches!(directory.take_code(code.text(), stranger, now).await.unwrap(), Taken::Refused));
            assert!(matches!(directory.take_code("no code", client, now).await.unwrap(), Taken::Refused));
            assert!(matches!(directory.take_code(code.text(), client, now).await.unwrap(), Taken::Once(_)));
            assert!(matches!(directory.take_code(code.text(), client, now).await.unwrap(), Taken::Twice { .. }));
            let late = directory.issue_code(new, now).await.unwrap();
            let later = Timestamp::from_seconds(160);
            assert!(matches!(directory.take_code(late.text(), client, later).await.unwrap(), Taken::Refused));
        }
    }
}
