//! Places that a node keeps for others, in a directory of its own: `LABEL/` each.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use parking_lot::Mutex;

use crate::address::PlaceLabel;
use crate::coming::UnderWay;
use crate::files::{make_dir, sync, write_whole};
use crate::place::{FRESH, KeptPlace, OBJECTS, PlaceTerms, TERMS};
use crate::secret::{PlaceSecret, SecretHash};

/// Places at most.
const MAX_PLACES: usize = 256;
/// Begins the name of what is being made or removed: no place is called so.
const UNFINISHED: &str = ".unfinished-";

/// A place is not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The name is taken.
    #[error("there is a place of this name already")]
    Taken,
    /// The node keeps so many that it takes no more.
    #[error("a node keeps {MAX_PLACES} places at most")]
    TooMany,
    /// There is none of this name.
    #[error("there is no place of this name")]
    Unknown,
    /// The disk does not do it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A place that is gone, and whose files are still there.
#[must_use]
#[derive(Debug)]
pub struct Removed(PathBuf);

impl Removed {
    /// Deletes them; what is left of them goes at the next start. Blocks, for as long as that takes.
    ///
    /// # Errors
    /// If the disk does not do it.
    pub fn delete(self) -> std::io::Result<()> {
        std::fs::remove_dir_all(self.0)
    }
}

/// The places of a node.
#[derive(Debug)]
pub struct Keeper {
    root: PathBuf,
    /// Never locked while a disk is waited for: every request looks here.
    all: Mutex<BTreeMap<PlaceLabel, Arc<KeptPlace>>>,
    /// Held by what makes or removes a place.
    changing: Mutex<()>,
    under_way: UnderWay,
    /// Places that cannot be opened, with what is wrong.
    broken: Vec<(String, String)>,
}

