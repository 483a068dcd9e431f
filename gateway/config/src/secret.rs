//! Secrets: their text is wiped when it is dropped, and is never printed.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::ConfigError;

/// No secret is longer, in bytes.
const MAX_SECRET: u64 = 4_096;

/// Where a secret is.
#[derive(Clone)]
pub enum Secret {
    /// Said outright.
    Text(Zeroizing<String>),
    /// In a file.
    File(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Text(_) => f.write_str("(set)"),
            Secret::File(path) => write!(f, "({})", path.display()),
        }
    }
}

impl Secret {
    /// Its text, and what is to be warned of.
    ///
    /// # Errors
    /// As [`read_secret`].
    pub fn read(&self) -> Result<(Zeroizing<String>, Option<String>), ConfigError> {
        match self {
            Secret::Text(text) => Ok((text.clone(), None)),
            Secret::File(path) => read_secret(path),
        }
    }
}

/// The secret in a file, without the end of its line. One that others can read is taken and warned of, since container
/// engines mount secrets so; one that others can write is not a secret.
///
/// # Errors
/// `secret_file_unreadable` if it cannot be read, is not text, is empty or longer than 4,096 bytes;
/// `secret_file_writable` if others can write it.
pub fn read_secret(path: &Path) -> Result<(Zeroizing<String>, Option<String>), ConfigError> {
    let unreadable = |reason: &str| ConfigError::new("secret_file_unreadable", format!("{}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(&error.to_string()))?;
    let found = file.metadata().map_err(|error| unreadable(&error.to_string()))?;
    if found.is_dir() {
        return Err(unreadable("it is a directory"));
    }
    // A pipe or a terminal has no mode that says anything.
    if found.is_file() && found.mode() & 0o022 != 0 {
        let said = format!("others can write {}, so what it holds is no secret", path.display());
        return Err(ConfigError::new("secret_file_writable", said).hint(format!("chmod 600 {}", path.display())));
    }
    let warning = (found.is_file() && found.mode() & 0o044 != 0)
        .then(|| format!("others on this machine can read {} (chmod 600 keeps it)", path.display()));
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error.to_string()))?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(unreadable("it is longer than 4,096 bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not text in UTF-8"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(unreadable("it is empty"));
    }
    Ok((Zeroizing::new(text.to_owned()), warning))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_that_others_write_is_refused_and_one_that_they_read_is_warned_of() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "canary-4711\r\n").unwrap();
        let with = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        with(0o600);
        let (text, warning) = read_secret(&path).unwrap();
        assert_eq!((text.as_str(), warning), ("canary-4711", None));
        for mode in [0o444, 0o640, 0o604] {
            with(mode);
            let (text, warning) = read_secret(&path).unwrap();
            assert_eq!(text.as_str(), "canary-4711");
            assert!(warning.is_some_and(|said| said.contains("key") && !said.contains("canary")), "{mode:o}");
        }
        for mode in [0o620, 0o602, 0o666] {
            with(mode);
            let refused = read_secret(&path).unwrap_err();
            assert_eq!(refused.code, "secret_file_writable", "{mode:o}");
        }
    }

    #[test]
    fn what_cannot_be_a_secret_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let refused = read_secret(&path).unwrap_err();
            assert_eq!(refused.code, "secret_file_unreadable");
            refused.message
        };
        assert!(refused(b"").contains("empty"));
        assert!(refused(b"\n").contains("empty"));
        assert!(refused(&[0xff, 0xfe]).contains("UTF-8"));
        assert!(refused(&vec![b'a'; 5_000]).contains("4,096"));
        assert!(read_secret(dir.path()).unwrap_err().message.contains("directory"));
        assert!(read_secret(&dir.path().join("none")).unwrap_err().message.contains("none"));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::Text(Zeroizing::new("canary".into()))), "(set)");
    }
}
