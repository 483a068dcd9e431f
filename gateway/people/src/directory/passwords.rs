//! Passwords: Argon2id (RFC 9106), 64 MiB, three passes, on half of the cores and two at most.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::DirectoryError;
use super::secret::random;
use super::turns::{Asker, Turns};

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
pub(super) struct Passwords(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    turns: Turns,
    /// Whom to tell that their turn has begun.
    waiting: HashMap<u64, oneshot::Sender<Turn>>,
}

/// How it stands with what somebody must prove beside their password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecondFactor {
    /// It is proved, or there is none.
    Proved,
    /// It was not given.
    Missing,
    Wrong,
}

impl Default for Passwords {
    fn default() -> Self {
        // Whoever signs in leaves a core to those who have.
        let slots = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 2));
        Passwords(Arc::new(Mutex::new(Queue { turns: Turns::new(slots), waiting: HashMap::new() })))
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

/// A turn that has begun; the next begins when it is dropped.
#[derive(Debug)]
struct Turn(Passwords);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.lock().turns.done();
        self.0.begin();
    }
}

/// A place in the queue, given up when whoever asked goes away.
struct Ticket<'a> {
    passwords: &'a Passwords,
    id: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut queue = self.passwords.0.lock();
        queue.turns.leave(self.id);
        queue.waiting.remove(&self.id);
    }
}

impl Passwords {
    /// How many attempts wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }

    /// Begins every turn that can begin. When the next one can without anybody's doing.
    fn begin(&self) -> Option<Instant> {
        loop {
            let now = Instant::now();
            let mut queue = self.0.lock();
            let Some(id) = queue.turns.next(now) else { return queue.turns.wake(now) };
            let told = queue.waiting.remove(&id);
            drop(queue);
            let turn = Turn(self.clone());
            // Whoever has gone away meanwhile drops the turn, which begins the next.
            if let Some(told) = told {
                let _ = told.send(turn);
            }
        }
    }

