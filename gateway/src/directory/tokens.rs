//! Sessions of people and access tokens of apps.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, QueryFilter, Set, TransactionTrait};

use super::secret::random;
use super::tables::{code, grant, link, refresh, token, user};
use super::{Directory, DirectoryError, LinkRow, Secret, SecretHash, User, id, to_its_end};

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// The person themselves.
    Session,
    /// An app under a grant; all tokens of one consent are a family.
    Access { client: ClientId, grant: GrantId, family: Family },
    /// Whoever has a link, under its grant.
    Link { grant: GrantId },
}

/// All tokens that descend from one consent.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Family(pub(super) [u8; 16]);

impl Family {
    pub(super) fn draw() -> Family {
        Family(random())
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Family(…)")
    }
}

/// A token that is known; whether it has lapsed is for the caller to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub hash: SecretHash,
    pub user: UserId,
    pub kind: TokenKind,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// When the person last gave their password in this session; never for other kinds.
    pub confirmed: Option<Timestamp>,
}

/// The two halves of a page's session: neither opens anything alone.
#[derive(Debug)]
pub struct PageSecrets {
    /// Goes into a cookie, which other ports of the host see.
    pub cookie: Secret,
    /// Goes into the storage of the page's origin.
    pub key: Secret,
}

/// The hash under which a page's session is kept. No text of a header holds a NUL, so none is a bearer of it.
fn page_hash(cookie: &str, key: &str) -> SecretHash {
    SecretHash::of(&format!("\0page\0{cookie}\0{key}"))
}

/// The tokens seen last. A revocation empties it, and a lookup that began before the revocation does
/// not fill it again.
#[derive(Debug, Clone)]
pub(super) struct Cache(Arc<Mutex<Cached>>);

#[derive(Debug)]
struct Cached {
    known: LruCache<[u8; 32], Token>,
    /// Counts revocations.
    revocations: u64,
}

const CACHED: NonZeroUsize = NonZeroUsize::new(4_096).expect("more than none");

impl Default for Cache {
    fn default() -> Self {
        Cache(Arc::new(Mutex::new(Cached { known: LruCache::new(CACHED), revocations: 0 })))
    }
}

impl Cache {
    pub(super) fn forget(&self) {
        let mut cached = self.0.lock();
        cached.revocations += 1;
        cached.known.clear();
    }
}

impl TryFrom<token::Model> for Token {
    type Error = DirectoryError;
    fn try_from(row: token::Model) -> Result<Self, DirectoryError> {
        let damaged = || DirectoryError::Damaged("dir_token");
        let kind = match (&row.client, &row.grant_id, &row.family) {
            (None, None, None) => TokenKind::Session,
            (Some(client), Some(grant), Some(family)) => TokenKind::Access {
                client: id(client, ClientId::from_bytes, "dir_token")?,
                grant: id(grant, GrantId::from_bytes, "dir_token")?,
                family: id(family, Family, "dir_token")?,
            },
            (None, Some(grant), None) => TokenKind::Link { grant: id(grant, GrantId::from_bytes, "dir_token")? },
            _ => return Err(damaged()),
        };
        Ok(Token {
            hash: SecretHash(row.hash.try_into().map_err(|_| damaged())?),
            user: id(&row.user, UserId::from_bytes, "dir_token")?,
            kind,
            created: Timestamp(row.created),
            expires: Timestamp(row.expires),
            confirmed: row.confirmed.map(Timestamp),
        })
    }
}

pub(super) fn row(token: &Token) -> token::ActiveModel {
    let (client, grant, family) = match token.kind {
        TokenKind::Session => (None, None, None),
        TokenKind::Link { grant } => (None, Some(grant.as_bytes().to_vec()), None),
        TokenKind::Access { client, grant, family } => {
            (Some(client.as_bytes().to_vec()), Some(grant.as_bytes().to_vec()), Some(family.0.to_vec()))
        }
    };
    token::ActiveModel {
        hash: Set(token.hash.0.to_vec()),
        user: Set(token.user.as_bytes().to_vec()),
        client: Set(client),
        grant_id: Set(grant),
        family: Set(family),
        created: Set(token.created.0),
        expires: Set(token.expires.0),
        confirmed: Set(token.confirmed.map(|at| at.0)),
    }
}

