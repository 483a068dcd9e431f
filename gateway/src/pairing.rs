//! `allod device join`: an empty directory becomes a device of an account.

use gateway_people::realm::Realm as _;
use sync::Identity;
use sync::pairing::{Code, PairingError};
use vault::data_dir::DataDir;
use vault::keyring::NodeKey;

use crate::app;
use crate::failure::{Exit, Failure};
use crate::restoring::Joined;

const UNANSWERED: &str = "pairing_unanswered";
/// The other side has taken the device, and this one could not keep what it was given.
const UNFINISHED: &str = "join_unfinished";

fn failure(error: PairingError) -> Failure {
    let exit = if matches!(error, PairingError::Malformed) { Exit::Usage } else { Exit::Failed };
    Failure::coded(exit, &error.to_string())
}

/// The code that somebody typed.
///
/// # Errors
/// `code_malformed`.
pub fn code(text: &str) -> Result<Code, Failure> {
    Code::parse(text).map_err(failure)
}

/// Joins by a code. On a failure the directory is left as it was found; but if the other side may have taken the device,
/// its keys stay, and the same command goes on.
pub async fn join(dir: &DataDir, text: &str, passphrase: Option<&str>) -> Result<Joined, Failure> {
    join_at(dir, &code(text)?, passphrase, false).await
}

/// The same; if the directory is a device of that account already, it is as if it had joined now.
pub async fn join_or_go_on(dir: &DataDir, code: &Code, passphrase: Option<&str>) -> Result<Joined, Failure> {
    join_at(dir, code, passphrase, true).await
}

async fn join_at(dir: &DataDir, code: &Code, passphrase: Option<&str>, goes_on: bool) -> Result<Joined, Failure> {
    let existed = dir.path().exists();
    let lock = dir.lock()?;
    // A directory that belongs to nobody yet: a start without a set-up, or a joining that was broken off.
    let fresh = !NodeKey::exists(dir);
    let joined = join_unowned(dir, code, passphrase, goes_on).await;
    let begun = joined.as_ref().is_err_and(|failure| [UNANSWERED, UNFINISHED].contains(&failure.code.as_str()));
    if joined.is_err() && fresh && !begun {
        dir.remove_fresh();
        drop(lock);
        if !existed {
            let _ = std::fs::remove_dir_all(dir.path());
        }
    }
    joined
}

async fn join_unowned(dir: &DataDir, code: &Code, passphrase: Option<&str>, goes_on: bool) -> Result<Joined, Failure> {
    let app = app::open_or_create(dir, passphrase, None).await?;
    let device = app.vault.device(code.user);
    let joined = if let Some(device) = device.filter(|_| goes_on && app.vault.joined() == [code.user]) {
        Ok(Joined::new(device, code.user, &app.vault.space_ids(code.user)))
    } else if app.owner().is_some() || !app.vault.users().is_empty() {
        Err(vault::keyring::DirectoryError::AlreadyANode(dir.path().to_owned()).into())
    } else {
        join_with(&app, code).await
    };
    app.shutdown().await;
    joined
}

async fn join_with(app: &app::App, code: &Code) -> Result<Joined, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed("join_failed", &error.to_string());
    let identity = Identity::from_seed(app.vault.accounts().transport_seed());
    // On disk before anybody hears of it: broken off behind the enrolment, joining goes on with the same device.
    let device = app.vault.accounts().joining(code.user).await.map_err(|error| failed(&error))?;
    let id = device.id;
    let joined = sync::pairing::join(code, &identity, &device).await.map_err(failure)?;
    // The account knows the device from here on: whatever goes wrong, its keys stay, and joining goes on with them.
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(UNFINISHED, &format!("the account has taken this device, which could not keep it: {error}"))
            .hint("Mend that (make room on the disk, say), then run the same command with the same code again.")
    };
    // The account is the one that the code names, or nothing of this verifies.
    let scope = vault::log::Scope::Account(code.user);
    let taken = app.vault.ingest(scope, joined.frames).await.map_err(|error| failed(&error))?;
    let enrolled =
        app.vault.devices(code.user).iter().any(|known| *known == device.public(identity.peer()) && known.id == id);
    if taken.refused.is_some() || !enrolled {
        return Err(Failure::failed("join_failed", "the inviting device sent an account that does not verify"));
    }
    sync::SyncNode::remember_device(app.database.clone(), code.user, code.inviter, code.addrs.clone())
        .await
        .map_err(|error| failed(&error))?;
    // The last step: before it the directory belongs to nobody, and joining can be begun again.
    app.vault.join(code.user, device).await.map_err(|error| failed(&error))?;
    Ok(Joined::new(id, code.user, &joined.spaces))
}
