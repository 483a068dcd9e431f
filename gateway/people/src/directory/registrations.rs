//! Apps that register themselves (RFC 7591), and the tokens by which an operator lets them.

use policy_core::{ClientId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, Set, TransactionTrait};

use super::apps::{RegisteredApp, UNUSED, unused};
use super::secret::random;
use super::tables::{app, registration_token};
use super::{Directory, DirectoryError, Secret, SecretHash, id, room};
use crate::grants::client_metadata::TokenAuth;
use crate::grants::manifest::Manifest;

/// How long an app is kept that came by an operator's token and that nobody lets anything, in seconds.
const UNUSED_BY_TOKEN: i64 = 30 * 86_400;
/// Tokens that are there at once.
pub const MAX_REGISTRATION_TOKENS: u64 = 256;

/// By what an app may register itself.
#[derive(Debug, Clone, Copy)]
pub enum RegisteredBy<'a> {
    /// A token that an operator handed out.
    Token(&'a str),
    /// Everybody may: from this network.
    Network(&'a str),
}

/// An app that has just registered itself.
#[derive(Debug)]
pub struct NewRegistration {
    pub client: ClientId,
    /// Of an app that keeps one.
    pub secret: Option<Secret>,
    /// By which the app manages its registration (RFC 7592).
    pub management: Secret,
}

/// A registration as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    pub app: RegisteredApp,
    pub auth: TokenAuth,
    pub created: Timestamp,
}

/// A token by which apps may register themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationToken {
    pub id: [u8; 16],
    pub created: Timestamp,
    pub expires: Timestamp,
    /// How many apps may still come by it.
    pub remaining: i64,
}

impl TryFrom<registration_token::Model> for RegistrationToken {
    type Error = DirectoryError;
    fn try_from(row: registration_token::Model) -> Result<Self, DirectoryError> {
        Ok(RegistrationToken {
            id: id(&row.id, |id| id, "dir_registration_token")?,
            created: Timestamp(row.created),
            expires: Timestamp(row.expires),
            remaining: row.remaining,
        })
    }
}

