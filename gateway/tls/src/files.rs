//! A certificate and its key in files that somebody else keeps, read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::TlsError;
use crate::certificate::{Certificate, look_at_key};

/// Which files, and for which host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesOptions {
    /// PEM: the node's certificate, then those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// PEM: its key.
    pub key: PathBuf,
    /// The node's public host, if it has one: the certificate must be for it.
    pub host: Option<String>,
}

impl FilesOptions {
    /// What is in the files now, if it is good at `now`; and what is to be warned of.
    pub(crate) fn load(&self, now: i64) -> Result<(Certificate, Option<String>), TlsError> {
        let warning = look_at_key(&self.key)?;
        let certificate = Certificate::load(&self.certificate, &self.key)?;
        certificate.check(now, self.host.as_deref(), &self.certificate)?;
        Ok((certificate, warning))
    }

    /// What tells these files from what stands there later.
    pub(crate) fn stamps(&self) -> FileStamps {
        FileStamps([stamp(&self.certificate), stamp(&self.key)])
    }
}

/// Which files were there, and as of when: device, inode, size, and the time of the last change of either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileStamps([Option<[i128; 5]>; 2]);

fn stamp(path: &Path) -> Option<[i128; 5]> {
    let found = std::fs::metadata(path).ok()?;
    let nanos = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Some([
        found.dev().into(),
        found.ino().into(),
        found.size().into(),
        nanos(found.mtime(), found.mtime_nsec()),
        nanos(found.ctime(), found.ctime_nsec()),
    ])
}
