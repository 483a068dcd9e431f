//! The keys by which ID tokens are signed (ES256, RFC 7518).
//!
//! Each signs for a span of ninety days. It is made, and told to whoever asks, a day before its span begins, and told
//! until a day after the span, when every token under it has lapsed; then it is gone. Time alone decides, so several
//! processes on one database agree. The keys lie where the node's other secrets lie.

use policy_core::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::tables::signing_key;
use super::{Directory, DirectoryError};

const DAY: i64 = 86_400_000_000;
/// How long a key signs.
const SPAN: i64 = 90 * DAY;
/// How long before, and after, it is told.
const BESIDE: i64 = DAY;

/// A key that signs.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    pub public: PublicKey,
}

/// What everybody may know of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its thumbprint (RFC 7638).
    pub kid: String,
    /// Its point, in base64url.
    pub x: String,
    pub y: String,
    point: Vec<u8>,
}

impl PublicKey {
    fn of(pair: &EcdsaKeyPair) -> Option<PublicKey> {
        let point = pair.public_key().as_ref().to_vec();
        let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        // Uncompressed (SEC 1, 2.3.3).
        let (x, y) = (encode(point.get(1..33)?), encode(point.get(33..65)?));
        let members = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{x}\",\"y\":\"{y}\"}}");
        Some(PublicKey { kid: encode(&Sha256::digest(members.as_bytes())), x, y, point })
    }
}

/// Whether `signature` is of this key over `message`.
pub fn verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let key = ring::signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.point);
    key.verify(message, signature).is_ok()
}

impl SigningKey {
    fn read(row: signing_key::Model) -> Result<SigningKey, DirectoryError> {
        let damaged = || DirectoryError::Damaged("dir_signing_key");
        let bytes = Zeroizing::new(row.pkcs8);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bytes, &SystemRandom::new());
        let pair = pair.map_err(|_| damaged())?;
        Ok(SigningKey { public: PublicKey::of(&pair).ok_or_else(damaged)?, pair })
    }

    /// The signature over `message`: both numbers, 64 bytes.
    ///
    /// # Panics
    /// If the system has no randomness.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message).expect("the system gives randomness");
        signature.as_ref().to_vec()
    }
}

fn span(at: i64) -> i64 {
    at.div_euclid(SPAN)
}

impl Directory {
    /// The key that signs now.
    pub async fn signing_key(&self, now: Timestamp) -> Result<SigningKey, DirectoryError> {
        let row = self.key_of_span(span(now.0), now).await?;
        SigningKey::read(row)
    }

    /// The keys by which tokens of now may be signed, oldest first: those of before that may still be good, the present
    /// one, and the next when its time is near.
    pub async fn signing_keys(&self, now: Timestamp) -> Result<Vec<PublicKey>, DirectoryError> {
        for wanted in [span(now.0), span(now.0 + BESIDE)] {
            self.key_of_span(wanted, now).await?;
        }
        let from = signing_key::Column::Span.gte(span(now.0 - BESIDE));
        let rows = signing_key::Entity::find().filter(from).order_by_asc(signing_key::Column::Span);
        let rows = rows.all(&self.db).await?;
        rows.into_iter().map(|row| SigningKey::read(row).map(|key| key.public)).collect()
    }

    /// Drops the keys under which no token is good any more.
    pub(super) async fn drop_signing_keys(&self, now: Timestamp) -> Result<(), DirectoryError> {
        let old = signing_key::Column::Span.lt(span(now.0 - BESIDE));
        signing_key::Entity::delete_many().filter(old).exec(&self.db).await?;
        Ok(())
    }

    /// The key of a span, made if there is none. Of two processes that make one at once the first wins.
    async fn key_of_span(&self, span: i64, now: Timestamp) -> Result<signing_key::Model, DirectoryError> {
        if let Some(row) = signing_key::Entity::find_by_id(span).one(&self.db).await? {
            return Ok(row);
        }
        let drawn = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let drawn = drawn.expect("the system gives randomness");
        let row =
            signing_key::ActiveModel { span: Set(span), pkcs8: Set(drawn.as_ref().to_vec()), created: Set(now.0) };
        let clash = OnConflict::column(signing_key::Column::Span).do_nothing().to_owned();
        signing_key::Entity::insert(row).on_conflict(clash).exec_without_returning(&self.db).await?;
        let row = signing_key::Entity::find_by_id(span).one(&self.db).await?;
        row.ok_or(DirectoryError::Damaged("dir_signing_key"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;

    #[tokio::test]
    async fn a_key_is_told_a_day_before_it_signs_and_until_what_it_signed_has_lapsed() {
        for directory in on_each_backend().await {
            let at = |days: i64| Timestamp(days * DAY + 1);
            let keys = async |days: i64| {
                let keys = directory.signing_keys(at(days)).await.unwrap();
                keys.into_iter().map(|key| key.kid).collect::<Vec<_>>()
            };
            let signs = async |days: i64| directory.signing_key(at(days)).await.unwrap().public.kid;
            let first = signs(1).await;
            assert_eq!(keys(1).await, std::slice::from_ref(&first));
            assert_eq!(signs(88).await, first);
            let both = keys(89).await;
            assert_eq!((both.len(), &both[0], signs(89).await), (2, &first, first.clone()));
            let second = signs(90).await;
            assert_eq!(both[1], second, "it was told before");
            assert_eq!(keys(90).await, both);
            directory.drop_signing_keys(at(90)).await.unwrap();
            assert_eq!(keys(90).await, both, "what it signed is still good");
            directory.drop_signing_keys(at(91)).await.unwrap();
            assert_eq!(keys(91).await, [second]);
        }
    }

    #[tokio::test]
    async fn several_who_need_a_key_at_once_get_one() {
        for directory in on_each_backend().await {
            let now = Timestamp(1);
            let all = futures::future::join_all((0..50).map(|_| directory.signing_key(now))).await;
            let kids: std::collections::HashSet<_> = all.into_iter().map(|key| key.unwrap().public.kid).collect();
            assert_eq!(kids.len(), 1);
            let key = directory.signing_key(now).await.unwrap();
            let signature = key.sign(b"message");
            assert!(verifies(&key.public, b"message", &signature), "control");
            assert!(!verifies(&key.public, b"another", &signature));
            let other = directory.signing_key(Timestamp(SPAN)).await.unwrap();
            assert!(!verifies(&other.public, b"message", &signature));
        }
    }
}
