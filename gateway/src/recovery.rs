//! The recovery words of a node: 24 words that open its backups, wherever they lie, and without the node. The node keeps
//! the secret that they stand for sealed under its own key, so that it can make backups by itself and print the words
//! again: whoever has the data directory, and the passphrase of its key if it has one, has the words too.

use policy::wall_clock;
use rand::RngExt;
use serde_json::{Value, json};
use vault_backup::RecoverySecret;
use zeroize::Zeroizing;

use crate::app::App;
use crate::directory::sign_in::{Origin, Proof, Refused};
use crate::failure::{Exit, Failure};
use crate::grants::rfc3339;
use crate::node::Node as _;

const SECRET: &str = "recovery";
const MADE: &str = "recovery made";
const CONFIRMED: &str = "recovery confirmed";

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::failed("failed", &error.to_string())
}

/// The secret of the node.
///
/// # Errors
/// If it has none yet.
pub async fn secret(app: &App) -> Result<RecoverySecret, Failure> {
    stored(app).await?.ok_or_else(|| {
        Failure::failed(
            "recovery_missing",
            "the node has no recovery words yet, and without them nobody could open a backup",
        )
        .hint("`allod recovery create` makes them")
    })
}

async fn stored(app: &App) -> Result<Option<RecoverySecret>, Failure> {
    let Some(bytes) = app.vault.accounts().secret(SECRET).await.map_err(failed)? else { return Ok(None) };
    let entropy: [u8; 32] = bytes[..].try_into().map_err(|_| failed("the recovery secret is damaged"))?;
    Ok(Some(RecoverySecret::from_entropy(entropy)))
}

/// Makes the words, once.
///
/// # Errors
/// If there are some: whoever wrote those down relies on them.
pub async fn create(app: &App) -> Result<Zeroizing<String>, Failure> {
    if app.owner().is_none() {
        return Err(Failure::failed("not_set_up", "the node is not set up yet").hint("`allod init` sets it up"));
    }
    if stored(app).await?.is_some() {
        let text = "the node has recovery words already, and backups that they open";
        return Err(Failure::failed("recovery_exists", text).hint("`allod backup key` prints them once more"));
    }
    let secret = RecoverySecret::from_entropy(rand::rng().random());
    let accounts = app.vault.accounts();
    accounts.set(MADE, &wall_clock().0.to_string()).await.map_err(failed)?;
    accounts.keep_secret(SECRET, secret.entropy()).await.map_err(failed)?;
    Ok(secret.words())
}

/// Whether these are the words of the node; noted if so.
///
/// # Errors
/// If they are not.
pub async fn confirm(app: &App, words: &str) -> Result<(), Failure> {
    let said = parse(words)?;
    if said.entropy() != secret(app).await?.entropy() {
        let text = "these are recovery words, but not those of this node";
        return Err(Failure::new(Exit::Usage, "recovery_words_others", text));
    }
    app.vault.accounts().set(CONFIRMED, &wall_clock().0.to_string()).await.map_err(failed)
}

/// # Errors
/// If the text is not 24 words that belong together.
pub fn parse(words: &str) -> Result<RecoverySecret, Failure> {
    RecoverySecret::parse(words).map_err(|error| Failure::usage("recovery_words_wrong", &error.to_string()))
}

/// Which ways back in there are, and whether they were tried.
///
/// # Errors
/// If it cannot be read.
pub async fn status(app: &App) -> Result<Value, Failure> {
    if stored(app).await?.is_none() {
        return Ok(json!({ "ways": [] }));
    }
    let at = async |name| -> Result<Option<String>, Failure> {
        let at = app.vault.accounts().setting(name).await.map_err(failed)?;
        Ok(at.and_then(|at| at.parse().ok()).map(|at| rfc3339(policy_core::Timestamp(at))))
    };
    Ok(json!({ "ways": [{ "kind": "words", "made": at(MADE).await?, "tested": at(CONFIRMED).await? }] }))
}

/// The words once more, for whoever knows the owner's password beside holding the machine.
///
/// # Errors
/// If the password is wrong, or there are no words.
pub async fn words(app: &App, password: &str) -> Result<Zeroizing<String>, Failure> {
    let owner = app.owner().ok_or_else(|| Failure::failed("not_set_up", "the node is not set up yet"))?;
    let owner = app.directory.user(owner).await.map_err(failed)?;
    let name = owner.map(|owner| owner.name).unwrap_or_default();
    let from = Origin { address: None, browsers: Vec::new(), agent: None };
    let (proof, now) = (Proof { password, code: None }, policy_core::Timestamp(wall_clock().0));
    // Whoever holds the machine takes a second factor away: the password is what they must know beside.
    match app.directory.sign_in(&name, proof, from, now).await.map_err(failed)? {
        Ok(_) | Err(Refused::CodeNeeded) => {}
        Err(Refused::Wrong | Refused::WrongCode) => {
            return Err(Failure::new(Exit::Refused, "wrong_password", "the password of the owner is another"));
        }
    }
    Ok(secret(app).await?.words())
}
