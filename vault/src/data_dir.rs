//! The data directory: what it holds, where it may lie, and for whose eyes.
//!
//! Whoever works on a directory takes its lock first. Taking it makes the directory if it is missing, and sees to what
//! everything else rests on: a path that SQLite can open, a file system whose locks hold, and modes that let nobody
//! else read.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::database::{LOG_FILE, NODE_FILE, REPLICA_FILE};
use crate::keyring::{DirectoryError, KEY_FILE, io};

const LOCK_FILE: &str = "node.lock";
/// The key of a blind replica.
pub const REPLICA_KEY_FILE: &str = "replica.key";
/// Where views lie.
pub const VIEWS: &str = "views";
/// The longest path of a data directory, in bytes: SQLite takes paths of up to 512 with what it appends to them (8),
/// and the longest name in here is that of a view (`/views/`, 32 digits, `.view`).
pub const LONGEST_PATH: usize = 512 - 8 - 44;

/// What lies in a directory, by the files that are there. None of them is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Nothing,
    /// A node, or what is left of one.
    Node,
    /// A blind replica, or what is left of one.
    Replica,
}

impl Holds {
    pub fn of(dir: &Path) -> Holds {
        let there = |name: &str| dir.join(name).symlink_metadata().is_ok();
        if there(KEY_FILE) || there(NODE_FILE) {
            Holds::Node
        } else if there(REPLICA_KEY_FILE) || there(REPLICA_FILE) {
            Holds::Replica
        } else if there(LOG_FILE) {
            Holds::Node
        } else {
            Holds::Nothing
        }
    }
}

/// The exclusive right to a data directory; released when dropped or when the process ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Creates the directory if it is missing, with access for its owner only.
    ///
    /// # Errors
    /// If the path is too long, the file system cannot keep what a node needs, or another process works on it.
    pub fn take(dir: &Path) -> Result<Self, DirectoryError> {
        fits(dir)?;
        if !dir.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
        }
        // Through a symbolic link the path may have become longer.
        fits(dir)?;
        if let Some(kind) = network(dir) {
            return Err(DirectoryError::NetworkFileSystem { dir: dir.to_owned(), kind });
        }
        let path = dir.join(LOCK_FILE);
        let open = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = open().map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(DirectoryError::InUse(dir.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => return Err(DirectoryError::Io { path, source }),
        }
        // A lock that a second opening can take as well keeps nobody out.
        if open().map_err(io(&path))?.try_lock().is_ok() {
            return Err(DirectoryError::NoLocks(dir.to_owned()));
        }
        narrow(dir);
        Ok(DirectoryLock { _file: file })
    }
}

/// What `node.lock` says once the databases have been there: that they are gone is a loss, and not a beginning.
const OPENED: &[u8] = b"opened\n";

/// Notes that the databases of a directory are there. On disk when this returns.
///
/// # Errors
/// If it cannot be written.
pub fn mark_opened(dir: &Path) -> std::io::Result<()> {
    if std::fs::read(dir.join(LOCK_FILE)).is_ok_and(|text| text == OPENED) {
        return Ok(());
    }
    // Written in place: the file is what the lock is held on.
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join(LOCK_FILE))?;
    std::io::Write::write_all(&mut file, OPENED)?;
    file.sync_all()
}

/// Whether the databases of a directory have been there.
pub fn was_opened(dir: &Path) -> bool {
    let views = || std::fs::read_dir(dir.join(VIEWS)).is_ok_and(|mut entries| entries.next().is_some());
    std::fs::read(dir.join(LOCK_FILE)).is_ok_and(|text| text == OPENED) || views()
}

/// Takes the note back: what was begun in the directory is given up.
pub fn forget_opened(dir: &Path) {
    if let Ok(file) = OpenOptions::new().write(true).open(dir.join(LOCK_FILE)) {
        let _ = file.set_len(0).and_then(|()| file.sync_all());
    }
}

/// Whether SQLite can open what lies in the directory.
fn fits(dir: &Path) -> Result<(), DirectoryError> {
    let whole = std::path::absolute(dir).map_err(io(dir))?;
    // What is there may be reached through links; what is not there yet will be made as it is named.
    let there = whole.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let resolved = match there {
        Some((part, found)) => match whole.strip_prefix(part) {
            Ok(rest) if !rest.as_os_str().is_empty() => found.join(rest),
            _ => found,
        },
        None => whole,
    };
    if resolved.to_str().is_none() {
        return Err(DirectoryError::PathNotUtf8(resolved));
    }
    let bytes = resolved.as_os_str().as_bytes();
    let long_name = bytes.split(|byte| *byte == b'/').any(|name| name.len() > 255);
    if bytes.len() > LONGEST_PATH || long_name {
        return Err(DirectoryError::PathTooLong { bytes: bytes.len(), most: LONGEST_PATH });
    }
    Ok(())
}

