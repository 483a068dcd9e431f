//! Passkeys of people (Web Authentication Level 3), by which they sign in: what is kept of them, and what proves them.
//!
//! A device tells whose a passkey is by a handle that the node drew, and never by the person's id: who finds the device
//! learns nothing that counts elsewhere.

use std::collections::BTreeSet;

use policy_core::{Timestamp, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set, SqlErr,
    TransactionTrait,
};
use webauthn_rs::Webauthn;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, Passkey, PublicKeyCredential, Uuid, WebauthnError,
};
use webauthn_rs_proto::AuthenticatorTransport;

use super::browsers::KnownBrowser;
use super::credentials::{self, CredentialId, CredentialKind, touch};
use super::sign_in::{Origin, SignedIn};
use super::tables::credential;
use super::turns::{Asker, Network};
use super::{Directory, DirectoryError, SecretHash, User, id};

/// How many passkeys a person has at most.
pub const MAX_PASSKEYS: u64 = 32;
/// The longest name of one, in characters.
pub const MAX_NAME: usize = 64;

const TABLE: &str = "dir_credential";

/// A passkey, as it is kept.
#[derive(Debug, Clone)]
pub struct KeptPasskey {
    pub id: CredentialId,
    /// What its person calls it.
    pub name: String,
    pub created: Timestamp,
    pub used: Option<Timestamp>,
    /// The name that it is for; under another it proves nothing.
    pub relying_party: String,
    /// As what its device knows the person.
    pub handle: Uuid,
    /// What the maker of the device calls its kind (AAGUID), if it says so. Nothing proves it.
    pub model: Option<String>,
    /// How the device is reached.
    pub transports: Vec<AuthenticatorTransport>,
    pub key: Passkey,
}

/// A passkey that was made.
#[derive(Debug)]
pub struct NewPasskey<'a> {
    pub name: &'a str,
    pub relying_party: &'a str,
    pub handle: Uuid,
    pub model: Option<Uuid>,
    pub transports: &'a [AuthenticatorTransport],
    pub key: &'a Passkey,
}

/// What came of giving somebody a passkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    Done(CredentialId),
    /// It is somebody's already, perhaps the same person's.
    Taken,
    /// They have [`MAX_PASSKEYS`].
    TooMany,
}

/// What is given to prove a passkey.
#[derive(Clone)]
pub struct PasskeyProof<'a> {
    pub webauthn: &'a Webauthn,
    /// The name for which passkeys count here.
    pub relying_party: &'a str,
    pub given: &'a PublicKeyCredential,
    pub asked: DiscoverableAuthentication,
}

/// Why a passkey proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyRefused {
    /// It is none that counts here, or it was asked for otherwise.
    Wrong,
    /// Its counter went back: two devices have the key.
    WentBack,
    /// It is right, and the person is suspended.
    Suspended,
}

/// How many passkeys count no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadPasskeys {
    pub passkeys: usize,
    /// Whose they are.
    pub people: usize,
    /// Of these, who have no other way in.
    pub locked_out: usize,
    /// For which names they were made.
    pub names: Vec<String>,
}

/// By what one is found, and no other is the same.
fn identity(credential: &[u8]) -> String {
    let text = data_encoding::HEXLOWER.encode(credential);
    data_encoding::HEXLOWER.encode(&SecretHash::of(&format!("\0passkey\0{text}")).0)
}

