//! Where people are written to, and the letters that wait to be sent.
//!
//! An address is its person's alone. Nothing is sent to it but a code, until the code came back. The letters lie in the
//! database until the server has taken them, so many at most, and so many to a person and to an address.

mod address;
pub(super) mod migration;
mod outbox;
mod tables;
#[cfg(test)]
mod tests;

use hmac::Mac as _;
use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait as _, QueryFilter, Set, TransactionTrait as _};

pub use self::address::{MailAddress, NoAddress};
pub(super) use self::outbox::Outbox;
pub use self::outbox::{LetterKind, OutboxFigures, WaitingLetter};
use self::tables::mailbox;
use super::browsers::mac;
use super::secret::random;
use super::{Directory, DirectoryError};

/// How long a code is good, in seconds.
pub const CODE_SECONDS: i64 = 3_600;
/// Wrong codes; then another has to be sent.
const TRIES: i64 = 5;

/// Where a person is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// Where letters go; it gave a code back.
    pub address: Option<MailAddress>,
    /// Where they are to go once it does, and until when it can.
    pub wished: Option<(MailAddress, Timestamp)>,
}

/// What came of a wish for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wished {
    /// A code is on its way.
    Sent,
    /// It is the address already.
    Already,
    /// Too many codes were sent, for this person, to this address or by this node.
    TooMany,
}

/// What came of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The address counts.
    Done,
    /// It is another code.
    Wrong,
    /// There is none to be given back: it lapsed, was tried too often, or was never sent.
    Lapsed,
}

/// An address of the tables.
fn read(text: &str) -> Result<MailAddress, DirectoryError> {
    text.parse().map_err(|_| DirectoryError::Damaged("dir_mailbox"))
}

/// Nobody is written to, and nothing waits: no letter, and no code.
pub(super) async fn forget(db: &impl ConnectionTrait) -> Result<(), DirectoryError> {
    tables::outbox::Entity::delete_many().exec(db).await?;
    mailbox::Entity::delete_many().exec(db).await?;
    Ok(())
}

/// Forgets where a person is written to, and what was to be sent to them.
pub(super) async fn forget_person(db: &impl ConnectionTrait, user: Vec<u8>) -> Result<(), DirectoryError> {
    use tables::outbox;
    outbox::Entity::delete_many().filter(outbox::Column::User.eq(user.clone())).exec(db).await?;
    mailbox::Entity::delete_by_id(user).exec(db).await?;
    Ok(())
}

impl Directory {
    /// Says once, when the node starts, that there is a server for letters.
    pub fn has_mail(&self) {
        let _ = self.mail.there.set(());
    }

    /// Whether there is a server for letters.
    pub fn writes_letters(&self) -> bool {
        self.mail.there.get().is_some()
    }

    /// Where a person is written to.
    pub async fn mailbox(&self, user: UserId, now: Timestamp) -> Result<Mailbox, DirectoryError> {
        let Some(row) = self.mailbox_row(user).await? else { return Ok(Mailbox::default()) };
        let address = row.address.as_deref().map(read).transpose()?;
        let open = row.expires.filter(|end| *end > now.0 && row.tries < TRIES);
        let wished = match (row.wished.as_deref(), open) {
            (Some(wished), Some(end)) => Some((read(wished)?, Timestamp(end))),
            _ => None,
        };
        Ok(Mailbox { address, wished })
    }

    async fn mailbox_row(&self, user: UserId) -> Result<Option<mailbox::Model>, DirectoryError> {
        Ok(mailbox::Entity::find_by_id(user.as_bytes().to_vec()).one(&self.db).await?)
    }