impl Keeper {
    /// The places below `root`, which need not be there.
    pub fn open(root: PathBuf) -> Self {
        let (mut all, mut broken, under_way) = (BTreeMap::new(), Vec::new(), UnderWay::default());
        match std::fs::read_dir(&root) {
            Ok(entries) => {
                for entry in entries.flatten() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if name.starts_with(UNFINISHED) {
                        let _ = std::fs::remove_dir_all(entry.path());
                        continue;
                    }
                    let Ok(label) = name.parse::<PlaceLabel>() else { continue };
                    match KeptPlace::open(label.clone(), entry.path(), under_way.clone()) {
                        Ok(place) => drop(all.insert(label, Arc::new(place))),
                        Err(error) => broken.push((name, error.to_string())),
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => broken.push((root.display().to_string(), error.to_string())),
        }
        Keeper { root, all: Mutex::new(all), changing: Mutex::default(), under_way, broken }
    }

    /// Makes a place; its secret, which is known from now on to whoever is given it, and to nobody else.
    ///
    /// # Errors
    /// If there is one of this name, or it cannot be made.
    pub fn add(&self, label: &PlaceLabel, quota: u64, now: i64) -> Result<PlaceSecret, KeeperError> {
        let _changing = self.changing.lock();
        let at = self.root.join(label.as_str());
        if self.find(label).is_some() || at.symlink_metadata().is_ok() {
            return Err(KeeperError::Taken);
        }
        if self.all.lock().len() >= MAX_PLACES {
            return Err(KeeperError::TooMany);
        }
        let secret = PlaceSecret::draw()?;
        let terms = PlaceTerms { version: 1, secret: secret.hash().text(), quota, made: now };
        let fresh = self.root.join(format!("{UNFINISHED}{label}"));
        let _ = std::fs::remove_dir_all(&fresh);
        for dir in [&self.root, &fresh, &fresh.join(OBJECTS), &fresh.join(FRESH)] {
            make_dir(dir)?;
        }
        write_whole(&fresh.join(TERMS), &serde_json::to_vec(&terms).map_err(std::io::Error::from)?)?;
        std::fs::rename(&fresh, &at)?;
        sync(&self.root)?;
        let place = Arc::new(KeptPlace::open(label.clone(), at, self.under_way.clone())?);
        self.all.lock().insert(label.clone(), place);
        Ok(secret)
    }

    /// Removes a place with everything in it: from here on nobody has it, and its files are for the caller to delete.
    ///
    /// # Errors
    /// If there is none, or it cannot be removed.
    pub fn remove(&self, label: &PlaceLabel) -> Result<Removed, KeeperError> {
        let _changing = self.changing.lock();
        let (at, found) = (self.root.join(label.as_str()), self.find(label));
        if found.is_none() && at.symlink_metadata().is_err() {
            return Err(KeeperError::Unknown);
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| std::io::Error::other("the system gives no randomness"))?;
        let gone = self.root.join(format!("{UNFINISHED}{label}-{}", HEXLOWER.encode(&random)));
        let away = || std::fs::rename(&at, &gone);
        match found {
            Some(place) => place.end(away)?,
            None => away()?,
        }
        self.all.lock().remove(label);
        sync(&self.root)?;
        Ok(Removed(gone))
    }

    fn find(&self, label: &PlaceLabel) -> Option<Arc<KeptPlace>> {
        self.all.lock().get(label).cloned()
    }

    /// The place of this name, for whoever has its secret. Both are looked at in any case, so that the answer takes as long.
    pub fn admitted(&self, label: &str, secret: &str) -> Option<Arc<KeptPlace>> {
        let said = SecretHash::of(secret);
        let label = label.parse::<PlaceLabel>().ok();
        let found = label.and_then(|label| self.find(&label));
        let kept = found.as_ref().map_or(SecretHash::NONE, |place| place.secret);
        found.filter(|_| kept.matches(said))
    }

    /// Every place, by name.
    pub fn all(&self) -> Vec<Arc<KeptPlace>> {
        self.all.lock().values().cloned().collect()
    }

    /// Places that cannot be opened, each with what is wrong.
    pub fn broken(&self) -> &[(String, String)] {
        &self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_for_whoever_has_its_secret_and_goes_with_everything_in_it() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().join("places");
        let keeper = Keeper::open(at.clone());
        let (anna, ben): (PlaceLabel, PlaceLabel) = ("anna".parse().unwrap(), "ben".parse().unwrap());
        let secret = keeper.add(&anna, 1 << 20, 1).unwrap();
        let other = keeper.add(&ben, 1 << 20, 1).unwrap();
        assert!(matches!(keeper.add(&anna, 1, 1), Err(KeeperError::Taken)));
        let keeper = Keeper::open(at.clone());
        assert!(keeper.admitted("anna", secret.text()).is_some(), "control");
        for (label, secret) in
            [("anna", other.text()), ("ben", secret.text()), ("carl", secret.text()), ("anna", ""), ("..", "x")]
        {
            assert!(keeper.admitted(label, secret).is_none(), "{label}");
        }
        let terms = std::fs::read_to_string(at.join("anna/place.json")).unwrap();
        assert!(!terms.contains(secret.text()) && !terms.contains(crate::PREFIX), "{terms}");
        let removed = keeper.remove(&anna).unwrap();
        assert!(matches!(keeper.remove(&anna), Err(KeeperError::Unknown)));
        assert!(keeper.admitted("anna", secret.text()).is_none() && !at.join("anna").exists());
        // A new one of the name does not wait for that, and is not touched by it.
        let again = keeper.add(&anna, 1 << 20, 1).unwrap();
        removed.delete().unwrap();
        assert!(keeper.admitted("anna", secret.text()).is_none() && keeper.admitted("anna", again.text()).is_some());
        keeper.remove(&anna).unwrap().delete().unwrap();
        assert!(std::fs::read_dir(&at).unwrap().flatten().all(|entry| entry.file_name() == "ben"));
        std::fs::write(at.join("ben/place.json"), "{").unwrap();
        let keeper = Keeper::open(at);
        assert_eq!((keeper.all().len(), keeper.broken().len()), (0, 1));
    }
}
