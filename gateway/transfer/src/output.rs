//! A file that is there whole or not at all: it is written beside its name, and gets its name at the end.

use std::cell::Cell;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::TransferError;

/// Characters of the name that the unfinished one begins with: names have a longest length.
const BEGINS: usize = 40;

/// Where a file, or a directory of files, is written before it has its name: under a name that nobody else has. Dropped
/// unfinished, what was made is removed, and nothing else ever is.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    part: PathBuf,
    force: bool,
    made: Cell<Option<Made>>,
}

/// What was made, and has no name yet.
#[derive(Debug, Clone, Copy)]
enum Made {
    File,
    Directory,
}

fn taken(path: &Path) -> TransferError {
    let text = format!("{} is there already, and is left as it is", path.display());
    TransferError::new("file_exists", text)
}

impl Part {
    /// For a file of this name, which must not be there unless `force` says that it may be replaced.
    ///
    /// # Errors
    /// If it is there, or a directory is where the file would be.
    pub fn of(path: &Path, force: bool) -> Result<Part, TransferError> {
        let name = path
            .file_name()
            .ok_or_else(|| TransferError::new("not_a_file", format!("{} names no file", path.display())))?;
        match std::fs::symlink_metadata(path) {
            Ok(_) if !force => return Err(taken(path)),
            // What may be replaced is a file: a directory may hold anything, and a device or a link is somebody else's.
            Ok(found) if !found.is_file() => {
                let text = format!("{} is there, and is not a file", path.display());
                return Err(TransferError::new("not_a_file", text));
            }
            _ => {}
        }
        let begins: String = name.to_string_lossy().chars().take(BEGINS).collect();
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|_| TransferError::new("file_failed", "the system gives no randomness for a name"))?;
        let part = format!(".{begins}.{}.part", data_encoding::HEXLOWER.encode(&random));
        Ok(Part { path: path.to_owned(), part: path.with_file_name(part), force, made: Cell::new(None) })
    }

    /// Where to write.
    pub fn place(&self) -> &Path {
        &self.part
    }

    fn failed(&self, error: &std::io::Error) -> TransferError {
        TransferError::io(&self.part, error)
    }

    /// An empty file to write into, which its owner alone reads.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn file(&self) -> Result<File, TransferError> {
        let file = new_file(&self.part)?;
        self.made.set(Some(Made::File));
        Ok(file)
    }

    /// An empty directory to write into, which its owner alone reads.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn directory(&self) -> Result<(), TransferError> {
        DirBuilder::new().mode(0o700).create(&self.part).map_err(|error| self.failed(&error))?;
        self.made.set(Some(Made::Directory));
        Ok(())
    }

    /// Gives it its name, once what it holds is on disk.
    ///
    /// # Errors
    /// If somebody else made a file of that name meanwhile, or the system refuses.
    pub fn finish(self) -> Result<(), TransferError> {
        File::open(&self.part).and_then(|file| file.sync_all()).map_err(|error| self.failed(&error))?;
        self.name().map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists if !self.force => taken(&self.path),
            _ => TransferError::io(&self.path, &error),
        })?;
        self.made.set(None);
        let above = self.path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Of a file system that cannot do this the name comes to disk in its own time.
        let _ = File::open(above).and_then(|above| above.sync_all());
        Ok(())
    }
}

impl Part {
    /// What is there meanwhile is replaced only if it may be, however late it was made.
    fn name(&self) -> std::io::Result<()> {
        if self.force {
            return std::fs::rename(&self.part, &self.path);
        }
        match renameat_with(CWD, &self.part, CWD, &self.path, RenameFlags::NOREPLACE) {
            // A file system that cannot do this.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.name_in_two_steps(),
            other => other.map_err(Into::into),
        }
    }

    /// Takes the name by something empty of one's own, which is replaced then.
    fn name_in_two_steps(&self) -> std::io::Result<()> {
        match self.made.get() {
            Some(Made::Directory) => DirBuilder::new().mode(0o700).create(&self.path)?,
            _ => drop(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?),
        }
        std::fs::rename(&self.part, &self.path)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = match self.made.get() {
            Some(Made::File) => std::fs::remove_file(&self.part),
            Some(Made::Directory) => std::fs::remove_dir_all(&self.part),
            None => Ok(()),
        };
    }
}

