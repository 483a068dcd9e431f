//! What a disk may hold after its power was cut, by what was done to its files until then.
//!
//! - What was written to a file and then synced is there. Of what was not, each page or each sector is as it was before or
//!   as any of the later writes left it, and the length is any that it had since: in whatever order a disk writes.
//! - Names: a file system with a journal (ext4, XFS, btrfs as they are mounted by default) keeps changes of names in
//!   their order, and whatever is synced takes all changes before it along ([`Names::Ordered`]). POSIX promises less:
//!   a name is there once its directory was synced ([`Names::ByDirectory`]).
//! - The shared memory beside a database (`-shm`) is gone: SQLite makes it anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::dice::Dice;

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Nothing,
    Everything,
    /// Each so many bytes by themselves.
    Torn(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Ordered,
    ByDirectory,
}

#[derive(Debug)]
enum Event {
    Write { inode: u64, offset: u64, bytes: std::ops::Range<usize> },
    Truncate { inode: u64, size: u64 },
    Sync { inode: u64, covered: u64 },
    SyncDir { path: PathBuf, covered: u64 },
    Create { path: PathBuf, inode: u64 },
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    MakeDir(PathBuf),
    RemoveDir(PathBuf),
}

/// What the layer wrote down, in order.
pub struct Journal {
    bytes: Vec<u8>,
    events: Vec<(u64, Event)>,
}

/// The files of a directory, by path, with their inodes; and its directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub files: BTreeMap<PathBuf, (u64, Vec<u8>)>,
    pub dirs: BTreeSet<PathBuf>,
}

impl Journal {
    pub fn read(file: &Path) -> Result<Journal> {
        let bytes = std::fs::read(file).context("reading the journal")?;
        let mut events = Vec::new();
        let mut at = 0;
        // What a kill cut short was not done for anybody who could have seen it.
        while let Some(record) = record(&bytes, at)? {
            at = record.0 as usize;
            events.push(record);
        }
        Ok(Journal { bytes, events })
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// How many events end by `at`.
    pub fn until(&self, at: u64) -> usize {
        self.events.partition_point(|(end, _)| *end <= at)
    }

    /// Where so many events end.
    pub fn end(&self, events: usize) -> u64 {
        events.checked_sub(1).map_or(0, |last| self.events[last].0)
    }
}

fn record(all: &[u8], at: usize) -> Result<Option<(u64, Event)>> {
    let word = |from: usize| all.get(from..from + 4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
    let long = |from: usize| all.get(from..from + 8).map(|b| u64::from_le_bytes(b.try_into().expect("eight bytes")));
    let (Some(length), Some(kind), Some(a), Some(b), Some(named)) =
        (word(at), word(at + 4), long(at + 8), long(at + 16), word(at + 24))
    else {
        return Ok(None);
    };
    let (end, data) = (at + length as usize, at + 28 + named as usize);
    if end > all.len() {
        return Ok(None);
    }
    ensure!(data <= end, "a record of the journal is unreadable");
    let text = |range: std::ops::Range<usize>| Ok::<_, anyhow::Error>(PathBuf::from(std::str::from_utf8(&all[range])?));
    let path = text(at + 28..data)?;
    let event = match kind {
        1 => Event::Write { inode: a, offset: b, bytes: data..end },
        2 => Event::Truncate { inode: a, size: b },
        3 => Event::Sync { inode: a, covered: b },
        4 => Event::SyncDir { path, covered: b },
        5 => Event::Create { path, inode: a },
        6 => Event::Remove(path),
        7 => Event::Rename(path, text(data..end)?),
        8 => Event::MakeDir(path),
        9 => Event::RemoveDir(path),
        other => bail!("a record of an unknown kind: {other}"),
    };
    Ok(Some((end as u64, event)))
}

impl Tree {
    pub fn of(dir: &Path) -> Result<Tree> {
        let mut tree = Tree::default();
        tree.add(dir)?;
        Ok(tree)
    }

    fn add(&mut self, dir: &Path) -> Result<()> {
        self.dirs.insert(dir.to_owned());
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let (path, found) = (entry.path(), entry.metadata()?);
            if found.is_dir() {
                self.add(&path)?;
            } else if found.is_file() && !is_shared_memory(&path) {
                self.files.insert(path.clone(), (found.ino(), std::fs::read(&path)?));
            }
        }
        Ok(())
    }

    /// Makes `dir` what this is. Files that were there once are the same inodes again, from `pool`.
    pub fn place(&self, dir: &Path, pool: &Path) -> Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
        }
        for made in self.dirs.iter().filter(|made| *made != dir) {
            std::fs::create_dir_all(made)?;
            std::fs::set_permissions(made, std::fs::Permissions::from_mode(0o700))?;
        }
        for (path, (inode, bytes)) in &self.files {
            let _ = std::fs::hard_link(pool.join(inode.to_string()), path);
            std::fs::write(path, bytes)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Keeps the inodes of the files for [`Tree::place`].
    pub fn pool(&self, pool: &Path) -> Result<()> {
        std::fs::create_dir_all(pool)?;
        for (path, (inode, _)) in &self.files {
            let _ = std::fs::hard_link(path, pool.join(inode.to_string()));
        }
        Ok(())
    }

    /// Paths and contents, without the inodes.
    pub fn contents(&self) -> BTreeMap<&Path, &[u8]> {
        self.files.iter().map(|(path, (_, bytes))| (path.as_path(), bytes.as_slice())).collect()
    }
}

fn is_shared_memory(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}

enum Change {
    Write { offset: usize, bytes: std::ops::Range<usize> },
    Truncate(usize),
}

/// A file, whatever its name.
struct File {
    inode: u64,
    durable: Vec<u8>,
    pending: Vec<(u64, Change)>,
}

impl File {
    fn sync(&mut self, covered: u64, journal: &[u8]) {
        let upto = self.pending.partition_point(|(end, _)| *end <= covered);
        for (_, change) in self.pending.drain(..upto) {
            apply(&mut self.durable, &change, journal, |_| true, 1 << 30);
        }
    }