impl Directory {
    /// A token by which so many apps may register themselves, until then. `None`: there are too many.
    pub async fn add_registration_token(
        &self,
        count: u32,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(Secret, RegistrationToken)>, DirectoryError> {
        if registration_token::Entity::find().count(&self.db).await? >= MAX_REGISTRATION_TOKENS {
            return Ok(None);
        }
        let secret = Secret::draw();
        let token = RegistrationToken { id: random(), created: now, expires: until, remaining: count.into() };
        let row = registration_token::ActiveModel {
            id: Set(token.id.to_vec()),
            hash: Set(secret.hash().0.to_vec()),
            created: Set(now.0),
            expires: Set(until.0),
            remaining: Set(token.remaining),
        };
        registration_token::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(Some((secret, token)))
    }

    /// The tokens by which apps may register themselves, oldest first.
    pub async fn registration_tokens(&self, now: Timestamp) -> Result<Vec<RegistrationToken>, DirectoryError> {
        let rows = good(now).order_by_asc(registration_token::Column::Created).all(&self.db).await?;
        rows.into_iter().map(RegistrationToken::try_from).collect()
    }

    /// Ends a token; whether there was one. The apps that came by it stay.
    pub async fn end_registration_token(&self, id: [u8; 16]) -> Result<bool, DirectoryError> {
        let gone = registration_token::Entity::delete_by_id(id.to_vec()).exec(&self.db).await?;
        Ok(gone.rows_affected == 1)
    }

    /// Whether an app may register itself by this token.
    pub async fn is_registration_token(&self, text: &str, now: Timestamp) -> Result<bool, DirectoryError> {
        let found = good(now).filter(registration_token::Column::Hash.eq(SecretHash::of(text).0.to_vec()));
        Ok(found.count(&self.db).await? > 0)
    }

    /// An app registers itself. `None`: by this token none may any more. Where too many have that nobody lets anything, the
    /// oldest of the network that has the most gives way.
    pub async fn register_app(
        &self,
        manifest: &Manifest,
        auth: TokenAuth,
        by: RegisteredBy<'_>,
        now: Timestamp,
    ) -> Result<Option<NewRegistration>, DirectoryError> {
        let new = NewRegistration {
            client: Directory::new_client_id(),
            secret: manifest.confidential.then(Secret::draw),
            management: Secret::draw(),
        };
        let (origin, kept) = match by {
            RegisteredBy::Token(_) => (None, UNUSED_BY_TOKEN),
            RegisteredBy::Network(from) => {
                let own = app::Entity::find().filter(app::Column::Origin.is_not_null()).filter(unused());
                let columns = [app::Column::Id, app::Column::Origin, app::Column::Lapses];
                room::make(&self.db, own, columns, from, false).await?;
                (Some(from.to_owned()), UNUSED)
            }
        };
        let row = app::ActiveModel {
            id: Set(new.client.as_bytes().to_vec()),
            manifest: Set(manifest.to_json().to_string()),
            secret: Set(new.secret.as_ref().map(|secret| secret.hash().0.to_vec())),
            created: Set(now.0),
            document: Set(None),
            lapses: Set(Some(now.0 + kept * 1_000_000)),
            managed: Set(Some(new.management.hash().0.to_vec())),
            origin: Set(origin),
            auth: Set(Some(auth.word().to_owned())),
        };
        let txn = self.db.begin().await?;
        if let RegisteredBy::Token(text) = by {
            let taken = registration_token::Entity::update_many()
                .col_expr(
                    registration_token::Column::Remaining,
                    Expr::col(registration_token::Column::Remaining).sub(1),
                )
                .filter(registration_token::Column::Hash.eq(SecretHash::of(text).0.to_vec()))
                .filter(registration_token::Column::Remaining.gt(0))
                .filter(registration_token::Column::Expires.gt(now.0))
                .exec(&txn)
                .await?;
            if taken.rows_affected != 1 {
                txn.rollback().await?;
                return Ok(None);
            }
        }
        app::Entity::insert(row).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Some(new))
    }

    /// The app that registered itself under this `client_id`, for whoever has the token by which it manages that.
    pub async fn registration(&self, client_id: &str, text: &str) -> Result<Option<Registration>, DirectoryError> {
        let damaged = || DirectoryError::Damaged("dir_app");
        let Ok(client) = client_id.parse::<ClientId>() else { return Ok(None) };
        let found = app::Entity::find_by_id(client.as_bytes().to_vec()).one(&self.db).await?;
        let Some((row, managed)) = found.and_then(|row| row.managed.clone().map(|managed| (row, managed))) else {
            return Ok(None);
        };
        let managed = SecretHash(managed.try_into().map_err(|_| damaged())?);
        if !managed.matches(&SecretHash::of(text)) {
            return Ok(None);
        }
        let auth = row.auth.as_deref().and_then(TokenAuth::of).ok_or_else(damaged)?;
        let created = Timestamp(row.created);
        Ok(Some(Registration { app: row.try_into()?, auth, created }))
    }

    pub(super) async fn drop_registration_tokens(&self, now: Timestamp) -> Result<(), DirectoryError> {
        let over = registration_token::Column::Expires.lte(now.0).or(registration_token::Column::Remaining.lte(0));
        registration_token::Entity::delete_many().filter(over).exec(&self.db).await?;
        Ok(())
    }
}

fn good(now: Timestamp) -> sea_orm::Select<registration_token::Entity> {
    registration_token::Entity::find()
        .filter(registration_token::Column::Remaining.gt(0))
        .filter(registration_token::Column::Expires.gt(now.0))
}

#[cfg(test)]
mod tests {
    use policy_core::UserId;
    use serde_json::json;

