//! Devices without a browser that wait for their person to let them in on another (RFC 8628).

use policy_core::{ClientId, GrantId, Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set, TransactionTrait};

use super::codes::{NewCode, insert_code};
use super::openid::Openid;
use super::proofs::ProofOf;
use super::refresh::{FOLLOWED, touch_grant};
use super::secret::random;
use super::tables::waiting;
use super::{Directory, DirectoryError, Secret, SecretHash, id, room};
use crate::dpop::{Proof, ProofError};

/// How long a device waits, in seconds.
pub const DEVICE_SECONDS: i64 = 600;
/// How long between two questions of a device, in seconds; so much more each time it asks sooner.
pub const DEVICE_INTERVAL: i64 = 5;
/// Without vowels, so that no word comes of it; each looks like none of the others.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters of a code: with so many devices waiting, one guess in some ten million is right.
const LENGTH: usize = 8;

const WAITS: &str = "waiting";
const ANSWERED: &str = "answered";
const ALLOWED: &str = "allowed";
const DENIED: &str = "denied";

/// What a device is given.
pub struct DeviceCodes {
    /// For the device alone.
    pub device: Secret,
    /// To be typed.
    pub user: String,
}

/// A device that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub client: ClientId,
    /// What it asks.
    pub request: String,
    hash: Vec<u8>,
}

/// What a device that asks is told.
pub enum Polled {
    /// Unknown, another app's, or taken.
    Refused,
    Lapsed,
    Pending,
    /// It asked too soon.
    SlowDown,
    Denied,
    /// Its person let it in: a code, which nobody else has seen.
    Allowed(Secret),
    /// Its person let it in, and the proof of its key was sent before. It waits, and asks with another.
    Unproven(ProofError),
}

/// A code as it was typed: what people put between its letters does not count.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphabetic).take(64).map(|letter| letter.to_ascii_uppercase()).collect()
}

fn hash_of_user_code(code: &str) -> Vec<u8> {
    SecretHash::of(&format!("\0device\0{}", plain(code))).0.to_vec()
}

fn draw() -> String {
    let mut code = String::new();
    while code.len() < LENGTH {
        // The bytes beyond the last whole round would make the first letters more likely.
        let letters = random::<32>().into_iter().filter(|byte| *byte < 240);
        code.extend(letters.map(|byte| char::from(LETTERS[usize::from(byte) % 20])).take(LENGTH - code.len()));
    }
    code.insert(LENGTH / 2, '-');
    code
}