    /// What is there after the cut.
    fn after(&self, fate: Fate, journal: &[u8], dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let Fate::Torn(unit) = fate else {
            if fate == Fate::Everything {
                self.pending.iter().for_each(|(_, change)| apply(&mut bytes, change, journal, |_| true, 1 << 30));
            }
            return bytes;
        };
        // Of each unit the version behind one of its writes, and the length behind one of them. A file is cut short with all
        // of its blocks or not at all; if not, what came later went into blocks that nobody finds.
        let all = self.pending.len();
        let mut versions: HashMap<usize, usize> = HashMap::new();
        let kept = dice.below(all + 1);
        let (mut size, mut length) = (bytes.len(), bytes.len());
        for (n, (_, change)) in self.pending.iter().enumerate() {
            match change {
                Change::Truncate(_) if n >= kept => break,
                Change::Truncate(to) => {
                    bytes.resize(*to, 0);
                    size = *to;
                }
                Change::Write { offset, bytes: written } => {
                    let takes = |at| *versions.entry(at).or_insert_with(|| dice.below(all + 1)) > n;
                    apply(&mut bytes, change, journal, takes, unit);
                    size = size.max(offset + written.len());
                }
            }
            if n < kept {
                length = size;
            }
        }
        bytes.resize(length, 0);
        bytes
    }
}

/// Does a change to those units of a file that `takes`. The file grows, and never shrinks where parts are left out.
fn apply(file: &mut Vec<u8>, change: &Change, journal: &[u8], mut takes: impl FnMut(usize) -> bool, unit: usize) {
    match change {
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            let mut from = *offset;
            while from < end {
                let to = end.min((from / unit + 1) * unit);
                if takes(from / unit) {
                    file[from..to].copy_from_slice(&journal[bytes.start + from - offset..bytes.start + to - offset]);
                }
                from = to;
            }
        }
        Change::Truncate(size) => file.resize(*size, 0),
    }
}

