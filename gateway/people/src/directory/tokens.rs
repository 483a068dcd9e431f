//! Everything that a request is let in by: sessions of people, access tokens of apps, links.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use policy_core::{ClientId, GrantId, Narrowing, Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QuerySelect, Set,
    TransactionTrait,
};

use super::held::narrowing;
use super::lifetimes::Lifetimes;
use super::opened::end_holder;
use super::openid::{Family, OpenidScope};
use super::refresh::touch_grant;
use super::tables::{code, grant, link, refresh, replaced, token};
use super::{Directory, DirectoryError, LinkRow, Secret, SecretHash, id, to_its_end};
use crate::dpop::Thumbprint;

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// The person themselves.
    Session,
    /// An app under a grant; all tokens of one consent are a family.
    Access { client: ClientId, grant: GrantId, family: Family, openid: Option<OpenidScope> },
    /// An app that may know who the person is, and may nothing else.
    Identity { client: ClientId, family: Family, openid: OpenidScope },
    /// A tool that sends the name of a person and a password that was made for it, under its grant.
    AppPassword { client: ClientId, grant: GrantId },
    /// Whoever has a link, under its grant.
    Link { grant: GrantId },
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
    /// When a session was last used, to a minute; of other kinds, when they were made.
    pub used: Timestamp,
    /// How long a session that began with a sign-in may lie unused, in microseconds; others may for as long as they last.
    pub idle: Option<i64>,
    /// The key whose holder alone may send it (RFC 9449); `None`: whoever has it may.
    pub key: Option<Thumbprint>,
    /// What it is held to within its grant; `None`: it opens all of it.
    pub within: Option<Arc<Narrowing>>,
}

impl Token {
    /// When it ends if nobody uses it any more. What a session began with counts, and what the node is told now, whichever
    /// is shorter.
    pub fn ends(&self, lifetimes: Lifetimes) -> Timestamp {
        let Some(idle) = self.idle else { return self.expires };
        let unused = lifetimes.unused(self.used, idle);
        unused.min(self.expires).min(lifetimes.over(self.created))
    }
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
    /// Notes that a session is used now; whether that is to be written: once in so long, and by one of those who use it.
    pub(super) fn used(&self, hash: SecretHash, now: Timestamp, every: i64) -> bool {
        let mut cached = self.0.lock();
        // What is not in memory was forgotten at this moment, and is read anew.
        let Some(token) = cached.known.peek_mut(&hash.0) else { return false };
        let due = now.0.saturating_sub(token.used.0) >= every;
        if due {
            token.used = now;
        }
        due
    }

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
        let openid = row.scope.as_deref().and_then(OpenidScope::of);
        let kind = match (&row.client, &row.grant_id, &row.family) {
            (None, None, None) => TokenKind::Session,
            (Some(client), Some(grant), Some(family)) => TokenKind::Access {
                client: id(client, ClientId::from_bytes, "dir_token")?,
                grant: id(grant, GrantId::from_bytes, "dir_token")?,
                family: id(family, Family, "dir_token")?,
                openid,
            },
            (Some(client), Some(grant), None) => TokenKind::AppPassword {
                client: id(client, ClientId::from_bytes, "dir_token")?,
                grant: id(grant, GrantId::from_bytes, "dir_token")?,
            },
            (Some(client), None, Some(family)) => TokenKind::Identity {
                client: id(client, ClientId::from_bytes, "dir_token")?,
                family: id(family, Family, "dir_token")?,
                openid: openid.ok_or_else(damaged)?,
            },
            (None, Some(grant), None) => TokenKind::Link { grant: id(grant, GrantId::from_bytes, "dir_token")? },
            _ => return Err(damaged()),
        };
        // Of an app password the first use is noted, however soon it is.
        let unused = if matches!(kind, TokenKind::AppPassword { .. }) { 0 } else { row.created };
        Ok(Token {
            hash: SecretHash(row.hash.try_into().map_err(|_| damaged())?),
            user: id(&row.user, UserId::from_bytes, "dir_token")?,
            kind,
            created: Timestamp(row.created),
            expires: Timestamp(row.expires),
            confirmed: row.confirmed.map(Timestamp),
            used: Timestamp(row.used.unwrap_or(unused)),
            idle: row.idle,
            key: row.jkt.map(|jkt| Thumbprint::of_bytes(&jkt).ok_or_else(damaged)).transpose()?,
            within: row.within.map(|kept| narrowing(&kept).map(Arc::new).ok_or_else(damaged)).transpose()?,
        })
    }
}

pub(super) fn row(token: &Token) -> token::ActiveModel {
    let (client, grant, family) = match token.kind {
        TokenKind::Session => (None, None, None),
        TokenKind::Link { grant } => (None, Some(grant.as_bytes().to_vec()), None),
        TokenKind::Access { client, grant, family, .. } => {
            (Some(client.as_bytes().to_vec()), Some(grant.as_bytes().to_vec()), Some(family.0.to_vec()))
        }
        TokenKind::AppPassword { client, grant } => {
            (Some(client.as_bytes().to_vec()), Some(grant.as_bytes().to_vec()), None)
        }
        TokenKind::Identity { client, family, .. } => (Some(client.as_bytes().to_vec()), None, Some(family.0.to_vec())),
    };
    let scope = match token.kind {
        TokenKind::Access { openid, .. } => openid,
        TokenKind::Identity { openid, .. } => Some(openid),
        TokenKind::Session | TokenKind::AppPassword { .. } | TokenKind::Link { .. } => None,
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
        used: Set((token.kind == TokenKind::Session).then_some(token.used.0)),
        idle: Set(token.idle),
        address: Set(None),
        product: Set(None),
        credential: Set(None),
        outside_session: Set(None),
        scope: Set(scope.map(|scope| scope.text().to_owned())),
        jkt: Set(token.key.map(Thumbprint::to_bytes)),
        within: Set(None),
        came_of: Set(None),
    }
}

