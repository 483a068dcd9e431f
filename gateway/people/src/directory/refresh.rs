//! Pairs of access and refresh token, and their rotation (OAuth 2.1, section 4.3.1): a refresh token
//! is good once, and its second use ends the whole family.
//!
//! An app that refreshes twice at once is no thief: for [`REUSE`] seconds, and until the successor is used, the token
//! that was just exchanged answers with the same successor again. The chain stays one, so a copy that is used later,
//! by whomever, still shows.
//!
//! An app that proves a key gets tokens that its holder alone may send (RFC 9449, 5). Its refresh tokens are bound to the key
//! too, unless the app holds a secret: those are its own already, and it may change its key.

use hmac::{Hmac, KeyInit, Mac};
use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Set, TransactionTrait};
use sha2::Sha256;

use super::openid::OpenidScope;
use super::proofs::ProofOf;
use super::tables::{grant, refresh, token};
use super::tokens::row;
use super::{Directory, DirectoryError, Family, GrantRow, Secret, SecretHash, Token, TokenKind, id};
use crate::dpop::{Proof, ProofError, Thumbprint};

/// An access token lasts an hour, in seconds.
pub(super) const ACCESS: i64 = 3_600;
/// A refresh token lasts ninety days unless it is used, in seconds.
pub(super) const REFRESH: i64 = 90 * 86_400;

/// How long the same exchange may be asked for again, in seconds.
const REUSE: i64 = 10;
/// How often a grant is followed to the one that has taken its place, while something of it is exchanged.
pub const FOLLOWED: usize = 8;

/// What an app gets.
#[derive(Debug)]
pub struct Pair {
    pub access: Secret,
    pub refresh: Secret,
    pub expires: Timestamp,
    pub grant: GrantRow,
    /// What its tokens tell of who the person is.
    pub openid: Option<OpenidScope>,
    /// The key that the access token is bound to.
    pub key: Option<Thumbprint>,
}

/// To which keys the tokens of a pair are bound.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    access: Option<Thumbprint>,
    refresh: Option<Thumbprint>,
}

impl Bound {
    /// By what an app proves; `confidential`: it holds a secret.
    pub fn by(proof: Option<&Proof>, confidential: bool) -> Bound {
        let access = proof.map(|proof| proof.key);
        Bound { access, refresh: access.filter(|_| !confidential) }
    }
}

/// The app that exchanges a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Exchanger<'a> {
    pub client: ClientId,
    /// It holds a secret, by which it has proved itself.
    pub confidential: bool,
    pub proof: Option<&'a Proof>,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Rotation {
    Rotated(Box<Pair>),
    /// Unknown, lapsed, another app's, bound to another key, or its grant is gone.
    Refused,
    /// The proof of its key is missing, or was sent before.
    Unproven(ProofError),
    /// Used a second time: the family is dead. Tokens were ended, so the policy epoch must move.
    Reused {
        user: UserId,
        grant: GrantId,
    },
}

/// Whose tokens they are.
struct Holder {
    user: UserId,
    client: ClientId,
    grant: GrantId,
    family: Family,
    openid: Option<OpenidScope>,
    bound: Bound,
}

impl Directory {
    /// The first pair of a grant; `None` if the grant is gone.
    pub async fn first_pair(&self, grant: &GrantRow, now: Timestamp) -> Result<Option<Pair>, DirectoryError> {
        self.first_pair_of(grant, (Family::draw(), None), Bound::default(), now).await
    }

    /// The same, of a family that is named, with what its tokens tell of who the person is, bound to keys.
    pub async fn first_pair_of(
        &self,
        grant: &GrantRow,
        (family, openid): (Family, Option<OpenidScope>),
        bound: Bound,
        now: Timestamp,
    ) -> Result<Option<Pair>, DirectoryError> {
        if self.is_suspended(grant.user) {
            return Ok(None);
        }
        let holder = Holder { user: grant.user, client: grant.client, grant: grant.id, family, openid, bound };
        let txn = self.db.begin().await?;
        let Some(live) = live_grant(&txn, holder.grant, now).await? else {
            txn.rollback().await?;
            return Ok(None);
        };
        let pair = pair(&txn, &holder, live, Secret::draw(), now).await?;
        txn.commit().await?;
        Ok(Some(pair))
    }

