//! Passwords: Argon2id (RFC 9106), 64 MiB, three passes, two at a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::DirectoryError;
use super::secret::random;

/// The shortest password, in characters.
pub const MIN_PASSWORD: usize = 8;
/// The longest, in bytes: a hash of a megabyte is work for nothing.
const MAX_PASSWORD: usize = 1_024;
/// How long a sign-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// A hash of no password, with our parameters: an unknown name costs what a known one does.
const NOBODY: &str = "$argon2id$v=19$m=65536,t=3,p=1$bm9ib2R5LWlzLWhlcmUu$rq3Z8lq5T0Gk0x1cS2m5Yy0bqkq3m1vM5uTnXo2b9sA";

/// Where passwords wait for their turn.
#[derive(Debug, Clone)]
pub(super) struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Passwords(Arc::new(Semaphore::new(2)))
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(64 * 1_024, 3, 1, None).expect("the parameters are within Argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Refuses what is too short, too long, or the user's own name.
pub(super) fn fit(password: &str, user: &str) -> Result<(), DirectoryError> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(DirectoryError::Unfit("A password has at least 8 characters."));
    }
    if password.len() > MAX_PASSWORD {
        return Err(DirectoryError::Unfit("A password has at most 1024 bytes."));
    }
    if password.eq_ignore_ascii_case(user) {
        return Err(DirectoryError::Unfit("A password is not the name of its user."));
    }
    Ok(())
}

impl Passwords {
    async fn turn(&self) -> Result<OwnedSemaphorePermit, DirectoryError> {
        match tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(DirectoryError::Busy),
        }
    }

    /// The PHC string of a password.
    pub(super) async fn hash(&self, password: &str) -> Result<String, DirectoryError> {
        let turn = self.turn().await?;
        let password = Zeroizing::new(password.to_owned());
        let work = move || {
            // The turn ends with the work, not with the request that asked for it.
            let _turn = turn;
            argon2().hash_password_with_salt(password.as_bytes(), &random::<16>()).map(|hash| hash.to_string())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(phc)) => Ok(phc),
            _ => Err(DirectoryError::Unfit("The password could not be hashed.")),
        }
    }

    /// Whether `password` is the one of `stored`; without `stored` the same work, and no.
    pub(super) async fn matches(&self, password: &str, stored: Option<String>) -> Result<bool, DirectoryError> {
        if password.len() > MAX_PASSWORD {
            return Ok(false);
        }
        let turn = self.turn().await?;
        let password = Zeroizing::new(password.to_owned());
        let work = move || {
            let _turn = turn;
            let known = stored.is_some();
            let stored = stored.as_deref().unwrap_or(NOBODY);
            argon2().verify_password(password.as_bytes(), stored).is_ok() && known
        };
        Ok(tokio::task::spawn_blocking(work).await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashes_carry_their_parameters_and_match_their_password_only() {
        let passwords = Passwords::default();
        let phc = passwords.hash("correct horse").await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{phc}");
        assert!(passwords.matches("correct horse", Some(phc.clone())).await.unwrap());
        assert!(!passwords.matches("correct horsf", Some(phc)).await.unwrap());
        assert!(!passwords.matches("correct horse", None).await.unwrap());
        let nobody = argon2::PasswordHash::new(NOBODY).unwrap();
        assert_eq!(nobody.params.to_string(), "m=65536,t=3,p=1", "an unknown name costs what a known one does");
        assert_eq!(nobody.hash.unwrap().len(), 32);
        assert!(fit("short", "bob").is_err() && fit("bobbobbob", "bobbobbob").is_err());
        assert!(fit(&"x".repeat(2_000), "bob").is_err() && fit("long enough", "bob").is_ok());
    }
}
