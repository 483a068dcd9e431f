//! What a place for backups asks of whatever keeps its files: a directory, a bucket.

use crate::error::PlaceError;

/// A file that was found, by its name in the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// `data/ab/abcd…`, with `/` whatever the store has between names.
    pub path: String,
    /// Its length; `None` if it is no plain file.
    pub bytes: Option<u64>,
}

/// Keeps files of a place, each whole or not at all. Calls block.
///
/// Paths are plain names with `/` between them. What is written has a name that comes of its content, so that writing it
/// twice changes nothing; the exceptions are the header ([`Store::create`]) and the notes of tests.
pub trait Store: std::fmt::Debug + Send + Sync {
    /// What people call it: a path, or an address. It holds no secret.
    fn name(&self) -> String;

    /// The name of a file, as people find it there.
    fn name_of(&self, path: &str) -> String {
        format!("{}/{path}", self.name())
    }

    /// Makes it ready for its first file, unless something else lies there than `known`: names, without `/`.
    ///
    /// # Errors
    /// [`PlaceError::Foreign`], or if it cannot be reached.
    fn prepare(&self, known: &[&str]) -> Result<(), PlaceError>;

    /// Writes a file where none is of this name; whether it was this call that wrote it. It is there for good when this
    /// returns. Of several that do so at once one alone is told yes.
    ///
    /// # Errors
    /// If it cannot be written.
    fn create(&self, path: &str, bytes: &[u8]) -> Result<bool, PlaceError>;

    /// Writes a file, in place of one that has its name. It is there for good when [`Store::settle`] has returned; an
    /// error may be told by that, too. With `held` it is written by whoever holds the place then, and by nobody else, where
    /// the store can tell; without, it is a file that says nothing of which backups there are.
    ///
    /// # Errors
    /// If it, or one before it, could not be written.
    fn write(&self, path: &str, bytes: Vec<u8>, held: Option<&dyn Hold>) -> Result<(), PlaceError>;

    /// Waits until everything that was written is there for good.
    ///
    /// # Errors
    /// If something could not be written since the last time.
    fn settle(&self) -> Result<(), PlaceError>;

    /// Reads a file of at most so many bytes.
    ///
    /// # Errors
    /// [`PlaceError::Lost`] if there is none, [`PlaceError::Damaged`] if it is longer or no plain file.
    fn read(&self, path: &str, most: u64) -> Result<Vec<u8>, PlaceError>;

    /// The files of a directory of the place, and of those in it.
    ///
    /// # Errors
    /// If it cannot be read.
    fn list(&self, dir: &str) -> Result<Vec<Found>, PlaceError>;

    /// Removes files; for good when it returns. One that is not there is removed already. As of [`Store::write`], `held`
    /// says by whom.
    ///
    /// # Errors
    /// If one cannot be removed: others may be gone. [`PlaceError::InUse`] if somebody else holds the place by now.
    fn remove(&self, paths: &[String], held: &dyn Hold) -> Result<(), PlaceError>;

    /// Takes the right to add to the place and to take from it.
    ///
    /// # Errors
    /// [`PlaceError::InUse`] if somebody else has it.
    fn lock(&self) -> Result<Box<dyn Hold>, PlaceError>;
}

/// The right to add to a place and to take from it, for as long as it is there.
pub trait Hold: std::fmt::Debug + Send + Sync {
    /// Looks whether it holds still: before a manifest is written, and before anything is removed.
    ///
    /// # Errors
    /// If somebody else has taken it, or nobody can tell.
    fn check(&self) -> Result<(), PlaceError>;

    /// The word by which whatever keeps the files knows this holder, where it asks for one with each change: who lost the
    /// place after [`Hold::check`] changes nothing.
    fn word(&self) -> Option<&str> {
        None
    }

    /// Lets go, and waits until that is known; what is dropped lets go in its own time.
    fn release(self: Box<Self>) {}

    /// What the store cannot promise, in a sentence for the operator.
    fn caution(&self) -> Option<String> {
        None
    }
}
