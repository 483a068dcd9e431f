//! A second factor: codes that change every thirty seconds (TOTP, RFC 6238: SHA-1, six digits, as every app for it
//! makes them), and codes of recovery for whoever has lost what makes them. Each is taken once.
//!
//! The secret lies in the node database, which is sealed under the node key; of codes of recovery only SHA-256 is kept
//! (they are drawn, 80 bits).

use data_encoding::BASE32_NOPAD;
use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, TransactionTrait};
use totp_rs::{Builder, Secret as TotpSecret, Totp};
use zeroize::Zeroizing;

use super::credentials::{CredentialKind, PersonCredentials, remove_all, row};
use super::passwords::SecondFactor;
use super::secret::random;
use super::tables::{credential, user};
use super::{Directory, DirectoryError, SecretHash, User};

/// Codes of recovery that are made at once.
const RECOVERY_CODES: usize = 8;
/// How long one that was begun waits for its first code, in microseconds.
const CONFIRM_WITHIN_US: i64 = 600_000_000;
/// The longest code that is looked at.
const MAX_CODE_LETTERS: usize = 64;

/// What the person puts into the app that makes the codes, shown once.
pub struct TotpEnrolment {
    /// In base32, to type.
    pub secret: Zeroizing<String>,
    /// `otpauth://…`, to scan.
    pub uri: Zeroizing<String>,
}

/// What of a person's second factor counts no more once it was taken.
pub(super) enum Spent {
    Step { credential: Vec<u8>, step: i64 },
    RecoveryCode(Vec<u8>),
}

fn totp(secret: &str, name: &str) -> Option<Totp> {
    let bytes = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let secret = TotpSecret::new(bytes.into_boxed_slice());
    Builder::new().with_secret(secret).with_issuer(Some("Allod")).with_account_name(name).build().ok()
}

/// The step whose code this is, of the present one and its neighbours.
fn step(secret: &str, code: &str, now: Timestamp) -> Option<i64> {
    let seconds = u64::try_from(now.seconds()).ok()?;
    totp(secret, "")?.check(code, seconds).and_then(|step| i64::try_from(step).ok())
}

/// A code as it was typed, without what people put between its parts.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    letters.take(MAX_CODE_LETTERS).map(|letter| letter.to_ascii_uppercase()).collect()
}

fn recovery_hash(plain: &str) -> String {
    data_encoding::HEXLOWER.encode(&SecretHash::of(&format!("\0recovery\0{plain}")).0)
}

fn draw_recovery_code() -> String {
    let text = BASE32_NOPAD.encode(&random::<10>());
    let parts: Vec<&str> = (0..4).filter_map(|at| text.get(at * 4..at * 4 + 4)).collect();
    parts.join("-")
}

impl Spent {
    /// How it stands with the second factor of somebody who gives this code.
    pub(super) fn of(held: &PersonCredentials, code: Option<&str>, now: Timestamp) -> (SecondFactor, Option<Spent>) {
        let Some(totp) = held.of_kind(CredentialKind::Totp).next() else { return (SecondFactor::Proved, None) };
        let Some(code) = code.map(plain).filter(|code| !code.is_empty()) else { return (SecondFactor::Missing, None) };
        if let Some(step) = step(&totp.secret, &code, now).filter(|step| totp.step.is_none_or(|last| last < *step)) {
            return (SecondFactor::Proved, Some(Spent::Step { credential: totp.id.clone(), step }));
        }
        let hash = recovery_hash(&code);
        match held.of_kind(CredentialKind::RecoveryCode).find(|row| row.secret == hash) {
            Some(row) => (SecondFactor::Proved, Some(Spent::RecoveryCode(row.id.clone()))),
            None => (SecondFactor::Wrong, None),
        }
    }
}

impl Directory {
    /// Takes what is taken once; whether nobody else has meanwhile.
    pub(super) async fn spend(&self, spent: Spent) -> Result<bool, DirectoryError> {
        let taken = match spent {
            Spent::Step { credential, step } => {
                let unused =
                    Condition::any().add(credential::Column::Step.is_null()).add(credential::Column::Step.lt(step));
                credential::Entity::update_many()
                    .col_expr(credential::Column::Step, Expr::value(step))
                    .filter(credential::Column::Id.eq(credential))
                    .filter(unused)
                    .exec(&self.db)
                    .await?
                    .rows_affected
            }
            Spent::RecoveryCode(id) => credential::Entity::delete_by_id(id).exec(&self.db).await?.rows_affected,
        };
        Ok(taken == 1)
    }