/// A state of the disk after the power was cut behind `until` events, which began at `base`.
pub fn cut(base: &Tree, journal: &Journal, until: usize, names: Names, fate: Fate, dice: &mut Dice) -> Result<Tree> {
    let mut files: Vec<File> = Vec::new();
    let mut by_inode: HashMap<u64, usize> = HashMap::new();
    let mut named: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (path, (inode, bytes)) in &base.files {
        by_inode.insert(*inode, files.len());
        named.insert(path.clone(), files.len());
        files.push(File { inode: *inode, durable: bytes.clone(), pending: Vec::new() });
    }
    // Changes of names: where in the journal, which directory, and whether they are on disk.
    let mut changes: Vec<(u64, &Event, Option<usize>, bool)> = Vec::new();
    for (end, event) in &journal.events[..until] {
        match event {
            Event::Write { inode, offset, bytes } => {
                if let Some(file) = by_inode.get(inode) {
                    let change = Change::Write { offset: *offset as usize, bytes: bytes.clone() };
                    files[*file].pending.push((*end, change));
                }
            }
            Event::Truncate { inode, size } => {
                if let Some(file) = by_inode.get(inode) {
                    files[*file].pending.push((*end, Change::Truncate(*size as usize)));
                }
            }
            Event::Sync { inode, covered } => {
                if let Some(file) = by_inode.get(inode) {
                    files[*file].sync(*covered, &journal.bytes);
                }
                if names == Names::Ordered {
                    changes.iter_mut().filter(|change| change.0 <= *covered).for_each(|change| change.3 = true);
                }
            }
            Event::SyncDir { path, covered } => {
                let within = |event: &Event| names == Names::Ordered || parent(event) == Some(path.as_path());
                let held = changes.iter_mut().filter(|change| change.0 <= *covered && within(change.1));
                held.for_each(|change| change.3 = true);
            }
            Event::Create { inode, .. } => {
                by_inode.insert(*inode, files.len());
                changes.push((*end, event, Some(files.len()), false));
                files.push(File { inode: *inode, durable: Vec::new(), pending: Vec::new() });
            }
            Event::Remove(_) | Event::Rename(..) | Event::MakeDir(_) | Event::RemoveDir(_) => {
                changes.push((*end, event, None, false));
            }
        }
    }
    // In each directory (or all of them together) those that are on disk, and some more in their order.
    let mut more: HashMap<Option<&Path>, usize> = HashMap::new();
    let mut dirs = base.dirs.clone();
    let mut waiting: HashMap<Option<&Path>, usize> = HashMap::new();
    for (_, event, _, durable) in &changes {
        if !durable {
            *waiting.entry(place(names, event)).or_default() += 1;
        }
    }
    for (_, event, file, durable) in &changes {
        if !durable {
            let place = place(names, event);
            let left = more.entry(place).or_insert_with(|| match fate {
                Fate::Nothing => 0,
                Fate::Everything => usize::MAX,
                Fate::Torn(_) => dice.below(waiting.get(&place).copied().unwrap_or_default() + 1),
            });
            if *left == 0 {
                continue;
            }
            *left -= 1;
        }
        match event {
            Event::Create { path, .. } => drop(named.insert(path.clone(), file.context("a file")?)),
            Event::Remove(path) => drop(named.remove(path)),
            Event::Rename(from, to) => {
                if let Some(file) = named.remove(from) {
                    named.insert(to.clone(), file);
                }
            }
            Event::MakeDir(path) => drop(dirs.insert(path.clone())),
            Event::RemoveDir(path) => drop(dirs.remove(path)),
            _ => {}
        }
    }
    let mut tree = Tree { dirs, ..Tree::default() };
    for (path, file) in named {
        let lies = path.parent().is_some_and(|dir| tree.dirs.contains(dir));
        if lies && !is_shared_memory(&path) {
            let file = &files[file];
            tree.files.insert(path, (file.inode, file.after(fate, &journal.bytes, dice)));
        }
    }
    Ok(tree)
}

/// What keeps its changes of names in order: a directory, or all of them together.
fn place(names: Names, event: &Event) -> Option<&Path> {
    if names == Names::Ordered { None } else { parent(event) }
}

