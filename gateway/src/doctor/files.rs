//! Who may read the files of a directory, and how much room there is for more.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use vault::data_dir::{DataDir, DataFile};

use super::Check;

/// With less room than this the node will soon not be able to write, in bytes.
const LITTLE: u64 = 1 << 30;
/// And with less than this it may stop at any moment.
const NEXT_TO_NOTHING: u64 = 64 << 20;

/// What lies in the directory, databases with what belongs to them.
fn all(dir: &DataDir) -> Vec<PathBuf> {
    let named = DataFile::ALL.map(|file| dir.file(file)).to_vec();
    let beside = named.iter().flat_map(|path| ["-wal", "-shm"].map(|end| with(path, end))).collect::<Vec<_>>();
    let mut all: Vec<PathBuf> = named.into_iter().chain(beside).collect();
    [dir.views(), dir.certs()].iter().for_each(|path| within(path, DEEP, &mut all));
    all
}

/// Directories within each other that are looked into: those of certificates have one for each authority.
const DEEP: usize = 4;

fn within(dir: &Path, deep: usize, all: &mut Vec<PathBuf>) {
    let paths = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in paths {
        if deep > 1 && path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            within(&path, deep - 1, all);
        }
        all.push(path);
    }
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Whether files are for their owner's eyes alone.
pub fn modes(dir: &DataDir) -> Check {
    let name = "file_modes";
    let (mut looked_at, mut open) = (0, Vec::new());
    for path in all(dir) {
        // Certificates are for everybody.
        let public = path.extension().is_some_and(|end| end == "pem" || end == "crt");
        let Ok(found) = path.symlink_metadata() else { continue };
        looked_at += 1;
        if found.is_file() && found.mode() & 0o077 != 0 && !public {
            open.push(path);
        }
    }
    if open.is_empty() {
        return Check::ok(name, format!("{looked_at} files are for their owner's eyes alone"));
    }
    let listed = open.iter().take(8).map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
    let detail = format!("others of this machine may read or write {} of {looked_at} files: {listed}", open.len());
    Check::bad(name, detail, format!("chmod go= {listed}"))
}

/// Bytes that are free where the directory lies, and bytes in all; `None` if the system does not say.
pub fn room(dir: &DataDir) -> Option<(u64, u64)> {
    let found = rustix::fs::statvfs(dir.path()).ok()?;
    Some((found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize)))
}

/// Whether there is room for more.
pub fn disk(dir: &DataDir) -> Check {
    let name = "disk";
    match room(dir) {
        None => Check::warn(name, "the system does not say how much room there is", "look at the disk"),
        Some((free, whole)) => {
            let detail = format!("{} MB of {} MB are free", free >> 20, whole >> 20);
            let fix = "make room on the disk: nothing is written once it is full";
            match free {
                _ if free < NEXT_TO_NOTHING => Check::bad(name, detail, fix),
                _ if free < LITTLE => Check::warn(name, detail, fix),
                _ => Check::ok(name, detail),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::super::State;
    use super::*;

    #[test]
    fn what_others_may_read_is_named_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(root.path());
        let key = dir.file(DataFile::NodeKey);
        std::fs::create_dir(dir.certs()).unwrap();
        let root = dir.certs().join("root.pem");
        for (path, mode) in [(&key, 0o600), (&root, 0o644)] {
            std::fs::write(path, "x").unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(modes(&dir).state, State::Ok, "control");
        std::fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        let check = modes(&dir);
        assert_eq!(check.state, State::Bad);
        assert_eq!(check.fix, format!("chmod go= {}", key.display()));
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        let account = dir.certs().join("acme/0a1b/account.json");
        std::fs::create_dir_all(account.parent().unwrap()).unwrap();
        std::fs::write(&account, "x").unwrap();
        std::fs::set_permissions(&account, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(modes(&dir).state, State::Ok, "control");
        std::fs::set_permissions(&account, Permissions::from_mode(0o644)).unwrap();
        assert!(modes(&dir).detail.contains("account.json"), "{:?}", modes(&dir));
        assert!(matches!(disk(&dir).state, State::Ok | State::Warn | State::Bad), "{:?}", disk(&dir));
    }
}