fn session(hash: SecretHash, user: UserId, now: Timestamp, seconds: i64, confirmed: Option<Timestamp>) -> Token {
    let expires = Timestamp(now.0.saturating_add(seconds.saturating_mul(1_000_000)));
    Token { hash, user, kind: TokenKind::Session, created: now, expires, confirmed }
}

impl Directory {
    /// Opens a session of a person, for `seconds` from now, whose token is a bearer, at the operator's word. `confirmed`:
    /// when they gave their password for it, if they did.
    pub async fn open_session(
        &self,
        user: UserId,
        now: Timestamp,
        seconds: i64,
        confirmed: Option<Timestamp>,
    ) -> Result<(Secret, Token), DirectoryError> {
        let secret = Secret::draw();
        let token = session(secret.hash(), user, now, seconds, confirmed);
        token::Entity::insert(row(&token)).exec_without_returning(&self.db).await?;
        Ok((secret, token))
    }

    /// Opens a session of a person who gave their password, for `seconds` from now, whose token is a bearer. `None` if the
    /// password was changed, or they signed out everywhere, while it was looked at.
    pub async fn open_signed_session(
        &self,
        user: &User,
        now: Timestamp,
        seconds: i64,
    ) -> Result<Option<(Secret, Token)>, DirectoryError> {
        let secret = Secret::draw();
        let token = session(secret.hash(), user.id, now, seconds, Some(now));
        Ok(self.begin_signed(user, &token).await?.then_some((secret, token)))
    }

    /// Opens a session of a person who gave their password on a page, for `seconds` from now. `None` as for
    /// [`Directory::open_signed_session`].
    pub async fn open_page_session(
        &self,
        user: &User,
        now: Timestamp,
        seconds: i64,
    ) -> Result<Option<(PageSecrets, Token)>, DirectoryError> {
        let secrets = PageSecrets { cookie: Secret::draw(), key: Secret::draw() };
        let hash = page_hash(secrets.cookie.text(), secrets.key.text());
        let token = session(hash, user.id, now, seconds, Some(now));
        Ok(self.begin_signed(user, &token).await?.then_some((secrets, token)))
    }

    /// Begins the session if what was proved is still so. The person's row is touched first: whoever changes the password
    /// at this moment comes before, and is seen, or after, and ends the session.
    async fn begin_signed(&self, person: &User, token: &Token) -> Result<bool, DirectoryError> {
        let txn = self.db.begin().await?;
        let touched = user::Entity::update_many()
            .col_expr(user::Column::Browsers, Expr::value(person.since))
            .filter(user::Column::Id.eq(person.id.as_bytes().to_vec()))
            .filter(user::Column::Browsers.eq(person.since))
            .exec(&txn)
            .await?;
        if touched.rows_affected == 0 {
            return Ok(false);
        }
        token::Entity::insert(row(token)).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(true)
    }

    /// Notes that the person of a session gave their password again.
    pub async fn confirm_session(&self, session: SecretHash, now: Timestamp) -> Result<(), DirectoryError> {
        let confirm = token::Entity::update_many()
            .col_expr(token::Column::Confirmed, Expr::value(now.0))
            .filter(token::Column::Hash.eq(session.0.to_vec()));
        self.change_tokens(|db| async move {
            confirm.exec(&db).await?;
            Ok(())
        })
        .await
    }

