//! By what people prove who they are: one table, a row a credential, and nobody must have one of any kind.

use policy_core::{Timestamp, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set, TransactionTrait};

use super::secret::random;
use super::tables::{credential, user};
use super::{Directory, DirectoryError, id};

/// Names a credential. Of a password it is the id of its person: nobody has two.
pub type CredentialId = [u8; 16];

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// A PHC string of Argon2id.
    Password,
    /// The shared secret of codes that change with time (RFC 6238), and the step of the last one that was taken.
    Totp,
    /// One that was begun, and not confirmed by a code yet.
    TotpBegun,
    /// SHA-256 of a code that stands once for one of RFC 6238.
    RecoveryCode,
    /// SHA-256 of what is in a link by which the person sets their password, once.
    Invite,
}

const KINDS: [(CredentialKind, &str); 5] = [
    (CredentialKind::Password, "password"),
    (CredentialKind::Totp, "totp"),
    (CredentialKind::TotpBegun, "totp_begun"),
    (CredentialKind::RecoveryCode, "recovery_code"),
    (CredentialKind::Invite, "invite"),
];

impl CredentialKind {
    /// The word that it is kept and shown under.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// Whether somebody can sign in by it, with whatever second factor they have.
    fn is_way_in(self) -> bool {
        self == CredentialKind::Password
    }
}

/// A credential as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: CredentialId,
    pub kind: CredentialKind,
    pub created: Timestamp,
}

/// What came of removing a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    Done(CredentialKind),
    /// There is none of this id, or it is another person's.
    Unknown,
    /// Without it the person could not sign in any more.
    LastWayIn,
}

pub(super) fn kind(row: &credential::Model) -> Result<CredentialKind, DirectoryError> {
    let known = KINDS.iter().find(|(_, word)| *word == row.kind);
    known.map(|(kind, _)| *kind).ok_or(DirectoryError::Damaged("dir_credential"))
}

/// The row of a credential that begins.
pub(super) fn row(user: UserId, kind: CredentialKind, secret: String, now: Timestamp) -> credential::ActiveModel {
    let id = if kind == CredentialKind::Password { *user.as_bytes() } else { random::<16>() };
    credential::ActiveModel {
        id: Set(id.to_vec()),
        user: Set(user.as_bytes().to_vec()),
        kind: Set(kind.word().to_owned()),
        secret: Set(secret),
        step: Set(None),
        created: Set(now.0),
    }
}

/// Removes all of a person's credentials of these kinds.
pub(super) async fn remove_all(
    db: &impl ConnectionTrait,
    user: UserId,
    kinds: &[CredentialKind],
) -> Result<u64, DirectoryError> {
    let words = kinds.iter().map(|kind| kind.word());
    let all = credential::Entity::delete_many()
        .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
        .filter(credential::Column::Kind.is_in(words));
    Ok(all.exec(db).await?.rows_affected)
}

/// The credentials of one person, as they are kept.
#[derive(Debug)]
pub(super) struct Held(Vec<credential::Model>);

impl Held {
    pub(super) fn of_kind(&self, kind: CredentialKind) -> impl Iterator<Item = &credential::Model> {
        self.0.iter().filter(move |row| row.kind == kind.word())
    }

    /// The PHC string of the password, if there is one.
    pub(super) fn password(&self) -> Option<String> {
        self.of_kind(CredentialKind::Password).next().map(|row| row.secret.clone())
    }
}

impl Directory {
    /// What a person has; of nobody, after the same work, nothing.
    pub(super) async fn credentials_of(&self, user: Option<&user::Model>) -> Result<Held, DirectoryError> {
        let user = user.map(|row| row.id.clone()).unwrap_or_default();
        let find = credential::Entity::find().filter(credential::Column::User.eq(user));
        Ok(Held(find.all(&self.db).await?))
    }

    /// The credentials of a person, oldest first.
    pub async fn credentials(&self, user: UserId) -> Result<Vec<Credential>, DirectoryError> {
        let find = credential::Entity::find()
            .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
            .order_by_asc(credential::Column::Created)
            .order_by_asc(credential::Column::Id);
        let shown = |row: credential::Model| {
            let kind = kind(&row)?;
            Ok(Credential { id: id(&row.id, |id| id, "dir_credential")?, kind, created: Timestamp(row.created) })
        };
        find.all(&self.db).await?.into_iter().map(shown).collect()
    }

    /// Removes a credential of a person, but never their last way in. Codes of recovery go with what they stand for.
    pub async fn remove_credential(&self, user: UserId, id: CredentialId) -> Result<Removed, DirectoryError> {
        let all = self.credentials(user).await?;
        let Some(one) = all.iter().find(|one| one.id == id) else { return Ok(Removed::Unknown) };
        if one.kind.is_way_in() && all.iter().filter(|one| one.kind.is_way_in()).count() == 1 {
            return Ok(Removed::LastWayIn);
        }
        let txn = self.db.begin().await?;
        let gone = credential::Entity::delete_by_id(id.to_vec()).exec(&txn).await?.rows_affected;
        if one.kind == CredentialKind::Totp {
            remove_all(&txn, user, &[CredentialKind::RecoveryCode]).await?;
        }
        txn.commit().await?;
        Ok(if gone == 0 { Removed::Unknown } else { Removed::Done(one.kind) })
    }
}