    /// Begins a second factor of a person; it counts once its first code was given. `None` if they have one.
    pub async fn begin_totp(&self, user: &User, now: Timestamp) -> Result<Option<TotpEnrolment>, DirectoryError> {
        let held = self.credentials_of(self.user_row(&user.name).await?.as_ref()).await?;
        if held.of_kind(CredentialKind::Totp).next().is_some() {
            return Ok(None);
        }
        let secret = Zeroizing::new(BASE32_NOPAD.encode(&random::<20>()));
        let uri = totp(&secret, &user.name).and_then(|totp| totp.to_url().ok());
        let uri = uri.ok_or(DirectoryError::Unfit("An app for codes cannot show this name."))?;
        let begun = row(user.id, CredentialKind::TotpBegun, secret.to_string(), now);
        let txn = self.db.begin().await?;
        remove_all(&txn, user.id, &[CredentialKind::TotpBegun]).await?;
        credential::Entity::insert(begun).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Some(TotpEnrolment { secret, uri: Zeroizing::new(uri) }))
    }

    /// Ends the beginning with the first code; the codes of recovery, shown once. `None`: the code is wrong, or nothing was
    /// begun in the last ten minutes. What was proved by the password alone before counts no more.
    pub async fn confirm_totp(
        &self,
        user: &User,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<String>>, DirectoryError> {
        let held = self.credentials_of(self.user_row(&user.name).await?.as_ref()).await?;
        let fresh = |row: &&credential::Model| (0..CONFIRM_WITHIN_US).contains(&now.0.saturating_sub(row.created));
        if held.of_kind(CredentialKind::Totp).next().is_some() {
            return Ok(None);
        }
        let Some(begun) = held.of_kind(CredentialKind::TotpBegun).find(fresh) else { return Ok(None) };
        let Some(step) = step(&begun.secret, &plain(code), now) else { return Ok(None) };
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| draw_recovery_code()).collect();
        let txn = self.db.begin().await?;
        // The person's row first, as whoever begins a session does.
        user::Entity::update_many()
            .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers).add(1))
            .filter(user::Column::Id.eq(user.id.as_bytes().to_vec()))
            .exec(&txn)
            .await?;
        let counts = credential::Entity::update_many()
            .col_expr(credential::Column::Kind, Expr::value(CredentialKind::Totp.word()))
            .col_expr(credential::Column::Step, Expr::value(step))
            .filter(credential::Column::Id.eq(begun.id.clone()))
            .filter(credential::Column::Kind.eq(CredentialKind::TotpBegun.word()))
            .exec(&txn)
            .await?;
        if counts.rows_affected == 0 {
            return Ok(None);
        }
        remove_all(&txn, user.id, &[CredentialKind::RecoveryCode]).await?;
        let hashed =
            codes.iter().map(|code| row(user.id, CredentialKind::RecoveryCode, recovery_hash(&plain(code)), now));
        credential::Entity::insert_many(hashed).exec_without_returning(&txn).await?;
        txn.commit().await?;
        Ok(Some(codes))
    }

    /// Takes the second factor from a person, and what they had begun of one; whether they had any.
    pub async fn remove_totp(&self, user: UserId) -> Result<bool, DirectoryError> {
        use CredentialKind::{RecoveryCode, Totp, TotpBegun};
        Ok(remove_all(&self.db, user, &[Totp, TotpBegun, RecoveryCode]).await? > 0)
    }
}

#[cfg(test)]
pub(crate) fn code_at(secret: &str, now: Timestamp) -> String {
    totp(secret, "").unwrap().generate(now.seconds().unsigned_abs()).to_string()
}

#[cfg(test)]
mod tests {
    use policy_core::SpaceId;

    use super::super::credentials::Removed;
    use super::super::on_each_backend;
    use super::super::sessions::SessionOrigin;
    use super::super::sign_in::{Origin, Proof, Refused};
    use super::*;