    /// The code that was sent with a nonce: of a person, for an address. It is kept nowhere.
    fn mail_code(&self, user: &[u8], address: &str, nonce: &[u8]) -> String {
        let mac = mac(&self.mail.key, &[b"code", user, address.as_bytes(), nonce]).finalize().into_bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&mac[..8]);
        format!("{:08}", u64::from_be_bytes(first) % 100_000_000)
    }

    /// A person wishes to be written to at an address: it is sent a code.
    pub async fn wish_address(
        &self,
        user: UserId,
        address: &MailAddress,
        now: Timestamp,
    ) -> Result<Wished, DirectoryError> {
        let _alone = self.mail.alone.lock().await;
        let before = self.mailbox_row(user).await?;
        if before.is_some_and(|row| row.address.as_deref() == Some(address.as_str())) {
            return Ok(Wished::Already);
        }
        if !self.may_send_code(user, address, now).await? {
            return Ok(Wished::TooMany);
        }
        let nonce = random::<16>().to_vec();
        let row = mailbox::ActiveModel {
            user: Set(user.as_bytes().to_vec()),
            address: Set(None),
            wished: Set(Some(address.as_str().to_owned())),
            nonce: Set(Some(nonce.clone())),
            expires: Set(Some(now.0 + CODE_SECONDS * 1_000_000)),
            tries: Set(0),
        };
        use mailbox::Column;
        let columns = [Column::Wished, Column::Nonce, Column::Expires, Column::Tries];
        let clash = OnConflict::column(Column::User).update_columns(columns).to_owned();
        let txn = self.db.begin().await?;
        mailbox::Entity::insert(row).on_conflict(clash).exec_without_returning(&txn).await?;
        let code = LetterKind::Code(String::new());
        if !self.put_letter(&txn, (user, address), &code, Some(nonce), now).await? {
            txn.rollback().await?;
            return Ok(Wished::TooMany);
        }
        txn.commit().await?;
        self.mail.bell.notify_one();
        Ok(Wished::Sent)
    }

    /// A person gives back the code that an address was sent. The address before it is told.
    pub async fn verify_address(&self, user: UserId, code: &str, now: Timestamp) -> Result<Verified, DirectoryError> {
        let _alone = self.mail.alone.lock().await;
        let Some(row) = self.mailbox_row(user).await? else { return Ok(Verified::Lapsed) };
        let (Some(wished), Some(nonce)) = (row.wished, row.nonce) else { return Ok(Verified::Lapsed) };
        if row.expires.is_none_or(|end| end <= now.0) || row.tries >= TRIES {
            return Ok(Verified::Lapsed);
        }
        let own = || {
            mailbox::Entity::update_many()
                .filter(mailbox::Column::User.eq(row.user.clone()))
                .filter(mailbox::Column::Nonce.eq(nonce.clone()))
        };
        // It counts before it is looked at: of many at once no more are tried.
        let counted = own()
            .col_expr(mailbox::Column::Tries, Expr::col(mailbox::Column::Tries).add(1))
            .filter(mailbox::Column::Tries.lt(TRIES))
            .exec(&self.db)
            .await?;
        if counted.rows_affected != 1 {
            return Ok(Verified::Lapsed);
        }
        let right = self.mail_code(&row.user, &wished, &nonce);
        let digits: String = code.chars().filter(|c| !c.is_ascii_whitespace() && *c != '-').collect();
        if !bool::from(subtle::ConstantTimeEq::ct_eq(right.as_bytes(), digits.as_bytes())) {
            return Ok(Verified::Wrong);
        }
        // The address and the letter to the one before: both or neither.
        let txn = self.db.begin().await?;
        let done = own()
            .col_expr(mailbox::Column::Address, Expr::value(wished))
            .col_expr(mailbox::Column::Wished, Expr::value(Option::<String>::None))
            .col_expr(mailbox::Column::Nonce, Expr::value(Option::<Vec<u8>>::None))
            .col_expr(mailbox::Column::Expires, Expr::value(Option::<i64>::None))
            .exec(&txn)
            .await?;
        if done.rows_affected != 1 {
            txn.rollback().await?;
            return Ok(Verified::Lapsed);
        }
        if let Some(before) = row.address.as_deref() {
            self.put_letter(&txn, (user, &read(before)?), &LetterKind::AddressLeft, None, now).await?;
        }
        txn.commit().await?;
        self.mail.bell.notify_one();
        Ok(Verified::Done)
    }

    /// A person is written to no more. The address is told, for the last time; whether there was one.
    pub async fn remove_address(&self, user: UserId, now: Timestamp) -> Result<bool, DirectoryError> {
        let _alone = self.mail.alone.lock().await;
        let Some(row) = self.mailbox_row(user).await? else { return Ok(false) };
        let txn = self.db.begin().await?;
        mailbox::Entity::delete_by_id(row.user).exec(&txn).await?;
        if let Some(before) = row.address.as_deref() {
            self.put_letter(&txn, (user, &read(before)?), &LetterKind::AddressLeft, None, now).await?;
        }
        txn.commit().await?;
        self.mail.bell.notify_one();
        Ok(row.address.is_some())
    }
}
