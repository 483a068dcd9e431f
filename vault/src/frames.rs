//! What SQLite keeps beside a database while it is open (`-wal`), looked at before SQLite takes it up.
//!
//! SQLite reads frames up to the first whose checksum is wrong, and forgets what lies behind it: that is how a write that was
//! torn by a power cut disappears. A bit that flipped looks the same to it, and takes along everything that was
//! acknowledged later. The two can be told apart: with `synchronous = FULL` a transaction begins to be written when the
//! one before it is on disk. Where a damaged frame has a whole transaction behind it and the beginning of another, that
//! frame had been on disk.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// What a file of frames begins with, by the byte order of its checksums.
const LITTLE: u32 = 0x377f_0682;
const BIG: u32 = 0x377f_0683;
const HEADER: usize = 32;
const FRAME: usize = 24;
const PAGES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// The sums so far.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums(u32, u32);

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Sums {
    fn written(bytes: &[u8], at: usize) -> Sums {
        Sums(word(bytes, at), word(bytes, at + 4))
    }

    fn over(self, bytes: &[u8], big: bool) -> Sums {
        let number = |bytes: &[u8]| {
            let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
            if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        bytes.chunks_exact(8).fold(self, |Sums(a, b), pair| {
            let a = a.wrapping_add(number(pair)).wrapping_add(b);
            Sums(a, b.wrapping_add(number(&pair[4..])).wrapping_add(a))
        })
    }
}

/// Fills the buffer, if so much is left.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a file of frames is damaged so that SQLite would forget what had been on disk; `None`: it is not, or is not there.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn damaged_at(path: &Path) -> std::io::Result<Option<u64>> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::with_capacity(1 << 17, file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER];
    if !fill(&mut file, &mut header)? || header == [0; HEADER] {
        return Ok(None);
    }
    let (magic, page) = (word(&header, 0), word(&header, 8) as usize);
    let big = magic == BIG;
    let mut sums = Sums(0, 0).over(&header[..24], big);
    let known = (magic == LITTLE || big) && PAGES.contains(&page) && page.is_power_of_two();
    if !known || sums != Sums::written(&header, 24) {
        // It lies in one sector, which is never torn, and is on disk before the first frame.
        return Ok(fill(&mut file, &mut [0; FRAME])?.then_some(0));
    }
    let mut frame = vec![0; FRAME + page];
    let (mut at, mut damaged, mut whole_behind) = (HEADER as u64, None, false);
    while fill(&mut file, &mut frame)? {
        let of_this_round = frame[8..16] == header[16..24];
        let ends = word(&frame, 4) != 0;
        match damaged {
            None => {
                sums = sums.over(&frame[..8], big).over(&frame[FRAME..], big);
                if !of_this_round || sums != Sums::written(&frame, 16) {
                    damaged = Some(at);
                    whole_behind = of_this_round && ends;
                }
            }
            Some(_) if of_this_round && whole_behind => return Ok(damaged),
            Some(_) => whole_behind |= of_this_round && ends,
        }
        at += frame.len() as u64;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The frames of six transactions of two pages or more, as a killed process leaves them; where each ends.
    fn killed(root: &Path) -> (PathBuf, Vec<u8>, Vec<usize>) {
        let path = root.join("a.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t(x); CREATE INDEX i ON t(x)",
        )
        .unwrap();
        let frames = root.join("a.db-wal");
        let mut ends = vec![std::fs::metadata(&frames).unwrap().len() as usize];
        for n in 0..5 {
            db.execute("INSERT INTO t VALUES (?1)", [format!("{n}").repeat(3_000)]).unwrap();
            ends.push(std::fs::metadata(&frames).unwrap().len() as usize);
        }
        let bytes = std::fs::read(&frames).unwrap();
        let copy = root.join("copy-wal");
        std::fs::write(&copy, &bytes).unwrap();
        (copy, bytes, ends)
    }

    #[test]
    fn a_bit_that_flipped_in_what_was_on_disk_is_found_and_a_torn_end_is_none() {
        let root = tempfile::tempdir().unwrap();
        let (path, bytes, ends) = killed(root.path());
        assert_eq!(damaged_at(&path).unwrap(), None, "control");
        let last = ends[ends.len() - 2];
        let mut found = 0;
        for at in (0..bytes.len()).step_by(37) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            std::fs::write(&path, &flipped).unwrap();
            let damaged = damaged_at(&path).unwrap();
            if at < last {
                assert!(damaged.is_some(), "byte {at}");
                found += 1;
            } else {
                // It may as well have been torn.
                assert_eq!(damaged, None, "byte {at}");
            }
        }
        assert!(found > 100);
        for cut in (0..bytes.len()).step_by(997) {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(damaged_at(&path).unwrap(), None, "cut at {cut}");
        }
        // Of the last transaction any page may lack, and the begin of the file may not have come either.
        let mut torn = bytes.clone();
        torn[last..last + 2_000].fill(0);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(damaged_at(&path).unwrap(), None);
        torn[..HEADER].fill(0);
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(damaged_at(&path).unwrap(), None);
        assert_eq!(damaged_at(&root.path().join("none")).unwrap(), None);
    }

    #[test]
    fn frames_of_the_round_before_are_no_damage() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").unwrap();
        for _ in 0..9 {
            db.execute("INSERT INTO t VALUES (?1)", ["y".repeat(3_000)]).unwrap();
        }
        // Moved into the file; what comes next is written over the begin.
        db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        db.execute("INSERT INTO t VALUES ('z')", []).unwrap();
        assert_eq!(damaged_at(&root.path().join("a.db-wal")).unwrap(), None);
    }
}