    use super::super::{AppSource, OpenidScope, on_each_backend};
    use super::*;

    fn manifest(confidential: bool) -> Manifest {
        let uris = ["https://app.example/cb"];
        Manifest::parse(&json!({ "name": "An App", "redirect_uris": uris, "confidential": confidential })).unwrap()
    }

    const BASIC: TokenAuth = TokenAuth::Secret("client_secret_basic");

    #[tokio::test]
    async fn so_many_apps_come_by_a_token_in_time_and_each_manages_itself_alone() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let (secret, _) = directory.add_registration_token(2, at(1_000), at(10)).await.unwrap().unwrap();
            let register = async |text: &str, seconds| {
                let by = RegisteredBy::Token(text);
                directory.register_app(&manifest(true), BASIC, by, at(seconds)).await.unwrap()
            };
            assert!(register("another", 11).await.is_none());
            assert!(register(secret.text(), 1_000).await.is_none(), "too late");
            assert!(directory.is_registration_token(secret.text(), at(999)).await.unwrap());
            assert!(!directory.is_registration_token(secret.text(), at(1_000)).await.unwrap());
            let both = futures::future::join_all((0..20).map(|_| register(secret.text(), 11))).await;
            let both: Vec<_> = both.into_iter().flatten().collect();
            let [one, other] = &both[..] else { panic!("{both:?}") };
            assert!(directory.registration_tokens(at(12)).await.unwrap().is_empty(), "it is used up");
            let client = one.client.to_string();
            let known = directory.registration(&client, one.management.text()).await.unwrap().expect("control");
            assert_eq!((known.app.client, known.auth, known.created), (one.client, BASIC, at(11)));
            assert_eq!(known.app.source, AppSource::Itself);
            assert!(known.app.has_secret(one.secret.as_ref().unwrap().text()));
            for wrong in [other.management.text(), one.secret.as_ref().unwrap().text(), secret.text(), ""] {
                assert_eq!(directory.registration(&client, wrong).await.unwrap(), None);
            }
            // One that an operator registered manages nothing.
            let (registered, _) = directory.add_app(&manifest(false), at(11)).await.unwrap();
            assert_eq!(directory.registration(&registered.to_string(), "").await.unwrap(), None);
            // A token that an operator ends lets nobody in.
            let (secret, token) = directory.add_registration_token(1, at(1_000), at(10)).await.unwrap().unwrap();
            assert_eq!(directory.registration_tokens(at(12)).await.unwrap(), std::slice::from_ref(&token));
            assert!(directory.end_registration_token(token.id).await.unwrap());
            assert!(!directory.end_registration_token(token.id).await.unwrap(), "it is gone");
            assert!(register(secret.text(), 12).await.is_none());
        }
    }

    #[tokio::test]
    async fn who_registers_many_apps_pushes_out_their_own_and_none_that_anybody_lets_anything() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let register = async |from: &str, seconds| {
                let by = RegisteredBy::Network(from);
                let new = directory.register_app(&manifest(false), TokenAuth::None, by, at(seconds)).await.unwrap();
                new.unwrap().client
            };
            let is_there = async |client: ClientId| directory.app(client).await.unwrap().is_some();
            let (used, oldest, elsewhere) =
                (register("here", 1).await, register("here", 2).await, register("there", 1).await);
            let scope = OpenidScope { profile: false };
            directory.allow_sign_in(UserId::from_bytes([1; 16]), used, (scope, None), at(3)).await.unwrap();
            for n in 0..room::MAX_WAITING_OF_NETWORK {
                assert!(is_there(oldest).await, "{n}");
                register("here", 10 + i64::try_from(n).unwrap()).await;
            }
            assert!(!is_there(oldest).await && is_there(used).await && is_there(elsewhere).await);
            directory.tend(at(UNUSED + 5)).await.unwrap();
            assert!(is_there(used).await && !is_there(elsewhere).await, "nobody let it anything for a day");
        }
    }
}
