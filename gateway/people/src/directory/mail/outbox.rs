//! Letters that wait to be sent: durable, bounded, tried again with longer and longer waits.

use std::sync::OnceLock;

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set,
};

use super::super::audit::next_id;
use super::super::notices::NoticeKind;
use super::super::{Directory, DirectoryError};
use super::address::MailAddress;
use super::tables::outbox::{self, Column};

const WAITING: &str = "waiting";
const SENT: &str = "sent";
/// It is of no use any more.
const LEFT: &str = "left";
/// It was refused, or tried for too long.
const GIVEN_UP: &str = "given_up";

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Letters that wait at most, of all people and of one; beyond that warnings alone are written, of which there are so many at
/// most anyway, and what an address is told that was left.
const MAX_LETTERS: u64 = 4_096;
const MAX_LETTERS_OF_ONE: u64 = 32;
/// Letters about one kind of everyday within an hour, and of all such within a day, to a person.
const OF_A_KIND: u64 = 1;
const EVERYDAY: u64 = 12;
/// Letters of one kind that warns, within a day: each has room of its own, so that who brings one about as often as they like
/// does not keep another from being written. A sign-in takes no more than the password.
const WARNINGS: u64 = 12;
const SIGN_INS: u64 = 6;
/// Codes within a day: for a person, to an address whoever asks, and of the node.
const CODES_OF_ONE: u64 = 5;
const CODES_TO_ONE: u64 = 3;
const CODES: u64 = 256;
/// How long after each failure a letter is tried again; then as the last, until it is given up.
const AGAIN: [i64; 8] = [5_000_000, 30_000_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR];
/// How long, and how often: whatever becomes of what is noted of a letter, it is handed over no more often.
const TRIED: i64 = 2 * DAY;
const TRIES: i64 = 16;

/// What letters go by.
#[derive(Debug)]
pub(in super::super) struct Outbox {
    /// There is a server.
    pub(super) there: OnceLock<()>,
    /// Held by whoever counts letters and adds one.
    pub(super) alone: tokio::sync::Mutex<()>,
    /// Rung when one is added.
    pub(super) bell: tokio::sync::Notify,
    /// Makes the codes.
    pub(super) key: [u8; 32],
}

impl Outbox {
    pub(in super::super) fn new(key: [u8; 32]) -> Self {
        Outbox { there: OnceLock::new(), alone: tokio::sync::Mutex::default(), bell: tokio::sync::Notify::new(), key }
    }
}

/// What a letter says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterKind {
    /// Something is to be told.
    Notice(NoticeKind),
    /// An address is asked for this code.
    Code(String),
    /// An address is written to no more.
    AddressLeft,
}

impl LetterKind {
    /// Whether it tells of what somebody else may have done: it is written however much waits.
    fn warns(&self) -> bool {
        match self {
            LetterKind::Notice(kind) => kind.warns(),
            LetterKind::Code(_) => false,
            LetterKind::AddressLeft => true,
        }
    }

    fn word(&self) -> String {
        match self {
            LetterKind::Notice(kind) => kind.word().to_owned(),
            LetterKind::Code(_) => "code".to_owned(),
            LetterKind::AddressLeft => "address_left".to_owned(),
        }
    }
}

/// A letter whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingLetter {
    pub id: Vec<u8>,
    pub address: MailAddress,
    pub kind: LetterKind,
    attempts: i64,
    created: i64,
}

impl WaitingLetter {
    /// How long it waits after this try.
    fn wait(&self) -> i64 {
        AGAIN[usize::try_from(self.attempts).unwrap_or(0).min(AGAIN.len() - 1)]
    }
}

/// How many letters there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxFigures {
    pub waiting: u64,
    /// Within the last day.
    pub sent: u64,
    /// Within the last day: refused, or tried for too long.
    pub given_up: u64,
}

fn waiting() -> Select<outbox::Entity> {
    outbox::Entity::find().filter(Column::State.eq(WAITING))
}

