//! By what people prove who they are: one table, a row a credential, and nobody must have one of any kind.

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Set, TransactionTrait};

use super::browsers::forget;
use super::opened::{APP_PASSWORD, end_opened};
use super::secret::random;
use super::tables::{credential, token, user};
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
    /// An account of theirs at an outside provider of OpenID Connect, by issuer and subject.
    Outside,
    /// A password of the node's own making, for a tool: what it opens is the grant of the client of the same id.
    AppPassword,
    /// A key that a device of theirs keeps (Web Authentication): what it is checked by, and the last of its counter.
    Passkey,
}

const KINDS: [(CredentialKind, &str); 8] = [
    (CredentialKind::Password, "password"),
    (CredentialKind::Totp, "totp"),
    (CredentialKind::TotpBegun, "totp_begun"),
    (CredentialKind::RecoveryCode, "recovery_code"),
    (CredentialKind::Invite, "invite"),
    (CredentialKind::Outside, "outside"),
    (CredentialKind::AppPassword, APP_PASSWORD),
    (CredentialKind::Passkey, "passkey"),
];

impl CredentialKind {
    /// The word that it is kept and shown under.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

/// Whether somebody can sign in by it, with whatever second factor they have. `here`: the name for which passkeys count.
fn is_way_in(kind: CredentialKind, row: &credential::Model, here: Option<&str>) -> bool {
    match kind {
        CredentialKind::Password | CredentialKind::Outside => true,
        CredentialKind::Passkey => here.is_some() && row.relying_party.as_deref() == here,
        _ => false,
    }
}

/// A credential as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub id: CredentialId,
    pub kind: CredentialKind,
    pub created: Timestamp,
    /// What the person recognises it by, if there is more to say than its kind.
    pub label: Option<String>,
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
        identity: Set(None),
        label: Set(None),
        relying_party: Set(None),
        handle: Set(None),
        used: Set(None),
        model: Set(None),
        transports: Set(None),
    }
}

/// Waits for whoever else changes what the person signs in by, or begins a session of theirs.
pub(super) async fn touch(db: &impl ConnectionTrait, user: UserId) -> Result<bool, DirectoryError> {
    let same = user::Entity::update_many()
        .col_expr(user::Column::Browsers, Expr::col(user::Column::Browsers))
        .filter(user::Column::Id.eq(user.as_bytes().to_vec()));
    Ok(same.exec(db).await?.rows_affected == 1)
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
pub(super) struct PersonCredentials(Vec<credential::Model>);

impl PersonCredentials {
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
    pub(super) async fn credentials_of(&self, user: Option<&user::Model>) -> Result<PersonCredentials, DirectoryError> {
        let user = user.map(|row| row.id.clone()).unwrap_or_default();
        let find = credential::Entity::find().filter(credential::Column::User.eq(user));
        Ok(PersonCredentials(find.all(&self.db).await?))
    }

    /// By what a person signs in, oldest first: app passwords are none of it.
    pub async fn credentials(&self, user: UserId) -> Result<Vec<Credential>, DirectoryError> {
        let find = credential::Entity::find()
            .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
            .filter(credential::Column::Kind.ne(CredentialKind::AppPassword.word()))
            .order_by_asc(credential::Column::Created)
            .order_by_asc(credential::Column::Id);
        let shown = |row: credential::Model| {
            let kind = kind(&row)?;
            let id = id(&row.id, |id| id, "dir_credential")?;
            Ok(Credential { id, kind, created: Timestamp(row.created), label: row.label })
        };
        find.all(&self.db).await?.into_iter().map(shown).collect()
    }

    /// Removes a credential of a person, but never their last way in, nor the password of whoever owns the node: no
    /// provider that breaks may lock them out. Codes of recovery go with what they stand for, sessions with what opened
    /// them, and app passwords with every way in: whoever had it may have made some. `here`: the name for which passkeys count; one for another is no way in.
    pub async fn remove_credential(
        &self,
        user: UserId,
        id: CredentialId,
        here: Option<&str>,
    ) -> Result<Removed, DirectoryError> {
        let here = here.map(str::to_owned);
        let owner = self.owner() == Some(user);
        let of_person = credential::Column::User.eq(user.as_bytes().to_vec());
        // An app password is taken back with its grant.
        let signs_in = credential::Column::Kind.ne(CredentialKind::AppPassword.word());
        let all = credential::Entity::find().filter(of_person).filter(signs_in);
        let opened = token::Entity::delete_many().filter(token::Column::Credential.eq(id.to_vec()));
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // The person's row first, as whoever begins a session does: of two ways in removed at once one stays.
            touch(&txn, user).await?;
            let all = all.all(&txn).await?;
            let Some(one) = all.iter().find(|one| one.id == id) else { return Ok(Removed::Unknown) };
            let is_way = |row: &credential::Model| Ok(is_way_in(kind(row)?, row, here.as_deref()));
            let ways = all.iter().map(is_way).collect::<Result<Vec<_>, DirectoryError>>()?;
            let ways = ways.into_iter().filter(|is| *is).count();
            let (is_way, kind) = (is_way(one)?, kind(one)?);
            if is_way && (ways == 1 || (owner && kind == CredentialKind::Password)) {
                return Ok(Removed::LastWayIn);
            }
            credential::Entity::delete_by_id(id.to_vec()).exec(&txn).await?;
            if kind == CredentialKind::Totp {
                remove_all(&txn, user, &[CredentialKind::RecoveryCode]).await?;
            }
            opened.exec(&txn).await?;
            if is_way {
                // A consent that it opened, and nobody has answered, is open no more; nor is what somebody opened who signed in
                // by it.
                forget(&txn, user).await?;
                end_opened(&txn, user).await?;
            }
            txn.commit().await?;
            Ok(Removed::Done(kind))
        })
        .await
    }

    /// Removes all passkeys of a person, with their sessions and what else those may have opened: an intruder may have made
    /// one. How many there were.
    pub async fn remove_passkeys(&self, user: UserId) -> Result<u64, DirectoryError> {
        let own = Condition::all().add(token::Column::User.eq(user.as_bytes().to_vec()));
        let sessions = token::Entity::delete_many().filter(own.add(token::Column::GrantId.is_null()));
        self.change_tokens(move |db| async move {
            let txn = db.begin().await?;
            // The person's row first, as whoever begins a session does.
            forget(&txn, user).await?;
            let removed = remove_all(&txn, user, &[CredentialKind::Passkey]).await?;
            if removed == 0 {
                return Ok(0);
            }
            sessions.exec(&txn).await?;
            end_opened(&txn, user).await?;
            txn.commit().await?;
            Ok(removed)
        })
        .await
    }
}
