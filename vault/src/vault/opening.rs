//! Opening the log, if it is the one that the node database knows.

use std::collections::HashSet;
use std::path::Path;

use policy_core::SpaceId;
use vault_core::tags::LaneTag;

use super::VaultError;
use super::spaces::remove_view;
use crate::accounts::{Accounts, ViewRecord};
use crate::admission::Admission;
use crate::backup::PUT_BACK;
use crate::data_dir::{DataDir, DataFile};
use crate::database;
use crate::log::{Log, Scope, TOLD_OTHERWISE};
use crate::space::SpaceError;
use crate::view::position_in;
use crate::witness::{Behind, Loss, Witness};

/// Opens the log of a node. `accept`: go on without what was lost, where that can be done at all; a new device then takes
/// the place of the one that the node had.
///
/// # Errors
/// If something was lost: then nothing is changed.
pub(super) async fn log(
    dir: &DataDir,
    accounts: &Accounts,
    witness: &Witness,
    accept: bool,
) -> Result<Log, VaultError> {
    let in_use = !accounts.users().is_empty();
    if !dir.file(DataFile::Log).exists() && witness.expects_a_log(in_use) {
        return Err(Loss::LogMissing.into());
    }
    if accept {
        // Numbers of what is lost may be known elsewhere: whatever is killed from here on, they are not used again.
        accounts.set(BORN, PUT_BACK).await?;
    }
    let log = Log::open(database::open_log(dir).await?).await?;
    let newer = newer_views(accounts, &log, &dir.views()).await?;
    // What views show says more than marks, which are noted now and then.
    let told = |loss| match loss {
        Loss::LogRolledBack(mut behind) => {
            behind.retain(|known| newer.iter().all(|seen| seen.scope != known.scope));
            behind.extend(&newer);
            Loss::LogRolledBack(behind)
        }
        other => other,
    };
    let unseen = || (!newer.is_empty()).then(|| Loss::LogOlderThanView(newer.clone()));
    match witness.loss(&log, in_use).await?.map(told).or_else(unseen) {
        None => witness.go_on(&log).await?,
        Some(loss) if accept && loss.can_be_accepted() => {
            tracing::warn!(%loss, "accepted");
            // Any view may show what the log lacks: they are made anew.
            let behind = newer.iter().map(|behind| behind.scope);
            for scope in log.scopes().into_iter().chain(behind) {
                if let Scope::Space(id) = scope {
                    remove_view(&dir.views(), id)?;
                }
            }
            witness.accept(&log).await?;
        }
        Some(loss) => return Err(loss.into()),
    }
    dir.mark_opened()?;
    Ok(log)
}

/// Looks at the row that ends each chain by which this node goes on: by what lies beside the frame there the next number is
/// given. A row that says that it is of a device or a space which nobody knows may be of one of these chains as well. A frame
/// that is broken itself closes its space, in which nothing is written then.
///
/// # Errors
/// If one of them is not what it says.
pub(super) async fn look_at_own_ends(admission: &Admission, accounts: &Accounts) -> Result<(), VaultError> {
    let own: HashSet<_> = accounts.users().into_iter().filter_map(|user| Some(accounts.get(user)?.device.id)).collect();
    let log = admission.log();
    for scope in log.scopes() {
        for (lane, device) in log.chains(scope).into_keys() {
            // Control lanes were verified from their begin.
            let strange = admission.signer(scope, device).is_none();
            if lane == LaneTag::CONTROL || !(strange || own.contains(&device)) {
                continue;
            }
            let row = log.row_before_end(scope, lane, device, 0).await?;
            let sound = row.as_ref().is_some_and(|row| row.frame() != Err(TOLD_OTHERWISE));
            if !sound || admission.owner(scope).is_none() {
                let position = row.map_or_else(|| log.position(scope), |row| row.position());
                return Err(SpaceError::Frame { position, source: TOLD_OTHERWISE }.into());
            }
        }
    }
    Ok(())
}

/// The setting that holds it.
const BORN: &str = "log born";

/// When log.db came to be, as its file system says, where that says so. Files that were copied came to be later.
fn born(dir: &DataDir) -> Option<String> {
    let created = std::fs::metadata(dir.file(DataFile::Log)).and_then(|file| file.created()).ok()?;
    let since = created.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_nanos().to_string())
}

/// Whether the log lies in another file than the one that this node last wrote: it was copied, or put back from a
/// copy. Nobody knows then whether more was written before.
pub(super) async fn is_copied(dir: &DataDir, accounts: &Accounts) -> Result<bool, VaultError> {
    let noted = accounts.setting(BORN).await?;
    // What was made of a backup says so itself, for file systems that do not tell when files came to be.
    let put_back = noted.as_deref() == Some(PUT_BACK);
    Ok(put_back || noted.zip(born(dir)).is_some_and(|(noted, born)| noted != born))
}

/// Notes the file in which the log lies.
pub(super) async fn note_file(dir: &DataDir, accounts: &Accounts) -> Result<(), VaultError> {
    match born(dir) {
        None if accounts.setting(BORN).await?.as_deref() == Some(PUT_BACK) => Ok(accounts.unset(BORN).await?),
        Some(born) if accounts.setting(BORN).await?.as_ref() != Some(&born) => Ok(accounts.set(BORN, &born).await?),
        _ => Ok(()),
    }
}

/// The spaces whose views hold what the log does not. A view that was closed is not newer than the marks.
async fn newer_views(accounts: &Accounts, log: &Log, dir: &Path) -> Result<Vec<Behind>, VaultError> {
    let open: Vec<_> = accounts.views().await?.into_iter().filter(|(_, record)| !record.clean).collect();
    let (log, dir) = (log.clone(), dir.to_owned());
    let look = move || {
        let newer = |(id, record): (SpaceId, ViewRecord)| {
            let path = dir.join(format!("{id}.view"));
            let had = path.exists().then(|| position_in(&path, &record.key)).flatten()?;
            let scope = Scope::Space(id);
            let has = log.position(scope);
            (had > has).then_some(Behind { scope, has, had })
        };
        open.into_iter().filter_map(newer).collect()
    };
    Ok(tokio::task::spawn_blocking(look).await.map_err(|_| SpaceError::Entry("looking at the views was cut off"))?)
}