    const PASSWORD: &str = "a long password";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, the last six of its eight digits.
        let secret = BASE32_NOPAD.encode(b"12345678901234567890");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let now = Timestamp::from_seconds(seconds);
            assert_eq!(step(&secret, code, now), Some(seconds / 30), "{seconds}");
            assert_eq!(step(&secret, code, Timestamp::from_seconds(seconds + 30)), Some(seconds / 30), "a late one");
            assert_eq!(step(&secret, code, Timestamp::from_seconds(seconds + 90)), None);
            assert_eq!(code_at(&secret, now), code);
        }
        for bad in ["", "28708", "2870822", "28708x", "２８７０８２"] {
            assert_eq!(step(&secret, bad, Timestamp::from_seconds(59)), None, "{bad}");
        }
        assert_eq!(plain(" abcd-efgh 23 "), "ABCDEFGH23");
        let drawn = draw_recovery_code();
        assert!(drawn.len() == 19 && drawn != draw_recovery_code(), "{drawn}");
    }

    #[tokio::test]
    async fn a_second_factor_is_asked_for_once_it_is_confirmed_and_each_code_counts_once() {
        for directory in on_each_backend().await {
            let at = |seconds: i64| Timestamp::from_seconds(1_000_000 + seconds);
            let home = directory.add_tenant("home", at(0)).await.unwrap();
            let account = (UserId::from_bytes([1; 16]), SpaceId::from_bytes([2; 16]));
            let alice = directory.add_user(account, "alice", home.id, Some(PASSWORD), at(0)).await.unwrap();
            let sign_in = async |password: &str, code: Option<&str>, now| {
                let proof = Proof { password, code };
                directory.sign_in("alice", proof, Origin::default(), now).await.unwrap().map(|_| ())
            };
            assert_eq!(directory.confirm_totp(&alice, "000000", at(0)).await.unwrap(), None, "nothing was begun");
            let enrolment = directory.begin_totp(&alice, at(0)).await.unwrap().unwrap();
            assert!(enrolment.uri.starts_with("otpauth://totp/") && enrolment.uri.contains(&*enrolment.secret));
            let code = |now| code_at(&enrolment.secret, now);
            assert_eq!(sign_in(PASSWORD, None, at(0)).await, Ok(()), "control: it does not count yet");
            assert_eq!(directory.confirm_totp(&alice, &code(at(900)), at(0)).await.unwrap(), None, "a wrong code");
            assert_eq!(directory.confirm_totp(&alice, &code(at(700)), at(700)).await.unwrap(), None, "too late");
            let codes = directory.confirm_totp(&alice, &code(at(60)), at(60)).await.unwrap().expect("the right one");
            assert_eq!(codes.len(), RECOVERY_CODES);
            assert!(directory.begin_totp(&alice, at(61)).await.unwrap().is_none(), "there is one");
            // What was proved before begins no session.
            let seen = SessionOrigin::default();
            assert!(directory.open_signed_session(&alice, &seen, None, at(61)).await.unwrap().is_none());
            assert_eq!(sign_in(PASSWORD, None, at(61)).await, Err(Refused::CodeNeeded));
            assert_eq!(sign_in("a wrong password", None, at(61)).await, Err(Refused::Wrong));
            assert_eq!(sign_in("a wrong password", Some(&code(at(90))), at(90)).await, Err(Refused::Wrong));
            assert_eq!(sign_in(PASSWORD, Some(&code(at(60))), at(61)).await, Err(Refused::WrongCode), "it was used");
            assert_eq!(sign_in(PASSWORD, Some(&code(at(900))), at(90)).await, Err(Refused::WrongCode));
            assert_eq!(sign_in(PASSWORD, Some(&code(at(90))), at(90)).await, Ok(()), "a wrong password spent nothing");
            assert_eq!(sign_in(PASSWORD, Some(&code(at(90))), at(91)).await, Err(Refused::WrongCode), "twice");
            let typed = codes[0].to_lowercase();
            assert_eq!(sign_in(PASSWORD, Some(&typed), at(92)).await, Ok(()));
            assert_eq!(sign_in(PASSWORD, Some(&typed), at(93)).await, Err(Refused::WrongCode), "once");
            // Of many who come with one code at once, one is let in.
            let (held, code) = (directory.user_row("alice").await.unwrap(), code(at(150)));
            let held = directory.credentials_of(held.as_ref()).await.unwrap();
            let all = (0..50).map(|_| {
                let (_, spent) = Spent::of(&held, Some(&code), at(150));
                directory.spend(spent.expect("a right code"))
            });
            let won = futures::future::join_all(all).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
            assert_eq!(won, 1);
            let list = directory.credentials(alice.id).await.unwrap();
            let of = |kind| list.iter().filter(move |one| one.kind == kind);
            assert_eq!((of(CredentialKind::RecoveryCode).count(), list.len()), (RECOVERY_CODES - 1, 9));
            let (password, totp) = (of(CredentialKind::Password).next(), of(CredentialKind::Totp).next());
            let bob = UserId::from_bytes([7; 16]);
            let remove = async |user, id| directory.remove_credential(user, id, None).await.unwrap();
            assert_eq!(remove(alice.id, password.unwrap().id).await, Removed::LastWayIn);
            assert_eq!(remove(bob, totp.unwrap().id).await, Removed::Unknown, "another's");
            assert_eq!(sign_in(PASSWORD, None, at(200)).await, Err(Refused::CodeNeeded), "control");
            assert_eq!(remove(alice.id, totp.unwrap().id).await, Removed::Done(CredentialKind::Totp));
            assert_eq!(sign_in(PASSWORD, None, at(200)).await, Ok(()));
            assert_eq!(directory.credentials(alice.id).await.unwrap().len(), 1, "the password alone");
            assert!(!directory.remove_totp(alice.id).await.unwrap());
        }
    }
}
