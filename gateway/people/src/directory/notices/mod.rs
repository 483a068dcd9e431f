//! What a person is told beside what they asked for, in a list of their own: something was shared with them, somebody
//! signed in as them from a place that was never seen, a grant is about to end.
//!
//! Of each kind the newest are kept, so that no kind pushes another out, however often somebody brings it about.

mod kind;
pub(super) mod migration;
mod places;
mod tables;
#[cfg(test)]
mod tests;

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, TransactionTrait as _,
};
use serde_json::Value;

pub use self::kind::{About, NoticeKind};
use self::tables::{muted, notice, place, told};
use super::audit::next_id;
use super::{Actor, Directory, DirectoryError};

/// Notices of one kind that a person has at most.
const MAX_NOTICES_OF_KIND: u64 = 16;
/// For how long it is remembered that something was told once, in microseconds: longer than anything it is told of lasts.
const REMEMBERED: i64 = 800 * 86_400_000_000;

/// A way by which a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The list in the console.
    Console,
    /// Letters to an address that gave a code back.
    Mail,
}

impl Channel {
    /// All of them.
    pub const ALL: [Channel; 2] = [Channel::Console, Channel::Mail];

    /// The word in routes and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Channel::Console => "console",
            Channel::Mail => "mail",
        }
    }
}

/// A notice as its person reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: Vec<u8>,
    pub kind: NoticeKind,
    pub about: About,
    pub at: Timestamp,
    /// When they said that they read it.
    pub read: Option<Timestamp>,
}

/// What is to be told.
#[derive(Debug, Clone)]
pub struct Telling {
    pub user: UserId,
    pub kind: NoticeKind,
    pub about: About,
}

async fn insert_mark(
    db: &impl ConnectionTrait,
    user: UserId,
    mark: &str,
    now: Timestamp,
) -> Result<bool, DirectoryError> {
    let row = told::ActiveModel { user: Set(user.as_bytes().to_vec()), mark: Set(mark.to_owned()), at: Set(now.0) };
    let clash = OnConflict::columns([told::Column::User, told::Column::Mark]).do_nothing().to_owned();
    let done = told::Entity::insert(row).on_conflict(clash).exec_without_returning(db).await?;
    Ok(done == 1)
}

async fn list(db: &impl ConnectionTrait, telling: &Telling, now: Timestamp) -> Result<(), DirectoryError> {
    let Telling { user, kind, about } = telling;
    let (user, about) = (user.as_bytes().to_vec(), about.to_text());
    let own = notice::Entity::find()
        .filter(notice::Column::User.eq(user.clone()))
        .filter(notice::Column::Kind.eq(kind.word()));
    if kind.is_brought_by_others() {
        let mut same = own.clone().filter(notice::Column::Read.is_null());
        same = match &about {
            Some(about) => same.filter(notice::Column::About.eq(about)),
            None => same.filter(notice::Column::About.is_null()),
        };
        if let Some(before) = same.one(db).await? {
            notice::Entity::update_many()
                .col_expr(notice::Column::At, Expr::value(now.0))
                .filter(notice::Column::Id.eq(before.id))
                .exec(db)
                .await?;
            return Ok(());
        }
    }
    let row = notice::ActiveModel {
        id: Set(next_id(now)),
        user: Set(user.clone()),
        kind: Set(kind.word().to_owned()),
        about: Set(about),
        at: Set(now.0),
        read: Set(None),
    };
    notice::Entity::insert(row).exec_without_returning(db).await?;
    let oldest = own.order_by_desc(notice::Column::At).order_by_desc(notice::Column::Id);
    let beyond = oldest.offset(MAX_NOTICES_OF_KIND).limit(MAX_NOTICES_OF_KIND).all(db).await?;
    if !beyond.is_empty() {
        let beyond: Vec<_> = beyond.into_iter().map(|one| one.id).collect();
        notice::Entity::delete_many().filter(notice::Column::Id.is_in(beyond)).exec(db).await?;
    }
    Ok(())
}

/// Forgets what a person was told, and from where they signed in.
pub(super) async fn forget_person(db: &impl ConnectionTrait, user: Vec<u8>) -> Result<(), DirectoryError> {
    notice::Entity::delete_many().filter(notice::Column::User.eq(user.clone())).exec(db).await?;
    muted::Entity::delete_many().filter(muted::Column::User.eq(user.clone())).exec(db).await?;
    told::Entity::delete_many().filter(told::Column::User.eq(user.clone())).exec(db).await?;
    place::Entity::delete_many().filter(place::Column::User.eq(user)).exec(db).await?;
    Ok(())
}

impl Directory {
    /// Tells a person something.
    pub async fn tell(&self, telling: Telling, now: Timestamp) -> Result<(), DirectoryError> {
        if !self.is_muted(telling.user, telling.kind, Channel::Console).await? {
            list(&self.db, &telling, now).await?;
        }
        self.tell_by_letter(&telling, now).await
    }

    async fn tell_by_letter(&self, telling: &Telling, now: Timestamp) -> Result<(), DirectoryError> {
        let muted = self.is_muted(telling.user, telling.kind, Channel::Mail).await?;
        if muted { Ok(()) } else { self.write_of(telling.user, telling.kind, now).await }
    }