    /// Exchanges a refresh token of an app for a new pair.
    pub async fn rotate(
        &self,
        text: &str,
        by: impl Into<Exchanger<'_>>,
        now: Timestamp,
    ) -> Result<Rotation, DirectoryError> {
        let Exchanger { client, confidential, mut proof } = by.into();
        let bound = Bound::by(proof, confidential);
        let hash = SecretHash::of(text).0.to_vec();
        for _ in 0..FOLLOWED {
            let found = refresh::Entity::find_by_id(hash.clone()).one(&self.db).await?;
            let Some(found) = found.filter(|found| found.client == client.as_bytes() && found.expires > now.0) else {
                return Ok(Rotation::Refused);
            };
            let holder = Holder {
                user: id(&found.user, UserId::from_bytes, "dir_refresh")?,
                client,
                grant: id(&found.grant_id, GrantId::from_bytes, "dir_refresh")?,
                family: id(&found.family, Family, "dir_refresh")?,
                openid: found.scope.as_deref().and_then(OpenidScope::of),
                bound,
            };
            if self.is_suspended(holder.user) {
                return Ok(Rotation::Refused);
            }
            // Whoever has a copy, and not the key, neither uses it up nor shows that there is a copy.
            if let Some(key) = found.jkt {
                match bound.access {
                    None => return Ok(Rotation::Unproven(ProofError::Missing)),
                    Some(held) if held.to_bytes() != key => return Ok(Rotation::Refused),
                    Some(_) => {}
                }
            }
            if let Some(proof) = proof.take()
                && let Err(wrong) = self.proofs.take(ProofOf::App(holder.user, client), proof, now)
            {
                return Ok(Rotation::Unproven(wrong));
            }
            let txn = self.db.begin().await?;
            // The row of the grant first, as whoever puts another in its place or takes it back does: until the end, the
            // token is of this grant. Without it nothing is marked, and what has taken its place is followed.
            let Some(live) = live_grant(&txn, holder.grant, now).await? else {
                txn.rollback().await?;
                if grant::Entity::find_by_id(found.grant_id).one(&self.db).await?.is_some() {
                    return Ok(Rotation::Refused);
                }
                continue;
            };
            // Marking and issuing are one step: whoever sees the mark can end all that was issued.
            let marked = refresh::Entity::update_many()
                .col_expr(refresh::Column::Used, Expr::value(now.0))
                .filter(refresh::Column::Hash.eq(hash.clone()))
                .filter(refresh::Column::Used.is_null())
                .exec(&txn)
                .await?;
            if marked.rows_affected == 1 {
                let pair = pair(&txn, &holder, live, self.successor(text), now).await?;
                txn.commit().await?;
                return Ok(Rotation::Rotated(Box::new(pair)));
            }
            if let Some(pair) = self.rotate_again(&txn, text, &holder, live, now).await? {
                txn.commit().await?;
                return Ok(Rotation::Rotated(Box::new(pair)));
            }
            txn.rollback().await?;
            if refresh::Entity::find_by_id(hash).one(&self.db).await?.is_none() {
                return Ok(Rotation::Refused);
            }
            self.end_family(holder.family).await?;
            return Ok(Rotation::Reused { user: holder.user, grant: holder.grant });
        }
        Ok(Rotation::Refused)
    }

    /// A second exchange of a token that was just exchanged: the same successor, and an access token of its own.
    /// `None` if the first is too long ago, the successor was used, or either is gone.
    async fn rotate_again(
        &self,
        txn: &impl ConnectionTrait,
        text: &str,
        holder: &Holder,
        (grant, end): (GrantRow, Timestamp),
        now: Timestamp,
    ) -> Result<Option<Pair>, DirectoryError> {
        let window = REUSE * 1_000_000;
        let next = self.successor(text);
        // Touching the rows orders this against the end of the family, which deletes them.
        let touched = refresh::Entity::update_many()
            .col_expr(refresh::Column::Used, Expr::col(refresh::Column::Used))
            .filter(refresh::Column::Hash.eq(SecretHash::of(text).0.to_vec()))
            .filter(refresh::Column::Used.between(now.0 - window, now.0 + window))
            .exec(txn)
            .await?;
        let live = refresh::Entity::update_many()
            .col_expr(refresh::Column::Expires, Expr::col(refresh::Column::Expires))
            .filter(refresh::Column::Hash.eq(next.hash().0.to_vec()))
            .filter(refresh::Column::Used.is_null())
            // Who exchanged it first may have bound what follows to a key of theirs: that is no second try of one app.
            .filter(match holder.bound.refresh {
                Some(key) => refresh::Column::Jkt.eq(key.to_bytes()),
                None => refresh::Column::Jkt.is_null(),
            })
            .exec(txn)
            .await?;
        if touched.rows_affected != 1 || live.rows_affected != 1 {
            return Ok(None);
        }
        let (access, expires) = access_token(txn, holder, end, now).await?;
        let key = holder.bound.access;
        Ok(Some(Pair { access, refresh: next, expires, grant, openid: holder.openid, key }))
    }

