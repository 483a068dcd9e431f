//! What nobody does, and people are told of all the same: a device that joined, what is not backed up, who is behind, a
//! grant that is about to end.

use std::collections::HashSet;

use gateway_people::realm::Realm as _;
use policy_core::{DeviceId, UserId};

use crate::app::App;
use crate::directory::DirectoryError;
use crate::directory::notices::{About, NoticeKind, Telling};

/// A replica is behind when it has lacked something for so long, in seconds; it is meant to be there always.
const REPLICA_S: u64 = 3_600;
/// A device: people leave them at home.
const DEVICE_S: u64 = 7 * 86_400;
/// What is looked at less often: each so many rounds.
const ROUNDS: u32 = 2;

/// What was looked at before, so that it is not looked up again.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    devices: HashSet<(UserId, DeviceId)>,
    rounds: u32,
}

fn telling(user: UserId, kind: NoticeKind, about: impl Into<String>) -> Telling {
    let about: String = about.into();
    Telling { user, kind, about: if about.is_empty() { About::Nothing } else { About::Words(about) } }
}

impl Noticed {
    /// Tells people of what there is to tell by now.
    pub(crate) async fn look(&mut self, app: &App) -> Result<(), DirectoryError> {
        self.devices(app).await?;
        self.rounds += 1;
        if self.rounds % ROUNDS == 1 {
            backups(app).await?;
            grants(app).await?;
            peers(app).await?;
        }
        Ok(())
    }

    async fn devices(&mut self, app: &App) -> Result<(), DirectoryError> {
        for user in app.vault.users() {
            let (all, own) = (app.vault.devices(user), app.vault.device(user));
            if all.iter().all(|device| self.devices.contains(&(user, device.id))) {
                continue;
            }
            // Those that are there when an account is first looked at joined before anybody was told.
            let before = app.directory.has_mark(user, "devices").await?;
            for device in all {
                if self.devices.contains(&(user, device.id)) {
                    continue;
                }
                let (mark, now) = (format!("device {}", device.id), app.now());
                if !before || own == Some(device.id) {
                    app.directory.set_mark(user, &mark, now).await?;
                } else {
                    let peer = sync::peer_id(device.transport).unwrap_or_default();
                    app.directory.tell_once(&mark, telling(user, NoticeKind::DeviceAdded, peer), now).await?;
                }
                self.devices.insert((user, device.id));
            }
            app.directory.set_mark(user, "devices", app.now()).await?;
        }
        Ok(())
    }
}

/// Told to every operator, once until it is well again.
async fn backups(app: &App) -> Result<(), DirectoryError> {
    let (standing, now) = (app.backups.standing(), app.now());
    let bad = standing.trouble.is_some() || standing.is_late(now);
    for user in app.directory.operators() {
        if bad {
            app.directory.tell_once("backup", telling(user, NoticeKind::BackupFailing, ""), now).await?;
        } else {
            app.directory.clear_mark(user, "backup").await?;
        }
    }
    Ok(())
}

async fn grants(app: &App) -> Result<(), DirectoryError> {
    let now = app.now();
    for grant in app.directory.grants_ending(now).await? {
        let Some(app_of) = app.directory.app(grant.client).await? else { continue };
        let mark = format!("grant {}", grant.id);
        let telling = telling(grant.user, NoticeKind::GrantEnding, app_of.manifest.name);
        app.directory.tell_once(&mark, telling, now).await?;
    }
    Ok(())
}

/// How a peer stands with what it ought to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Whole,
    /// It lacks something, and not for long.
    Catching,
    Behind,
}

impl Standing {
    fn of(lag_commits: u64, lag_s: u64, most_s: u64) -> Standing {
        match lag_commits {
            0 => Standing::Whole,
            _ if lag_s < most_s => Standing::Catching,
            _ => Standing::Behind,
        }
    }
}

/// Told once until they have everything again.
async fn peers(app: &App) -> Result<(), DirectoryError> {
    let Some(sync) = app.sync.get() else { return Ok(()) };
    for user in app.vault.users() {
        let of_replica = |one: sync::ReplicaStatus| {
            let standing = Standing::of(one.lag_commits, one.lag_s, REPLICA_S);
            (one.replica, standing)
        };
        let of_device = |one: sync::PeerLag| (one.peer, Standing::of(one.lag_commits, one.lag_s, DEVICE_S));
        let replicas = sync.replicas(user).await.into_iter().map(of_replica);
        let devices = sync.devices(user).await.into_iter().map(of_device);
        for (peer, standing) in replicas.chain(devices) {
            let (mark, now) = (format!("behind {peer}"), app.now());
            match standing {
                Standing::Behind => {
                    app.directory.tell_once(&mark, telling(user, NoticeKind::ReplicaBehind, peer), now).await?;
                }
                Standing::Whole => app.directory.clear_mark(user, &mark).await?,
                Standing::Catching => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_behind_when_it_lacks_something_for_long_and_whole_when_it_lacks_nothing() {
        assert_eq!(Standing::of(0, 0, REPLICA_S), Standing::Whole);
        assert_eq!(Standing::of(0, 90_000, REPLICA_S), Standing::Whole, "it lacks nothing any more");
        assert_eq!(Standing::of(5, REPLICA_S - 1, REPLICA_S), Standing::Catching);
        assert_eq!(Standing::of(1, REPLICA_S, REPLICA_S), Standing::Behind);
        assert_eq!(Standing::of(1, REPLICA_S, DEVICE_S), Standing::Catching, "a laptop may be closed");
    }
}
