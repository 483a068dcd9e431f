//! A directory of an earlier version becomes one of this, before anything of it is opened; one of a later version is left
//! alone. The composition root knows all parts that have tables.

use policy::Embedded;
use sea_orm::DatabaseConnection;
use vault::accounts::Accounts;
use vault::data_dir::{DataDir, DataFile};
use vault::keyring::NodeKey;
use vault::log::Log;
use vault::upgrade::{Part, Tables, UpgradeError, bring_up, put_back_leftover};
use vault::{Clock, database};

use crate::directory::{self, Directory};
use crate::failure::Failure;

/// What of the node database is not the vault's.
fn parts() -> Vec<Part> {
    vec![Part::of::<policy::Migrator>(), Part::of::<directory::Migrator>(), Part::of::<sync::Migrator>()]
}

fn refused(error: UpgradeError) -> Failure {
    let hint = match &error {
        UpgradeError::Newer { .. } => "nothing was changed; start it with the newer version",
        UpgradeError::Failed { .. } | UpgradeError::NoSnapshot(_) => {
            "the version before can go on with it; look at the reason, and make room if that is it"
        }
        UpgradeError::Stuck { .. } | UpgradeError::Leftover(_) => {
            "keep before-upgrade: start again once there is room on the disk, and it is put back"
        }
        UpgradeError::Overtaken => {
            "move before-upgrade out of the directory, keep it until you have seen that all is there, and start again"
        }
    };
    Failure::failed(error.code(), &error.to_string()).hint(hint)
}

/// Puts back what an upgrade that was cut short has left: before anything else is looked at, since it may be half there.
///
/// # Errors
/// `upgrade_failed` or `upgrade_overtaken`; then the snapshot is there.
pub fn leftover(dir: &DataDir) -> Result<(), Failure> {
    put_back_leftover(dir).map_err(refused)
}

/// Brings the directory of a node to this version.
///
/// # Errors
/// `newer_directory`, `upgrade_failed`, `upgrade_overtaken` or `upgrade_no_room`; nothing is other than it was.
pub async fn node(dir: &DataDir, key: &NodeKey, clock: &Clock) -> Result<(), Failure> {
    let all = [Tables::of_node(key, parts()), Tables::of_log()];
    bring_up(dir, &all, async || opens(dir, key, clock).await).await.map_err(refused)
}

/// Whether everything opens that a node reads at its start.
async fn opens(dir: &DataDir, key: &NodeKey, clock: &Clock) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let database = database::open_node(dir, key).await.map_err(|error| text(&error))?;
    let opened = async {
        Embedded::open(database.clone(), Clock::clone(clock)).await.map_err(|error| text(&error))?;
        Accounts::open(database.clone(), key.clone()).await.map_err(|error| text(&error))?;
        Directory::open(database.clone()).await.map_err(|error| text(&error))?;
        reads_the_log(dir).await
    };
    let opened = opened.await;
    close(database).await?;
    opened
}

async fn reads_the_log(dir: &DataDir) -> Result<(), String> {
    if !dir.has(DataFile::Log) {
        return Ok(());
    }
    let database = database::open_log(dir).await.map_err(|error| error.to_string())?;
    let opened = Log::open(database.clone()).await.map(drop).map_err(|error| error.to_string());
    close(database).await?;
    opened
}

async fn close(database: DatabaseConnection) -> Result<(), String> {
    database.close().await.map_err(|error| error.to_string())
}

/// Brings the directory of a blind replica to this version.
///
/// # Errors
/// As [`node`].
pub async fn replica(dir: &DataDir) -> Result<(), Failure> {
    let all = [Tables::of_replica(vec![Part::of::<sync::blind::Migrator>()]), Tables::of_log()];
    bring_up(dir, &all, async || reads_the_log(dir).await).await.map_err(refused)
}

/// Makes the tables of all parts in a database that is new, so that a directory is of one version from its beginning.
///
/// # Errors
/// If the database cannot be written.
pub async fn make_tables(database: &DatabaseConnection) -> Result<(), sea_orm::DbErr> {
    for part in parts() {
        part.up(database).await?;
    }
    Ok(())
}