impl Directory {
    /// Notes the token of a link, which lasts as long as its grant.
    pub async fn open_link(
        &self,
        secret: &Secret,
        link: &LinkRow,
        until: Option<Timestamp>,
    ) -> Result<(), DirectoryError> {
        let expires = until.unwrap_or(Timestamp(i64::MAX));
        let kind = TokenKind::Link { grant: link.grant };
        let token = Token {
            hash: secret.hash(),
            user: link.user,
            kind,
            created: link.created,
            expires,
            confirmed: None,
            used: link.created,
            idle: None,
            key: None,
            within: None,
        };
        let txn = self.db.begin().await?;
        super::links::insert(&txn, link).await?;
        token::Entity::insert(row(&token)).exec_without_returning(&txn).await?;
        Ok(txn.commit().await?)
    }

    /// What `text` stands for, if the node issued it, it is not revoked and has not lapsed.
    pub async fn token(&self, text: &str, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        self.token_of(SecretHash::of(text), now).await
    }

    /// What is kept under `hash`, if it has not lapsed and its person is not suspended.
    pub(super) async fn token_of(&self, hash: SecretHash, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        let found = self.kept(hash, now).await?;
        Ok(found.filter(|token| !self.is_suspended(token.user)))
    }

    async fn kept(&self, hash: SecretHash, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        let lifetimes = self.lifetimes();
        let revocations = {
            let mut cached = self.tokens.0.lock();
            if let Some(token) = cached.known.get(&hash.0) {
                return Ok(Some(token.clone()).filter(|token| token.ends(lifetimes) > now));
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
        Ok(Some(token).filter(|token| token.ends(lifetimes) > now))
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

    /// Ends one token, and those that an app got for it. The policy epoch moves after this and before the acknowledgement.
    pub async fn end_token(&self, hash: SecretHash) -> Result<(), DirectoryError> {
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            end_with_what_came_of(&txn, vec![hash.0.to_vec()]).await?;
            Ok(txn.commit().await?)
        })
        .await?;
        tracing::info!(target: "allod::audit", action = "token.ended", "done");
        Ok(())
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
        let unused = Expr::col(token::Column::Used).add(Expr::col(token::Column::Idle)).lt(now.0);
        let lapsed = Condition::any().add(token::Column::Expires.lt(now.0)).add(unused);
        token::Entity::delete_many().filter(lapsed).exec(&self.db).await?;
        refresh::Entity::delete_many().filter(refresh::Column::Expires.lt(now.0)).exec(&self.db).await?;
        // A lapsed code is kept for a day: a second use of it is still a sign of theft.
        let old = now.0.saturating_sub(86_400_000_000);
        code::Entity::delete_many().filter(code::Column::Expires.lt(old)).exec(&self.db).await?;
        Ok(())
    }
}

/// Ends tokens, and those that came of them, and so on.
pub(super) async fn end_with_what_came_of(
    db: &impl ConnectionTrait,
    mut ending: Vec<Vec<u8>>,
) -> Result<(), DirectoryError> {
    while !ending.is_empty() {
        // First they themselves: whoever makes one of them touches them first, and finds them gone.
        token::Entity::delete_many().filter(token::Column::Hash.is_in(ending.clone())).exec(db).await?;
        ending = token::Entity::find()
            .filter(token::Column::CameOf.is_in(ending))
            .select_only()
            .column(token::Column::Hash)
            .into_tuple()
            .all(db)
            .await?;
    }
    Ok(())
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
    // First the grant: who issues tokens touches its row first, and finds it gone. Written before it is read: SQLite lets
    // nobody write who has read before another wrote.
    touch_grant(&txn, bytes.clone()).await?;
    let row = grant::Entity::find_by_id(bytes.clone()).one(&txn).await?;
    grant::Entity::delete_by_id(bytes.clone()).exec(&txn).await?;
    link::Entity::delete_by_id(bytes.clone()).exec(&txn).await?;
    replaced::Entity::delete_many().filter(replaced::Column::GrantId.eq(bytes.clone())).exec(&txn).await?;
    code::Entity::delete_many().filter(code::Column::GrantId.eq(bytes.clone())).exec(&txn).await?;
    refresh::Entity::delete_many().filter(refresh::Column::GrantId.eq(bytes.clone())).exec(&txn).await?;
    token::Entity::delete_many().filter(token::Column::GrantId.eq(bytes.clone())).exec(&txn).await?;
    super::requests::forget(&txn, bytes).await?;
    // After the tokens, as whoever ends all of a person's does: neither waits for the other.
    if let Some(row) = row {
        end_holder(&txn, &row).await?;
    }
    Ok(txn.commit().await?)
}