    /// Tells a person something once for as long as anybody remembers, whichever node of the database comes first. That it
    /// was told, and what is told, are noted together.
    pub async fn tell_once(&self, mark: &str, telling: Telling, now: Timestamp) -> Result<(), DirectoryError> {
        let muted = self.is_muted(telling.user, telling.kind, Channel::Console).await?;
        let txn = self.db.begin().await?;
        if !insert_mark(&txn, telling.user, mark, now).await? {
            txn.rollback().await?;
            return Ok(());
        }
        if !muted {
            list(&txn, &telling, now).await?;
        }
        txn.commit().await?;
        self.tell_by_letter(&telling, now).await
    }

    /// Remembers that a person was told of what `mark` names; false: they were before.
    pub async fn set_mark(&self, user: UserId, mark: &str, now: Timestamp) -> Result<bool, DirectoryError> {
        insert_mark(&self.db, user, mark, now).await
    }

    /// Forgets that a person was told of what `mark` names: if it is so again, they are told again.
    pub async fn clear_mark(&self, user: UserId, mark: &str) -> Result<(), DirectoryError> {
        told::Entity::delete_by_id((user.as_bytes().to_vec(), mark.to_owned())).exec(&self.db).await?;
        Ok(())
    }

    /// Whether a person was told of what `mark` names.
    pub async fn has_mark(&self, user: UserId, mark: &str) -> Result<bool, DirectoryError> {
        let key = (user.as_bytes().to_vec(), mark.to_owned());
        Ok(told::Entity::find_by_id(key).one(&self.db).await?.is_some())
    }

    /// Tells whom an act of the audit concerns, if it is of those that people are told of. The act is done, whatever
    /// becomes of that.
    pub(super) async fn tell_of_act(&self, user: UserId, actor: Actor, act: (&str, &Value), now: Timestamp) {
        let Some((kind, about)) = kind::of_act(user, actor, act.0, act.1) else { return };
        if let Err(error) = self.tell(Telling { user, kind, about }, now).await {
            tracing::error!(%error, kind = kind.word(), "somebody was not told of an act");
        }
    }

    /// What a person was told, newest first.
    pub async fn notices(&self, user: UserId) -> Result<Vec<Notice>, DirectoryError> {
        let rows = notice::Entity::find()
            .filter(notice::Column::User.eq(user.as_bytes().to_vec()))
            .order_by_desc(notice::Column::At)
            .order_by_desc(notice::Column::Id)
            .all(&self.db)
            .await?;
        let read = |row: notice::Model| {
            Some(Notice {
                kind: NoticeKind::of_word(&row.kind)?,
                about: About::of_text(row.about.as_deref()),
                id: row.id,
                at: Timestamp(row.at),
                read: row.read.map(Timestamp),
            })
        };
        // What a later version told is none that this one has words for.
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// A person has read these of their notices; `None`: all. How many were unread.
    pub async fn read_notices(
        &self,
        user: UserId,
        these: Option<Vec<Vec<u8>>>,
        now: Timestamp,
    ) -> Result<u64, DirectoryError> {
        let mut read = notice::Entity::update_many()
            .col_expr(notice::Column::Read, Expr::value(now.0))
            .filter(notice::Column::User.eq(user.as_bytes().to_vec()))
            .filter(notice::Column::Read.is_null());
        if let Some(these) = these {
            read = read.filter(notice::Column::Id.is_in(these));
        }
        Ok(read.exec(&self.db).await?.rows_affected)
    }

    /// What a person does not want to be told, and by which way.
    pub async fn muted(&self, user: UserId) -> Result<Vec<(NoticeKind, String)>, DirectoryError> {
        let rows = muted::Entity::find().filter(muted::Column::User.eq(user.as_bytes().to_vec())).all(&self.db).await?;
        Ok(rows.into_iter().filter_map(|row| Some((NoticeKind::of_word(&row.kind)?, row.channel))).collect())
    }

    async fn is_muted(&self, user: UserId, kind: NoticeKind, channel: Channel) -> Result<bool, DirectoryError> {
        if kind.is_fixed() {
            return Ok(false);
        }
        let key = (user.as_bytes().to_vec(), kind.word().to_owned(), channel.word().to_owned());
        Ok(muted::Entity::find_by_id(key).one(&self.db).await?.is_some())
    }

    /// Turns a kind on or off for a person. False: this kind stays on.
    pub async fn mute(
        &self,
        user: UserId,
        kind: NoticeKind,
        channel: Channel,
        off: bool,
    ) -> Result<bool, DirectoryError> {
        let (id, kind_word, channel) = (user.as_bytes().to_vec(), kind.word().to_owned(), channel.word().to_owned());
        if !off {
            muted::Entity::delete_by_id((id, kind_word, channel)).exec(&self.db).await?;
            return Ok(true);
        }
        if kind.is_fixed() {
            return Ok(false);
        }
        let row = muted::ActiveModel { user: Set(id), kind: Set(kind_word), channel: Set(channel) };
        let columns = [muted::Column::User, muted::Column::Kind, muted::Column::Channel];
        let clash = OnConflict::columns(columns).do_nothing().to_owned();
        muted::Entity::insert(row).on_conflict(clash).exec_without_returning(&self.db).await?;
        Ok(true)
    }

    pub(super) async fn drop_old_marks(&self, now: Timestamp) -> Result<(), DirectoryError> {
        told::Entity::delete_many().filter(told::Column::At.lt(now.0 - REMEMBERED)).exec(&self.db).await?;
        Ok(())
    }
}
