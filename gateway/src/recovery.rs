//! The recovery words of a node: 24 words that open its backups, wherever they lie, and without the node. The node keeps
//! the secret that they stand for sealed under its own key, so that it can make backups by itself and print the words
//! again: whoever has the data directory, and the passphrase of its key if it has one, has the words too.

use gateway_people::realm::Realm as _;
use policy::wall_clock;
use rand::RngExt;
use serde::Serialize;
use utoipa::ToSchema;
use vault_backup::RecoverySecret;
use zeroize::Zeroizing;

use crate::app::App;
use crate::directory::sign_in::{Origin, Proof, Refused};
use crate::failure::{Exit, Failure};
use crate::grants::rfc3339;

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
    let secret = RecoverySecret::from_entropy(rand::rng().random());
    // Of several at once one makes them: nobody is told words that open nothing.
    let made = (MADE, &*wall_clock().0.to_string());
    if !app.vault.accounts().keep_first_secret(SECRET, secret.entropy(), made).await.map_err(failed)? {
        let text = "the node has recovery words already, and backups that they open";
        return Err(Failure::failed("recovery_exists", text).hint("`allod backup key` prints them once more"));
    }
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

/// The ways back into a node of which nothing is left but its backups.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecoveryStanding)]
pub struct Standing {
    ways: Vec<RecoveryWay>,
}

/// A way back in.
#[derive(Debug, Serialize, ToSchema)]
struct RecoveryWay {
    /// `words`: 24 words, with a place where backups lie.
    #[schema(examples("words"))]
    kind: &'static str,
    #[schema(format = DateTime)]
    made: Option<String>,
    /// When it was last tried; null: never.
    #[schema(format = DateTime)]
    tested: Option<String>,
}

/// Which ways back in there are, and whether they were tried.
///
/// # Errors
/// If it cannot be read.
pub async fn status(app: &App) -> Result<Standing, Failure> {
    if stored(app).await?.is_none() {
        return Ok(Standing { ways: Vec::new() });
    }
    let at = async |name| -> Result<Option<String>, Failure> {
        let at = app.vault.accounts().setting(name).await.map_err(failed)?;
        Ok(at.and_then(|at| at.parse().ok()).map(|at| rfc3339(policy_core::Timestamp(at))))
    };
    Ok(Standing { ways: vec![RecoveryWay { kind: "words", made: at(MADE).await?, tested: at(CONFIRMED).await? }] })
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
        Err(Refused::Wrong | Refused::WrongCode | Refused::Suspended) => {
            return Err(Failure::new(Exit::Refused, "wrong_password", "the password of the owner is another"));
        }
    }
    Ok(secret(app).await?.words())
}

#[cfg(test)]
mod tests {
    use vault::data_dir::DataDir;

    use super::*;
    use crate::front::account::setup;
    use crate::node::fake::ALICE;

    #[actix_web::test]
    async fn of_several_who_ask_for_words_at_once_one_gets_those_of_the_node() {
        let root = tempfile::tempdir().unwrap();
        let app = crate::app::open_answered_by(&DataDir::at(root.path()), |engine| engine).await.unwrap();
        setup(&app, ALICE).await.unwrap();
        let asked = futures::future::join_all((0..20).map(|_| create(&app))).await;
        let (made, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
        assert_eq!(made.len(), 1);
        assert!(refused.into_iter().all(|one| one.is_err_and(|failure| failure.code == "recovery_exists")));
        assert_eq!(made.into_iter().next().unwrap().unwrap(), secret(&app).await.unwrap().words());
        app.shutdown().await;
    }
}