    /// Notes the token of a link, which lasts as long as its grant.
    pub async fn open_link(
        &self,
        secret: &Secret,
        link: &LinkRow,
        until: Option<Timestamp>,
    ) -> Result<(), DirectoryError> {
        let expires = until.unwrap_or(Timestamp(i64::MAX));
        let kind = TokenKind::Link { grant: link.grant };
        let token =
            Token { hash: secret.hash(), user: link.user, kind, created: link.created, expires, confirmed: None };
        let txn = self.db.begin().await?;
        super::links::insert(&txn, link).await?;
        token::Entity::insert(row(&token)).exec_without_returning(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// What `text` stands for, if the node issued it, it is not revoked and has not lapsed.
    pub async fn token(&self, text: &str, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        self.token_of(SecretHash::of(text), now).await
    }

    /// The session of a page by both its halves.
    pub async fn page_session(&self, cookie: &str, key: &str, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        self.token_of(page_hash(cookie, key), now).await
    }

    async fn token_of(&self, hash: SecretHash, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        let revocations = {
            let mut cached = self.tokens.0.lock();
            if let Some(token) = cached.known.get(&hash.0) {
                return Ok(Some(token.clone()).filter(|token| token.expires > now));
            }
            cached.revocations
        };
        let Some(found) = token::Entity::find_by_id(hash.0.to_vec()).one(&self.db).await? else { return Ok(None) };
        let token = Token::try_from(found)?;
        let mut cached = self.tokens.0.lock();
        if cached.revocations == revocations {
            cached.known.put(hash.0, token.clone());
        }
        drop(cached);
        Ok(Some(token).filter(|token| token.expires > now))
    }

    /// Changes what the database says of tokens, and forgets what is known of them: both, whoever goes away.
    pub(super) async fn change_tokens<T, F>(
        &self,
        change: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<T, DirectoryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DirectoryError>> + Send + 'static,
    {
        let (tokens, change) = (self.tokens.clone(), change(self.db.clone()));
        to_its_end(async move {
            let done = change.await;
            tokens.forget();
            done
        })
        .await
    }

    /// Ends one token. The policy epoch moves after this and before the acknowledgement.
    pub async fn end_token(&self, hash: SecretHash) -> Result<(), DirectoryError> {
        let end = token::Entity::delete_by_id(hash.0.to_vec());
        self.change_tokens(|db| async move {
            end.exec(&db).await?;
            Ok(())
        })
        .await?;
        tracing::info!(target: "allod::audit", action = "token.ended", "done");
        Ok(())
    }

    /// Ends every session of a person; returns how many there were. Grants to apps and links stay.
    pub async fn end_sessions(&self, user: UserId) -> Result<u64, DirectoryError> {
        let sessions = Condition::all()
            .add(token::Column::User.eq(user.as_bytes().to_vec()))
            .add(token::Column::GrantId.is_null());
        let end = token::Entity::delete_many().filter(sessions);
        self.change_tokens(|db| async move { Ok(end.exec(&db).await?.rows_affected) }).await
    }

    /// Ends all tokens of a family.
    pub async fn end_family(&self, family: Family) -> Result<(), DirectoryError> {
        self.change_tokens(move |db| delete_family(db, family)).await?;
        tracing::info!(target: "allod::audit", action = "tokens.ended", "done");
        Ok(())
    }

    /// Ends a grant's bookkeeping and everything that was issued for it.
    pub async fn end_grant(&self, grant: GrantId) -> Result<(), DirectoryError> {
        let done = self.change_tokens(move |db| delete_grant(db, grant)).await;
        self.used.lock().remove(&grant);
        done
    }

    /// Drops tokens and codes that lapsed: they answer nothing any more.
    pub(super) async fn drop_lapsed(&self, now: Timestamp) -> Result<(), DirectoryError> {
        token::Entity::delete_many().filter(token::Column::Expires.lt(now.0)).exec(&self.db).await?;
        refresh::Entity::delete_many().filter(refresh::Column::Expires.lt(now.0)).exec(&self.db).await?;
        // A lapsed code is kept for a day: a second use of it is still a sign of theft.
        let old = now.0.saturating_sub(86_400_000_000);
        code::Entity::delete_many().filter(code::Column::Expires.lt(old)).exec(&self.db).await?;
        Ok(())
    }
}

async fn delete_family(db: DatabaseConnection, family: Family) -> Result<(), DirectoryError> {
    let txn = db.begin().await?;
    let bytes = family.0.to_vec();
    refresh::Entity::delete_many().filter(refresh::Column::Family.eq(bytes.clone())).exec(&txn).await?;
    token::Entity::delete_many().filter(token::Column::Family.eq(bytes)).exec(&txn).await?;
    Ok(txn.commit().await?)
}

async fn delete_grant(db: DatabaseConnection, grant: GrantId) -> Result<(), DirectoryError> {
    let txn = db.begin().await?;
    let bytes = grant.as_bytes().to_vec();
    // First the grant: who issues tokens touches its row first, and finds it gone.
    grant::Entity::delete_by_id(bytes.clone()).exec(&txn).await?;
    link::Entity::delete_by_id(bytes.clone()).exec(&txn).await?;
    code::Entity::delete_many().filter(code::Column::GrantId.eq(bytes.clone())).exec(&txn).await?;
    refresh::Entity::delete_many().filter(refresh::Column::GrantId.eq(bytes.clone())).exec(&txn).await?;
    token::Entity::delete_many().filter(token::Column::GrantId.eq(bytes)).exec(&txn).await?;
    Ok(txn.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn who_goes_away_while_a_session_ends_leaves_nothing_of_it_in_memory() {
        use std::task::Poll;
        let directory = super::super::in_memory().await;
        let (alice, now) = (UserId::from_bytes([1; 16]), Timestamp::from_seconds(100));
        for looks in 1..30 {
            let (secret, _) = directory.open_session(alice, now, 60, None).await.unwrap();
            assert!(directory.token(secret.text(), now).await.unwrap().is_some(), "control: it is in memory now");
            let (mut end, mut left) = (Box::pin(directory.end_token(secret.hash())), looks);
            // Looked at so many times, and dropped.
            let done = std::future::poll_fn(|cx| {
                left -= 1;
                let done = end.as_mut().poll(cx).is_ready();
                if done || left == 0 { Poll::Ready(done) } else { Poll::Pending }
            });
            let done = done.await;
            drop(end);
            let mut gone = false;
            for _ in 0..500 {
                gone = directory.token(secret.text(), now).await.unwrap().is_none();
                if gone {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert!(gone, "after {looks} looks");
            if done {
                return;
            }
        }
        panic!("it does not end");
    }

    #[tokio::test]
    async fn sessions_answer_until_they_lapse_or_end() {
        for directory in on_each_backend().await {
            let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
            let now = Timestamp::from_seconds(100);
            let (first, token) = directory.open_session(alice, now, 60, None).await.unwrap();
            let (second, _) = directory.open_session(alice, now, 60, None).await.unwrap();
            let (other, _) = directory.open_session(bob, now, 60, None).await.unwrap();
            for _ in 0..2 {
                assert_eq!(directory.token(first.text(), now).await.unwrap().unwrap(), token);
            }
            assert_eq!(directory.token(first.text(), Timestamp::from_seconds(160)).await.unwrap(), None);
            assert_eq!(directory.token("something else", now).await.unwrap(), None);
            directory.end_token(first.hash()).await.unwrap();
            assert_eq!(directory.token(first.text(), now).await.unwrap(), None);
            assert!(directory.token(second.text(), now).await.unwrap().is_some(), "control");
            assert_eq!(directory.end_sessions(alice).await.unwrap(), 1);
            assert_eq!(directory.token(second.text(), now).await.unwrap(), None);
            assert!(directory.token(other.text(), now).await.unwrap().is_some(), "control");
            let home = directory.add_tenant("home", now).await.unwrap();
            let account = (bob, policy_core::SpaceId::from_bytes([3; 16]));
            let person = directory.add_user(account, "bob", home.id, "a long password", now).await.unwrap();
            let (page, token) = directory.open_page_session(&person, now, 60).await.unwrap().unwrap();
            let (cookie, key) = (page.cookie.text(), page.key.text());
            assert_eq!(directory.page_session(cookie, key, now).await.unwrap().as_ref(), Some(&token), "control");
            for (cookie, key) in [(cookie, ""), ("", key), (key, cookie), (cookie, cookie), (cookie, other.text())] {
                assert_eq!(directory.page_session(cookie, key, now).await.unwrap(), None);
            }
            for text in [cookie, key, &format!("{cookie}{key}"), &format!("{cookie}\0{key}")] {
                assert_eq!(directory.token(text, now).await.unwrap(), None, "neither half is a bearer");
            }
            assert_eq!(directory.token(other.text(), now).await.unwrap().unwrap().confirmed, None);
            directory.confirm_session(other.hash(), now).await.unwrap();
            assert_eq!(directory.token(other.text(), now).await.unwrap().unwrap().confirmed, Some(now));
            directory.tend(Timestamp::from_seconds(1_000)).await.unwrap();
            assert_eq!(token::Entity::find().all(&directory.db).await.unwrap().len(), 0);
        }
    }
}