impl Directory {
    /// Adds a letter of a person to an address, whose other bounds were looked at; whether it did. Whoever calls rings the
    /// bell once it is committed.
    pub(super) async fn put_letter(
        &self,
        db: &impl ConnectionTrait,
        (user, address): (UserId, &MailAddress),
        kind: &LetterKind,
        nonce: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        if !self.writes_letters() {
            return Ok(false);
        }
        if !kind.warns() && waiting().count(db).await? >= MAX_LETTERS {
            tracing::warn!("too many letters wait; one is not sent");
            return Ok(false);
        }
        let row = outbox::ActiveModel {
            id: Set(next_id(now)),
            user: Set(user.as_bytes().to_vec()),
            address: Set(address.as_str().to_owned()),
            mail_box: Set(address.box_of()),
            kind: Set(kind.word()),
            nonce: Set(nonce),
            state: Set(WAITING.to_owned()),
            attempts: Set(0),
            due: Set(now.0),
            created: Set(now.0),
        };
        outbox::Entity::insert(row).exec_without_returning(db).await?;
        Ok(true)
    }

    /// Writes a person of what they are told, if they have an address, and were not written to of such too often.
    pub(in super::super) async fn write_of(
        &self,
        user: UserId,
        kind: NoticeKind,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        if !self.writes_letters() {
            return Ok(());
        }
        let _alone = self.mail.alone.lock().await;
        let Some(address) = self.mailbox(user, now).await?.address else { return Ok(()) };
        let own = outbox::Entity::find().filter(Column::User.eq(user.as_bytes().to_vec()));
        let since = |span: i64| own.clone().filter(Column::Created.gt(now.0 - span));
        let alike = match kind.warns() {
            true => vec![kind],
            false => NoticeKind::ALL.into_iter().filter(|kind| !kind.warns()).collect(),
        };
        let (room, of_a_kind) = match kind {
            NoticeKind::NewSignIn => (SIGN_INS, 5 * MINUTE),
            _ if kind.warns() => (WARNINGS, 5 * MINUTE),
            _ => (EVERYDAY, HOUR),
        };
        let alike = since(DAY).filter(Column::Kind.is_in(alike.into_iter().map(NoticeKind::word)));
        let same = since(of_a_kind).filter(Column::Kind.eq(kind.word())).count(&self.db).await?;
        if alike.count(&self.db).await? >= room || same >= OF_A_KIND {
            return Ok(());
        }
        if !kind.warns() && own.clone().filter(Column::State.eq(WAITING)).count(&self.db).await? >= MAX_LETTERS_OF_ONE {
            return Ok(());
        }
        if self.put_letter(&self.db, (user, &address), &LetterKind::Notice(kind), None, now).await? {
            self.mail.bell.notify_one();
        }
        Ok(())
    }

    /// Whether one more code may be sent.
    pub(super) async fn may_send_code(
        &self,
        user: UserId,
        address: &MailAddress,
        now: Timestamp,
    ) -> Result<bool, DirectoryError> {
        let codes = outbox::Entity::find()
            .filter(Column::Kind.eq(LetterKind::Code(String::new()).word()))
            .filter(Column::Created.gt(now.0 - DAY));
        let own = codes.clone().filter(Column::User.eq(user.as_bytes().to_vec())).count(&self.db).await?;
        let to_it = codes.clone().filter(Column::MailBox.eq(address.box_of())).count(&self.db).await?;
        Ok(own < CODES_OF_ONE && to_it < CODES_TO_ONE && codes.count(&self.db).await? < CODES)
    }

    /// Waits until a letter is added.
    pub async fn a_letter_is_added(&self) {
        self.mail.bell.notified().await;
    }

    /// The letters whose turn it is, the oldest first; so many at most. What is of no use any more is let go: a code that
    /// lapsed, a notice for an address that was left.
    pub async fn letters_due(&self, most: u64, now: Timestamp) -> Result<Vec<WaitingLetter>, DirectoryError> {
        let due = waiting().filter(Column::Due.lte(now.0)).order_by_asc(Column::Due).limit(most);
        let mut letters = Vec::new();
        for row in due.all(&self.db).await? {
            match self.letter_of(&row, now).await? {
                Some(letter) => letters.push(letter),
                None => self.letter_becomes(&row.id, LEFT).await?,
            }
        }
        Ok(letters)
    }