/// The name of the network file system that a directory lies on, if it is one on which the locks and the shared
/// memory of SQLite do not hold between machines.
fn network(dir: &Path) -> Option<String> {
    let kind = rustix::fs::statfs(dir).ok()?.f_type;
    // linux/magic.h, and the file systems' own sources where it has them not.
    let name = match kind as u32 {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS (SMB)",
        0xfe53_4d42 => "SMB2",
        0x0102_1997 => "9P",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x564c => "NCP",
        0x786f_4256 => "a VirtualBox share",
        0xbacb_acbc => "a VMware share",
        0x7c7c_6673 => "a Parallels share",
        0x6573_5546 => return network_by_fuse(dir),
        _ => return None,
    };
    Some(name.to_owned())
}

fn network_by_fuse(dir: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = mounted_as(&mounts, &dir.canonicalize().ok()?)?;
    is_network_fuse(&kind).then(|| format!("{kind} (FUSE)"))
}

/// The kind of file system that is mounted where a path lies, by the lines of `/proc/self/mountinfo` (proc(5)).
fn mounted_as(mounts: &str, path: &Path) -> Option<String> {
    let line = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let at = PathBuf::from(unescape(place.split(' ').nth(4)?));
        path.starts_with(&at).then(|| (at.as_os_str().len(), kind.split(' ').next().unwrap_or_default().to_owned()))
    };
    // Of two mounts at one place the later covers the other.
    mounts.lines().filter_map(line).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Blanks and backslashes of mount points are written in octal.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// File systems in user space that fetch what they show from elsewhere. Others are believed if their locks hold.
fn is_network_fuse(kind: &str) -> bool {
    const NETWORK: [&str; 22] = [
        "sshfs",
        "rclone",
        "s3fs",
        "gcsfuse",
        "davfs",
        "glusterfs",
        "ceph",
        "curlftpfs",
        "httpfs",
        "smb",
        "nfs",
        "juicefs",
        "goofys",
        "s3",
        "blobfuse",
        "seaweedfs",
        "drive",
        "onedrive",
        "dropbox",
        "moosefs",
        "mfs",
        "cvmfs",
    ];
    let kind = kind.to_ascii_lowercase();
    kind.strip_prefix("fuse.").is_some_and(|name| NETWORK.iter().any(|network| name.contains(network)))
}

/// Takes from others what an earlier version, or a careless copy, let them read. Keys are not among it: who had the
/// chance to read one may have it, and its owner has to know.
fn narrow(dir: &Path) {
    let ours = |path: &Path, directory: bool| {
        let found = path.symlink_metadata().ok()?;
        let kind = if directory { found.is_dir() } else { found.is_file() };
        (kind && found.mode() & 0o077 != 0 && found.uid() == rustix::process::geteuid().as_raw()).then_some(found)
    };
    let set = |path: &Path, mode: u32| {
        if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(mode)) {
            tracing::warn!(path = %path.display(), %error, "others may read this; it could not be changed");
        }
    };
    let file = |path: &Path| {
        if ours(path, false).is_some() {
            set(path, 0o600);
        }
    };
    for name in [NODE_FILE, LOG_FILE, REPLICA_FILE] {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            file(&dir.join(format!("{name}{suffix}")));
        }
    }
    for name in [LOCK_FILE, "node.json", "local.token", "replica.addr", "replica.json"] {
        file(&dir.join(name));
    }
    let views = dir.join(VIEWS);
    if ours(&views, true).is_some() {
        set(&views, 0o700);
    }
    if let Ok(entries) = std::fs::read_dir(&views) {
        entries.filter_map(Result::ok).for_each(|entry| file(&entry.path()));
    }
    // A directory that also holds what is not ours (a home directory, say) is its owner's to close.
    let only_ours = std::fs::read_dir(dir).is_ok_and(|mut entries| {
        entries.all(|entry| {
            let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
            let name = name.to_string_lossy();
            let known = ["node.", "log.db", "replica.", "local.token", VIEWS, "lost+found"];
            known.iter().any(|known| name.starts_with(known))
        })
    });
    if let Some(found) = ours(dir, true)
        && only_ours
        && found.mode() & 0o1000 == 0
    {
        set(dir, 0o700);
    }
}

/// The files that a running node works with, as they were when it opened them: one that was deleted or replaced since
/// takes what is written from now on with it.
#[derive(Debug, Clone)]
pub struct OpenFiles(Vec<OpenFile>);

/// The code of its loss, where it lies, and device and inode that it had.
type OpenFile = (&'static str, PathBuf, Option<(u64, u64)>);

impl OpenFiles {
    /// Those of a node that has just been opened.
    pub fn of_node(dir: &Path) -> OpenFiles {
        let file = |(code, name): (&'static str, &str)| {
            let path = dir.join(name);
            let now = place(&path);
            (code, path, now)
        };
        let files = [("log_missing", LOG_FILE), ("node_database_missing", NODE_FILE), ("node_key_missing", KEY_FILE)];
        OpenFiles(files.into_iter().map(file).collect())
    }

    /// A stable code for each file that is not there any more.
    pub fn missing(&self) -> Vec<&'static str> {
        let gone = self.0.iter().filter(|(_, path, then)| then.is_none() || place(path) != *then);
        gone.map(|(code, ..)| *code).collect()
    }
}