    /// The refresh token that follows on one: whoever presents that one gets it again, and nobody else can tell it.
    fn successor(&self, text: &str) -> Secret {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.refresh_key).expect("HMAC takes any key");
        mac.update(text.as_bytes());
        Secret::of(mac.finalize().into_bytes().into())
    }

    /// The family and holder of a refresh token of this app, used or not.
    pub async fn refresh_family(&self, text: &str, client: ClientId) -> Result<Option<Family>, DirectoryError> {
        let found = refresh::Entity::find_by_id(SecretHash::of(text).0.to_vec()).one(&self.db).await?;
        let family = found.filter(|found| found.client == client.as_bytes());
        family.map(|found| id(&found.family, Family, "dir_refresh")).transpose()
    }
}

/// Keeps the row of a grant from going before the end of the transaction; false: it is gone.
pub(super) async fn touch_grant(db: &impl ConnectionTrait, grant: Vec<u8>) -> Result<bool, DirectoryError> {
    let touched = grant::Entity::update_many()
        .col_expr(grant::Column::Created, Expr::col(grant::Column::Created))
        .filter(grant::Column::Id.eq(grant))
        .exec(db)
        .await?;
    Ok(touched.rows_affected == 1)
}

/// The grant and its end, if it lives. Touching its row orders this against a revocation, which deletes the row first.
async fn live_grant(
    db: &impl ConnectionTrait,
    grant: GrantId,
    now: Timestamp,
) -> Result<Option<(GrantRow, Timestamp)>, DirectoryError> {
    if !touch_grant(db, grant.as_bytes().to_vec()).await? {
        return Ok(None);
    }
    let found = grant::Entity::find_by_id(grant.as_bytes().to_vec()).one(db).await?;
    let Some(found) = found else { return Ok(None) };
    let grant = GrantRow::try_from(found)?;
    let end = grant.expires.unwrap_or(Timestamp(i64::MAX));
    Ok((end > now).then_some((grant, end)))
}

pub(super) fn until(now: Timestamp, seconds: i64, end: Timestamp) -> Timestamp {
    Timestamp(now.0 + seconds * 1_000_000).min(end)
}

async fn access_token(
    db: &impl ConnectionTrait,
    holder: &Holder,
    end: Timestamp,
    now: Timestamp,
) -> Result<(Secret, Timestamp), DirectoryError> {
    let (access, expires) = (Secret::draw(), until(now, ACCESS, end));
    let kind =
        TokenKind::Access { client: holder.client, grant: holder.grant, family: holder.family, openid: holder.openid };
    let (hash, user) = (access.hash(), holder.user);
    let key = holder.bound.access;
    let token =
        Token { hash, user, kind, created: now, expires, confirmed: None, used: now, idle: None, key, within: None };
    token::Entity::insert(row(&token)).exec_without_returning(db).await?;
    Ok((access, expires))
}

