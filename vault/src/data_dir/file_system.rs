//! What a data directory needs of the place where it lies: a path that SQLite can open, and a file system whose locks
//! keep two machines apart.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::{DirectoryError, io};

/// The longest path of a data directory, in bytes: SQLite takes paths of up to 512 with what it appends to them (8),
/// and the longest name in here is that of a view (`/views/`, 32 digits, `.view`).
pub const MAX_PATH_BYTES: usize = 512 - 8 - 44;

/// Whether SQLite can open what lies in the directory.
pub(super) fn fits(dir: &Path) -> Result<(), DirectoryError> {
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
    if bytes.len() > MAX_PATH_BYTES || long_name {
        return Err(DirectoryError::PathTooLong { bytes: bytes.len(), most: MAX_PATH_BYTES });
    }
    Ok(())
}

/// The name of the network file system that a directory lies on, if it is one on which the locks and the shared
/// memory of SQLite do not hold between machines.
pub(super) fn network(dir: &Path) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