impl Directory {
    /// A device of an app waits. Where too many do, the oldest gives way.
    pub async fn await_person(
        &self,
        (client, proven): (ClientId, bool),
        from: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<DeviceCodes, DirectoryError> {
        let own = waiting::Entity::find().filter(waiting::Column::Client.eq(client.as_bytes().to_vec()));
        let own = own.filter(waiting::Column::Expires.gt(now.0));
        let columns = [waiting::Column::Hash, waiting::Column::Origin, waiting::Column::Expires];
        room::make(&self.db, own, columns, from, proven).await?;
        let codes = DeviceCodes { device: Secret::draw(), user: draw() };
        let row = waiting::ActiveModel {
            hash: Set(codes.device.hash().0.to_vec()),
            user_code: Set(hash_of_user_code(&codes.user)),
            client: Set(client.as_bytes().to_vec()),
            origin: Set(from.to_owned()),
            request: Set(request.to_owned()),
            expires: Set(now.0 + DEVICE_SECONDS * 1_000_000),
            interval: Set(DEVICE_INTERVAL),
            polled: Set(None),
            state: Set(WAITS.to_owned()),
            user: Set(None),
            grant_id: Set(None),
            openid: Set(None),
        };
        waiting::Entity::insert(row).exec_without_returning(&self.db).await?;
        Ok(codes)
    }

    /// The device that shows a code which somebody types, if it still waits. Who types too many wrong ones is not told
    /// for a while: [`DirectoryError::Busy`].
    pub async fn typed(&self, code: &str, from: &str, now: Timestamp) -> Result<Option<Waiting>, DirectoryError> {
        if !self.guesses.may(from, now) {
            return Err(DirectoryError::Busy);
        }
        let found = self.waiting(code, now).await?;
        if found.is_some() {
            self.guesses.right(from);
        }
        Ok(found)
    }

    /// The device that shows this code, if it still waits.
    pub async fn waiting(&self, code: &str, now: Timestamp) -> Result<Option<Waiting>, DirectoryError> {
        let found = waiting::Entity::find()
            .filter(waiting::Column::UserCode.eq(hash_of_user_code(code)))
            .filter(waiting::Column::State.eq(WAITS))
            .filter(waiting::Column::Expires.gt(now.0))
            .one(&self.db)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let client = id(&found.client, ClientId::from_bytes, "dir_waiting")?;
        Ok(Some(Waiting { client, request: found.request, hash: found.hash }))
    }

    /// The person answers: of several answers one is the first.
    pub async fn answer_device(&self, device: &Waiting) -> Result<bool, DirectoryError> {
        self.device_becomes(device, WAITS, ANSWERED).await
    }

    /// The person does not let it in.
    pub async fn deny_device(&self, device: &Waiting) -> Result<bool, DirectoryError> {
        self.device_becomes(device, ANSWERED, DENIED).await
    }

    async fn device_becomes(&self, device: &Waiting, from: &str, to: &str) -> Result<bool, DirectoryError> {
        let done = waiting::Entity::update_many()
            .col_expr(waiting::Column::State, Expr::value(to))
            .filter(waiting::Column::Hash.eq(device.hash.clone()))
            .filter(waiting::Column::State.eq(from))
            .exec(&self.db)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// The person, who has answered, lets it in.
    pub async fn allow_device(&self, device: &Waiting, new: &NewCode) -> Result<bool, DirectoryError> {
        let grant = new.grant.map(|grant| grant.as_bytes().to_vec());
        let done = waiting::Entity::update_many()
            .col_expr(waiting::Column::State, Expr::value(ALLOWED))
            .col_expr(waiting::Column::User, Expr::value(new.user.as_bytes().to_vec()))
            .col_expr(waiting::Column::GrantId, Expr::value(grant))
            .col_expr(waiting::Column::Openid, Expr::value(new.openid.as_ref().map(Openid::to_text)))
            .filter(waiting::Column::Hash.eq(device.hash.clone()))
            .filter(waiting::Column::State.eq(ANSWERED))
            .exec(&self.db)
            .await?;
        Ok(done.rows_affected == 1)
    }

    /// A device asks whether its person has let it in. It is told so once; with a proof of a key, if that counts, so that what
    /// it waited for is not lost with one that does not.
    pub async fn poll_device(
        &self,
        text: &str,
        client: ClientId,
        proof: Option<&Proof>,
        now: Timestamp,
    ) -> Result<Polled, DirectoryError> {
        let hash = SecretHash::of(text).0.to_vec();
        let found = waiting::Entity::find_by_id(hash.clone()).one(&self.db).await?;
        let Some(found) = found.filter(|found| found.client == client.as_bytes()) else { return Ok(Polled::Refused) };
        if found.expires <= now.0 {
            return Ok(Polled::Lapsed);
        }
        let soon = found.polled.is_some_and(|last| now.0 - last < found.interval * 1_000_000);
        if soon {
            // Each question that comes too soon makes the next wait longer (RFC 8628, 3.5).
            waiting::Entity::update_many()
                .col_expr(
                    waiting::Column::Interval,
                    Expr::value((found.interval + DEVICE_INTERVAL).min(DEVICE_SECONDS)),
                )
                .col_expr(waiting::Column::Polled, Expr::value(now.0))
                .filter(waiting::Column::Hash.eq(hash))
                .exec(&self.db)
                .await?;
            return Ok(Polled::SlowDown);
        }
        match found.state.as_str() {
            DENIED => {
                let gone = waiting::Entity::delete_by_id(hash).exec(&self.db).await?;
                Ok(if gone.rows_affected == 1 { Polled::Denied } else { Polled::Refused })
            }
            ALLOWED => {
                let user = found.user.as_deref().ok_or(DirectoryError::Damaged("dir_waiting"))?;
                let of = ProofOf::App(id(user, UserId::from_bytes, "dir_waiting")?, client);
                match proof.map_or(Ok(()), |proof| self.proofs.take(of, proof, now)) {
                    Ok(()) => self.let_in(found, client, now).await,
                    Err(wrong) => Ok(Polled::Unproven(wrong)),
                }
            }
            _ => {
                waiting::Entity::update_many()
                    .col_expr(waiting::Column::Polled, Expr::value(now.0))
                    .filter(waiting::Column::Hash.eq(hash))
                    .exec(&self.db)
                    .await?;
                Ok(Polled::Pending)
            }
        }
    }

    /// The code of a device that was let in. It no longer waits once there is the code, and what takes the place of its
    /// grant finds one or the other.
    async fn let_in(
        &self,
        mut found: waiting::Model,
        client: ClientId,
        now: Timestamp,
    ) -> Result<Polled, DirectoryError> {
        let damaged = || DirectoryError::Damaged("dir_waiting");
        for _ in 0..FOLLOWED {
            let txn = self.db.begin().await?;
            // As in a rotation: the row of the grant first.
            if let Some(grant) = found.grant_id.clone()
                && !touch_grant(&txn, grant).await?
            {
                txn.rollback().await?;
                let before = found.grant_id;
                match waiting::Entity::find_by_id(found.hash).one(&self.db).await? {
                    Some(again) if again.grant_id != before => found = again,
                    // It was taken back.
                    _ => return Ok(Polled::Refused),
                }
                continue;
            }
            let gone = waiting::Entity::delete_by_id(found.hash.clone()).exec(&txn).await?;
            if gone.rows_affected != 1 {
                txn.rollback().await?;
                return Ok(Polled::Refused);
            }
            let grant = found.grant_id.map(|grant| id(&grant, GrantId::from_bytes, "dir_waiting")).transpose()?;
            let openid = found.openid.as_deref().map(|text| Openid::of_text(text).ok_or_else(damaged)).transpose()?;
            let new = NewCode {
                user: id(&found.user.ok_or_else(damaged)?, UserId::from_bytes, "dir_waiting")?,
                client,
                grant,
                redirect_uri: String::new(),
                challenge: String::new(),
                openid,
                // Whoever holds the code of the device is asked for no other key.
                key: None,
            };
            let code = insert_code(&txn, new, now).await?;
            txn.commit().await?;
            return Ok(Polled::Allowed(code));
        }
        Ok(Polled::Refused)
    }

    pub(super) async fn drop_waiting(&self, now: Timestamp) -> Result<(), DirectoryError> {
        waiting::Entity::delete_many().filter(waiting::Column::Expires.lte(now.0)).exec(&self.db).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_backend;
    use super::*;
    use crate::dpop::tests::Key;

    #[tokio::test]
    async fn a_device_whose_proof_was_sent_before_loses_nothing_and_is_let_in_by_another() {
        for directory in on_each_backend().await {
            let (client, user) = (ClientId::from_bytes([1; 16]), UserId::from_bytes([3; 16]));
            let now = Timestamp::from_seconds(1_000);
            let codes = directory.await_person((client, false), "here", "a=b", now).await.unwrap();
            let device = directory.typed(&codes.user, "there", now).await.unwrap().unwrap();
            let new = NewCode {
                user,
                client,
                grant: None,
                redirect_uri: String::new(),
                challenge: String::new(),
                openid: None,
                key: None,
            };
            assert!(directory.answer_device(&device).await.unwrap());
            assert!(directory.allow_device(&device, &new).await.unwrap());
            let key = Key::draw();
            let (before, fresh) = (key.proof("a", 1_000), key.proof("b", 1_000));
            directory.proofs().take(ProofOf::App(user, client), &before, now).unwrap();
            let poll = async |proof: &Proof| {
                directory.poll_device(codes.device.text(), client, Some(proof), now).await.unwrap()
            };
            for _ in 0..2 {
                assert!(matches!(poll(&before).await, Polled::Unproven(ProofError::Replayed)));
            }
            assert!(matches!(poll(&fresh).await, Polled::Allowed(_)), "it waited");
            assert!(matches!(poll(&key.proof("c", 1_000)).await, Polled::Refused), "control: once");
        }
    }

    #[tokio::test]
    async fn a_device_is_let_in_once_by_one_answer_in_time_and_waits_longer_when_it_is_in_haste() {
        for directory in on_each_backend().await {
            let (client, other) = (ClientId::from_bytes([1; 16]), ClientId::from_bytes([2; 16]));
            let at = Timestamp::from_seconds;
            let begin = async |from: &str| directory.await_person((client, false), from, "a=b", at(100)).await.unwrap();
            let codes = begin("here").await;
            assert_eq!((codes.user.len(), codes.user.as_bytes()[4]), (9, b'-'), "{}", codes.user);
            let poll = async |seconds, client| {
                directory.poll_device(codes.device.text(), client, None, at(seconds)).await.unwrap()
            };
            assert!(matches!(poll(100, client).await, Polled::Pending));
            assert!(matches!(poll(104, client).await, Polled::SlowDown));
            assert!(matches!(poll(110, client).await, Polled::SlowDown), "ten seconds by now");
            assert!(matches!(poll(125, client).await, Polled::Pending), "control");
            assert!(matches!(poll(150, other).await, Polled::Refused));
            let typed = codes.user.to_lowercase().replace('-', " ");
            let device = directory.typed(&typed, "there", at(150)).await.unwrap().expect("what people type");
            assert!(directory.waiting(&codes.user, at(700)).await.unwrap().is_none(), "it has lapsed");
            let new = NewCode {
                user: UserId::from_bytes([3; 16]),
                client,
                grant: None,
                redirect_uri: String::new(),
                challenge: String::new(),
                openid: None,
                key: None,
            };
            assert!(!directory.allow_device(&device, &new).await.unwrap(), "nobody has answered");
            let answers = futures::future::join_all((0..50).map(|_| directory.answer_device(&device))).await;
            assert_eq!(answers.into_iter().filter(|one| matches!(one, Ok(true))).count(), 1);
            assert!(directory.waiting(&codes.user, at(150)).await.unwrap().is_none(), "it is answered");
            assert!(matches!(poll(200, client).await, Polled::Pending), "not yet");
            assert!(directory.allow_device(&device, &new).await.unwrap());
            let polls = futures::future::join_all(
                (0..50).map(|_| directory.poll_device(codes.device.text(), client, None, at(300))),
            );
            let let_in = polls.await.into_iter().filter(|one| matches!(one, Ok(Polled::Allowed(_)))).count();
            assert_eq!(let_in, 1);
            assert!(matches!(poll(400, client).await, Polled::Refused), "it is taken");
            // Wrong codes of one place are told so often; others go on.
            for _ in 0..10 {
                assert!(directory.typed("x", "far", at(150)).await.unwrap().is_none());
            }
            assert!(matches!(directory.typed("x", "far", at(150)).await, Err(DirectoryError::Busy)));
            assert!(directory.typed("x", "near", at(150)).await.unwrap().is_none(), "control");
            assert!(directory.typed("x", "far", at(211)).await.unwrap().is_none(), "after a while");
            // A right code is no way to go on guessing.
            let right = begin("there").await.user;
            for _ in 0..9 {
                assert!(directory.typed("x", "near", at(300)).await.unwrap().is_none());
            }
            for _ in 0..3 {
                assert!(directory.typed(&right, "near", at(300)).await.unwrap().is_some(), "control");
            }
            assert!(directory.typed("x", "near", at(300)).await.unwrap().is_none());
            assert!(matches!(directory.typed(&right, "near", at(300)).await, Err(DirectoryError::Busy)));
            // Where too many wait of a network, its oldest gives way, and nobody else's.
            let oldest = directory.await_person((client, false), "here", "a=b", at(99)).await.unwrap().user;
            for _ in 1..room::MAX_WAITING_OF_NETWORK {
                begin("here").await;
            }
            let waits = async |code: &str| directory.waiting(code, at(150)).await.unwrap().is_some();
            assert!(waits(&oldest).await, "control");
            begin("here").await;
            assert!(!waits(&oldest).await && waits(&right).await);
        }
    }
}