fn place(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

/// Whether others may read a file that holds a secret.
///
/// # Errors
/// If it cannot be looked at.
pub fn is_exposed(file: &File) -> std::io::Result<bool> {
    let found = file.metadata()?;
    // A pipe or a terminal has no mode that says anything.
    Ok(found.is_file() && found.mode() & 0o077 != 0)
}

/// Writes a file for its owner's eyes only, whole or not at all: it is on disk under its name when this returns.
///
/// # Errors
/// If it cannot be written; then what was there before is there still.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn the_lock_is_exclusive_and_makes_a_private_directory() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("fresh/node");
        let lock = DirectoryLock::take(&dir).unwrap();
        assert_eq!((mode(&dir), mode(&dir.join(LOCK_FILE))), (0o700, 0o600));
        assert!(matches!(DirectoryLock::take(&dir), Err(DirectoryError::InUse(_))));
        drop(lock);
        DirectoryLock::take(&dir).unwrap();
    }

    #[test]
    fn what_others_could_read_is_closed_and_what_is_not_ours_is_left() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("node");
        std::fs::create_dir_all(dir.join(VIEWS)).unwrap();
        let (log, view) = (dir.join(LOG_FILE), dir.join(VIEWS).join("00.view"));
        for path in [&log, &view] {
            std::fs::write(path, b"").unwrap();
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        for path in [&dir, &dir.join(VIEWS)] {
            std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        drop(DirectoryLock::take(&dir).unwrap());
        assert_eq!([&log, &view].map(|path| mode(path)), [0o600; 2]);
        assert_eq!([mode(&dir), mode(&dir.join(VIEWS))], [0o700; 2]);
        std::fs::write(dir.join("letters"), b"").unwrap();
        std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        drop(DirectoryLock::take(&dir).unwrap());
        assert_eq!(mode(&dir), 0o755, "it holds what is not ours");
    }

    #[test]
    fn a_path_that_sqlite_cannot_open_is_refused_before_anything_is_made() {
        let root = tempfile::tempdir().unwrap();
        let longest = |bytes: usize| {
            let mut path = root.path().canonicalize().unwrap();
            while bytes - path.as_os_str().len() > 101 {
                path.push("p".repeat(100));
            }
            let rest = bytes - path.as_os_str().len() - 1;
            path.join("q".repeat(rest))
        };
        let dir = longest(LONGEST_PATH + 1);
        assert!(matches!(DirectoryLock::take(&dir), Err(DirectoryError::PathTooLong { .. })));
        assert!(matches!(
            DirectoryLock::take(&root.path().join("n".repeat(256))),
            Err(DirectoryError::PathTooLong { .. })
        ));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "something was made");
        let dir = longest(LONGEST_PATH);
        drop(DirectoryLock::take(&dir).unwrap());
        std::fs::create_dir(dir.join(VIEWS)).unwrap();
        let view = dir.join(VIEWS).join(format!("{}.view", "0".repeat(32)));
        let open = rusqlite::Connection::open(&view).unwrap();
        open.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").expect("control: the longest path works");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(dir.parent().unwrap(), &link).unwrap();
        let beyond = link.join("r".repeat(250));
        assert!(matches!(DirectoryLock::take(&beyond), Err(DirectoryError::PathTooLong { .. })), "through a link");
    }

    #[test]
    fn the_kind_of_a_mount_is_read_and_network_kinds_are_known() {
        let mounts = "22 1 254:0 / / rw - ext4 /dev/vda rw\n\
            30 22 0:40 / /home rw shared:1 - btrfs /dev/vdb rw\n\
            31 30 0:41 / /home/a\\040b rw - fuse.sshfs host:/ rw\n\
            32 30 0:42 / /home/c rw - fuse.mergerfs a:b rw\n";
        let kind = |path: &str| mounted_as(mounts, Path::new(path)).unwrap();
        assert_eq!(
            ["/var/x", "/home/x", "/home/a b/c", "/home/a", "/home/c/d"].map(kind),
            ["ext4", "btrfs", "fuse.sshfs", "btrfs", "fuse.mergerfs"]
        );
        for network in ["fuse.sshfs", "fuse.rclone", "fuse.mount-s3", "fuse.JuiceFS"] {
            assert!(is_network_fuse(network), "{network}");
        }
        for local in ["fuse.mergerfs", "fuseblk", "fuse.gocryptfs", "virtiofs", "fuse.fuse-overlayfs"] {
            assert!(!is_network_fuse(local), "{local}");
        }
        assert_eq!(network(Path::new("/proc")), None);
    }

    #[test]
    fn what_a_directory_holds_is_known_by_any_of_its_files() {
        for (name, holds) in [
            (KEY_FILE, Holds::Node),
            (NODE_FILE, Holds::Node),
            (LOG_FILE, Holds::Node),
            (REPLICA_KEY_FILE, Holds::Replica),
            (REPLICA_FILE, Holds::Replica),
            ("letters", Holds::Nothing),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), b"").unwrap();
            assert_eq!(Holds::of(dir.path()), holds, "{name}");
        }
    }
}