async fn pair(
    db: &impl ConnectionTrait,
    holder: &Holder,
    (grant, end): (GrantRow, Timestamp),
    next: Secret,
    now: Timestamp,
) -> Result<Pair, DirectoryError> {
    let (access, expires) = access_token(db, holder, end, now).await?;
    let row = refresh::ActiveModel {
        hash: Set(next.hash().0.to_vec()),
        user: Set(holder.user.as_bytes().to_vec()),
        client: Set(holder.client.as_bytes().to_vec()),
        grant_id: Set(holder.grant.as_bytes().to_vec()),
        family: Set(holder.family.0.to_vec()),
        expires: Set(until(now, REFRESH, end).0),
        used: Set(None),
        scope: Set(holder.openid.map(|scope| scope.text().to_owned())),
        jkt: Set(holder.bound.refresh.map(Thumbprint::to_bytes)),
    };
    refresh::Entity::insert(row).exec_without_returning(db).await?;
    Ok(Pair { access, refresh: next, expires, grant, openid: holder.openid, key: holder.bound.access })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::on_each_backend;
    use super::super::usage::Usage;
    use super::*;
    use crate::dpop::tests::Key;
    use policy_core::SpaceId;

    pub(in super::super) async fn noted(directory: &Directory, expires: Option<Timestamp>) -> GrantRow {
        let row = GrantRow {
            id: Directory::new_grant_id(),
            user: UserId::from_bytes([1; 16]),
            client: ClientId::from_bytes([2; 16]),
            space: SpaceId::from_bytes([3; 16]),
            field_order: String::new(),
            created: Timestamp::from_seconds(10),
            expires,
            last_used: None,
            usage: Usage::default(),
        };
        directory.note_grant(&row).await.unwrap();
        row
    }

    impl From<ClientId> for Exchanger<'_> {
        fn from(client: ClientId) -> Self {
            Exchanger { client, confidential: false, proof: None }
        }
    }

    #[tokio::test]
    async fn a_refresh_token_is_good_once_and_its_second_use_ends_the_family() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let grant = noted(&directory, None).await;
            let first = directory.first_pair(&grant, now).await.unwrap().unwrap();
            let bystander = directory.first_pair(&grant, now).await.unwrap().unwrap();
            let stranger = ClientId::from_bytes([9; 16]);
            assert!(matches!(directory.rotate(first.refresh.text(), stranger, now).await.unwrap(), Rotation::Refused));
            let Rotation::Rotated(second) = directory.rotate(first.refresh.text(), grant.client, now).await.unwrap()
            else {
                panic!("a fresh refresh token rotates")
            };
            for pair in [&first, &second] {
                assert!(directory.token(pair.access.text(), now).await.unwrap().is_some());
            }
            let late = Timestamp::from_seconds(100 + REUSE + 1);
            let again = directory.rotate(first.refresh.text(), grant.client, late).await.unwrap();
            assert!(matches!(again, Rotation::Reused { .. }), "{again:?}");
            for pair in [&first, &second] {
                assert_eq!(directory.token(pair.access.text(), now).await.unwrap(), None);
            }
            assert!(matches!(
                directory.rotate(second.refresh.text(), grant.client, now).await.unwrap(),
                Rotation::Refused
            ));
            assert!(directory.token(bystander.access.text(), now).await.unwrap().is_some(), "control: another family");
            directory.end_grant(grant.id).await.unwrap();
            assert_eq!(directory.token(bystander.access.text(), now).await.unwrap(), None);
            let gone = directory.rotate(bystander.refresh.text(), grant.client, now).await.unwrap();
            assert!(matches!(gone, Rotation::Refused));
            assert!(directory.first_pair(&grant, now).await.unwrap().is_none(), "no tokens for a grant that is gone");
        }
    }

    #[tokio::test]
    async fn two_refreshes_at_once_get_one_successor_and_a_later_one_ends_the_family() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let grant = noted(&directory, None).await;
            let first = directory.first_pair(&grant, now).await.unwrap().unwrap();
            let rotate = async |text: &str, at: i64| {
                directory.rotate(text, grant.client, Timestamp::from_seconds(at)).await.unwrap()
            };
            let text = first.refresh.text();
            let (one, two) = tokio::join!(rotate(text, 100), rotate(text, 100));
            let (Rotation::Rotated(one), Rotation::Rotated(two)) = (one, two) else { panic!("both are answered") };
            let Rotation::Rotated(three) = rotate(text, 100 + REUSE).await else { panic!("within the window") };
            assert_ne!(one.access.text(), two.access.text());
            for other in [&two, &three] {
                assert_eq!(one.refresh.text(), other.refresh.text(), "the chain stays one");
            }
            for pair in [&one, &two, &three] {
                assert!(directory.token(pair.access.text(), now).await.unwrap().is_some());
            }
            let stranger = directory.rotate(text, ClientId::from_bytes([9; 16]), now).await.unwrap();
            assert!(matches!(stranger, Rotation::Refused));
            let Rotation::Rotated(next) = rotate(one.refresh.text(), 105).await else {
                panic!("the successor is good")
            };
            // Who still has the first, now that its successor is used, has a copy.
            assert!(matches!(rotate(text, 106).await, Rotation::Reused { .. }));
            for pair in [&one, &two, &next] {
                assert_eq!(directory.token(pair.access.text(), now).await.unwrap(), None);
            }
            assert!(matches!(rotate(next.refresh.text(), 107).await, Rotation::Refused));
            assert!(matches!(rotate(text, 108).await, Rotation::Refused), "nothing comes back to life");
        }
    }

    #[tokio::test]
    async fn tokens_do_not_outlive_their_grant_and_use_is_noted() {
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(100);
            let end = Timestamp::from_seconds(160);
            let grant = noted(&directory, Some(end)).await;
            let pair = directory.first_pair(&grant, now).await.unwrap().unwrap();
            assert_eq!(pair.expires, end);
            assert_eq!(directory.token(pair.access.text(), end).await.unwrap(), None);
            assert!(matches!(
                directory.rotate(pair.refresh.text(), grant.client, end).await.unwrap(),
                Rotation::Refused
            ));
            directory.used_grant(grant.id, Timestamp::from_seconds(120));
            let noted = || async { directory.grant_rows(Some(grant.user)).await.unwrap()[0].last_used };
            assert_eq!(noted().await, Some(Timestamp::from_seconds(120)));
            directory.tend(now).await.unwrap();
            assert_eq!(noted().await, Some(Timestamp::from_seconds(120)));
        }
    }

    #[tokio::test]
    async fn a_refresh_token_of_an_app_without_a_secret_is_its_key_s_and_a_copy_ends_nothing() {
        const NOW: i64 = 1_764_000_000;
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(NOW);
            let (grant, key, other) = (noted(&directory, None).await, Key::draw(), Key::draw());
            let client = grant.client;
            let bound = Bound::by(Some(&key.proof("first", NOW)), false);
            let of = (Family::draw(), None);
            let first = directory.first_pair_of(&grant, of, bound, now).await.unwrap().unwrap();
            let opens = async |pair: &Pair| directory.token(pair.access.text(), now).await.unwrap().unwrap().key;
            assert_eq!(opens(&first).await, Some(key.proof("x", NOW).key));
            let by = async |text: &str, confidential, proof: Option<&Proof>| {
                directory.rotate(text, Exchanger { client, confidential, proof }, now).await.unwrap()
            };
            let text = first.refresh.text();
            let without = by(text, false, None).await;
            assert!(matches!(without, Rotation::Unproven(ProofError::Missing)), "{without:?}");
            let stolen = by(text, false, Some(&other.proof("a", NOW))).await;
            assert!(matches!(stolen, Rotation::Refused), "{stolen:?}");
            let proof = key.proof("b", NOW);
            let Rotation::Rotated(second) = by(text, false, Some(&proof)).await else { panic!("control") };
            assert_eq!(second.key, Some(proof.key));
            let again = by(second.refresh.text(), false, Some(&proof)).await;
            assert!(matches!(again, Rotation::Unproven(ProofError::Replayed)), "{again:?}");
            // What is exchanged long ago shows theft, but only where the key is there.
            let later = Timestamp::from_seconds(NOW + REUSE + 1);
            let copied = async |proof: Option<&Proof>| {
                directory.rotate(text, Exchanger { client, confidential: false, proof }, later).await.unwrap()
            };
            for proof in [None, Some(other.proof("c", NOW))] {
                let refused = copied(proof.as_ref()).await;
                assert!(!matches!(refused, Rotation::Reused { .. }), "{refused:?}");
            }
            assert!(directory.token(second.access.text(), later).await.unwrap().is_some(), "nothing ended");
            let reused = copied(Some(&key.proof("d", NOW))).await;
            assert!(matches!(reused, Rotation::Reused { .. }), "control: {reused:?}");
        }
    }

    #[tokio::test]
    async fn a_refresh_token_of_an_app_with_a_secret_goes_on_to_another_key() {
        const NOW: i64 = 1_764_000_000;
        for directory in on_each_backend().await {
            let now = Timestamp::from_seconds(NOW);
            let (grant, key, other) = (noted(&directory, None).await, Key::draw(), Key::draw());
            let bound = Bound::by(Some(&key.proof("first", NOW)), true);
            let of = (Family::draw(), None);
            let first = directory.first_pair_of(&grant, of, bound, now).await.unwrap().unwrap();
            let proof = other.proof("a", NOW);
            let by = |proof| Exchanger { client: grant.client, confidential: true, proof };
            let next = directory.rotate(first.refresh.text(), by(Some(&proof)), now).await.unwrap();
            let Rotation::Rotated(next) = next else { panic!("{next:?}") };
            let bound = directory.token(next.access.text(), now).await.unwrap().unwrap().key;
            assert_eq!((bound, next.key), (Some(proof.key), Some(proof.key)));
            let Rotation::Rotated(plain) = directory.rotate(next.refresh.text(), by(None), now).await.unwrap() else {
                panic!("it is asked for no proof where it does not say so")
            };
            assert_eq!(directory.token(plain.access.text(), now).await.unwrap().unwrap().key, None);
        }
    }
}