/// A new file (0600).
pub(crate) fn new_file(path: &Path) -> Result<File, TransferError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| TransferError::io(path, &error))
}

/// Where text goes: into a file, or to whoever reads what the command says.
pub struct Output {
    writer: BufWriter<Box<dyn Write>>,
    part: Option<Part>,
    /// A file that has its name already.
    file: Option<File>,
}

impl Output {
    /// Into a file.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn to(part: Part) -> Result<Output, TransferError> {
        Ok(Output { writer: BufWriter::with_capacity(1 << 18, Box::new(part.file()?)), part: Some(part), file: None })
    }

    /// To a writer.
    pub fn into(writer: Box<dyn Write>) -> Output {
        Output { writer: BufWriter::with_capacity(1 << 18, writer), part: None, file: None }
    }

    /// Into a file of a directory that has no name yet.
    pub(crate) fn of(file: File) -> Result<Output, TransferError> {
        let unheld = |error: std::io::Error| TransferError::new("file_failed", format!("writing failed: {error}"));
        let same = file.try_clone().map_err(unheld)?;
        Ok(Output { file: Some(same), ..Output::into(Box::new(file)) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.writer.write_all(bytes).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> TransferError {
        match &self.part {
            Some(part) => part.failed(error),
            None => TransferError::new("file_failed", format!("writing failed: {error}")),
        }
    }

    pub(crate) fn finish(mut self) -> Result<(), TransferError> {
        self.writer.flush().map_err(|error| self.failed(&error))?;
        if let Some(file) = &self.file {
            file.sync_all().map_err(|error| self.failed(&error))?;
        }
        drop(self.writer);
        self.part.map_or(Ok(()), Part::finish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path, force: bool, text: &str) -> Part {
        let part = Part::of(path, force).unwrap();
        part.file().unwrap().write_all(text.as_bytes()).unwrap();
        part
    }

    fn names(dir: &Path) -> Vec<String> {
        let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut all: Vec<String> = all.collect();
        all.sort();
        all
    }

    #[test]
    fn what_others_have_beside_the_name_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, theirs) = (dir.path().join("X"), dir.path().join("X.part"));
        std::fs::create_dir(&theirs).unwrap();
        std::fs::write(theirs.join("kept"), "kept").unwrap();
        drop(written(&path, false, "broken off"));
        assert_eq!(names(dir.path()), ["X.part"], "what was begun is gone, and nothing else");
        let (one, other) = (written(&path, true, "one"), written(&path, true, "other"));
        one.finish().unwrap();
        other.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "other", "two at once do not hinder each other");
        let directory = Part::of(&dir.path().join("D"), false).unwrap();
        directory.directory().unwrap();
        std::fs::write(directory.place().join("file"), "").unwrap();
        drop(directory);
        drop(Part::of(&dir.path().join("never begun"), false).unwrap());
        assert_eq!((names(dir.path()), names(&theirs)), (vec!["X".into(), "X.part".into()], vec!["kept".into()]));
        let long = "n".repeat(250);
        written(&dir.path().join(&long), false, "").finish().expect("a long name is one");
    }

    #[test]
    fn what_was_made_of_that_name_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for (n, in_two_steps) in [false, true].into_iter().enumerate() {
            let name = |part: &Part| if in_two_steps { part.name_in_two_steps() } else { part.name() };
            let path = dir.path().join(format!("X{n}"));
            let part = written(&path, false, "ours");
            std::fs::write(&path, "made meanwhile").unwrap();
            assert_eq!(name(&part).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
            assert_eq!(part.finish().unwrap_err().code, "file_exists");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "made meanwhile");
            std::fs::remove_file(&path).unwrap();
            name(&written(&path, false, "ours")).expect("control");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "ours");
            let path = dir.path().join(format!("D{n}"));
            let part = Part::of(&path, false).unwrap();
            part.directory().unwrap();
            std::fs::write(part.place().join("file"), "").unwrap();
            std::fs::create_dir(&path).unwrap();
            assert_eq!(name(&part).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
            std::fs::remove_dir(&path).unwrap();
            name(&part).expect("control");
            assert_eq!(names(&path), ["file"]);
        }
        let path = dir.path().join("forced");
        let part = written(&path, true, "ours");
        std::fs::write(&path, "made meanwhile").unwrap();
        part.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "ours");
    }
}
