//! How much a place takes. It is counted before a byte is read, and whole blocks are, so that many small objects are
//! bounded too.

use std::path::Path;

/// Objects that a place holds at most, however small they are: a list reads the names of a directory.
pub(crate) const MAX_OBJECTS: u64 = 1 << 19;
/// What an object is counted by.
const BLOCK: u64 = 4 << 10;

/// What an object of so many bytes takes.
pub(crate) fn cost(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(BLOCK)
}

/// What lies in a place, and what is on its way into it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
    pub(crate) coming: Reserved,
}

/// Room that is kept for what comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) bytes: u64,
    pub(crate) objects: u64,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    Bytes,
    Objects,
}

impl Taken {
    /// Counts what lies below a directory.
    pub(crate) fn count(dir: &Path) -> std::io::Result<Taken> {
        let mut taken = Taken::default();
        let mut left = vec![dir.to_owned()];
        while let Some(dir) = left.pop() {
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let found = entry.metadata()?;
                if found.is_dir() {
                    left.push(entry.path());
                } else {
                    taken.bytes += cost(found.len());
                    taken.objects += 1;
                }
            }
        }
        Ok(taken)
    }

    /// How much more an object takes in the place of one of `replaces` bytes, unless that is more than there is.
    pub(crate) fn room(&self, bytes: u64, replaces: Option<u64>, quota: u64) -> Result<Reserved, NoRoom> {
        let more = Reserved {
            bytes: cost(bytes).saturating_sub(replaces.map_or(0, cost)),
            objects: u64::from(replaces.is_none()),
        };
        if self.bytes.saturating_add(self.coming.bytes).saturating_add(more.bytes) > quota {
            return Err(NoRoom::Bytes);
        }
        if more.objects > 0 && self.objects + self.coming.objects >= MAX_OBJECTS {
            return Err(NoRoom::Objects);
        }
        Ok(more)
    }

    /// Keeps that room.
    pub(crate) fn reserve(&mut self, bytes: u64, replaces: Option<u64>, quota: u64) -> Result<Reserved, NoRoom> {
        let more = self.room(bytes, replaces, quota)?;
        self.coming.bytes += more.bytes;
        self.coming.objects += more.objects;
        Ok(more)
    }

    pub(crate) fn give_back(&mut self, reserved: Reserved) {
        self.coming.bytes = self.coming.bytes.saturating_sub(reserved.bytes);
        self.coming.objects = self.coming.objects.saturating_sub(reserved.objects);
    }

    pub(crate) fn put(&mut self, bytes: u64, replaced: Option<u64>) {
        self.bytes += cost(bytes);
        self.objects += 1;
        if let Some(replaced) = replaced {
            self.removed(replaced);
        }
    }

    pub(crate) fn removed(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(cost(bytes));
        self.objects = self.objects.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_too_with_those_that_come() {
        let mut taken = Taken { objects: MAX_OBJECTS - 2, ..Taken::default() };
        let first = taken.reserve(1, None, 1 << 40).unwrap();
        taken.reserve(1, None, 1 << 40).unwrap();
        assert_eq!(taken.reserve(1, None, 1 << 40), Err(NoRoom::Objects));
        assert!(taken.reserve(1, Some(1), 1 << 40).is_ok(), "in the place of another");
        taken.give_back(first);
        assert!(taken.reserve(1, None, 1 << 40).is_ok(), "control");
    }
}
