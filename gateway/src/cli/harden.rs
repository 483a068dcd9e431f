//! What the process asks of the system before it touches a secret, and of the C library before it takes memory.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask};

/// Files that are made are for their owner alone; the memory, with the keys in it, is neither written out when the
/// process crashes nor read by other processes of the same user.
pub fn harden() {
    umask(Mode::RWXG | Mode::RWXO);
    // Where the system refuses one of them the other still holds, and nothing else rests on either.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // As many files as the system grants whoever asks: the usual 1,024 are for programs of old.
    let files = getrlimit(Resource::Nofile);
    if let Some(most) = files.current.filter(|now| *now < MAX_OPEN_FILES) {
        let current = Some(files.maximum.map_or(MAX_OPEN_FILES, |granted| granted.min(MAX_OPEN_FILES)).max(most));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, ..files });
    }
}

/// Files that are asked for at most: connections, databases and peers of a node.
const MAX_OPEN_FILES: u64 = 65_536;

/// Begins a node again with glibc told which blocks to give back to the system as soon as they are free: without that
/// it learns from the first large body to keep them all. It listens to its environment alone, and only when a process
/// begins. Whoever has set this says so themselves; where beginning again fails, it goes on as it is.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    use std::os::unix::process::CommandExt as _;

    /// Blocks of so many bytes and more; and so many at the end of the heap.
    const SETTINGS: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_TRIM_THRESHOLD_", "1048576")];
    let set = SETTINGS.iter().any(|(name, _)| std::env::var_os(name).is_some());
    let serves = std::env::args_os().skip(1).any(|arg| arg == "serve" || arg == "start");
    if set || !serves {
        return;
    }
    let Ok(this) = std::env::current_exe() else { return };
    let mut args = std::env::args_os();
    let mut again = std::process::Command::new(this);
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    // Comes back only where it failed.
    let _failed = again.args(args).envs(SETTINGS).exec();
}

#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