/// The directory in which a change of names happens.
fn parent(event: &Event) -> Option<&Path> {
    match event {
        Event::Create { path, .. }
        | Event::Remove(path)
        | Event::Rename(_, path)
        | Event::MakeDir(path)
        | Event::RemoveDir(path) => path.parent(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal as the layer writes it.
    #[derive(Default)]
    struct Script(Vec<u8>);

    impl Script {
        fn add(&mut self, kind: u32, a: u64, b: u64, path: &str, data: &[u8]) -> &mut Self {
            let length = (28 + path.len() + data.len()) as u32;
            self.0.extend(length.to_le_bytes());
            self.0.extend(kind.to_le_bytes());
            self.0.extend(a.to_le_bytes());
            self.0.extend(b.to_le_bytes());
            self.0.extend((path.len() as u32).to_le_bytes());
            self.0.extend(path.as_bytes());
            self.0.extend(data);
            self
        }

        /// A sync of all that was done before.
        fn sync(&mut self, inode: u64) -> &mut Self {
            let now = self.0.len() as u64;
            self.add(3, inode, now, "", b"")
        }

        fn journal(&self) -> Journal {
            let root = tempfile::tempdir().unwrap();
            std::fs::write(root.path().join("journal"), &self.0).unwrap();
            Journal::read(&root.path().join("journal")).unwrap()
        }
    }

    fn base() -> Tree {
        Tree { dirs: BTreeSet::from(["/d".into()]), files: BTreeMap::from([("/d/a".into(), (1, vec![0; 2048]))]) }
    }

    fn held(tree: &Tree, path: &str) -> Option<Vec<u8>> {
        tree.files.get(Path::new(path)).map(|(_, bytes)| bytes.clone())
    }

    #[test]
    fn what_was_synced_is_there_and_of_the_rest_any_part_may_be() {
        let mut script = Script::default();
        script.add(1, 1, 0, "", &[1; 1024]).sync(1).add(1, 1, 512, "", &[2; 1536]);
        let journal = script.journal();
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let torn = cut(&base(), &journal, 3, Names::Ordered, Fate::Torn(512), &mut Dice::new(seed, 0)).unwrap();
            let bytes = held(&torn, "/d/a").unwrap();
            assert_eq!((bytes.len(), &bytes[..512]), (2048, &[1; 512][..]), "what was synced, and nobody wrote over");
            let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
            assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "a sector is whole");
            seen.insert(sectors);
        }
        assert_eq!(seen.len(), 8, "every mixture of three sectors: {seen:?}");
        let mut dice = Dice::new(0, 0);
        let nothing = cut(&base(), &journal, 3, Names::Ordered, Fate::Nothing, &mut dice).unwrap();
        assert_eq!(held(&nothing, "/d/a").unwrap()[512..1025], [[1; 512].as_slice(), &[0]].concat());
        let everything = cut(&base(), &journal, 3, Names::Ordered, Fate::Everything, &mut dice).unwrap();
        assert_eq!(held(&everything, "/d/a").unwrap()[512..], [2; 1536]);
        let before = cut(&base(), &journal, 1, Names::Ordered, Fate::Nothing, &mut dice).unwrap();
        assert_eq!(held(&before, "/d/a").unwrap(), [0; 2048], "before the sync nothing need be there");
    }

    #[test]
    fn a_length_that_was_not_synced_is_any_that_the_file_had() {
        let mut script = Script::default();
        script.add(2, 1, 100, "", b"").add(1, 1, 2048, "", &[3; 100]);
        let journal = script.journal();
        let lengths: BTreeSet<usize> = (0..100)
            .map(|seed| {
                let tree =
                    cut(&base(), &journal, 2, Names::Ordered, Fate::Torn(4096), &mut Dice::new(seed, 0)).unwrap();
                held(&tree, "/d/a").unwrap().len()
            })
            .collect();
        assert_eq!(lengths, BTreeSet::from([100, 2048, 2148]));
    }

    #[test]
    fn names_come_with_a_sync_by_the_rule_of_the_file_system() {
        let mut script = Script::default();
        script.add(5, 2, 0, "/d/new", b"").add(1, 2, 0, "", b"x").sync(2);
        let file_alone = script.journal();
        let now = script.0.len() as u64;
        script.add(4, 0, now, "/d", b"");
        let both = script.journal();
        let there = |journal: &Journal, names| {
            let tree = cut(&base(), journal, journal.len(), names, Fate::Nothing, &mut Dice::new(0, 0)).unwrap();
            held(&tree, "/d/new")
        };
        assert_eq!(there(&file_alone, Names::Ordered).unwrap(), b"x");
        assert_eq!(there(&file_alone, Names::ByDirectory), None);
        assert_eq!(there(&both, Names::ByDirectory).unwrap(), b"x");
    }

    #[test]
    fn a_file_that_was_renamed_before_it_was_synced_may_be_empty() {
        let mut script = Script::default();
        script.add(5, 2, 0, "/d/b.new", b"").add(1, 2, 0, "", b"words").add(7, 0, 0, "/d/b.new", b"/d/b");
        let now = script.0.len() as u64;
        script.add(4, 0, now, "/d", b"");
        let journal = script.journal();
        let tree = cut(&base(), &journal, 4, Names::Ordered, Fate::Nothing, &mut Dice::new(0, 0)).unwrap();
        assert_eq!((held(&tree, "/d/b").unwrap(), held(&tree, "/d/b.new")), (Vec::new(), None));
    }
}