    async fn letter_of(&self, row: &outbox::Model, now: Timestamp) -> Result<Option<WaitingLetter>, DirectoryError> {
        let user = super::super::id(&row.user, UserId::from_bytes, "dir_outbox")?;
        let mailbox = self.mailbox_row(user).await?;
        let kind = match row.kind.as_str() {
            "address_left" => Some(LetterKind::AddressLeft),
            "code" => {
                let nonce = row.nonce.as_deref().unwrap_or_default();
                let waits = mailbox.is_some_and(|one| {
                    one.nonce.as_deref() == Some(nonce) && one.expires.is_some_and(|end| end > now.0)
                });
                waits.then(|| LetterKind::Code(self.mail_code(&row.user, &row.address, nonce)))
            }
            word => {
                let there = mailbox.is_some_and(|one| one.address.as_deref() == Some(row.address.as_str()));
                NoticeKind::of_word(word).filter(|_| there).map(LetterKind::Notice)
            }
        };
        let Some(kind) = kind else { return Ok(None) };
        let address = super::read(&row.address)?;
        Ok(Some(WaitingLetter { id: row.id.clone(), address, kind, attempts: row.attempts, created: row.created }))
    }

    async fn letter_becomes(&self, id: &[u8], state: &str) -> Result<(), DirectoryError> {
        outbox::Entity::update_many()
            .col_expr(Column::State, Expr::value(state))
            .filter(Column::Id.eq(id))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// The server has a letter.
    pub async fn letter_sent(&self, letter: &WaitingLetter) -> Result<(), DirectoryError> {
        self.letter_becomes(&letter.id, SENT).await
    }

    /// A letter is about to be handed over. The try counts, and the next is later, before anything is sent: whoever is
    /// killed, or can write nothing any more, does not send it over and over. False: it is not to be sent.
    pub async fn letter_begun(&self, letter: &WaitingLetter, now: Timestamp) -> Result<bool, DirectoryError> {
        if letter.attempts >= TRIES {
            self.letter_becomes(&letter.id, GIVEN_UP).await?;
            return Ok(false);
        }
        let begun = outbox::Entity::update_many()
            .col_expr(Column::Attempts, Expr::value(letter.attempts + 1))
            .col_expr(Column::Due, Expr::value(now.0 + letter.wait()))
            .filter(Column::Id.eq(letter.id.clone()))
            .filter(Column::State.eq(WAITING))
            .filter(Column::Attempts.eq(letter.attempts))
            .exec(&self.db)
            .await?;
        Ok(begun.rows_affected == 1)
    }

    /// The server did not take a letter: it is tried again, unless it never will be taken (`for_good`), is too old, or was
    /// tried too often.
    pub async fn letter_failed(
        &self,
        letter: &WaitingLetter,
        for_good: bool,
        now: Timestamp,
    ) -> Result<(), DirectoryError> {
        if for_good || now.0 - letter.created >= TRIED || letter.attempts + 1 >= TRIES {
            return self.letter_becomes(&letter.id, GIVEN_UP).await;
        }
        // From when it failed, which may be long after it was begun.
        outbox::Entity::update_many()
            .col_expr(Column::Due, Expr::value(now.0 + letter.wait()))
            .filter(Column::Id.eq(letter.id.clone()))
            .filter(Column::State.eq(WAITING))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    /// When the next letter is due; `None`: none waits.
    pub async fn next_letter(&self) -> Result<Option<Timestamp>, DirectoryError> {
        let next = waiting().order_by_asc(Column::Due).one(&self.db).await?;
        Ok(next.map(|row| Timestamp(row.due)))
    }

    /// How many letters there are.
    pub async fn outbox(&self) -> Result<OutboxFigures, DirectoryError> {
        let count = async |state: &str| outbox::Entity::find().filter(Column::State.eq(state)).count(&self.db).await;
        Ok(OutboxFigures { waiting: count(WAITING).await?, sent: count(SENT).await?, given_up: count(GIVEN_UP).await? })
    }

    pub(in super::super) async fn drop_letters(&self, now: Timestamp) -> Result<(), DirectoryError> {
        // A day after its last try, however long it waited for that.
        let over = outbox::Entity::delete_many().filter(Column::State.ne(WAITING));
        over.filter(Column::Due.lt(now.0 - DAY)).exec(&self.db).await?;
        Ok(())
    }
}
