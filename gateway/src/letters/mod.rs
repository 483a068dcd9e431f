//! Letters to people: what waits is sent one after the other, for as long as the node runs.
//!
//! A letter counts as sent once the server has it. A node that is killed in between sends it once more, under the same
//! `Message-ID`. Each try is noted before it is made: where nothing can be noted, as on a disk that is full, nothing is sent.
//! Where the server does not answer at all, or does not know the node, the others wait too: each would only hear the same.

mod words;

use std::sync::Arc;
use std::time::Duration;

use gateway_mail::{Letter, MailError, Mailer};
use gateway_people::realm::Realm as _;
use parking_lot::Mutex;
use policy_core::Timestamp;

use crate::app::App;
use crate::directory::DirectoryError;
use crate::directory::mail::{LetterKind, WaitingLetter};

/// Letters that are read at a time.
const BATCH: u64 = 16;
/// How long the server is left in peace after it did not answer: longer and longer.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];
/// How often the clock is looked at, which may leap.
const LOOK: Duration = Duration::from_secs(60);

/// The server for letters, and how the node stands with it.
#[derive(Debug)]
pub(crate) struct Mail {
    mailer: Mailer,
    standing: Mutex<Standing>,
}

/// What came of the last letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// When the server last took one.
    pub(crate) taken: Option<Timestamp>,
    /// Why it did not take the last one.
    pub(crate) trouble: Option<String>,
}

impl Mail {
    pub(crate) fn new(mailer: Mailer) -> Self {
        Mail { mailer, standing: Mutex::default() }
    }

    /// The server, as `host:port`.
    pub(crate) fn place(&self) -> String {
        self.mailer.place()
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    /// Hands a letter over, and notes what came of it.
    async fn send(&self, letter: &Letter, now: Timestamp) -> Result<(), MailError> {
        self.noted(self.mailer.send(letter).await, now)
    }

    /// Tries whether letters arrive, for somebody who waits.
    pub(crate) async fn try_out(&self, letter: &Letter, now: Timestamp) -> Result<(), MailError> {
        self.noted(self.mailer.try_out(letter).await, now)
    }

    fn noted(&self, sent: Result<(), MailError>, now: Timestamp) -> Result<(), MailError> {
        let mut standing = self.standing.lock();
        match &sent {
            Ok(()) => *standing = Standing { taken: Some(now), trouble: None },
            // It says something of that letter alone.
            Err(error) if error.is_final() => {}
            Err(error) => standing.trouble = Some(error.in_short()),
        }
        sent
    }
}

/// A letter that tries whether letters arrive.
pub(crate) fn test(to: String, url: &str, now: Timestamp) -> Letter {
    let id = format!("test.{}", now.0);
    Letter { id, to, subject: words::TEST.to_owned(), text: words::test(url) }
}

fn written(letter: &WaitingLetter, url: &str) -> Letter {
    let (subject, text) = match &letter.kind {
        LetterKind::Notice(kind) => words::notice(*kind, url),
        LetterKind::Code(code) => words::code(code, url),
        LetterKind::AddressLeft => words::address_left(url),
    };
    let id = data_encoding::HEXLOWER.encode(&letter.id);
    Letter { id, to: letter.address.as_str().to_owned(), subject: subject.to_owned(), text }
}

/// Sends letters for as long as the node runs.
pub(crate) async fn run(app: Arc<App>) {
    let Some(mail) = app.mail.get() else { return };
    let mut silent = 0_usize;
    loop {
        let answered = match batch(&app, mail).await {
            Ok(answered) => answered,
            Err(error) => {
                tracing::error!(%error, "letters that wait cannot be read");
                false
            }
        };
        if answered {
            silent = 0;
            tokio::select! {
                () = app.directory.a_letter_is_added() => {}
                () = tokio::time::sleep(until_next(&app).await) => {}
            }
        } else {
            tokio::time::sleep(PAUSES[silent.min(PAUSES.len() - 1)]).await;
            silent += 1;
        }
    }
}

/// How long until a letter is due.
async fn until_next(app: &App) -> Duration {
    match app.directory.next_letter().await {
        Ok(Some(due)) => {
            let wait = due.0.saturating_sub(app.now().0).max(0).unsigned_abs();
            Duration::from_micros(wait).min(LOOK)
        }
        Ok(None) | Err(_) => LOOK,
    }
}

/// Sends what is due; false: the server did not answer.
async fn batch(app: &App, mail: &Mail) -> Result<bool, DirectoryError> {
    for letter in app.directory.letters_due(BATCH, app.now()).await? {
        if !app.directory.letter_begun(&letter, app.now()).await? {
            continue;
        }
        match mail.send(&written(&letter, &app.url()), app.now()).await {
            Ok(()) => app.directory.letter_sent(&letter).await?,
            Err(error) => {
                tracing::warn!(why = error.in_short(), "a letter was not taken");
                app.directory.letter_failed(&letter, error.is_final(), app.now()).await?;
                if matches!(error, MailError::Unreachable(..) | MailError::Tls(..) | MailError::Login(..)) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}
