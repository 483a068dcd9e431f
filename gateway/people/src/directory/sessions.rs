//! Sessions of people: how they begin, what is seen of them, and how they end.

use std::net::IpAddr;

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Set, TransactionTrait};
use sha2::{Digest, Sha256};

use super::browsers::forget;
use super::credentials::{CredentialId, CredentialKind};
use super::lifetimes::Lifetimes;
use super::opened::end_opened;
use super::tables::{credential, token, user};
use super::tokens::{Token, TokenKind, row};
use super::{Directory, DirectoryError, Secret, SecretHash, User};

/// The use of a session is noted so often at most, in microseconds.
const NOTED: i64 = 60_000_000;

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

/// Names a session to its person. It opens nothing, and tells nothing of what does.
pub type SessionId = [u8; 16];

impl SecretHash {
    /// The name of the session that is kept under this hash.
    pub fn session(&self) -> SessionId {
        let digest: [u8; 32] = Sha256::new().chain_update(b"session\0").chain_update(self.0).finalize().into();
        let mut id = SessionId::default();
        id.copy_from_slice(&digest[..16]);
        id
    }
}

/// Where a session is used from.
#[derive(Debug, Clone, Default)]
pub struct SessionOrigin {
    pub address: Option<IpAddr>,
    /// The browser or program, in a few words.
    pub product: Option<String>,
}

impl SessionOrigin {
    fn address(&self) -> Option<String> {
        self.address.map(|ip| ip.to_canonical().to_string())
    }
}

/// A session as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub begun: Timestamp,
    /// When it was last used, to a minute, and from where and by what then; not known of what nobody has used.
    pub used: Timestamp,
    pub address: Option<String>,
    pub product: Option<String>,
    /// When it ends if it is not used any more.
    pub ends: Timestamp,
    /// When it ends however much it is used.
    pub expires: Timestamp,
}

/// What a session was opened by, where it ends with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedBy {
    pub credential: CredentialId,
    pub kind: CredentialKind,
    /// What the outside provider calls its own session, hashed, if it tells.
    pub outside_session: Option<String>,
    /// Whether the person proved just now who they are, and was not signed in there before.
    pub proved: bool,
}

fn sessions_of(user: UserId) -> Condition {
    // What an app may know of who somebody is has no grant either.
    let own = Condition::all().add(token::Column::User.eq(user.as_bytes().to_vec()));
    own.add(token::Column::GrantId.is_null()).add(token::Column::Client.is_null())
}