/// A name as it is kept; `None` if nothing of it is left.
pub fn name_of_passkey(name: &str) -> Option<String> {
    // Marks that turn the direction of writing could make it read as another.
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    let name: String = name.chars().filter(|c| !c.is_control() && !turns(*c)).take(MAX_NAME).collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

impl TryFrom<credential::Model> for KeptPasskey {
    type Error = DirectoryError;
    fn try_from(row: credential::Model) -> Result<Self, DirectoryError> {
        let damaged = || DirectoryError::Damaged(TABLE);
        Ok(KeptPasskey {
            id: id(&row.id, |id| id, TABLE)?,
            name: row.label.unwrap_or_default(),
            created: Timestamp(row.created),
            used: row.used.map(Timestamp),
            relying_party: row.relying_party.ok_or_else(damaged)?,
            handle: row.handle.and_then(|handle| Uuid::from_slice(&handle).ok()).ok_or_else(damaged)?,
            model: row.model,
            transports: row.transports.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            key: serde_json::from_str(&row.secret).map_err(|_| damaged())?,
        })
    }
}

impl KeptPasskey {
    /// Whether the proof is one by this passkey, asked for here (Web Authentication Level 3, 7.2).
    fn proved(&self, proof: &PasskeyProof<'_>) -> Result<AuthenticationResult, PasskeyRefused> {
        let whose = proof.given.get_user_unique_id();
        if self.relying_party != proof.relying_party || whose.is_some_and(|whose| whose != self.handle.as_bytes()) {
            return Err(PasskeyRefused::Wrong);
        }
        let checked = proof.webauthn.finish_discoverable_authentication_v2(proof.given, proof.asked.clone(), &self.key);
        match checked {
            Ok(found) if found.user_verified() => Ok(found),
            // The signature is right by then.
            Err(WebauthnError::CredentialPossibleCompromise) => Err(PasskeyRefused::WentBack),
            _ => Err(PasskeyRefused::Wrong),
        }
    }
}

impl Directory {
    /// The passkeys of a person, oldest first.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<KeptPasskey>, DirectoryError> {
        let find = credential::Entity::find()
            .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
            .filter(credential::Column::Kind.eq(CredentialKind::Passkey.word()))
            .order_by_asc(credential::Column::Created)
            .order_by_asc(credential::Column::Id);
        find.all(&self.db).await?.into_iter().map(KeptPasskey::try_from).collect()
    }

    /// Whose passkey this is, as its device names it.
    pub async fn passkey(&self, credential: &[u8]) -> Result<Option<(User, KeptPasskey)>, DirectoryError> {
        let find = credential::Entity::find().filter(credential::Column::Identity.eq(identity(credential)));
        let Some(row) = find.one(&self.db).await? else { return Ok(None) };
        let user = self.user(id(&row.user, UserId::from_bytes, TABLE)?).await?;
        user.map(|user| Ok((user, row.try_into()?))).transpose()
    }

    /// Lets a person sign in by a passkey.
    pub async fn add_passkey(
        &self,
        user: UserId,
        new: NewPasskey<'_>,
        now: Timestamp,
    ) -> Result<Added, DirectoryError> {
        let text = |value: Result<String, serde_json::Error>| value.map_err(|_| DirectoryError::Damaged(TABLE));
        let secret = text(serde_json::to_string(new.key))?;
        let mut row = credentials::row(user, CredentialKind::Passkey, secret, now);
        let credential: CredentialId = id(row.id.as_ref(), |id| id, TABLE)?;
        row.identity = Set(Some(identity(new.key.cred_id())));
        row.label = Set(Some(new.name.to_owned()));
        row.step = Set(Some(0));
        row.relying_party = Set(Some(new.relying_party.to_owned()));
        row.handle = Set(Some(new.handle.as_bytes().to_vec()));
        row.model = Set(new.model.map(|model| model.to_string()));
        row.transports = Set(Some(text(serde_json::to_string(new.transports))?));
        let held = credential::Entity::find()
            .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
            .filter(credential::Column::Kind.eq(CredentialKind::Passkey.word()));
        let txn = self.db.begin().await?;
        if !touch(&txn, user).await? {
            return Ok(Added::Taken);
        }
        if held.count(&txn).await? >= MAX_PASSKEYS {
            return Ok(Added::TooMany);
        }
        match credential::Entity::insert(row).exec_without_returning(&txn).await {
            Ok(_) => txn.commit().await.map(|()| Added::Done(credential)).map_err(Into::into),
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(Added::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Calls a passkey of a person otherwise; whether they have it.
    pub async fn rename_passkey(
        &self,
        user: UserId,
        passkey: CredentialId,
        name: &str,
    ) -> Result<bool, DirectoryError> {
        let rename = credential::Entity::update_many()
            .col_expr(credential::Column::Label, Expr::value(name))
            .filter(credential::Column::Id.eq(passkey.to_vec()))
            .filter(credential::Column::User.eq(user.as_bytes().to_vec()))
            .filter(credential::Column::Kind.eq(CredentialKind::Passkey.word()));
        Ok(rename.exec(&self.db).await?.rows_affected == 1)
    }

    /// Whoever proves a passkey, from there. `known`: whose it is, as [`Directory::passkey`] found it; nobody's waits as
    /// long. No code is asked for beside it: the device has checked the person.
    pub async fn sign_in_by_passkey(
        &self,
        known: Option<&(User, KeptPasskey)>,
        proof: PasskeyProof<'_>,
        from: Origin,
        now: Timestamp,
    ) -> Result<Result<SignedIn, PasskeyRefused>, DirectoryError> {
        let row = match known {
            Some((user, _)) => self.user_row(&user.name).await?,
            None => None,
        };
        let browser = self.known_browser(row.as_ref(), &from.browsers, now);
        // What nobody has counts for its address: no name has a NUL in it.
        let name = known.map_or_else(|| format!("\0{}", identity(&proof.given.raw_id)), |(user, _)| user.name.clone());
        let asker = Asker::SignIn { from: from.address.map(Network::of), name, browser };
        // Whose it is was said by nobody before: the device has to.
        let said = proof.given.get_user_unique_id().is_some();
        let passkey = known.map(|(_, passkey)| passkey).filter(|_| said);
        let proved = self.prove_passkey(asker, passkey, &proof, now).await?;
        let user = row.as_ref().map(|row| User::try_from(row.clone())).transpose()?;
        match (proved, user.zip(row)) {
            // Only who proved that they are the person is told.
            (Ok(()), Some((user, _))) if self.is_suspended(user.id) => Ok(Err(PasskeyRefused::Suspended)),
            (Ok(()), Some((user, row))) => {
                let browser: KnownBrowser = self.know_browser(&row, now);
                Ok(Ok(SignedIn { user, browser, second: true }))
            }
            (proved, user) => {
                self.refused(user.map(|(user, _)| user.id), from.address, from.agent, now);
                Ok(Err(proved.err().unwrap_or(PasskeyRefused::Wrong)))
            }
        }
    }

    /// Whether a person who has this session proves by a passkey of theirs who they are.
    pub async fn confirm_by_passkey(
        &self,
        (user, session): (UserId, SecretHash),
        known: Option<&(User, KeptPasskey)>,
        proof: PasskeyProof<'_>,
        from: Origin,
        now: Timestamp,
    ) -> Result<Result<(), PasskeyRefused>, DirectoryError> {
        let theirs = known.filter(|(whose, _)| whose.id == user).map(|(_, passkey)| passkey);
        let proved = self.prove_passkey(Asker::Session(user, session), theirs, &proof, now).await?;
        if proved.is_err() {
            self.refused(Some(user), from.address, from.agent, now);
        }
        Ok(proved)
    }

    /// Checks a proof when its turn has come, and notes that the passkey was used.
    async fn prove_passkey(
        &self,
        asker: Asker,
        passkey: Option<&KeptPasskey>,
        proof: &PasskeyProof<'_>,
        now: Timestamp,
    ) -> Result<Result<(), PasskeyRefused>, DirectoryError> {
        let check = || match passkey {
            Some(passkey) => passkey.proved(proof).map(|found| (passkey, found)),
            None => Err(PasskeyRefused::Wrong),
        };
        let (passkey, found) = match self.passwords.checked(asker, check).await? {
            Ok(proved) => proved,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut key = passkey.key.clone();
        key.update_credential(&found);
        let secret = serde_json::to_string(&key).map_err(|_| DirectoryError::Damaged(TABLE))?;
        let counter = i64::from(found.counter());
        // Many devices count nothing. Of two proofs of those that do, the later comes after the earlier.
        let later = Condition::any().add(credential::Column::Step.lt(counter));
        let later = if counter == 0 { later.add(credential::Column::Step.eq(0)) } else { later };
        let note = credential::Entity::update_many()
            .col_expr(credential::Column::Secret, Expr::value(secret))
            .col_expr(credential::Column::Step, Expr::value(counter))
            .col_expr(credential::Column::Used, Expr::value(now.0))
            .filter(credential::Column::Id.eq(passkey.id.to_vec()))
            .filter(later);
        if note.exec(&self.db).await?.rows_affected == 1 {
            return Ok(Ok(()));
        }
        // Removed meanwhile, or counted on meanwhile.
        let is_there = credential::Entity::find_by_id(passkey.id.to_vec()).one(&self.db).await?.is_some();
        Ok(Err(if is_there { PasskeyRefused::WentBack } else { PasskeyRefused::Wrong }))
    }

    /// The passkeys of everybody that were made for another name than `here`.
    pub async fn dead_passkeys(&self, here: Option<&str>) -> Result<DeadPasskeys, DirectoryError> {
        use credential::Column;
        let ways =
            [CredentialKind::Password, CredentialKind::Outside, CredentialKind::Passkey].map(CredentialKind::word);
        let find = credential::Entity::find()
            .select_only()
            .columns([Column::User, Column::RelyingParty])
            .filter(Column::Kind.is_in(ways));
        let rows: Vec<(Vec<u8>, Option<String>)> = find.into_tuple().all(&self.db).await?;
        // A passkey alone is for a name.
        let (dead, live): (Vec<_>, Vec<_>) =
            rows.iter().partition(|(_, name)| name.is_some() && name.as_deref() != here);
        let live: BTreeSet<_> = live.into_iter().map(|(user, _)| user).collect();
        let people: BTreeSet<_> = dead.iter().map(|(user, _)| user).collect();
        let names: BTreeSet<_> = dead.iter().filter_map(|(_, name)| name.clone()).collect();
        Ok(DeadPasskeys {
            passkeys: dead.len(),
            people: people.len(),
            locked_out: people.difference(&live).count(),
            names: names.into_iter().collect(),
        })
    }
}
