//! What the files of a place are called. Nothing else that comes from outside becomes a path.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use vault_backup::ObjectKind;

/// The longest object that is taken, in bytes.
pub const MAX_OBJECT_BYTES: u64 = ObjectKind::Manifest.most_sealed();

/// Directories with files in them, and the one with directories of two digits between.
const FLAT: [&str; 2] = ["backups", "tested"];
const DEEP: &str = "data";
const HEADER: &str = "allod-backup";

/// The name of an object: `allod-backup`, `data/xx/NAME`, `backups/NAME`, `tested/NAME`. That names are few keeps a
/// sender from making directories without end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName(String);

impl ObjectName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it lies, below the directory of the objects.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.split('/').collect()
    }

    /// It says which backups there are, and what was found of them. What is in `data` is called by its content, and means
    /// nothing without such an object.
    pub(crate) fn is_of_backups(&self) -> bool {
        FLAT.iter().any(|dir| self.0.starts_with(dir))
    }

    /// The directories that can be listed.
    pub(crate) fn is_dir(text: &str) -> bool {
        text == DEEP || FLAT.contains(&text)
    }

    pub(crate) fn is_deep(text: &str) -> bool {
        text == DEEP
    }

    pub(crate) fn is_part(text: &str) -> bool {
        text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }
}

/// No object is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an object is called allod-backup, data/xx/NAME, backups/NAME or tested/NAME")]
pub struct NameError;

impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |name: &str| {
            let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            (1..=100).contains(&name.len()) && letters && !name.starts_with('.')
        };
        let parts: Vec<&str> = text.split('/').take(4).collect();
        let fits = match parts[..] {
            [name] => name == HEADER,
            [dir, name] => FLAT.contains(&dir) && plain(name),
            [dir, part, name] => dir == DEEP && Self::is_part(part) && plain(name),
            _ => false,
        };
        if fits { Ok(ObjectName(text.to_owned())) } else { Err(NameError) }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_places_are_names_and_no_other_path_is() {
        let long = format!("data/00/{}", "a".repeat(64));
        for text in ["allod-backup", "backups/letter.txt", "tested/ab", "data/ff/x", &long] {
            assert_eq!(text.parse::<ObjectName>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "/",
            "lock",
            "place.json",
            "backups",
            "backups/",
            "/backups/x",
            "backups/../x",
            "backups/.x",
            "backups/a/b",
            "data/x",
            "data/../x",
            "data/0/x",
            "data/zz/x",
            "data/00/..",
            "data/00/a/b",
            "data/00/a b",
            "data\\00\\a",
            "backups/a\0b",
            "photos/x",
            &format!("backups/{}", "a".repeat(101)),
        ] {
            assert!(text.parse::<ObjectName>().is_err(), "{text}");
        }
    }
}