    async fn turn(&self, asker: Asker) -> Result<Turn, DirectoryError> {
        let (tell, mut told) = oneshot::channel();
        let place = {
            let mut queue = self.0.lock();
            let queued = queue.turns.ask(asker, Instant::now());
            queue.waiting.insert(queued.id, tell);
            // Whoever gives way is told by the end of their channel.
            queued.refused.map(|id| queue.waiting.remove(&id));
            Ticket { passwords: self, id: queued.id }
        };
        let last = Instant::now() + PATIENCE;
        loop {
            let wake = self.begin().map_or(last, |wake| wake.min(last));
            tokio::select! {
                biased;
                turn = &mut told => return turn.map_err(|_| DirectoryError::Busy),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            if Instant::now() >= last {
                drop(place);
                return told.try_recv().map_err(|_| DirectoryError::Busy);
            }
        }
    }

    /// The PHC string of a password.
    pub(super) async fn hash(&self, asker: Asker, password: &str) -> Result<String, DirectoryError> {
        let turn = self.turn(asker).await?;
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

    /// Notes what came of a second factor that was given without a password, when its turn has come: what is wrong slows
    /// the next as a wrong password does.
    pub(super) async fn beside(&self, asker: Asker, second: SecondFactor) -> Result<(), DirectoryError> {
        let turn = self.turn(asker.clone()).await?;
        self.0.lock().turns.note(&asker, second == SecondFactor::Proved, Instant::now());
        drop(turn);
        Ok(())
    }

    /// Has something checked that is no password, when its turn has come: what is wrong slows the next as a wrong password
    /// does.
    pub(super) async fn checked<T, E>(
        &self,
        asker: Asker,
        check: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, DirectoryError> {
        let turn = self.turn(asker.clone()).await?;
        let checked = check();
        self.0.lock().turns.note(&asker, checked.is_ok(), Instant::now());
        drop(turn);
        Ok(checked)
    }

    /// Whether `password` is the one of `stored`; without `stored` the same work, and no. A wrong code beside a right
    /// password slows as a wrong password does.
    pub(super) async fn matches(
        &self,
        asker: Asker,
        password: &str,
        stored: Option<String>,
        second: SecondFactor,
    ) -> Result<bool, DirectoryError> {
        if password.len() > MAX_PASSWORD {
            self.0.lock().turns.note(&asker, false, Instant::now());
            return Ok(false);
        }
        let turn = self.turn(asker.clone()).await?;
        let password = Zeroizing::new(password.to_owned());
        let queue = Arc::clone(&self.0);
        let work = move || {
            let known = stored.is_some();
            let stored = stored.as_deref().unwrap_or(NOBODY);
            let right = argon2().verify_password(password.as_bytes(), stored).is_ok() && known;
            // What came of it counts for whoever is next.
            match (right, second) {
                (true, SecondFactor::Missing) => {}
                (right, second) => {
                    let proved = right && second == SecondFactor::Proved;
                    queue.lock().turns.note(&asker, proved, Instant::now());
                }
            }
            drop(turn);
            right
        };
        Ok(tokio::task::spawn_blocking(work).await.unwrap_or(false))
    }
}

#[cfg(test)]
mod tests {
    use super::super::turns::Network;
    use super::*;

    fn asker(name: &str) -> Asker {
        Asker::SignIn { from: Some(Network::of([127, 0, 0, 1].into())), name: name.to_owned(), browser: None }
    }

    #[tokio::test]
    async fn hashes_carry_their_parameters_and_match_their_password_only() {
        let passwords = Passwords::default();
        let phc = passwords.hash(Asker::Operator, "correct horse").await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"), "{phc}");
        assert!(passwords.matches(asker("a"), "correct horse", Some(phc.clone()), SecondFactor::Proved).await.unwrap());
        assert!(!passwords.matches(asker("a"), "correct horsf", Some(phc), SecondFactor::Proved).await.unwrap());
        assert!(!passwords.matches(asker("a"), "correct horse", None, SecondFactor::Proved).await.unwrap());
        let nobody = argon2::PasswordHash::new(NOBODY).unwrap();
        assert_eq!(nobody.params.to_string(), "m=65536,t=3,p=1", "an unknown name costs what a known one does");
        assert_eq!(nobody.hash.unwrap().len(), 32);
        assert!(fit("short", "bob").is_err() && fit("bobbobbob", "bobbobbob").is_err());
        assert!(fit(&"x".repeat(2_000), "bob").is_err() && fit("long enough", "bob").is_ok());
    }

    #[tokio::test]
    async fn what_is_wrong_beside_passwords_slows_the_next_as_a_wrong_password_does() {
        let passwords = Passwords::default();
        for _ in 0..20 {
            let wrong =
                tokio::time::timeout(PATIENCE * 2, passwords.checked(asker("mallory"), || Err::<(), _>("wrong")));
            assert_eq!(wrong.await.expect("nobody is locked out").unwrap(), Err("wrong"));
            if futures::poll!(std::pin::pin!(passwords.turn(asker("mallory")))).is_pending() {
                let other = std::pin::pin!(passwords.checked(asker("alice"), || Ok::<_, ()>(7)));
                assert!(futures::poll!(other).is_ready(), "control: another name is not slowed");
                return;
            }
        }
        panic!("who was wrong so often waits");
    }

    #[tokio::test]
    async fn whoever_gives_way_or_goes_away_is_forgotten_and_slots_come_back() {
        let passwords = Passwords::default();
        let held: Vec<Turn> = futures::future::join_all((0..2).map(|_| {
            let turn = passwords.turn(asker("first"));
            async { tokio::time::timeout(Duration::from_millis(50), turn).await.ok().and_then(Result::ok) }
        }))
        .await
        .into_iter()
        .flatten()
        .collect();
        assert!(!held.is_empty(), "as many as there are slots");
        let mut flood: Vec<_> = (0..100).map(|_| Box::pin(passwords.turn(asker("mallory")))).collect();
        for one in &mut flood {
            assert!(futures::poll!(one).is_pending());
        }
        let refused = flood.iter_mut().filter_map(futures::FutureExt::now_or_never).collect::<Vec<_>>();
        assert!(refused.len() == 100 - 64 && refused.iter().all(|one| matches!(one, Err(DirectoryError::Busy))));
        let mut honest = Box::pin(passwords.turn(asker("alice")));
        assert!(futures::poll!(&mut honest).is_pending());
        drop(flood);
        drop(held);
        let turn = honest.await.expect("a turn");
        drop(turn);
        let queue = passwords.0.lock();
        assert!(queue.waiting.is_empty(), "{queue:?}");
    }
}