impl Directory {
    /// How long sessions that begin with a sign-in last.
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes.get().copied().unwrap_or_default()
    }

    /// Says once, when the node starts, how long sessions last.
    pub fn keep_sessions(&self, lifetimes: Lifetimes) {
        let _ = self.lifetimes.set(lifetimes);
    }

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
        let expires = Timestamp(now.0.saturating_add(seconds.saturating_mul(1_000_000)));
        let (hash, kind) = (secret.hash(), TokenKind::Session);
        let token = Token {
            hash,
            user,
            kind,
            created: now,
            expires,
            confirmed,
            used: now,
            idle: None,
            key: None,
            within: None,
        };
        token::Entity::insert(row(&token)).exec_without_returning(&self.db).await?;
        Ok((secret, token))
    }

    /// Opens a session of a person who signed in, whose token is a bearer. `None` if the password was changed, or they
    /// signed out everywhere, while it was looked at. `by`: what it ends with, if it is not the password.
    pub async fn open_signed_session(
        &self,
        user: &User,
        seen: &SessionOrigin,
        by: Option<&OpenedBy>,
        now: Timestamp,
    ) -> Result<Option<(Secret, Token)>, DirectoryError> {
        let secret = Secret::draw();
        let token = self.begin_signed(user, secret.hash(), seen, by, now).await?;
        Ok(token.map(|token| (secret, token)))
    }

    /// Opens a session of a person who signed in on a page. `None` as for [`Directory::open_signed_session`].
    pub async fn open_page_session(
        &self,
        user: &User,
        seen: &SessionOrigin,
        by: Option<&OpenedBy>,
        now: Timestamp,
    ) -> Result<Option<(PageSecrets, Token)>, DirectoryError> {
        let secrets = PageSecrets { cookie: Secret::draw(), key: Secret::draw() };
        let hash = page_hash(secrets.cookie.text(), secrets.key.text());
        let token = self.begin_signed(user, hash, seen, by, now).await?;
        Ok(token.map(|token| (secrets, token)))
    }

    /// Begins the session if what was proved is still so. The person's row is touched first: whoever changes the password
    /// at this moment comes before, and is seen, or after, and ends the session.
    async fn begin_signed(
        &self,
        person: &User,
        hash: SecretHash,
        seen: &SessionOrigin,
        by: Option<&OpenedBy>,
        now: Timestamp,
    ) -> Result<Option<Token>, DirectoryError> {
        let lifetimes = self.lifetimes();
        let token = Token {
            hash,
            user: person.id,
            kind: TokenKind::Session,
            created: now,
            expires: lifetimes.over(now),
            confirmed: by.is_none_or(|by| by.proved).then_some(now),
            used: now,
            idle: Some(lifetimes.idle_us()),
            key: None,
            within: None,
        };
        let mut row = row(&token);
        (row.address, row.product) = (Set(seen.address()), Set(seen.product.clone()));
        if let Some(by) = by {
            row.credential = Set(Some(by.credential.to_vec()));
            row.outside_session = Set(by.outside_session.clone());
        }
        let txn = self.db.begin().await?;
        let touched = user::Entity::update_many()
            .col_expr(user::Column::Browsers, Expr::value(person.since))
            .filter(user::Column::Id.eq(person.id.as_bytes().to_vec()))
            .filter(user::Column::Browsers.eq(person.since))
            .exec(&txn)
            .await?;
        if touched.rows_affected == 0 {
            return Ok(None);
        }
        if let Some(by) = by
            && credential::Entity::find_by_id(by.credential.to_vec()).one(&txn).await?.is_none()
        {
            // It was taken away meanwhile.
            return Ok(None);
        }
        token::Entity::insert(row).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Some(token))
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

    /// The session of a page by both its halves.
    pub async fn page_session(&self, cookie: &str, key: &str, now: Timestamp) -> Result<Option<Token>, DirectoryError> {
        self.token_of(page_hash(cookie, key), now).await
    }

    /// Notes that a session or an app password is used, once a minute at most. Whoever uses it is not kept from it if that fails.
    pub async fn session_used(&self, token: &Token, seen: impl FnOnce() -> SessionOrigin, now: Timestamp) {
        let fresh = now.0.saturating_sub(token.used.0) < NOTED;
        let noted = matches!(token.kind, TokenKind::Session | TokenKind::AppPassword { .. });
        if !noted || fresh || !self.tokens.used(token.hash, now, NOTED) {
            return;
        }
        let seen = seen();
        let note = token::Entity::update_many()
            .col_expr(token::Column::Used, Expr::value(now.0))
            .col_expr(token::Column::Address, Expr::value(seen.address()))
            .col_expr(token::Column::Product, Expr::value(seen.product))
            .filter(token::Column::Hash.eq(token.hash.0.to_vec()));
        if let Err(error) = note.exec(&self.db).await {
            tracing::warn!(%error, "it was not noted that a session is used");
        }
    }

    /// The sessions of a person that have not ended, those used last first.
    pub async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>, DirectoryError> {
        let find = token::Entity::find().filter(sessions_of(user)).order_by_desc(token::Column::Used);
        let lifetimes = self.lifetimes();
        let mut list = Vec::new();
        for row in find.all(&self.db).await? {
            let (address, product) = (row.address.clone(), row.product.clone());
            let token = Token::try_from(row)?;
            let ends = token.ends(lifetimes);
            if ends > now {
                let over = token.idle.map_or(token.expires, |_| lifetimes.over(token.created));
                let expires = token.expires.min(over);
                let (id, begun, used) = (token.hash.session(), token.created, token.used);
                list.push(Session { id, begun, used, address, product, ends, expires });
            }
        }
        Ok(list)
    }

    /// Ends one session of a person; whether they have it.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<bool, DirectoryError> {
        let rows = token::Entity::find().filter(sessions_of(user)).all(&self.db).await?;
        let of_name = |row: token::Model| <[u8; 32]>::try_from(row.hash).ok().map(SecretHash);
        let Some(hash) = rows.into_iter().filter_map(of_name).find(|hash| hash.session() == session) else {
            return Ok(false);
        };
        let end = token::Entity::delete_by_id(hash.0.to_vec());
        self.change_tokens(|db| async move { Ok(end.exec(&db).await?.rows_affected > 0) }).await
    }

    /// Ends every session of a person but the one that is kept, and forgets their browsers; returns how many there were. What
    /// they let others in by stays: apps, app passwords and links.
    pub async fn end_sessions(&self, user: UserId, kept: Option<SecretHash>) -> Result<u64, DirectoryError> {
        self.end_in_one_step(user, kept, false).await
    }

    /// Ends every session of a person; in the same step what apps know by who they are, and what they opened while they were
    /// signed in, app passwords too. Grants to apps and links stay, and that apps may learn again who they are.
    pub async fn sign_out_everywhere(&self, user: UserId) -> Result<u64, DirectoryError> {
        self.end_in_one_step(user, None, true).await
    }

    async fn end_in_one_step(
        &self,
        user: UserId,
        kept: Option<SecretHash>,
        everywhere: bool,
    ) -> Result<u64, DirectoryError> {
        let mut ended = sessions_of(user);
        if let Some(kept) = kept {
            ended = ended.add(token::Column::Hash.ne(kept.0.to_vec()));
        }
        let logins = Condition::all()
            .add(token::Column::User.eq(user.as_bytes().to_vec()))
            .add(token::Column::Client.is_not_null())
            .add(token::Column::GrantId.is_null());
        let end = token::Entity::delete_many().filter(ended);
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // The person's row first, as whoever begins a session or makes an app password does.
            forget(&txn, user).await?;
            let ended = end.exec(&txn).await?.rows_affected;
            if everywhere {
                token::Entity::delete_many().filter(logins).exec(&txn).await?;
                end_opened(&txn, user).await?;
            }
            txn.commit().await?;
            Ok(ended)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::{TokenKind, on_each_backend};
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
            assert_eq!(directory.end_sessions(alice, None).await.unwrap(), 1);
            assert_eq!(directory.token(second.text(), now).await.unwrap(), None);
            assert!(directory.token(other.text(), now).await.unwrap().is_some(), "control");
            let home = directory.add_tenant("home", now).await.unwrap();
            let account = (bob, policy_core::SpaceId::from_bytes([3; 16]));
            let person = directory.add_user(account, "bob", home.id, Some("a long password"), now).await.unwrap();
            let (page, token) =
                directory.open_page_session(&person, &SessionOrigin::default(), None, now).await.unwrap().unwrap();
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
            directory.tend(Timestamp::from_seconds(8 * 86_400)).await.unwrap();
            assert_eq!(token::Entity::find().all(&directory.db).await.unwrap().len(), 0);
        }
    }

    #[tokio::test]
    async fn a_session_ends_unused_or_at_its_absolute_end_whichever_is_first() {
        for directory in on_each_backend().await {
            let at = Timestamp::from_seconds;
            let home = directory.add_tenant("home", at(0)).await.unwrap();
            let account = (UserId::from_bytes([1; 16]), policy_core::SpaceId::from_bytes([3; 16]));
            let alice = directory.add_user(account, "alice", home.id, Some("a long password"), at(0)).await.unwrap();
            directory.keep_sessions(Lifetimes { idle: 600, absolute: 3_600 });
            let seen =
                SessionOrigin { address: Some("2001:db8::1".parse().unwrap()), product: Some("Firefox".to_owned()) };
            let begin = async || directory.open_signed_session(&alice, &seen, None, at(0)).await.unwrap().unwrap().0;
            let (used, unused) = (begin().await, begin().await);
            let (minted, _) = directory.open_session(alice.id, at(0), 86_400, None).await.unwrap();
            let alive = async |secret: &Secret, now| directory.token(secret.text(), now).await.unwrap().is_some();
            for minute in 1..60 {
                let token = directory.token(used.text(), at(minute * 60)).await.unwrap().expect("it is used");
                directory.session_used(&token, || seen.clone(), at(minute * 60)).await;
                assert_eq!(alive(&unused, at(minute * 60)).await, minute < 10, "{minute}");
            }
            // What is kept counts, and not what is in memory alone.
            directory.tokens.forget();
            assert!(alive(&used, at(3_599)).await && !alive(&used, at(3_600)).await, "it was used to its end");
            assert!(alive(&minted, at(80_000)).await, "what the operator made lasts as long as they said");
            let list = directory.sessions(alice.id, at(3_570)).await.unwrap();
            assert_eq!(list.len(), 2, "{list:?}");
            let shown = list.iter().find(|one| one.id == used.hash().session()).unwrap();
            assert_eq!((shown.used, shown.begun, shown.ends), (at(3_540), at(0), at(3_600)));
            assert_eq!((shown.address.as_deref(), shown.product.as_deref()), (Some("2001:db8::1"), Some("Firefox")));
            directory.tend(at(3_000)).await.unwrap();
            assert_eq!(token::Entity::find().all(&directory.db).await.unwrap().len(), 2, "the unused one is dropped");
        }
    }

    #[tokio::test]
    async fn what_the_node_is_told_now_counts_also_for_sessions_from_before() {
        let directory = super::super::in_memory().await;
        let at = Timestamp::from_seconds;
        let token = |idle, absolute: i64| Token {
            hash: SecretHash([1; 32]),
            user: UserId::from_bytes([1; 16]),
            kind: TokenKind::Session,
            created: at(0),
            expires: at(absolute),
            confirmed: None,
            used: at(50),
            idle,
            key: None,
            within: None,
        };
        let told = |idle, absolute| Lifetimes { idle, absolute };
        let minute = Some(60_000_000);
        assert_eq!(token(minute, 1_000).ends(told(60, 1_000)), at(110));
        assert_eq!(token(minute, 1_000).ends(told(30, 1_000)), at(80), "shorter now");
        assert_eq!(token(minute, 1_000).ends(told(900, 9_000)), at(110), "longer now");
        assert_eq!(token(minute, 1_000).ends(told(60, 70)), at(70));
        assert_eq!(token(None, 1_000).ends(told(1, 1)), at(1_000), "none of a sign-in");
        assert_eq!(directory.lifetimes(), Lifetimes::default());
    }

    #[tokio::test]
    async fn one_session_is_ended_by_its_person_alone_and_the_others_without_this_one() {
        for directory in on_each_backend().await {
            let (alice, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
            let now = Timestamp::from_seconds(100);
            let begin = async |user| directory.open_session(user, now, 60, None).await.unwrap().0;
            let (first, second, third) = (begin(alice).await, begin(alice).await, begin(alice).await);
            let theirs = begin(bob).await;
            let alive = async |secret: &Secret| directory.token(secret.text(), now).await.unwrap().is_some();
            assert!(!directory.end_session(bob, first.hash().session()).await.unwrap(), "another's");
            assert!(!directory.end_session(alice, theirs.hash().session()).await.unwrap(), "another's");
            assert!(alive(&first).await && alive(&theirs).await, "control");
            assert!(directory.end_session(alice, first.hash().session()).await.unwrap());
            assert!(!directory.end_session(alice, first.hash().session()).await.unwrap(), "once");
            assert!(!alive(&first).await && alive(&second).await);
            assert_eq!(directory.end_sessions(alice, Some(second.hash())).await.unwrap(), 1);
            assert!(alive(&second).await && !alive(&third).await && alive(&theirs).await);
        }
    }
}
