//! The one sign-in, for the API, the pages and the command line: who somebody says they are, and what they prove it by.

use std::net::IpAddr;

use policy_core::Timestamp;

use super::browsers::KnownBrowser;
use super::credentials::{CredentialKind, PersonCredentials};
use super::names::name_of;
use super::passwords::SecondFactor;
use super::totp::Spent;
use super::turns::{Asker, Network};
use super::{Directory, DirectoryError, SecretHash, User};

/// What somebody proves by who they are.
#[derive(Clone, Copy)]
pub struct Proof<'a> {
    pub password: &'a str,
    /// A code of their second factor, or one of recovery; who has none is asked for none.
    pub code: Option<&'a str>,
}

/// Why nobody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The name or the password.
    Wrong,
    /// The password is right, and a code is needed as well.
    CodeNeeded,
    /// The password is right, and the code is wrong, or was used before.
    WrongCode,
    /// All of it is right, and the person is suspended.
    Suspended,
}

/// Where a sign-in comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub address: Option<IpAddr>,
    /// What the browser keeps of sign-ins under the name that it gives: [`KnownBrowser::token`], or anything.
    pub browsers: Vec<String>,
    /// What the client says that it is.
    pub agent: Option<String>,
}

/// Whose proof was right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub user: User,
    /// For the browser, if it is one, to keep.
    pub browser: KnownBrowser,
    /// Whether they proved a second factor as well.
    pub second: bool,
}

impl Directory {
    /// The user of this name, who asks from there, if what is proved is theirs. Takes as long, and waits as long, for a
    /// name that nobody has.
    pub async fn sign_in(
        &self,
        name: &str,
        proof: Proof<'_>,
        from: Origin,
        now: Timestamp,
    ) -> Result<Result<SignedIn, Refused>, DirectoryError> {
        // What can be nobody's name costs nothing: anybody can tell it from one that may be somebody's.
        let Ok(name) = name_of(name) else {
            self.refused(None, from.address, from.agent, now);
            return Ok(Err(Refused::Wrong));
        };
        let row = self.user_row(&name).await?;
        let held = self.credentials_of(row.as_ref()).await?;
        let browser = self.known_browser(row.as_ref(), &from.browsers, now);
        let asker = Asker::SignIn { from: from.address.map(Network::of), name, browser };
        let proved = self.prove(asker, &held, proof, now).await?;
        let browser = row.as_ref().map(|row| self.know_browser(row, now));
        let user = row.map(User::try_from).transpose()?;
        match (proved, user.zip(browser)) {
            // Only who proved that they are the person is told.
            (Ok(()), Some((user, _))) if self.is_suspended(user.id) => Ok(Err(Refused::Suspended)),
            (Ok(()), Some((user, browser))) => {
                let second = held.of_kind(CredentialKind::Totp).next().is_some();
                Ok(Ok(SignedIn { user, browser, second }))
            }
            // A code is yet to be asked for: nothing was guessed.
            (Err(Refused::CodeNeeded), Some(_)) => Ok(Err(Refused::CodeNeeded)),
            (proved, known) => {
                self.refused(known.map(|(user, _)| user.id), from.address, from.agent, now);
                Ok(Err(proved.err().unwrap_or(Refused::Wrong)))
            }
        }
    }

    /// Whether a person who has this session proves again who they are.
    pub async fn confirm(
        &self,
        user: &User,
        session: SecretHash,
        proof: Proof<'_>,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, DirectoryError> {
        let held = self.credentials_of(self.user_row(&user.name).await?.as_ref()).await?;
        let proved = self.prove(Asker::Session(user.id, session), &held, proof, now).await?;
        if matches!(proved, Err(Refused::Wrong | Refused::WrongCode)) {
            self.refused(Some(user.id), from, None, now);
        }
        Ok(proved)
    }

    /// Whether a person whom an outside provider signed in proves their second factor as well; who has none need not.
    pub async fn prove_code(
        &self,
        user: &User,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, DirectoryError> {
        if self.is_suspended(user.id) {
            return Ok(Err(Refused::Suspended));
        }
        let held = self.credentials_of(self.user_row(&user.name).await?.as_ref()).await?;
        let (second, spent) = Spent::of(&held, code, now);
        match (second, spent) {
            (SecondFactor::Proved, None) => Ok(Ok(())),
            (SecondFactor::Missing, _) => Ok(Err(Refused::CodeNeeded)),
            (second, spent) => {
                let asker = Asker::Session(user.id, SecretHash::of(&format!("\0code\0{}", user.id)));
                self.passwords.beside(asker, second).await?;
                let Some(spent) = spent else { return Ok(Err(Refused::WrongCode)) };
                Ok(if self.spend(spent).await? { Ok(()) } else { Err(Refused::WrongCode) })
            }
        }
    }

    pub(super) async fn prove(
        &self,
        asker: Asker,
        held: &PersonCredentials,
        proof: Proof<'_>,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, DirectoryError> {
        let (second, spent) = Spent::of(held, proof.code, now);
        if !self.passwords.matches(asker, proof.password, held.password(), second).await? {
            return Ok(Err(Refused::Wrong));
        }
        Ok(match (second, spent) {
            (SecondFactor::Missing, _) => Err(Refused::CodeNeeded),
            (SecondFactor::Wrong, _) => Err(Refused::WrongCode),
            (SecondFactor::Proved, None) => Ok(()),
            // Of several who come with one code at once, one is let in.
            (SecondFactor::Proved, Some(spent)) => {
                if self.spend(spent).await? {
                    Ok(())
                } else {
                    Err(Refused::WrongCode)
                }
            }
        })
    }
}
